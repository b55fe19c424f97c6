//! Syncline's chores, in Rust so that a clone needs nothing but Rust and a C compiler.
//!
//! * `cargo xtask test`: sets up what the tests need and runs them, room by room
//! * `cargo xtask lint`: tidy, format, clippy, rustdoc, dependencies
//! * `cargo xtask ci`: both, as CI runs them
//! * `cargo xtask tidy`: the rules of the repository that no other tool knows
//! * `cargo xtask bench`: the measurements of `docs/benchmarks.md`
//! * `cargo xtask faults`: Syncline among faults of real servers, networks and disks
//! * `cargo xtask sim`: the core in a simulated world of faults
//!
//! Chores know the rooms by what `cargo metadata` says of them; no room is linked in here. The
//! measurements and the faults, which need rooms, are programs of their own under `bench/` and `faults/`.

// A chore's output is what it is for.
#![allow(clippy::print_stdout)]

mod bench;
mod faults;
mod lint;
mod metadata;
mod rooms;
mod sim;
mod step;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "Syncline's chores")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Set up what the tests need, and run them room by room
    Test(test::Options),
    /// Tidy, format, clippy, rustdoc and dependencies, all without warnings
    Lint,
    /// Lint and test, as CI does
    Ci(test::Options),
    /// The rules of the repository: arrows between rooms, sizes, names, links, licences
    Tidy,
    /// Measure, side by side with bare clients: `cargo xtask bench --help`
    #[command(disable_help_flag = true)]
    Bench(bench::Options),
    /// Run the daemon among faults of real servers, networks and disks: `cargo xtask faults --help`
    #[command(disable_help_flag = true)]
    Faults(faults::Options),
    /// Run the core in a simulated world of faults: `cargo xtask sim --help`
    #[command(disable_help_flag = true)]
    Sim(sim::Options),
}

fn main() -> ExitCode {
    match run(Arguments::parse().chore) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a chore; whether all was well.
fn run(chore: Chore) -> anyhow::Result<bool> {
    match chore {
        Chore::Test(options) => test::run(&options),
        Chore::Lint => Ok(lint::run()? == 0),
        Chore::Ci(options) => ci(options),
        Chore::Tidy => tidy::run(),
        Chore::Bench(options) => bench::run(&options),
        Chore::Faults(options) => faults::run(&options),
        Chore::Sim(options) => sim::run(&options),
    }
}

/// Tests even where a lint failed: one run then tells all that is wrong, and the last line counts all of it.
fn ci(mut options: test::Options) -> anyhow::Result<bool> {
    options.failed_before += lint::run()?;
    test::run(&options)
}
