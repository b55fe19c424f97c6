//! What applications register at the target, and links both ways.

use syncline_contract::{Hold, Observation};

use crate::core_world::{Answer, Fate, Kind, LinkSetup, World, link, seconds, service, world};

/// Looks at everything again and again: a world that is in step stays silent.
#[track_caller]
pub(crate) fn assert_silent(world: &mut World) {
    world.pass(seconds(120));
    world.done();
    for _ in 0..10 {
        world.trigger();
        world.pass(seconds(300));
    }
    let done = world.done();
    let other: Vec<_> = done.iter().filter(|l| !l.starts_with("list")).collect();
    assert!(other.is_empty(), "{other:?}");
}

/// Links both ways, in all the ways in which copies can be told from natives.
fn both_ways() -> Vec<(&'static str, World)> {
    let with = |setup: fn(LinkSetup) -> LinkSetup| {
        let mut world = world([setup(link("a", "b")), setup(link("b", "a"))]);
        world.register("a", "orders", "10.0.0.1:80");
        world.register("b", "orders", "10.0.0.2:80 weight 2");
        world
    };
    let mut stripped = with(|link| link);
    stripped.registry("a").strips_marks = true;
    stripped.registry("b").strips_marks = true;
    vec![
        ("marked", with(|link| link)),
        ("stripped", stripped),
        ("unmarked", with(LinkSetup::unmarked)),
    ]
}

#[test]
fn a_native_at_the_target_is_never_doubled() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.register("a", "orders", "10.0.0.2:80");
    world.register("b", "orders", "10.0.0.1:80@west zone=b");
    world.start();
    assert_eq!(
        world.shown("b", "orders"),
        ["10.0.0.1:80@west zone=b", "10.0.0.2:80"]
    );
    assert_eq!(world.status("a-b").shadowed, 1);
    assert_silent(&mut world);
}

#[test]
fn a_copy_yields_to_a_native_and_returns_when_it_leaves() {
    let mut world = world([link("a", "b").guarded()]);
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    world.done();
    world.register("b", "orders", "10.0.0.1:80 zone=b");
    assert_eq!(
        world.written(),
        ["a-b orders: remove 10.0.0.1:80, registered natively at the target"]
    );
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80 zone=b"]);
    world.deregister("b", "orders", "10.0.0.1:80");
    assert_eq!(world.written(), ["a-b orders: add 10.0.0.1:80"]);
    let journal = world.journal();
    let told = |what: &str| journal.iter().any(|line| line.starts_with(what));
    assert!(told("shadowed") && told("no longer shadowed"));
    assert_silent(&mut world);
}

#[test]
fn a_native_that_says_the_same_as_our_copy_is_seen_beside_its_mark() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80 zone=a");
    world.start();
    world.pass(seconds(60));
    world.register("b", "orders", "10.0.0.1:80 zone=a");
    assert!(world.copies("a-b", "orders").is_empty());
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80 zone=a"]);
}

#[test]
fn a_native_that_comes_right_after_our_write_is_seen_soon() {
    for strips_marks in [false, true] {
        let mut world = world([link("a", "b")]);
        world.registry("b").strips_marks = strips_marks;
        world.register("a", "orders", "10.0.0.1:80");
        world.start();
        world.register("a", "orders", "10.0.0.1:80 weight 2");
        world.register("b", "orders", "10.0.0.1:80 zone=b");
        world.pass(seconds(10));
        assert!(world.copies("a-b", "orders").is_empty());
        assert_eq!(world.status("a-b").shadowed, 1);
    }
}

#[test]
fn an_application_that_moves_is_told_from_its_own_copy() {
    let mut world = world([link("a", "b").guarded(), link("b", "a").guarded()]);
    let all = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"];
    for instance in all {
        world.register("a", "orders", instance);
    }
    world.start();
    // One after another leaves `a` and comes to `b`, with the very same content.
    for instance in all {
        world.deregister("a", "orders", instance);
        world.register("b", "orders", instance);
        assert_eq!(world.shown("a", "orders"), all);
        assert_eq!(world.shown("b", "orders"), all);
    }
    assert!(world.copies("a-b", "orders").is_empty());
    assert_eq!(world.copies("b-a", "orders"), all);
    assert_silent(&mut world);
}

#[test]
fn natives_that_cannot_be_known_are_waited_for() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.register("b", "orders", "10.0.0.1:80 zone=b");
    world.registry("b").lists = Answer::Fails;
    world.start();
    assert!(world.copies("a-b", "orders").is_empty());
    world.registry("b").lists = Answer::Whole;
    world.pass(seconds(60));
    assert!(world.copies("a-b", "orders").is_empty());
    assert_eq!(world.status("a-b").shadowed, 1);
}

#[test]
fn our_own_copy_in_an_old_look_is_no_native() {
    for (case, mut world) in both_ways() {
        world.start();
        world.done();
        // The target shows what we wrote only later; the source goes on.
        world.registry("a").silent = true;
        world.withhold(Kind::Push);
        for weight in 2..6 {
            world.register("a", "orders", &format!("10.0.0.1:80 weight {weight}"));
            world.observe("a", Observation::Look(service("orders")));
        }
        world.let_go(Kind::Push);
        world.pass(seconds(60));
        let expected: Vec<String> = (2..6)
            .map(|to| {
                let from = to - 1;
                format!("a-b orders: update 10.0.0.1:80, weight {from} → {to}")
            })
            .collect();
        assert_eq!(world.written(), expected, "{case}");
    }
}

#[test]
fn what_a_failed_write_left_at_the_target_is_no_native() {
    for fate in [Fate::Unheard, Fate::Halved, Fate::Refused] {
        for (case, mut world) in both_ways() {
            world.start();
            world.done();
            world.registry("b").writes = fate;
            for weight in 2..6 {
                world.register("a", "orders", &format!("10.0.0.1:80 weight {weight}"));
                world.pass(seconds(20));
            }
            world.registry("b").writes = Fate::Lands;
            world.pass(seconds(120));
            let shown = ["10.0.0.1:80 weight 5", "10.0.0.2:80 weight 2"];
            assert_eq!(world.shown("b", "orders"), shown, "{case} {fate:?}");
            let written = world.written();
            let removed = written.iter().filter(|line| line.contains("remove"));
            assert_eq!(removed.count(), 0, "{case} {fate:?}: {written:?}");
        }
    }
}

#[test]
fn two_ways_converge_and_fall_silent() {
    for (case, mut world) in both_ways() {
        world.start();
        let both = ["10.0.0.1:80", "10.0.0.2:80 weight 2"];
        assert_eq!(world.shown("a", "orders"), both, "{case}");
        assert_eq!(world.shown("b", "orders"), both, "{case}");
        assert_eq!(world.copies("a-b", "orders"), ["10.0.0.1:80"], "{case}");
        assert_silent(&mut world);
        world.deregister("a", "orders", "10.0.0.1:80");
        world.deregister("b", "orders", "10.0.0.2:80");
        world.pass(seconds(60));
        assert!(world.shown("a", "orders").is_empty(), "{case}");
        assert!(world.shown("b", "orders").is_empty(), "{case}");
        assert_silent(&mut world);
    }
}

#[test]
fn what_left_does_not_come_back_from_the_other_side() {
    for (case, mut world) in both_ways() {
        world.start();
        // Our copy goes, which the other side is told only later.
        world.withhold(Kind::Push);
        world.deregister("a", "orders", "10.0.0.1:80");
        world.observe("a", Observation::Look(service("orders")));
        assert_eq!(world.shown("b", "orders").len(), 1, "{case}");
        world.done();
        world.observe("a", Observation::Look(service("orders")));
        world.pass(seconds(1));
        world.register("b", "orders", "10.0.0.2:80 weight 3");
        world.let_go(Kind::Push);
        world.pass(seconds(30));
        assert_eq!(
            world.written(),
            ["b-a orders: update 10.0.0.2:80, weight 2 → 3"],
            "{case}"
        );
        assert_eq!(world.shown("a", "orders"), ["10.0.0.2:80 weight 3"]);
    }
}

#[test]
fn two_ways_survive_a_restart_of_both_ends_of_everything() {
    for hold in [Hold::Connection, Hold::Persistent] {
        for strips_marks in [false, true] {
            let ways = [link("a", "b"), link("b", "a")];
            let mut world = world(ways.map(|link| link.held_by(hold)));
            world.registry("a").strips_marks = strips_marks;
            world.registry("b").strips_marks = strips_marks;
            world.register("a", "orders", "10.0.0.1:80");
            world.register("b", "orders", "10.0.0.2:80");
            world.start();
            for age in [10, 3600] {
                world.crash();
                world.pass(seconds(age));
                world.start();
                let both = ["10.0.0.1:80", "10.0.0.2:80"];
                assert_eq!(world.shown("a", "orders"), both, "{hold:?}");
                assert_eq!(world.shown("b", "orders"), both, "{hold:?}");
                assert_eq!(world.copies("a-b", "orders"), ["10.0.0.1:80"]);
                assert_eq!(world.copies("b-a", "orders"), ["10.0.0.2:80"]);
            }
            assert_silent(&mut world);
        }
    }
}

#[test]
fn an_application_that_moves_is_followed_both_ways() {
    for (case, mut world) in both_ways() {
        world.start();
        world.pass(seconds(60));
        // It registers in the new place first, with the same content.
        world.register("b", "orders", "10.0.0.1:80");
        world.pass(seconds(1));
        world.deregister("a", "orders", "10.0.0.1:80");
        world.pass(seconds(30));
        let both = ["10.0.0.1:80", "10.0.0.2:80 weight 2"];
        assert_eq!(world.shown("a", "orders"), both, "{case}");
        assert_eq!(world.shown("b", "orders"), both, "{case}");
        assert!(world.copies("a-b", "orders").is_empty(), "{case}");
        assert_silent(&mut world);
    }
}

#[test]
fn a_ring_holds_everything_once() {
    for strips_marks in [false, true] {
        let mut world = world([link("a", "b"), link("b", "c"), link("c", "a")]);
        for (registry, last) in [("a", 1), ("b", 2), ("c", 3)] {
            world.registry(registry).strips_marks = strips_marks;
            world.register(registry, "orders", &format!("10.0.0.{last}:80"));
        }
        world.start();
        for registry in ["a", "b", "c"] {
            assert_eq!(
                world.shown(registry, "orders"),
                ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]
            );
        }
        assert_silent(&mut world);
        world.deregister("a", "orders", "10.0.0.1:80");
        world.register("b", "orders", "10.0.0.2:80 weight 2");
        world.pass(seconds(60));
        for registry in ["a", "b", "c"] {
            assert_eq!(
                world.shown(registry, "orders"),
                ["10.0.0.2:80 weight 2", "10.0.0.3:80"]
            );
        }
        assert_silent(&mut world);
    }
}
