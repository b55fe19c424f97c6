//! `cargo xtask sim`: builds the simulator, optimized, and starts it.
//!
//! What it does is told by `crates/sim`; this chore only saves the long command.

use std::process::Command;

use clap::Args;

use crate::step;

/// What is passed on to the simulator.
#[derive(Args)]
pub(crate) struct Options {
    /// How many seeds, how long, and which: `--help` tells
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds and starts. Whether nothing went wrong.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    let arguments = options.arguments.iter().map(String::as_str);
    Ok(step::run("sim", &mut command(arguments))?.0)
}

/// The command that builds and starts it.
pub(crate) fn command<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let arguments: Vec<&str> = arguments.into_iter().collect();
    let mut simulate = step::cargo();
    simulate.args(["run", "--quiet", "--release", "--package", "syncline-sim"]);
    let plants = |argument: &&str| ["--bugs", "--bug"].contains(argument);
    if arguments.iter().any(plants) {
        simulate.args(["--features", "planted-bugs"]);
    }
    simulate.arg("--").args(arguments);
    simulate
}
