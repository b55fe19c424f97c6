//! `cargo xtask sim`: builds the simulator, optimized, and starts it.
//!
//! What it does is told by `crates/sim`; this chore only saves the long command.

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
    let mut simulate = step::cargo();
    simulate.args(["run", "--quiet", "--release", "--package", "syncline-sim"]);
    if options
        .arguments
        .iter()
        .any(|argument| argument == "--bugs")
    {
        simulate.args(["--features", "planted-bugs"]);
    }
    simulate.arg("--").args(&options.arguments);
    Ok(step::run("sim", &mut simulate)?.0)
}
