//! Syncline among faults of real servers, networks and disks: `cargo xtask faults`.
//!
//! Real Nacos servers, the program as users run it between them, and a network of ours before each server. Applications at
//! the source change all the time. A consumer at the target and a reader of a file know nothing of Syncline and remember
//! every list that they ever saw. Then one fault after the other happens, and of each is asked: did it take away anything
//! that was there, was it signalled, and is everything equal afterwards?
//!
//! * [`catalogue`]: the faults, and those that cannot be injected here
//! * [`source`], [`target`], [`cluster`], [`own`], [`disk`], [`fleet`]: what each of them does
//! * [`trial`]: one fault from its injection to the verdict
//! * [`scene`], [`servers`]: what a fault happens to; [`load`]: the applications; [`witness`]: who watches
//! * [`truth`]: which losses are true; [`signal`]: what Syncline says

// The table is what this program is for.
#![allow(clippy::print_stdout)]

mod catalogue;
mod cluster;
mod disk;
mod fleet;
mod load;
mod own;
mod scene;
mod servers;
mod signal;
mod source;
mod target;
mod trial;
mod truth;
mod witness;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use xtask_stage::report::{Circumstances, Report, say};
use xtask_stage::table::{Table, number, seconds};

use catalogue::{ELSEWHERE, FAULTS, Fault};
use scene::Scene;
use trial::{Ended, Found, NotRun, Trial};

/// Services where nothing else is asked for.
const SERVICES: u32 = 1_000;

/// Services of a short selection.
const FEW: u32 = 50;

/// How long one fault may take, from its injection to its end.
const STORY: Duration = Duration::from_secs(600);

#[derive(Parser)]
#[command(
    bin_name = "cargo xtask faults",
    about = "Run Syncline among faults of real servers, networks and disks"
)]
struct Arguments {
    /// Only faults whose name contains this; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// How many services of 10 instances there are [default: 1000; with --quick 50]
    #[arg(long)]
    services: Option<u32>,
    /// A short selection with few services, each for a short time; some two minutes
    #[arg(long)]
    quick: bool,
    /// Put the table into docs/testing.md
    #[arg(long)]
    write: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what is asked for; whether all of it held.
async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let services = match (arguments.services, arguments.quick) {
        (Some(services), _) => services,
        (None, true) => FEW,
        (None, false) => SERVICES,
    };
    let chosen: Vec<Fault> = FAULTS
        .iter()
        .copied()
        .filter(|f| arguments.chose(f))
        .collect();
    anyhow::ensure!(!chosen.is_empty(), "no fault has such a name");
    let circumstances = Circumstances::note(&format!("{} services", number(services.into())));
    let mut table = head(services);
    let (mut failed, mut not_run) = (0, 0);
    let mut standing: Option<Scene> = None;
    for fault in &chosen {
        say(&format!("{}: {}", fault.name, fault.what));
        let scene = match standing.take() {
            Some(scene) if scene.stage == fault.stage => scene,
            other => {
                drop(other);
                Scene::start(fault.stage, services).await?
            }
        };
        let ended = one(fault, scene, arguments.quick).await;
        let outcome = match &ended.held {
            Ok(()) => "held".to_owned(),
            Err(error) if error.root_cause().is::<NotRun>() => {
                not_run += 1;
                error.root_cause().to_string()
            }
            Err(error) => {
                failed += 1;
                say(&format!("FAILED: {error:#}"));
                format!("**FAILED**: {}", error.root_cause())
            }
        };
        table.row(row(fault, outcome, &ended.found));
        // Where something went wrong, the next begins anew.
        standing = ended.scene;
    }
    let report = Report {
        page: "testing.md",
        name: "faults",
        tables: vec![table, elsewhere()],
    };
    println!("{}", report.text(&circumstances));
    let held = chosen.len() - failed - not_run;
    println!("{held} held, {failed} failed, {not_run} not run");
    if arguments.write {
        let page = report.write(&circumstances)?;
        say(&format!("written to {}", page.display()));
    }
    Ok(failed == 0)
}

impl Arguments {
    fn chose(&self, fault: &Fault) -> bool {
        let named = self.only.iter().any(|name| fault.name.contains(name));
        named || (self.only.is_empty() && (fault.quick || !self.quick))
    }
}

/// One fault, from a scene at rest to a scene at rest.
async fn one(fault: &Fault, scene: Scene, brief: bool) -> Ended {
    let mut trial = Trial::begin(scene, brief).await;
    let happened = tokio::time::timeout(STORY, (fault.story)(&mut trial)).await;
    let happened = happened.unwrap_or_else(|_| Err(anyhow::anyhow!("it does not come to an end")));
    trial.end(happened).await
}

fn head(services: u32) -> Table {
    let title = format!(
        "Faults, {} services of 10 instances",
        number(services.into())
    );
    let mut table = Table::new(
        title,
        &[
            "fault",
            "",
            "what happens",
            "outcome",
            "lasted",
            "signalled by, after",
            "wrongly lost: consumer, file, log",
            "equal after",
            "changes",
            "lists seen",
        ],
    );
    table.note(
        "Wrongly lost: instances that could be used and then could not (gone, unhealthy, disabled, without weight) though \
         no application took them away, as a subscriber of the target saw it, as a reader of the file did, and as \
         Syncline logged it. It has to be 0.",
    );
    table.note(
        "Servers: from Nacos 2.1.1 to 2.2.4; where members of the source are meant, from three of 2.2.4 to an embedded \
         registry; where members of the target are meant, from an embedded registry to three of 2.2.4.",
    );
    table.note(
        "Equal after: from the end of the fault until a raw list of the target and the file showed every instance with \
         every field equal, and every link was in step. Changes rest meanwhile.",
    );
    table
}

fn elsewhere() -> Table {
    let mut table = Table::new(
        "Faults that are not injected here",
        &["", "fault", "why, and what tries it"],
    );
    for row in ELSEWHERE {
        table.row(row.map(str::to_owned));
    }
    table
}

fn row(fault: &Fault, outcome: String, found: &Found) -> [String; 10] {
    let signals = found.signals.iter();
    let signals: Vec<String> = signals
        .map(|(name, after)| format!("{name}, {}", seconds(*after)))
        .collect();
    let [consumer, file, log] = found.wrong;
    let consumer = match found.excused {
        Some(lost) => format!("({} by the target itself)", number(lost as u64)),
        None => consumer.to_string(),
    };
    [
        format!("`{}`", fault.name),
        fault.number.to_owned(),
        fault.what.to_owned(),
        outcome,
        seconds(found.lasted),
        if signals.is_empty() {
            "–".to_owned()
        } else {
            signals.join("; ")
        },
        format!("{consumer}, {file}, {log}"),
        found.converged.map_or("–".to_owned(), seconds),
        number(found.changes),
        number(found.lists),
    ]
}
