//! Machines that slept and processes that were stopped: time went by, and
//! nobody looked.

use syncline_engine::core::{Event, SourceLost};
use syncline_model::plan::RemovalPolicy;

use crate::core_world::{Answer, Kind, LinkSetup, World, link, seconds, world};

/// Sleeps for so long; the timers that became due ring when it is over.
fn sleep(world: &mut World, time: u64) {
    world.now = world.now + seconds(time);
    world.tell(Event::StoodStill);
    world.tell(Event::Tick);
}

fn in_step(setup: LinkSetup) -> World {
    let mut world = world([setup]);
    world.register("a", "orders", "10.0.0.1:80");
    world.register("a", "orders", "10.0.0.2:80");
    world.start();
    world.pass(seconds(600));
    world.done();
    world
}

fn graceful() -> LinkSetup {
    link("a", "b").removal(RemovalPolicy::Delete { grace: seconds(60) })
}

#[test]
fn a_grace_that_ends_in_a_sleep_takes_nothing_away_that_came_back_meanwhile() {
    let mut world = in_step(graceful());
    world.deregister("a", "orders", "10.0.0.1:80");
    world.pass(seconds(10));
    // It comes back while nobody listens.
    world.withhold(Kind::Push);
    world.register("a", "orders", "10.0.0.1:80");
    world.lose(Kind::Push);
    world.withhold(Kind::List);
    world.withhold(Kind::Read);
    sleep(&mut world, 600);
    assert_eq!(world.written(), [] as [&str; 0], "nothing was seen yet");
    world.let_go(Kind::List);
    world.let_go(Kind::Read);
    world.pass(seconds(600));
    assert_eq!(world.written(), [] as [&str; 0]);
    assert_eq!(world.shown("b", "orders").len(), 2);
}

#[test]
fn what_is_still_gone_after_a_sleep_goes_once_it_was_read() {
    let mut world = in_step(graceful());
    world.deregister("a", "orders", "10.0.0.1:80");
    world.pass(seconds(10));
    world.done();
    sleep(&mut world, 600);
    let done = world.done();
    let read = done
        .iter()
        .position(|line| line == "ConfirmRemoval a orders");
    let gone = done
        .iter()
        .position(|line| line.contains("remove 10.0.0.1:80"));
    assert!(read.is_some() && gone > read, "{done:?}");
    assert_eq!(world.shown("b", "orders"), ["10.0.0.2:80"]);
}

#[test]
fn an_answer_from_before_a_sleep_proves_nothing_after_it() {
    let mut world = in_step(link("a", "b"));
    world.withhold(Kind::Read);
    world.deregister("a", "orders", "10.0.0.1:80");
    // The read was answered, and the answer is delivered after the sleep.
    world.withhold(Kind::Push);
    world.register("a", "orders", "10.0.0.1:80");
    world.lose(Kind::Push);
    sleep(&mut world, 600);
    world.let_go(Kind::Read);
    world.pass(seconds(60));
    assert_eq!(world.written(), [] as [&str; 0]);
    assert_eq!(world.shown("b", "orders").len(), 2);
}

#[test]
fn a_source_that_was_silent_before_a_sleep_is_not_lost_by_the_sleep() {
    let mut lossy = link("a", "b");
    lossy.source_lost = SourceLost::MarkUnavailable {
        after: seconds(300),
    };
    let mut world = in_step(lossy);
    world.registry("a").lists = Answer::Fails;
    world.trigger();
    world.pass(seconds(100));
    sleep(&mut world, 3_600);
    world.pass(seconds(100));
    assert_eq!(world.status("a-b").aside, None);
    // Silent for as long again, and awake, it is.
    world.pass(seconds(300));
    assert!(world.status("a-b").aside.is_some());
}

#[test]
fn a_sleep_alone_writes_nothing() {
    let mut world = in_step(link("a", "b").guarded());
    for _ in 0..3 {
        sleep(&mut world, 36_000);
        world.pass(seconds(60));
    }
    assert_eq!(world.written(), [] as [&str; 0]);
    world.deregister("a", "orders", "10.0.0.1:80");
    world.pass(seconds(60));
    assert_eq!(
        world.shown("b", "orders"),
        ["10.0.0.2:80"],
        "it goes on as ever"
    );
}

#[test]
fn a_hold_is_not_confirmed_by_sleeping() {
    let mut world = in_step(link("a", "b").guarded());
    world.deregister("a", "orders", "10.0.0.1:80");
    world.deregister("a", "orders", "10.0.0.2:80");
    let held = world.shown("b", "orders").len();
    assert!(held > 0);
    world.withhold(Kind::Push);
    world.register("a", "orders", "10.0.0.1:80");
    world.register("a", "orders", "10.0.0.2:80");
    world.lose(Kind::Push);
    sleep(&mut world, 3_600);
    world.pass(seconds(600));
    assert_eq!(world.shown("b", "orders").len(), 2);
    assert!(world.status("a-b").holds.is_empty());
}
