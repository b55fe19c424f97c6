//! Building the test programs, and knowing where they are.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde_json::Value;

use crate::metadata::Package;
use crate::step;

/// A program that libtest made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    /// The id of its package.
    pub(super) package: String,
    /// What it tests, as a reader names it.
    pub(super) target: String,
    executable: PathBuf,
}

impl Program {
    /// The command that runs it as cargo would: from the room's folder.
    pub(super) fn command(&self, room: &Package) -> Command {
        let mut command = Command::new(&self.executable);
        command
            .current_dir(&room.folder)
            .env("CARGO_MANIFEST_DIR", &room.folder);
        command
    }
}

/// Builds the test programs of all rooms at once, so that each dependency is built once. `None` if the build failed;
/// the compiler said why.
pub(super) fn build(rooms: &[&Package]) -> anyhow::Result<Option<Vec<Program>>> {
    let mut command = step::cargo();
    command.args([
        "test",
        "--no-run",
        "--message-format",
        "json-render-diagnostics",
    ]);
    for room in rooms {
        command.args(["-p", &room.name]);
        if room.name == "xtask" {
            command.args(["--features", "xtask/bench"]);
        }
    }
    let mut cargo = command
        .stdout(Stdio::piped())
        .spawn()
        .context("start cargo test")?;
    let output = cargo.stdout.take().context("cargo has an output")?;
    let mut programs = Vec::new();
    for line in BufReader::new(output).lines() {
        let message = line.context("read what cargo built")?;
        programs.extend(
            serde_json::from_str(&message)
                .ok()
                .as_ref()
                .and_then(program),
        );
    }
    programs.sort_by(|a, b| a.target.cmp(&b.target)); // `src` before `tests/it`: the quick ones first
    let built = cargo.wait().context("wait for cargo")?.success();
    Ok(built.then_some(programs))
}

/// The test program that a message of cargo tells of, if it does.
fn program(message: &Value) -> Option<Program> {
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let kind = message["target"]["kind"][0].as_str()?;
    let name = message["target"]["name"].as_str()?;
    let target = match kind {
        "test" => format!("tests/{name}"),
        "lib" => "src".to_owned(),
        kind => format!("{kind} {name}"),
    };
    Some(Program {
        package: message["package_id"].as_str()?.to_owned(),
        target,
        executable: message["executable"].as_str()?.into(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_test_programs_among_what_was_built() {
        let mut message = json!({
            "reason": "compiler-artifact", "package_id": "id", "executable": "/target/it-1",
            "profile": {"test": true}, "target": {"kind": ["test"], "name": "it"},
        });
        let found = program(&message).unwrap();
        assert_eq!(
            (found.package.as_str(), found.target.as_str()),
            ("id", "tests/it")
        );
        message["profile"]["test"] = json!(false);
        assert_eq!(program(&message), None);
    }
}
