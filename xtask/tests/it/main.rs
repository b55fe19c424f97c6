//! The chores that need real servers, as a user starts them.

use std::process::Command;

use syncline_testkit::run;

/// What a fault takes away, nobody gave it; this is the short selection of `cargo xtask faults`.
#[test]
fn a_short_selection_of_faults_takes_nothing_away() {
    if !run::require_real_servers() {
        return;
    }
    let mut faults = Command::new(env!("CARGO_BIN_EXE_xtask-faults"));
    let status = faults.arg("--quick").status().expect("it starts");
    assert!(status.success(), "its table, above, tells which: {status}");
}
