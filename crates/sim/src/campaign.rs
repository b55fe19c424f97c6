//! Many seeds, on all cores.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use syncline_model::Moment;

use crate::oracle::{Oracle, Violation};
use crate::setup::Setup;
use crate::tally::Tally;
use crate::workload;
use crate::world::{self, Run};

/// Every so many seeds, a run is made twice: both have to be the same.
const TWICE: u64 = 50;

/// A seed whose run went wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which seed.
    pub seed: u64,
    /// How.
    pub violation: Violation,
}

/// What came of many seeds.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was counted.
    pub tally: Tally,
    /// What went wrong, by seed.
    pub failures: Vec<Failure>,
}

/// Runs one seed, now and then twice.
pub fn seed(seed: u64, steps: u64) -> (Tally, Option<Failure>) {
    let setup = Setup::draw(seed, steps);
    let deeds = workload::draw(&setup);
    let ended = world::run(&setup, &deeds, Run::default());
    let mut violation = ended.violation;
    if violation.is_none() && seed.is_multiple_of(TWICE) {
        let again = world::run(&setup, &deeds, Run::default());
        violation = (again.trace != ended.trace).then(|| Violation {
            oracle: Oracle::Determinism,
            at: Moment::ORIGIN,
            step: again.tally.steps,
            what: "two runs of the seed differ".to_owned(),
        });
    }
    let failure = violation.map(|violation| Failure { seed, violation });
    (ended.tally, failure)
}

/// Runs many seeds on so many threads; `done` hears of each. After that many
/// failures the rest is left.
pub fn run(
    seeds: Range<u64>,
    steps: u64,
    threads: usize,
    most_failures: usize,
    done: impl Fn() + Sync,
) -> Report {
    each(seeds, threads, most_failures, |number| {
        let outcome = seed(number, steps);
        done();
        outcome
    })
}

/// Runs something for many seeds on so many threads, the lowest seeds first.
pub fn each(
    seeds: Range<u64>,
    threads: usize,
    most_failures: usize,
    one: impl Fn(u64) -> (Tally, Option<Failure>) + Sync,
) -> Report {
    let next = AtomicU64::new(seeds.start);
    let enough = AtomicBool::new(false);
    let report = Mutex::new(Report::default());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let (tally, failure) = one(seed);
                    // Nobody panics while holding it.
                    let Ok(mut report) = report.lock() else {
                        return;
                    };
                    report.tally.add(&tally);
                    report.failures.extend(failure);
                    if report.failures.len() >= most_failures {
                        enough.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut report = report.into_inner().unwrap_or_default();
    report.failures.sort_by_key(|failure| failure.seed);
    report
}
