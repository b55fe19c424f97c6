//! `cargo xtask lint`: all that is checked without running a test.

use std::process::{Command, Stdio};

use crate::{step, tidy};

/// Runs every check, also after one failed. How many failed.
pub(crate) fn run() -> anyhow::Result<u32> {
    println!("\n== tidy");
    let mut failed = u32::from(!tidy::run()?);
    let checks = [
        ("format", cargo(&["fmt", "--all", "--check"])),
        (
            "clippy",
            cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--features",
                "xtask/bench",
                "--",
                "-D",
                "warnings",
            ]),
        ),
        ("rustdoc", rustdoc()),
    ];
    for (heading, mut command) in checks {
        failed += u32::from(!step::run(heading, &mut command)?.0);
    }
    failed += u32::from(!deny()?);
    println!(
        "\nlint: {}",
        if failed == 0 {
            "ok".to_owned()
        } else {
            format!("{failed} checks FAILED")
        }
    );
    Ok(failed)
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = step::cargo();
    command.args(arguments);
    command
}

fn rustdoc() -> Command {
    let mut command = cargo(&["doc", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    command
}

/// Asks cargo-deny, where it is installed. Advisories come from a database elsewhere and are not part of a run that
/// must give the same answer tomorrow.
fn deny() -> anyhow::Result<bool> {
    let version = step::cargo()
        .args(["deny", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !version.is_ok_and(|status| status.success()) {
        println!(
            "\n== cargo deny: unavailable (not installed); tidy checked licences, bans and sources by deny.toml"
        );
        return Ok(true);
    }
    let (ok, _) = step::run(
        "cargo deny",
        &mut cargo(&["deny", "check", "bans", "licenses", "sources"]),
    )?;
    println!("cargo deny: advisories: unavailable (run `cargo deny check advisories` for them)");
    Ok(ok)
}
