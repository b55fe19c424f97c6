//! Some worlds for every change: nothing goes wrong in any of them.
//! `cargo xtask sim` runs many more.

use syncline_sim::campaign;
use syncline_sim::setup::Setup;
use syncline_sim::workload;
use syncline_sim::world::{self, Run};

/// So many seeds take some seconds, also without optimization.
const SEEDS: u64 = 120;
const STEPS: u64 = 400;

#[test]
fn nothing_goes_wrong_in_a_hundred_worlds() {
    let report = campaign::run(0..SEEDS, STEPS, 2, 1, || {});
    let told: Vec<String> = report
        .failures
        .iter()
        .map(|failure| format!("seed {}: {}", failure.seed, failure.violation))
        .collect();
    assert_eq!(told, [""; 0]);
    assert_eq!(report.tally.seeds, SEEDS);
    assert!(report.tally.removals > 0, "something has to go wrong first");
}

#[test]
fn a_seed_tells_everything_that_happens() {
    for seed in 0..10 {
        let setup = Setup::draw(seed, STEPS);
        let deeds = workload::draw(&setup);
        let one = world::run(&setup, &deeds, Run::default());
        let two = world::run(&setup, &deeds, Run::default());
        assert_eq!(one.trace, two.trace, "seed {seed}");
        assert_eq!(one.shown, two.shown, "seed {seed}");
    }
}
