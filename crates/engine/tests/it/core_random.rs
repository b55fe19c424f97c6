//! Histories drawn by chance: whatever is late or lost on the way, the target
//! ends as the source is, and nothing goes that was not proved to be gone (the
//! world checks that at every write).

use std::collections::BTreeSet;

use crate::core_world::{Chance, Kind, link, seconds, world};

const SERVICES: u64 = 4;
const ADDRESSES: u64 = 6;

#[test]
fn whatever_is_late_or_lost_the_target_ends_as_the_source() {
    for seed in 0..300 {
        history(seed);
    }
}

fn history(seed: u64) {
    let mut chance = Chance::of(seed);
    let mut world = world([link("a", "b")]);
    let mut truth = BTreeSet::new();
    for service in 0..SERVICES {
        for last in 1..4 {
            world.register("a", &name(service), &address(last));
            truth.insert((service, last));
        }
    }
    world.start();
    for _ in 0..40 {
        let (service, last) = (chance.below(SERVICES), chance.below(ADDRESSES) + 1);
        match chance.below(8) {
            0..=2 if truth.insert((service, last)) => {
                world.register("a", &name(service), &address(last));
            }
            3..=4 if truth.remove(&(service, last)) => {
                world.deregister("a", &name(service), &address(last));
            }
            5 => world.withhold(Kind::Push),
            6 => world.let_go(Kind::Push),
            7 => world.lose(Kind::Push),
            _ => {}
        }
        world.pass(seconds(chance.below(20)));
    }
    world.let_go(Kind::Push);
    for _ in 0..2 {
        world.trigger();
        world.pass(seconds(300));
    }
    for service in 0..SERVICES {
        let there = truth.iter().filter(|(of, _)| *of == service);
        let expected: Vec<String> = there.map(|(_, last)| address(*last)).collect();
        let shown = world.shown("b", &name(service));
        assert_eq!(shown, expected, "seed {seed}, {}", name(service));
    }
}

fn name(service: u64) -> String {
    format!("s{service}")
}

fn address(last: u64) -> String {
    format!("10.0.0.{last}:80")
}
