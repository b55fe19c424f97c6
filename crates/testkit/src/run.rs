//! Tiers, and skipping that is counted.
//!
//! libtest knows only "passed", "failed" and "ignored"; a test that returns early counts as passed. So a test that
//! cannot run says so in the file `SYNCLINE_SKIP_LOG`, one line each, and `cargo xtask test` moves it from one count
//! to the other. With `SYNCLINE_STRICT=1` it fails instead.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use crate::client::Kind;
use crate::testbed;

/// Which tests run. What is not in a tier is listed as such; it is neither passed nor skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// What every change must pass, within the time budget of a CI run.
    Ci,
    /// Everything, long runs included.
    All,
}

/// Whether the running tier (`SYNCLINE_TIER`) includes `tier`. If not, the calling test is noted and must return.
#[must_use = "a test that is not in the tier must return at once"]
pub fn in_tier(tier: Tier) -> bool {
    let running = running_tier(std::env::var("SYNCLINE_TIER").ok().as_deref());
    if tier <= running {
        return true;
    }
    note(&format!("NOT IN TIER {}", test_name()));
    false
}

fn running_tier(name: Option<&str>) -> Tier {
    match name {
        Some("all") => Tier::All,
        _ => Tier::Ci,
    }
}

/// Whether real servers and the Java client can run here. If not, the calling test counts as skipped and must return.
///
/// # Panics
///
/// In place of skipping when `SYNCLINE_STRICT` is `1`.
#[must_use = "a test without its servers must return at once"]
pub fn require_real_servers() -> bool {
    match testbed::missing() {
        None => true,
        Some(reason) => {
            skip(&reason);
            false
        }
    }
}

/// Whether a genuine client can run here. If not, the calling test counts as skipped; it may go on with other clients.
///
/// # Panics
///
/// In place of skipping when `SYNCLINE_STRICT` is `1`.
#[must_use = "a test must leave out a client that cannot run"]
pub fn require_client(kind: Kind) -> bool {
    match kind.missing() {
        None => true,
        Some(reason) => {
            skip(&format!("{kind} client: {reason}"));
            false
        }
    }
}

/// Whether the application of Spring Cloud Alibaba can run here; it wants a JDK of its own time. If not, the calling test
/// counts as skipped and must return.
///
/// # Panics
///
/// In place of skipping when `SYNCLINE_STRICT` is `1`.
#[must_use = "a test without its application must return at once"]
pub fn require_spring() -> bool {
    match testbed::missing_spring() {
        None => true,
        Some(reason) => {
            skip(&format!("Spring application: {reason}"));
            false
        }
    }
}

/// Whether a genuine consumer of ours, such as `nginx`, is installed here. If not, the calling test counts as skipped and
/// must return.
///
/// # Panics
///
/// In place of skipping when `SYNCLINE_STRICT` is `1`.
#[must_use = "a test without its consumer must return at once"]
pub fn require_program(program: &str) -> bool {
    require(testbed::missing_of(program, &[program]))
}

/// Whether a program that the testbed fetches with Python, such as `envoy`, can run here. If not, the calling test counts
/// as skipped and must return.
///
/// # Panics
///
/// In place of skipping when `SYNCLINE_STRICT` is `1`.
#[must_use = "a test without its program must return at once"]
pub fn require_built(program: &str) -> bool {
    let missing = testbed::missing_of(program, &["bash", "flock", "python3"]);
    require(missing.map(|reason| format!("{program}: {reason}")))
}

/// Whether nothing is missing. If something is, the calling test counts as skipped.
fn require(missing: Option<String>) -> bool {
    missing.as_deref().inspect(|reason| skip(reason)).is_none()
}

/// Counts the calling test as skipped for `reason`; the test must return after it.
///
/// # Panics
///
/// When `SYNCLINE_STRICT` is `1`.
pub fn skip(reason: &str) {
    let strict = std::env::var("SYNCLINE_STRICT").is_ok_and(|value| value == "1");
    assert!(
        !strict,
        "cannot run, and --strict forbids to skip: {reason}"
    );
    note(&skip_line(&test_name(), reason));
}

fn skip_line(test: &str, reason: &str) -> String {
    format!("SKIPPED {test}: {}", reason.replace(['\n', '\r'], " "))
}

/// libtest names each test's thread after the test (`main` with `--test-threads=1`).
fn test_name() -> String {
    let thread = std::thread::current();
    thread.name().unwrap_or("unnamed test").to_owned()
}

/// Writes a line to the skip log, or to standard error when there is none.
fn note(line: &str) {
    let written = match std::env::var_os("SYNCLINE_SKIP_LOG") {
        Some(path) => append(Path::new(&path), line),
        None => writeln!(std::io::stderr(), "{line}"),
    };
    // A skip that is not recorded would count as passed.
    written.expect("the skip log is writable");
}

/// One write call to a file opened for appending: lines of several tests never mix.
fn append(path: &Path, line: &str) -> std::io::Result<()> {
    let mut log = OpenOptions::new().append(true).create(true).open(path)?;
    log.write_all(format!("{line}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_nest() {
        assert!(Tier::Ci <= running_tier(None));
        assert!(Tier::Ci <= running_tier(Some("all")));
        assert!(Tier::All <= running_tier(Some("all")));
        assert!(Tier::All > running_tier(Some("ci")));
    }

    #[test]
    fn a_skip_is_one_line_that_names_test_and_reason() {
        assert_eq!(skip_line("a::b", "no\njava"), "SKIPPED a::b: no java");
        assert_eq!(
            test_name(),
            "run::tests::a_skip_is_one_line_that_names_test_and_reason"
        );
    }

    #[test]
    fn the_log_grows_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("skips");
        append(&log, "one").unwrap();
        append(&log, "two").unwrap();
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "one\ntwo\n");
    }
}
