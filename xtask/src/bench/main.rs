//! Syncline's measurements, side by side with bare clients in one run: `cargo xtask bench`.
//!
//! Each measurement is a module that starts real servers and Syncline as its users run it, does the same work in every
//! run, and gives tables. Nothing here judges: a figure is shown beside what it is compared with and the goal, and it
//! is for the reader to say whether it is good. Tests never measure.
//!
//! * [`propagation`]: how long until a change is seen
//! * [`first_sync`]: how long until a whole registry is copied, and what it costs
//! * [`quiet`]: what it costs when nothing changes
//! * [`churn`]: minutes of many changes
//! * [`growth`]: whether size matters
//! * [`restart`]: what consumers see when Syncline crashes
//! * [`registry`]: the embedded registry beside others
//! * [`last_known`]: how long until it answers from disk
//!
//! What they share: [`hold`] (clients beside, each a process of its own), [`board`] (when a change is seen), [`proxy`]
//! (what passes), and the stage (`xtask_stage`) that the bench of faults stands on too.

// Figures are what this program is for.
#![allow(clippy::print_stdout)]

mod board;
mod churn;
mod delays;
mod first_sync;
mod frames;
mod growth;
mod hold;
mod last_known;
mod propagation;
mod proxy;
mod quiet;
mod registry;
mod restart;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use xtask_stage::report::{Circumstances, Report, say};

#[derive(Parser)]
#[command(
    bin_name = "cargo xtask bench",
    about = "Measure Syncline beside bare clients"
)]
struct Arguments {
    /// Put the figures into docs/benchmarks.md
    #[arg(long, global = true)]
    write: bool,
    #[command(flatten)]
    effort: Effort,
    #[command(subcommand)]
    what: What,
}

/// How much to measure.
#[derive(Args, Clone, Copy, Debug)]
struct Effort {
    /// Small sizes and short times, to see that everything works
    #[arg(long, global = true)]
    quick: bool,
    /// Leave out sizes of more services than this
    #[arg(long, global = true, value_name = "SERVICES")]
    largest: Option<u32>,
    /// How long `churn` makes changes [default: 5]
    #[arg(long, global = true)]
    minutes: Option<u64>,
}

impl Effort {
    /// How large it is, in words.
    fn sizes(self) -> &'static str {
        if self.quick {
            "**quick sizes, to try it out**"
        } else {
            "full sizes"
        }
    }

    /// Whether a size is to be measured.
    fn includes(self, services: u32) -> bool {
        self.largest.is_none_or(|largest| services <= largest)
    }
}

#[derive(Subcommand)]
enum What {
    /// How long until a change is seen: at the embedded replica, and at another Nacos
    Propagation,
    /// How long until everything is copied from Nacos to Nacos, and what it costs
    FirstSync,
    /// What a minute without changes costs
    Quiet,
    /// Minutes of many changes
    Churn,
    /// From 100 services to 100,000
    Growth,
    /// What consumers see when Syncline is killed and started again
    Restart,
    /// How long until the embedded replica answers from disk, with its source dead
    LastKnownGood,
    /// The embedded registry beside r-nacos and Java Nacos: rates, fan-out, memory
    Registry,
    /// All of it, one after the other
    All,
    /// A bare client that registers and holds a fleet; started by the measurements
    #[command(hide = true)]
    Hold(hold::HoldOptions),
}

#[derive(Clone, Copy)]
enum Measurement {
    Propagation,
    FirstSync,
    Quiet,
    Churn,
    Growth,
    Restart,
    LastKnownGood,
    Registry,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let measurements = match arguments.what {
        What::Hold(options) => return hold::run(options).await,
        What::Propagation => vec![Measurement::Propagation],
        What::FirstSync => vec![Measurement::FirstSync],
        What::Quiet => vec![Measurement::Quiet],
        What::Churn => vec![Measurement::Churn],
        What::Growth => vec![Measurement::Growth],
        What::Restart => vec![Measurement::Restart],
        What::LastKnownGood => vec![Measurement::LastKnownGood],
        What::Registry => vec![Measurement::Registry],
        What::All => Measurement::ALL.to_vec(),
    };
    let mut failed = Vec::new();
    for measurement in measurements {
        let circumstances = Circumstances::note(arguments.effort.sizes());
        match measurement.run(arguments.effort).await {
            Ok(report) => {
                println!("\n## {}\n\n{}", report.name, report.text(&circumstances));
                if arguments.write {
                    let page = report.write(&circumstances)?;
                    say(&format!("written to {}", page.display()));
                }
            }
            // The others are worth having all the same.
            Err(error) => {
                println!("\n## {}\n\nfailed: {error:#}\n", measurement.name());
                failed.push(measurement.name());
            }
        }
    }
    anyhow::ensure!(failed.is_empty(), "not measured: {}", failed.join(", "));
    Ok(())
}

impl Measurement {
    const ALL: [Self; 8] = [
        Self::Propagation,
        Self::FirstSync,
        Self::Quiet,
        Self::Churn,
        Self::Growth,
        Self::Restart,
        Self::LastKnownGood,
        Self::Registry,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Propagation => "propagation",
            Self::FirstSync => "first-sync",
            Self::Quiet => "quiet",
            Self::Churn => "churn",
            Self::Growth => "growth",
            Self::Restart => "restart",
            Self::LastKnownGood => "last-known-good",
            Self::Registry => "registry",
        }
    }

    async fn run(self, effort: Effort) -> anyhow::Result<Report> {
        let tables = match self {
            Self::Propagation => propagation::measure(effort).await?,
            Self::FirstSync => first_sync::measure(effort).await?,
            Self::Quiet => quiet::measure(effort).await?,
            Self::Churn => churn::measure(effort).await?,
            Self::Growth => growth::measure(effort).await?,
            Self::Restart => restart::measure(effort).await?,
            Self::LastKnownGood => last_known::measure(effort).await?,
            Self::Registry => registry::measure(effort).await?,
        };
        Ok(Report {
            page: "benchmarks.md",
            name: self.name(),
            tables,
        })
    }
}
