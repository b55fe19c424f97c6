//! `syncline-sim`: many seeds, or one with its story. See `cargo xtask sim --help`.

// What it prints is what it is for.
#![allow(clippy::print_stdout)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
#[cfg(feature = "planted-bugs")]
use syncline_sim::campaign::Failure;
use syncline_sim::campaign::{self, Report};
use syncline_sim::setup::Setup;
use syncline_sim::world::Run;
use syncline_sim::{shrink, workload};

/// How many stories are told of many failures.
const STORIES: usize = 3;

#[derive(Parser)]
#[command(
    bin_name = "cargo xtask sim",
    about = "The core in a simulated world of faults, watched by oracles"
)]
struct Arguments {
    /// How many seeds
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Events and effects of a seed before everything heals
    #[arg(long, default_value_t = 2_000)]
    steps: u64,
    /// Only this seed, with its story where it goes wrong
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Tell the whole story of `--seed`, also where nothing goes wrong
    #[arg(long, requires = "seed")]
    story: bool,
    /// Kill the process of `--seed` after so many steps of the core
    #[arg(long, requires = "seed")]
    dies_after: Option<u64>,
    /// Plant one bug after another in the core: each has to be caught
    #[arg(long)]
    bugs: bool,
    /// Plant this bug in the core
    #[cfg(feature = "planted-bugs")]
    #[arg(long)]
    bug: Option<String>,
    /// After so many seeds that go wrong the rest is left
    #[arg(long, default_value_t = 20)]
    failures: usize,
    /// How many threads [default: one per core]
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    #[cfg(feature = "planted-bugs")]
    if let Some(name) = &arguments.bug {
        let bugs = syncline_model::bugs::Bug::ALL.iter();
        let named = bugs.copied().find(|bug| format!("{bug:?}") == *name);
        syncline_model::bugs::Bug::plant(named);
    }
    let fine = match arguments.seed {
        _ if arguments.bugs => bugs(arguments.threads.unwrap_or_else(cores)),
        Some(seed) => {
            let run = Run {
                crash_after: arguments.dies_after,
                ..Run::default()
            };
            one(seed, arguments.steps, run, arguments.story)
        }
        None => many(&arguments),
    };
    match fine {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn one(seed: u64, steps: u64, run: Run, whole: bool) -> bool {
    let mut setup = Setup::draw(seed, steps);
    let deeds = workload::draw(&setup);
    if run.crash_after.is_some() {
        // All deeds are done, however many steps the death costs.
        setup.steps = u64::MAX;
    }
    if whole {
        let told = Run { told: true, ..run };
        let ended = syncline_sim::world::run(&setup, &deeds, told);
        ended.story.iter().for_each(|line| println!("{line}"));
    }
    match shrink::shrink(&setup, &deeds, run) {
        Some(story) => {
            println!("{}", story.told(run));
            println!("{} of {} deeds are left", story.deeds.len(), deeds.len());
            println!("again: cargo xtask sim --seed {seed} --steps {steps}");
            false
        }
        None => {
            println!("seed {seed}: nothing goes wrong in {} deeds", deeds.len());
            true
        }
    }
}

/// Whether every planted bug is caught.
#[cfg(feature = "planted-bugs")]
fn bugs(threads: usize) -> bool {
    use syncline_model::bugs::Bug;
    let mut missed = 0;
    for bug in Bug::ALL {
        let name = format!("{bug:?}");
        match syncline_sim::bank::hunt(*bug, threads) {
            Some(Failure { seed, violation }) => {
                let oracle = violation.oracle.as_str();
                println!("{name:18} {oracle:16} seed {seed:<5} {}", bug.what());
            }
            None => {
                missed += 1;
                println!("{name:18} {:16} {:10} {}", "NOT CAUGHT", "", bug.what());
            }
        }
    }
    println!("{} bugs, {missed} not caught", Bug::ALL.len());
    missed == 0
}

#[cfg(not(feature = "planted-bugs"))]
fn bugs(_threads: usize) -> bool {
    println!("nothing is planted in this build: cargo xtask sim --bugs");
    false
}

fn many(arguments: &Arguments) -> bool {
    let begun = Instant::now();
    let bar = bar(arguments.seeds);
    let threads = arguments.threads.unwrap_or_else(cores);
    let seeds = arguments.from..arguments.from + arguments.seeds;
    let report = campaign::run(seeds, arguments.steps, threads, arguments.failures, || {
        bar.inc(1)
    });
    bar.finish_and_clear();
    tell(&report, begun.elapsed(), threads);
    for failure in report.failures.iter().take(STORIES) {
        println!();
        one(failure.seed, arguments.steps, Run::default(), false);
    }
    report.failures.is_empty()
}

fn tell(report: &Report, took: Duration, threads: usize) {
    let tally = &report.tally;
    println!("{}\n", tally.table());
    let seconds = took.as_secs_f64();
    println!(
        "{} seeds, {} steps in {seconds:.1} s on {threads} threads: {:.0} steps/s; {} writes, {} removals; {} violations",
        tally.seeds,
        tally.steps,
        tally.steps as f64 / seconds,
        tally.writes,
        tally.removals,
        report.failures.len()
    );
    if let Some((p99, longest)) = tally.rested_within() {
        let bound = syncline_sim::world::CONVERGES_WITHIN;
        println!(
            "at rest after healing: p99 {p99:.1?}, longest {longest:.1?}; allowed are {bound:?}"
        );
    }
    for failure in &report.failures {
        println!("seed {}: {}", failure.seed, failure.violation);
    }
}

fn bar(seeds: u64) -> ProgressBar {
    let bar = ProgressBar::new(seeds);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {eta} left") {
        bar.set_style(style);
    }
    bar
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
