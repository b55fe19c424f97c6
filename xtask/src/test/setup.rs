//! What tests on real servers need: a JDK, Maven, and the servers themselves from Maven Central.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::step;

/// Programs that the testbed runs.
const PROGRAMS: [&str; 6] = ["bash", "flock", "setsid", "java", "javac", "mvn"];

/// The Debian packages that hold them, beyond what every system has.
const PACKAGES: [&str; 2] = ["default-jdk-headless", "maven"];

/// Nacos as published; the testkit's `Version` names the same.
const SERVERS: [&str; 4] = ["1.3.0", "2.0.3", "2.1.1", "2.2.4-x86"];

/// The Java clients that tests use: one that speaks gRPC, one of the 1.x line.
const CLIENTS: [&str; 2] = ["2.3.2", "1.4.6"];

/// How often a download is tried.
const TRIES: u32 = 3;

/// Makes the testbed ready. Why real servers cannot run here, if they cannot: their tests will count as skipped.
pub(super) fn testbed(root: &Path) -> anyhow::Result<Option<String>> {
    if missing_program().is_some() && may_install() {
        install()?;
    }
    let reason = match missing_program() {
        Some(program) => Some(format!("{program} is not installed")),
        None => build_all(root)?,
    };
    if let Some(reason) = &reason {
        println!("tests on real servers will be skipped: {reason}");
        println!(
            "they need a JDK and Maven; on Debian: apt-get install {}",
            PACKAGES.join(" ")
        );
    }
    Ok(reason)
}

fn missing_program() -> Option<&'static str> {
    PROGRAMS
        .into_iter()
        .find(|program| !step::is_installed(program))
}

/// Whether we are root on a Debian.
fn may_install() -> bool {
    let user = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    step::is_installed("apt-get") && user.is_ok_and(|user| user.stdout.trim_ascii() == b"0")
}

/// A failure is not fatal: what is still missing then is reported as such.
fn install() -> anyhow::Result<()> {
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null());
        command
    };
    step::run("apt-get update", &mut apt(&["update"]))?;
    let install = [
        &["install", "--yes", "--no-install-recommends"],
        PACKAGES.as_slice(),
    ]
    .concat();
    step::run(
        "apt-get install, for real Nacos servers",
        &mut apt(&install),
    )?;
    Ok(())
}

/// Builds every server and client; instant where the cache has them. The first that cannot be built is the reason.
fn build_all(root: &Path) -> anyhow::Result<Option<String>> {
    for version in SERVERS {
        let mut command = Command::new(root.join("testbed/nacos/nacos"));
        command.args(["build", version]);
        if !build(&format!("testbed: Nacos {version}"), &mut command)? {
            return Ok(Some(format!(
                "Nacos {version} could not be built from Maven Central"
            )));
        }
    }
    for version in CLIENTS {
        let mut command = Command::new(root.join("testbed/java-client/java-client"));
        command.arg("build").env("CLIENT_VERSION", version);
        if !build(&format!("testbed: Java client {version}"), &mut command)? {
            return Ok(Some(format!(
                "the Java client {version} could not be built from Maven Central"
            )));
        }
    }
    Ok(None)
}

fn build(heading: &str, command: &mut Command) -> anyhow::Result<bool> {
    for _ in 0..TRIES {
        if step::run(heading, command)?.0 {
            return Ok(true);
        }
    }
    Ok(false)
}
