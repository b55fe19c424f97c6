//! The bug bank: does the simulator see?
//!
//! Each mistake of [`Bug`] is planted in turn, and seeds are run until an oracle
//! speaks. One that no oracle sees is a fault of the simulator.

use syncline_model::bugs::Bug;

use crate::campaign::{self, Failure};

/// Seeds within which each has to be caught.
pub const SEEDS: u64 = 2_000;
/// Steps of each seed.
pub const STEPS: u64 = 1_500;

/// Runs seeds with a mistake in the core until one goes wrong.
pub fn hunt(bug: Bug, threads: usize) -> Option<Failure> {
    let report = campaign::each(0..SEEDS, threads, 1, |seed| {
        Bug::plant(Some(bug));
        let (tally, failure) = campaign::seed(seed, STEPS);
        Bug::plant(None);
        // What goes wrong anyway says nothing of the bug.
        let failure = failure.filter(|_| campaign::seed(seed, STEPS).1.is_none());
        (tally, failure)
    });
    report.failures.into_iter().next()
}
