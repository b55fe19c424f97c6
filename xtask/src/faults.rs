//! `cargo xtask faults`: builds Syncline and the bench of faults, optimized, and starts the latter.
//!
//! The faults are in `faults/main.rs`.

use clap::Args;

use crate::step;

/// What is passed on to the bench.
#[derive(Args)]
pub(crate) struct Options {
    /// Which faults, and among how many services: `--help` tells
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds and starts. Whether everything held.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    // By itself, with the features that ship and no others.
    let mut build = step::cargo();
    build.args(["build", "--release", "--package", "syncline"]);
    if !step::run("build syncline", &mut build)?.0 {
        return Ok(false);
    }
    let mut bench = step::cargo();
    bench.args(["run", "--release", "--bin", "xtask-faults"]);
    bench.args(["--package", "xtask", "--features", "bench", "--"]);
    bench.args(&options.arguments);
    Ok(step::run("faults", &mut bench)?.0)
}
