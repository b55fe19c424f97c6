//! When a link plans: as things happen, after a trigger, or not at all.

use std::time::Duration;

use syncline_engine::core::{Event, LinkState};
use syncline_model::plan::RemovalPolicy;

use crate::core_world::{Answer, Fate, Kind, World, link, seconds, world};

fn pause(world: &mut World, paused: bool) {
    let link = "a-b".into();
    world.tell(Event::Pause { link, paused });
}

#[test]
fn a_timed_link_plans_after_a_trigger_and_only_then() {
    let mut world = world([link("a", "b").timed()]);
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80"], "at the start");
    world.register("a", "orders", "10.0.0.2:80");
    world.deregister("a", "orders", "10.0.0.1:80");
    world.pass(seconds(3600));
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80"]);
    world.trigger();
    assert_eq!(world.shown("b", "orders"), ["10.0.0.2:80"]);
}

#[test]
fn a_timed_link_removes_what_its_own_trigger_found_gone() {
    let mut world = world([link("a", "b").timed()]);
    world.register("a", "orders", "10.0.0.1:80");
    world.register("a", "orders", "10.0.0.2:80");
    world.register("a", "stock", "10.0.0.3:80");
    world.start();
    world.withhold(Kind::Push);
    world.deregister("a", "orders", "10.0.0.1:80");
    world.deregister("a", "stock", "10.0.0.3:80");
    world.lose(Kind::Push);
    world.trigger();
    assert_eq!(world.shown("b", "orders"), ["10.0.0.2:80"]);
    assert!(world.shown("b", "stock").is_empty());
}

#[test]
fn a_timed_link_waits_for_all_that_it_needs() {
    // The source is listed before the target is reached, and the other way
    // round.
    let mut late = world([link("a", "b").timed()]);
    late.register("a", "orders", "10.0.0.1:80");
    late.begin();
    late.describe("a-b");
    assert_eq!(late.shown("b", "orders"), ["10.0.0.1:80"]);

    let mut world = world([link("a", "b").timed()]);
    world.register("a", "orders", "10.0.0.1:80");
    world.registry("b").lists = Answer::Fails;
    world.start();
    assert!(world.shown("b", "orders").is_empty());
    world.registry("b").lists = Answer::Whole;
    world.pass(seconds(60));
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80"]);
}

#[test]
fn a_timed_link_tries_failed_writes_again_before_the_next_trigger() {
    let mut world = world([link("a", "b").timed()]);
    world.start();
    world.registry("b").writes = Fate::Refused;
    world.register("a", "orders", "10.0.0.1:80");
    world.trigger();
    world.registry("b").writes = Fate::Lands;
    world.pass(seconds(60));
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80"]);
}

#[test]
fn a_timed_link_ends_a_grace_that_a_trigger_began() {
    let policy = RemovalPolicy::Delete { grace: seconds(30) };
    let mut world = world([link("a", "b").timed().removal(policy)]);
    world.register("a", "orders", "10.0.0.1:80");
    world.register("a", "orders", "10.0.0.2:80");
    world.start();
    world.deregister("a", "orders", "10.0.0.2:80");
    world.trigger();
    assert_eq!(world.shown("b", "orders").len(), 2);
    world.pass(seconds(30));
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80"]);
}

#[test]
fn a_timed_link_confirms_what_its_guard_holds() {
    let mut world = world([link("a", "b").timed().guarded()]);
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    world.deregister("a", "orders", "10.0.0.1:80");
    world.trigger();
    assert_eq!(world.status("a-b").holds.len(), 1);
    world.pass(seconds(40));
    assert!(world.shown("b", "orders").is_empty());
}

#[test]
fn a_trigger_counts_for_a_list_that_began_after_it() {
    let mut world = world([link("a", "b").timed(), link("a", "c")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    world.withhold(Kind::List);
    world.withhold(Kind::Push);
    // A list is under way for the other link when the change and the trigger
    // come.
    let other = Some("a-c".into());
    world.tell(Event::Trigger { link: other });
    world.register("a", "orders", "10.0.0.2:80");
    let link = Some("a-b".into());
    world.tell(Event::Trigger { link });
    world.let_go(Kind::List);
    assert_eq!(world.shown("b", "orders").len(), 2);
}

#[test]
fn a_trigger_is_not_used_up_by_a_list_that_fails() {
    let mut world = world([link("a", "b").timed()]);
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    world.register("a", "orders", "10.0.0.2:80");
    world.registry("a").lists = Answer::Fails;
    world.trigger();
    world.registry("a").lists = Answer::Whole;
    world.pass(seconds(60));
    assert_eq!(world.shown("b", "orders").len(), 2);
}

#[test]
fn a_paused_link_writes_nothing_and_then_all() {
    let mut world = world([link("a", "b"), link("a", "c")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    world.done();
    pause(&mut world, true);
    assert_eq!(world.status("a-b").state, LinkState::Paused);
    world.register("a", "orders", "10.0.0.2:80");
    world.deregister("a", "orders", "10.0.0.1:80");
    world.trigger();
    world.pass(seconds(600));
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80"]);
    assert_eq!(world.shown("c", "orders"), ["10.0.0.2:80"]);
    pause(&mut world, false);
    assert_eq!(world.shown("b", "orders"), ["10.0.0.2:80"]);
    let journal = world.journal();
    for happened in ["paused", "resumed"] {
        let lines = journal.iter().filter(|line| *line == happened);
        assert_eq!(lines.count(), 1, "{happened} in {journal:?}");
    }
}

#[test]
fn a_link_settles_once_and_after_all_that_the_first_list_showed() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.register("a", "stock", "10.0.0.2:80");
    world.withhold(Kind::List);
    world.begin();
    world.describe("a-b");
    assert_eq!(world.done(), ["list a", "list b"]);
    assert_eq!(world.status("a-b").state, LinkState::Starting);
    world.let_go(Kind::List);
    assert_eq!(
        world.done(),
        [
            "a-b orders: add 10.0.0.1:80",
            "a-b stock: add 10.0.0.2:80",
            "settled a-b",
        ]
    );
    world.trigger();
    world.pass(Duration::from_secs(60));
    assert_eq!(world.done(), ["list a", "list b"]);
    assert_eq!(world.status("a-b").state, LinkState::InStep);
}

#[test]
fn a_link_does_not_settle_before_its_target_is_listed() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.registry("b").lists = Answer::Fails;
    world.start();
    assert_eq!(world.done(), ["list a", "list b"]);
    world.registry("b").lists = Answer::Whole;
    world.pass(seconds(60));
    assert_eq!(
        world.done(),
        ["list b", "a-b orders: add 10.0.0.1:80", "settled a-b"]
    );
}

#[test]
fn a_link_whose_target_is_reached_late_is_in_step_then() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.begin();
    world.pass(seconds(30));
    assert_eq!(world.status("a-b").state, LinkState::Starting);
    world.describe("a-b");
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80"]);
    assert_eq!(world.status("a-b").state, LinkState::InStep);
    assert_eq!(world.status("a-b").pending, 0);
}
