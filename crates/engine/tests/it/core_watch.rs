//! When registries begin to be watched.

use crate::core_world::{Answer, Kind, link, seconds, world};

#[test]
fn registries_are_watched_when_the_first_list_is_written() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.withhold(Kind::List);
    world.withhold(Kind::Write);
    world.start();
    assert!(!world.watches("a") && !world.watches("b"), "listed first");
    world.let_go(Kind::List);
    assert!(!world.watches("a") && !world.watches("b"), "written first");
    world.let_go(Kind::Write);
    assert!(world.watches("a") && world.watches("b"));
}

#[test]
fn what_changes_before_a_registry_is_watched_is_told_then() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.withhold(Kind::Write);
    world.start();
    world.register("a", "orders", "10.0.0.1:80 weight 7");
    world.register("b", "orders", "10.0.0.9:80");
    world.let_go(Kind::Write);
    assert_eq!(
        world.shown("b", "orders"),
        ["10.0.0.1:80 weight 7", "10.0.0.9:80"]
    );
}

#[test]
fn a_target_that_hangs_keeps_no_registry_from_being_watched_for_long() {
    let mut world = world([link("a", "b"), link("a", "c")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.registry("b").hangs = true;
    world.withhold(Kind::List);
    world.start();
    world.let_go(Kind::List);
    assert!(world.watches("c"), "nothing is in its way");
    assert!(!world.watches("a") && !world.watches("b"));
    world.pass(seconds(20));
    assert!(world.watches("a") && world.watches("b"));
    world.register("a", "orders", "10.0.0.1:80 weight 7");
    assert_eq!(world.shown("c", "orders"), ["10.0.0.1:80 weight 7"]);
}

#[test]
fn a_registry_that_cannot_be_listed_is_watched_at_once() {
    let mut world = world([link("a", "b")]);
    world.registry("b").lists = Answer::Fails;
    world.start();
    assert!(world.watches("a") && world.watches("b"));
}

#[test]
fn a_target_that_is_never_reached_keeps_no_source_from_being_watched() {
    let mut world = world([link("a", "b"), link("a", "c")]);
    world.begin();
    world.describe("a-c");
    assert!(!world.watches("a"), "it may answer yet");
    world.pass(seconds(4));
    assert!(world.watches("a"));
}

#[test]
fn a_service_that_nobody_follows_is_read_at_the_target_before_it_is_written() {
    let mut world = world([link("a", "b")]);
    world.start();
    world.pass(seconds(60));
    // No push tells of it: the target is watched for what was written alone.
    world.register("b", "orders", "10.0.0.1:80");
    world.done();
    world.register("a", "orders", "10.0.0.1:80");
    world.register("a", "stock", "10.0.0.2:80");
    world.pass(seconds(60));
    assert_eq!(
        world.done(),
        [
            "Refresh b orders",
            "Refresh b stock",
            "a-b stock: add 10.0.0.2:80"
        ]
    );
    assert!(
        world.copies("a-b", "orders").is_empty(),
        "a native stands there"
    );
}

#[test]
fn a_target_that_cannot_be_read_is_written_all_the_same() {
    let mut world = world([link("a", "b")]);
    world.start();
    world.pass(seconds(60));
    world.registry("b").reads = Answer::Fails;
    world.register("a", "orders", "10.0.0.1:80");
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80"]);
}

#[test]
fn what_is_deleted_before_a_registry_is_watched_goes_then() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.withhold(Kind::Write);
    world.start();
    world.deregister("a", "orders", "10.0.0.1:80");
    world.let_go(Kind::Write);
    assert!(world.shown("b", "orders").is_empty());
}

#[test]
fn a_timed_link_writes_what_it_had_to_look_for_first() {
    let mut world = world([link("a", "b").timed()]);
    world.start();
    world.pass(seconds(60));
    world.register("a", "orders", "10.0.0.1:80");
    world.withhold(Kind::Read);
    // The source is listed before the target.
    world.registry("b").lists = Answer::Fails;
    world.trigger();
    world.let_go(Kind::Read);
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80"]);
}
