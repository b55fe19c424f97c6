//! `cargo xtask bench`: builds what is measured and what measures, optimized, and starts the latter.
//!
//! The measurements are in `bench/main.rs`.

use std::process::Command;

use clap::Args;

use crate::step;

/// What is passed on to the measuring program.
#[derive(Args)]
pub(crate) struct Options {
    /// What to measure, and how
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds and starts. Whether all was measured.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    // By itself, with the features that ship and no others.
    let mut build = cargo(&["build", "--release", "--package", "syncline"]);
    if !step::run("build syncline", &mut build)?.0 {
        return Ok(false);
    }
    let program = ["--package", "xtask", "--features", "bench"];
    let mut measure = cargo(&["run", "--release", "--bin", "xtask-bench"]);
    measure.args(program).arg("--").args(&options.arguments);
    Ok(step::run("bench", &mut measure)?.0)
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = step::cargo();
    command.args(arguments);
    command
}
