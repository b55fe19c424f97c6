//! `cargo xtask test`: everything built once, then run room by room.

mod binaries;
mod outcome;
mod report;
mod setup;
mod simulator;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::metadata::{Package, Workspace};
use crate::{rooms, step};
use outcome::Outcome;
use report::{Report, Row};

/// How long one test program may run before it counts as hung.
const PROGRAM_DEADLINE: Duration = Duration::from_secs(30 * 60);

/// How `cargo xtask test` runs.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Fail where a test would be skipped, as CI does
    #[arg(long)]
    strict: bool,
    /// Run every tier, long tests included
    #[arg(long)]
    all: bool,
    /// Only this room, with or without `syncline-` before its name; may be repeated
    #[arg(short, long = "package", value_name = "ROOM")]
    packages: Vec<String>,
    /// Failures of earlier steps, counted in the last line
    #[arg(long, hide = true, default_value_t = 0)]
    pub(crate) failed_before: u32,
}

/// Runs the tests and prints the counts as the last line; whether all was well.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    let workspace = Workspace::load()?;
    let rooms = select(&workspace, &options.packages)?;
    let mut report = Report::new(options.strict, options.failed_before);
    let needs_testbed = |room: &&Package| {
        room.name == rooms::TESTKIT
            || room
                .dependencies
                .iter()
                .any(|dependency| dependency.name == rooms::TESTKIT)
    };
    let missing = match rooms.iter().any(needs_testbed) {
        true => setup::testbed(&workspace.root)?,
        false => setup::Missing::default(),
    };

    let start = Instant::now();
    println!("\n== build");
    let Some(programs) = binaries::build(&rooms)? else {
        report.add(Row {
            room: "build".to_owned(),
            outcome: Outcome::crashed("the build"),
            took: start.elapsed(),
        });
        return Ok(report.print());
    };
    report.add(Row {
        room: "build".to_owned(),
        outcome: Outcome::default(),
        took: start.elapsed(),
    });

    let environment = Environment {
        options,
        missing: &missing,
        logs: &workspace.target.join("xtask"),
    };
    for room in &rooms {
        let start = Instant::now();
        let log = environment.fresh_log(&room.name)?;
        let mut outcome = Outcome::default();
        for program in programs.iter().filter(|program| program.package == room.id) {
            println!("\n== {} ({})", room.name, program.target);
            let mut command = program.command(room);
            environment.apply(&mut command, &log);
            outcome += outcome::observe(&program.target, &mut command, PROGRAM_DEADLINE)?;
        }
        outcome.subtract_skips(&std::fs::read_to_string(&log).unwrap_or_default());
        report.add(Row {
            room: room.name.clone(),
            outcome,
            took: start.elapsed(),
        });
    }
    report.add(doc_tests(&rooms, &environment)?);
    if rooms.iter().any(|room| room.name == rooms::SIM) {
        report.add(simulator::run()?);
    }
    Ok(report.print())
}

/// The examples in the documentation, of all rooms in one go: cargo alone knows how to run them.
fn doc_tests(rooms: &[&Package], environment: &Environment<'_>) -> anyhow::Result<Row> {
    println!("\n== documentation");
    let start = Instant::now();
    let mut command = step::cargo();
    command.args(["test", "--quiet", "--doc", "--no-fail-fast"]);
    let with_library: Vec<_> = rooms.iter().filter(|room| room.has_library).collect();
    for room in &with_library {
        command.args(["-p", &room.name]);
    }
    environment.apply(&mut command, &environment.fresh_log("documentation")?);
    let outcome = match with_library.is_empty() {
        true => Outcome::default(),
        false => outcome::observe("documentation", &mut command, PROGRAM_DEADLINE)?,
    };
    Ok(Row {
        room: "documentation".to_owned(),
        outcome,
        took: start.elapsed(),
    })
}

/// The rooms to test, in the order of the arrows: what everything stands on comes first.
fn select<'a>(workspace: &'a Workspace, wanted: &[String]) -> anyhow::Result<Vec<&'a Package>> {
    let is_named =
        |room: &Package, name: &str| room.name == name || room.name == format!("syncline-{name}");
    if let Some(unknown) = wanted
        .iter()
        .find(|name| !workspace.members.iter().any(|room| is_named(room, name)))
    {
        let known: Vec<&str> = workspace
            .members
            .iter()
            .map(|room| room.name.as_str())
            .collect();
        bail!("no room {unknown}; there are {}", known.join(", "));
    }
    let is_wanted =
        |room: &&Package| wanted.is_empty() || wanted.iter().any(|name| is_named(room, name));
    let mut rooms: Vec<&Package> = workspace.members.iter().filter(is_wanted).collect();
    rooms.sort_by_key(|room| (rooms::place(&room.name), &room.name));
    Ok(rooms)
}

/// What tests are told by environment variables; the testkit reads them.
struct Environment<'a> {
    options: &'a Options,
    /// What cannot run.
    missing: &'a setup::Missing,
    /// Where the logs of skipped tests go.
    logs: &'a Path,
}

impl Environment<'_> {
    /// An empty log for one room's skips.
    fn fresh_log(&self, room: &str) -> anyhow::Result<std::path::PathBuf> {
        std::fs::create_dir_all(self.logs)?;
        let log = self.logs.join(format!("skips-{room}"));
        std::fs::write(&log, "")?;
        Ok(log)
    }

    fn apply(&self, command: &mut std::process::Command, log: &Path) {
        command.env("SYNCLINE_SKIP_LOG", log);
        command.env("SYNCLINE_TIER", if self.options.all { "all" } else { "ci" });
        command.env(
            "SYNCLINE_STRICT",
            if self.options.strict { "1" } else { "0" },
        );
        command.envs(self.missing.iter().map(|(name, reason)| (name, reason)));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn workspace(names: &[&str]) -> Workspace {
        let room = |name: &&str| Package {
            id: (*name).to_owned(),
            name: (*name).to_owned(),
            version: "0.1.0".to_owned(),
            license: None,
            source: None,
            folder: "/w".into(),
            dependencies: Vec::new(),
            has_library: true,
        };
        Workspace {
            root: "/w".into(),
            target: "/w/target".into(),
            members: names.iter().map(room).collect(),
            foreign: Vec::new(),
            uses: BTreeMap::new(),
        }
    }

    fn selected(wanted: &[&str]) -> anyhow::Result<Vec<String>> {
        let workspace = workspace(&["syncline", "syncline-engine", "syncline-model", "xtask"]);
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        Ok(select(&workspace, &wanted)?
            .iter()
            .map(|room| room.name.clone())
            .collect())
    }

    #[test]
    fn rooms_come_in_the_order_of_the_arrows() {
        assert_eq!(
            selected(&[]).unwrap(),
            ["syncline-model", "syncline-engine", "syncline", "xtask"]
        );
    }

    #[test]
    fn rooms_are_found_by_either_name() {
        assert_eq!(
            selected(&["engine", "syncline-model"]).unwrap(),
            ["syncline-model", "syncline-engine"]
        );
        let error = selected(&["motor"]).unwrap_err().to_string();
        assert!(
            error.contains("no room motor") && error.contains("syncline-engine"),
            "{error}"
        );
    }
}
