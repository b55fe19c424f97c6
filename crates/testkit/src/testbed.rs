//! Where the testbed is, and whether it can run here.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The script that starts real Nacos servers.
pub(crate) fn nacos_script() -> PathBuf {
    folder().join("nacos/nacos")
}

/// The script that runs the genuine Java client.
pub(crate) fn java_client_script() -> PathBuf {
    folder().join("java-client/java-client")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbed")
}

/// Why the testbed cannot run here, if it cannot.
pub(crate) fn missing() -> Option<String> {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    let look = || {
        let told = std::env::var("SYNCLINE_TESTBED_MISSING").ok();
        told.filter(|reason| !reason.is_empty())
            .or_else(|| missing_program(&std::env::var_os("PATH").unwrap_or_default()))
    };
    MISSING.get_or_init(look).clone()
}

fn missing_program(path: &std::ffi::OsStr) -> Option<String> {
    let folders: Vec<PathBuf> = std::env::split_paths(path).collect();
    ["bash", "flock", "setsid", "java", "javac", "mvn"]
        .into_iter()
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
        let reason = missing_program(folder.path().as_os_str());
        assert_eq!(reason.as_deref(), Some("java is not installed"));
    }

    #[test]
    fn the_scripts_are_there() {
        assert!(nacos_script().is_file());
        assert!(java_client_script().is_file());
    }
}
