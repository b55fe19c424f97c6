//! What waits for its turn: removals, retries, and a target that asks for a
//! rest.

use syncline_engine::core::{Event, LinkState};
use syncline_model::guard::HoldId;

use crate::core_world::{Fate, Kind, World, link, seconds, world};

/// A link with so many services of ten instances each, in step.
fn in_step(setup: crate::core_world::LinkSetup, services: u8) -> World {
    let mut world = world([setup]);
    for service in 0..services {
        for last in 0..10 {
            let address = format!("10.0.{service}.{last}:80");
            world.register("a", &format!("s{service}"), &address);
        }
    }
    world.start();
    world.pass(seconds(600));
    world.done();
    world.journal();
    world
}

fn leave(world: &mut World, services: u8) {
    world.withhold(Kind::Push);
    for service in 0..services {
        for last in 0..10 {
            let address = format!("10.0.{service}.{last}:80");
            world.deregister("a", &format!("s{service}"), &address);
        }
    }
    world.lose(Kind::Push);
    world.trigger();
}

fn at_target(world: &World, services: u8) -> usize {
    let counts = (0..services).map(|s| world.shown("b", &format!("s{s}")).len());
    counts.sum()
}

fn approve_all(world: &mut World) {
    let holds = world.status("a-b").holds;
    let ids: Vec<HoldId> = holds.iter().map(|hold| hold.hold.id).collect();
    for hold in ids {
        world.tell(Event::Decide {
            hold,
            approve: true,
        });
    }
}

#[test]
fn an_approved_mass_removal_goes_gradually_and_is_asked_for_once() {
    let mut world = in_step(link("a", "b").guarded().removing(2), 10);
    leave(&mut world, 10);
    assert_eq!(world.status("a-b").state, LinkState::Held);
    assert_eq!(at_target(&world, 10), 100);
    approve_all(&mut world);
    // Ten seconds' worth were saved up.
    assert_eq!(at_target(&world, 10), 80);
    let mut before = 80;
    while before > 0 {
        world.pass(seconds(5));
        let left = at_target(&world, 10);
        assert!(
            before - left <= 11,
            "{before} to {left} within five seconds"
        );
        assert!(left < before, "{before}: it goes on");
        assert!(
            world.status("a-b").holds.is_empty(),
            "nobody is asked again"
        );
        before = left;
    }
    world.pass(seconds(5));
    assert_eq!(world.status("a-b").state, LinkState::InStep);
}

#[test]
fn what_comes_back_before_its_turn_is_never_taken_away() {
    let mut world = in_step(link("a", "b").removing(1), 3);
    leave(&mut world, 3);
    assert_eq!(at_target(&world, 3), 20);
    assert_eq!(world.status("a-b").state, LinkState::Syncing);
    let staying = world.shown("b", "s2");
    for address in &staying {
        world.register("a", "s2", address);
    }
    world.pass(seconds(3600));
    assert_eq!(world.shown("b", "s2"), staying);
    assert_eq!(at_target(&world, 3), staying.len());
}

#[test]
fn additions_and_updates_do_not_wait_with_removals() {
    let mut world = in_step(link("a", "b").removing(1), 2);
    leave(&mut world, 2);
    assert_eq!(at_target(&world, 2), 10);
    world.register("a", "s1", "10.9.9.9:80");
    assert!(world.shown("b", "s1").contains(&"10.9.9.9:80".to_owned()));
}

#[test]
fn a_dying_target_is_not_stormed_and_one_that_is_back_is_served_soon() {
    let mut world = in_step(link("a", "b"), 100);
    world.registry("b").writes = Fate::Refused;
    for service in 0..100 {
        let address = format!("10.0.{service}.1:80 weight 5");
        world.register("a", &format!("s{service}"), &address);
    }
    world.pass(seconds(60));
    world.written();
    world.pass(seconds(60));
    let tried = world.written().len();
    assert!((20..=70).contains(&tried), "{tried} tries a minute");
    world.registry("b").writes = Fate::Lands;
    world.pass(seconds(70));
    for service in 0..100 {
        let shown = world.shown("b", &format!("s{service}"));
        assert!(shown.iter().any(|it| it.ends_with("weight 5")), "{service}");
    }
    assert_eq!(world.status("a-b").state, LinkState::InStep);
}

#[test]
fn a_target_that_asks_for_a_rest_is_left_alone_by_the_whole_link() {
    let mut world = in_step(link("a", "b"), 3);
    world.registry("b").writes = Fate::Throttled(seconds(20));
    world.register("a", "s0", "10.0.0.1:80 weight 5");
    world.registry("b").writes = Fate::Lands;
    world.written();
    world.register("a", "s1", "10.0.1.1:80 weight 5");
    world.pass(seconds(19));
    assert_eq!(world.written(), [] as [&str; 0]);
    assert_eq!(world.status("a-b").state, LinkState::Syncing);
    world.pass(seconds(60));
    for service in ["s0", "s1"] {
        let shown = world.shown("b", service);
        assert!(shown.iter().any(|it| it.ends_with("weight 5")), "{shown:?}");
    }
    assert_eq!(world.status("a-b").state, LinkState::InStep);
}

#[test]
fn one_target_that_asks_for_a_rest_delays_no_other() {
    let mut world = world([link("a", "b"), link("a", "c")]);
    world.start();
    world.registry("b").writes = Fate::Throttled(seconds(20));
    world.register("a", "orders", "10.0.0.1:80");
    assert!(world.shown("b", "orders").is_empty());
    assert_eq!(world.shown("c", "orders"), ["10.0.0.1:80"]);
    world.register("a", "orders", "10.0.0.1:80 weight 5");
    assert_eq!(world.shown("c", "orders"), ["10.0.0.1:80 weight 5"]);
    world.registry("b").writes = Fate::Lands;
    world.pass(seconds(60));
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80 weight 5"]);
}
