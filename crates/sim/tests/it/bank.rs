//! Every planted bug is caught, and without one nothing is:
//! `cargo test -p syncline-sim --features planted-bugs`.

use syncline_model::bugs::Bug;
use syncline_sim::bank;

#[test]
fn every_planted_bug_is_caught() {
    let missed = Bug::ALL.iter().filter(|bug| bank::hunt(**bug, 2).is_none());
    assert_eq!(missed.collect::<Vec<_>>(), [&Bug::NoIntent; 0]);
}
