//! The simulator's worlds as one test more. There are so many of them that they run optimized, as a program of their
//! own, which says itself what it saw.

use std::time::Instant;

use super::outcome::Outcome;
use super::report::Row;
use crate::{sim, step};

/// Half of what `cargo xtask sim` runs by default: some minutes on two cores, and seeds of which none goes wrong today.
const SEEDS: u64 = 5_000;
const STEPS: u64 = 2_000;

/// Builds and runs them: one test, passed or failed.
pub(super) fn run() -> anyhow::Result<Row> {
    let start = Instant::now();
    let name = format!("simulator: {SEEDS} seeds of {STEPS} steps");
    let [seeds, steps] = [SEEDS, STEPS].map(|number| number.to_string());
    let arguments = ["--seeds", &seeds, "--steps", &steps];
    let (passed, _) = step::run(&name, &mut sim::command(arguments))?;
    Ok(Row {
        room: "simulator".to_owned(),
        outcome: outcome(passed, name),
        took: start.elapsed(),
    })
}

fn outcome(passed: bool, name: String) -> Outcome {
    match passed {
        true => Outcome {
            passed: 1,
            ..Outcome::default()
        },
        false => Outcome {
            failed: 1,
            failures: vec![name],
            ..Outcome::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_one_test() {
        assert_eq!(outcome(true, "worlds".to_owned()).passed, 1);
        let failed = outcome(false, "worlds".to_owned());
        assert_eq!((failed.passed, failed.failed), (0, 1));
        assert_eq!(failed.failures, ["worlds"]);
    }
}
