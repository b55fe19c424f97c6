//! Where the testbed is, and what of it can run here.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What real servers and the Java client need.
const SERVER_PROGRAMS: [&str; 6] = ["bash", "flock", "setsid", "java", "javac", "mvn"];

/// The script that starts real Nacos servers.
pub(crate) fn nacos_script() -> PathBuf {
    folder().join("nacos/nacos")
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbed")
}

/// Why real servers and the Java client cannot run here, if they cannot.
pub(crate) fn missing() -> Option<String> {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    MISSING
        .get_or_init(|| told("").or_else(|| missing_program(&SERVER_PROGRAMS)))
        .clone()
}

/// Why a client that needs these programs cannot run here, if it cannot.
pub(crate) fn missing_of(client: &str, programs: &[&str]) -> Option<String> {
    let about = match client {
        "java" => String::new(),
        other => format!("_{}", other.to_uppercase().replace('-', "_")),
    };
    told(&about).or_else(|| missing_program(programs))
}

/// Why the application of Spring Cloud Alibaba cannot run here, if it cannot.
pub(crate) fn missing_spring() -> Option<String> {
    missing().or_else(|| told("_SPRING"))
}

/// What `cargo xtask test` found when it made the testbed ready.
fn told(about: &str) -> Option<String> {
    let told = std::env::var(format!("SYNCLINE_TESTBED_MISSING{about}")).ok();
    told.filter(|reason| !reason.is_empty())
}

fn missing_program(programs: &[&str]) -> Option<String> {
    missing_in(&std::env::var_os("PATH").unwrap_or_default(), programs)
}

fn missing_in(path: &std::ffi::OsStr, programs: &[&str]) -> Option<String> {
    let folders: Vec<PathBuf> = std::env::split_paths(path).collect();
    programs
        .iter()
        .find(|program| !folders.iter().any(|folder| folder.join(program).is_file()))
        .map(|program| format!("{program} is not installed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_first_program_that_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        for program in ["bash", "flock", "setsid"] {
            std::fs::write(folder.path().join(program), "").unwrap();
        }
        let reason = missing_in(folder.path().as_os_str(), &SERVER_PROGRAMS);
        assert_eq!(reason.as_deref(), Some("java is not installed"));
    }

    #[test]
    fn the_script_is_there() {
        assert!(nacos_script().is_file());
    }
}
