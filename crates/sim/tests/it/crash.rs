//! A death at any step changes nothing of how a world ends (O4): every step of
//! some short worlds, not a sample.

use syncline_model::plan::RemovalPolicy;
use syncline_sim::setup::{LinkSetup, Mode, Setup};
use syncline_sim::workload;
use syncline_sim::world::{self, Run};

/// Worlds that are looked at.
const WORLDS: usize = 6;
/// Steps of the core at which the process dies, one after another.
const DEATHS: u64 = 90;

#[test]
fn a_death_at_any_step_changes_nothing_of_the_end() {
    let calm = (0..).map(|seed| Setup::draw(seed, 120)).filter(|setup| {
        let few = setup.links.len() <= 2 && setup.faults.is_empty();
        // What is kept after it went is told apart by when it went.
        let forgets = |link: &LinkSetup| matches!(link.removal, RemovalPolicy::Delete { .. });
        few && setup.mode == Mode::Safety && setup.links.iter().all(forgets)
    });
    for mut setup in calm.take(WORLDS) {
        let deeds = workload::draw(&setup);
        // All of them are done, however many steps a death costs.
        setup.steps = u64::MAX;
        let undisturbed = world::run(&setup, &deeds, Run::default());
        assert_eq!(undisturbed.violation, None);
        for step in 1..=DEATHS {
            let dies = Run {
                crash_after: Some(step),
                ..Run::default()
            };
            let ended = world::run(&setup, &deeds, dies);
            let place = format!("seed {}, killed after step {step}", setup.seed);
            assert_eq!(ended.violation, None, "{place}");
            assert_eq!(ended.shown, undisturbed.shown, "{place}");
        }
    }
}
