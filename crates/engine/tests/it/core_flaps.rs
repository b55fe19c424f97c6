//! Health that flips back and forth at the source.

use std::time::Duration;

use syncline_engine::core::Why;

use crate::core_world::{World, link, seconds, world};

const UP: &str = "10.0.0.1:80";
const DOWN: &str = "10.0.0.1:80 unhealthy";

fn in_step(dwell: Duration) -> World {
    let mut world = world([link("a", "b").dwelling(dwell)]);
    world.register("a", "orders", UP);
    world.register("a", "orders", "10.0.0.2:80");
    world.start();
    world.pass(seconds(60));
    world.done();
    world.journal();
    world
}

#[test]
fn what_flaps_every_second_for_ten_minutes_is_never_passed_on() {
    let mut world = in_step(seconds(3));
    for _ in 0..300 {
        world.register("a", "orders", DOWN);
        world.pass(seconds(1));
        world.register("a", "orders", UP);
        world.pass(seconds(1));
    }
    assert_eq!(world.written(), [] as [&str; 0]);
    let told = world.journal();
    let flips = told
        .iter()
        .filter(|line| line.starts_with("flipped"))
        .count();
    assert!((1..=2).contains(&flips), "told once in a while: {told:?}");
    // Without a dwell time each of them would be.
    let mut undamped = in_step(Duration::ZERO);
    undamped.register("a", "orders", DOWN);
    assert!(undamped.shown("b", "orders").contains(&DOWN.to_owned()));
}

#[test]
fn a_flip_that_lasts_is_passed_on_in_time_and_by_its_rule() {
    let mut world = in_step(seconds(3));
    world.register("a", "orders", DOWN);
    assert_eq!(world.preview("a-b").wrong.len(), 0, "`plan` says the same");
    let found = world.verify();
    let why: Vec<String> = found[0]
        .differences
        .iter()
        .map(|it| it.why.to_string())
        .collect();
    assert_eq!(
        why,
        ["kept: its health changed less than health_dwell ago: 3s"]
    );
    assert!(matches!(found[0].differences[0].why, Why::Kept(_)));
    world.pass(Duration::from_millis(2_900));
    assert!(world.shown("b", "orders").contains(&UP.to_owned()));
    world.pass(Duration::from_millis(200));
    assert!(world.shown("b", "orders").contains(&DOWN.to_owned()));
    let told = world.journal();
    assert!(
        told.iter()
            .any(|line| line.contains("unhealthy at the source; passed on if it lasts")),
        "{told:?}"
    );
    // And back the same way.
    world.register("a", "orders", UP);
    assert!(world.shown("b", "orders").contains(&DOWN.to_owned()));
    world.pass(seconds(4));
    assert!(world.shown("b", "orders").contains(&UP.to_owned()));
}

#[test]
fn all_else_changes_at_once_while_health_dwells() {
    let mut world = in_step(seconds(30));
    world.register("a", "orders", "10.0.0.1:80 weight 5 unhealthy");
    let heavier = "10.0.0.1:80 weight 5".to_owned();
    assert!(world.shown("b", "orders").contains(&heavier));
    world.deregister("a", "orders", UP);
    assert_eq!(world.shown("b", "orders"), ["10.0.0.2:80"]);
}
