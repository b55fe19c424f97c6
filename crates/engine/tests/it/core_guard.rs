//! Losses that wait, and those that do not.

use syncline_contract::{Hold, Observation};
use syncline_engine::core::{Event, LinkState};
use syncline_model::guard::HoldId;
use syncline_model::plan::{Change, RemovalPolicy};

use crate::core_world::{Answer, Fate, Kind, World, link, seconds, service, world};

/// A guarded link with so many services of so many instances each, in step.
fn in_step(services: u8, instances: u8) -> World {
    let mut world = world([link("a", "b").guarded()]);
    for number in 0..services {
        for last in 0..instances {
            register(&mut world, number, last);
        }
    }
    world.start();
    world.pass(seconds(600));
    world.done();
    world
}

fn register(world: &mut World, service: u8, last: u8) {
    let address = format!("10.0.{service}.{last}:80");
    world.register("a", &format!("s{service}"), &address);
}

fn deregister(world: &mut World, service: u8, last: u8) {
    let address = format!("10.0.{service}.{last}:80");
    world.deregister("a", &format!("s{service}"), &address);
}

fn at_target(world: &World, services: u8) -> usize {
    let counts = (0..services).map(|s| world.shown("b", &format!("s{s}")).len());
    counts.sum()
}

fn hold(world: &World) -> HoldId {
    let holds = world.status("a-b").holds;
    holds.first().expect("something is held").hold.id
}

fn decide(world: &mut World, approve: bool) {
    let hold = hold(world);
    world.tell(Event::Decide { hold, approve });
}

#[test]
fn a_service_goes_to_zero_after_three_views_over_thirty_seconds() {
    let mut world = in_step(1, 2);
    deregister(&mut world, 0, 0);
    assert_eq!(at_target(&world, 1), 1, "a half is not too much");
    deregister(&mut world, 0, 1);
    assert_eq!(world.status("a-b").state, LinkState::Held);
    world.done();
    world.pass(seconds(29));
    assert_eq!(at_target(&world, 1), 1);
    world.pass(seconds(2));
    assert_eq!(at_target(&world, 1), 0);
    let confirmed = world.done();
    let reads = confirmed.iter().filter(|l| *l == "ConfirmRemoval a s0");
    assert_eq!(reads.count(), 2, "{confirmed:?}");
    assert_eq!(world.status("a-b").state, LinkState::InStep);
}

#[test]
fn a_service_that_lists_forget_waits_all_the_same() {
    let mut world = in_step(2, 1);
    deregister(&mut world, 0, 0);
    for _ in 0..5 {
        world.trigger();
        world.pass(seconds(2));
        assert_eq!(at_target(&world, 2), 2);
    }
    world.pass(seconds(60));
    for _ in 0..3 {
        world.trigger();
        world.pass(seconds(30));
    }
    assert_eq!(at_target(&world, 2), 1, "and it goes in the end");
}

#[test]
fn a_preview_of_many_losses_holds_what_the_run_holds() {
    let mut world = in_step(12, 4);
    let pause = |world: &mut World, paused| {
        let link = "a-b".into();
        world.tell(Event::Pause { link, paused });
    };
    pause(&mut world, true);
    // No service loses more than a half.
    for number in 0..12 {
        deregister(&mut world, number, 0);
        deregister(&mut world, number, 1);
    }
    let preview = world.preview("a-b");
    let removed = |changes: &[Change]| changes.iter().filter(|c| c.kind() == "remove").count();
    let would_go: usize = preview.wrong.iter().map(|s| removed(&s.changes)).sum();
    let would_wait = preview.wrong.iter().filter(|s| s.hold.is_some()).count();
    pause(&mut world, false);
    let gone = 12 * 4 - at_target(&world, 12);
    assert_eq!((would_go, would_wait), (gone, 12));
    assert_eq!(
        gone, 0,
        "a link that loses 24 of 48 lets nothing go at first"
    );
    assert_eq!(world.status("a-b").state, LinkState::Held);
}

#[test]
fn additions_go_on_while_losses_wait() {
    let mut world = in_step(1, 6);
    world.withhold(Kind::Push);
    for last in 0..5 {
        deregister(&mut world, 0, last);
    }
    world.let_go(Kind::Push);
    assert_eq!(at_target(&world, 1), 6);
    register(&mut world, 0, 9);
    assert_eq!(at_target(&world, 1), 7);
}

#[test]
fn a_service_that_shows_its_instances_again_loses_nothing() {
    let mut world = in_step(1, 2);
    world.withhold(Kind::Push);
    deregister(&mut world, 0, 0);
    deregister(&mut world, 0, 1);
    world.let_go(Kind::Push);
    assert_eq!(world.status("a-b").holds.len(), 1);
    world.pass(seconds(20));
    world.withhold(Kind::Push);
    register(&mut world, 0, 0);
    register(&mut world, 0, 1);
    world.let_go(Kind::Push);
    assert!(world.status("a-b").holds.is_empty());
    world.pass(seconds(120));
    assert_eq!(at_target(&world, 1), 2);
    assert_eq!(world.written(), [""; 0]);
}

#[test]
fn views_that_fail_neither_confirm_nor_end_a_hold() {
    let mut world = in_step(1, 1);
    deregister(&mut world, 0, 0);
    let held = hold(&world);
    world.registry("a").reads = Answer::Fails;
    world.pass(seconds(300));
    assert_eq!(at_target(&world, 1), 1);
    assert_eq!(hold(&world), held);
    world.registry("a").reads = Answer::Whole;
    world.pass(seconds(90));
    assert_eq!(at_target(&world, 1), 0);
}

#[test]
fn a_denied_loss_stays_denied_through_views_that_fail() {
    let mut world = in_step(1, 1);
    deregister(&mut world, 0, 0);
    decide(&mut world, false);
    world.registry("a").reads = Answer::Fails;
    world.trigger();
    world.observe("a", Observation::Look(service("s0")));
    world.pass(seconds(60));
    world.registry("a").reads = Answer::Whole;
    for _ in 0..5 {
        world.pass(seconds(60));
        world.trigger();
    }
    assert_eq!(at_target(&world, 1), 1);
}

#[test]
fn a_mass_loss_is_frozen_until_it_is_approved() {
    let mut world = in_step(10, 10);
    for service in 0..10 {
        for last in 0..5 {
            deregister(&mut world, service, last);
        }
    }
    let left = at_target(&world, 10);
    assert!((80..100).contains(&left), "{left} of 100");
    world.pass(seconds(900));
    world.trigger();
    world.pass(seconds(900));
    assert_eq!(at_target(&world, 10), left, "time alone does not help");
    assert_eq!(world.status("a-b").state, LinkState::Held);
    decide(&mut world, true);
    world.pass(seconds(1));
    assert_eq!(at_target(&world, 10), 50);
    assert!(world.status("a-b").holds.is_empty());
}

#[test]
fn what_is_left_of_a_mass_loss_goes_when_the_rest_returns() {
    let mut world = in_step(10, 10);
    for service in 0..10 {
        for last in 0..5 {
            deregister(&mut world, service, last);
        }
    }
    for service in 0..9 {
        for last in 0..5 {
            register(&mut world, service, last);
        }
    }
    world.pass(seconds(1));
    assert_eq!(at_target(&world, 10), 95, "the tenth did lose five");
    assert!(world.status("a-b").holds.is_empty());
}

#[test]
fn a_wiped_source_wipes_nothing() {
    let mut world = in_step(12, 3);
    world.withhold(Kind::Push);
    for service in 0..12 {
        for last in 0..3 {
            deregister(&mut world, service, last);
        }
    }
    world.lose(Kind::Push);
    for _ in 0..5 {
        world.trigger();
        world.pass(seconds(300));
    }
    assert_eq!(at_target(&world, 12), 36);
}

#[test]
fn a_rolling_deploy_is_not_held() {
    // 40 % in a minute, the new before the old and the other way round.
    for new_first in [true, false] {
        let mut world = in_step(1, 50);
        for last in 0..20 {
            if new_first {
                register(&mut world, 0, 100 + last);
                deregister(&mut world, 0, last);
            } else {
                deregister(&mut world, 0, last);
                register(&mut world, 0, 100 + last);
            }
            world.pass(seconds(3));
            assert!(world.status("a-b").holds.is_empty(), "after {last}");
        }
        assert_eq!(at_target(&world, 1), 50);
    }
}

#[test]
fn an_instance_that_dubbo_registers_for_many_interfaces_has_not_moved() {
    let mut world = world([link("a", "b").guarded()]);
    for interface in 0..30 {
        world.register("a", &format!("i{interface}"), "10.0.0.1:80");
    }
    world.start();
    world.pass(seconds(600));
    for interface in 0..29 {
        world.deregister("a", &format!("i{interface}"), "10.0.0.1:80");
    }
    world.pass(seconds(10));
    let left = (0..30).filter(|i| !world.shown("b", &format!("i{i}")).is_empty());
    assert_eq!(left.count(), 30);
}

#[test]
fn a_service_that_is_renamed_is_not_held() {
    let mut world = in_step(1, 4);
    for last in 0..4 {
        world.register("a", "renamed", &format!("10.0.0.{last}:80"));
    }
    for last in 0..4 {
        deregister(&mut world, 0, last);
    }
    assert_eq!(at_target(&world, 1), 0);
    assert_eq!(world.shown("b", "renamed").len(), 4);
}

#[test]
fn being_marked_unavailable_is_a_loss_too() {
    let mark = RemovalPolicy::MarkUnavailable {
        grace: seconds(0),
        expire_after: Some(seconds(3600)),
    };
    let mut world = world([link("a", "b").guarded().removal(mark)]);
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    world.deregister("a", "orders", "10.0.0.1:80");
    world.pass(seconds(20));
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80"]);
    world.pass(seconds(20));
    assert_eq!(
        world.shown("b", "orders"),
        ["10.0.0.1:80 weight 0 unhealthy"]
    );
    world.pass(seconds(3600));
    assert!(world.shown("b", "orders").is_empty());
}

#[test]
fn a_hold_does_not_depend_on_the_health_of_another_part_of_the_source() {
    let mut world = world([link("a", "b").guarded()]);
    world.register("a", "orders", "10.0.0.1:80");
    world.register("a", "team/stock", "10.0.0.2:80");
    world.start();
    world.deregister("a", "orders", "10.0.0.1:80");
    let doubtful = &mut world.registry("a").doubtful;
    doubtful.insert("team".into(), Answer::Fails);
    for _ in 0..6 {
        world.trigger();
        world.pass(seconds(20));
    }
    assert!(world.shown("b", "orders").is_empty());
    assert_eq!(world.shown("b", "team/stock"), ["10.0.0.2:80"]);
}

#[test]
fn what_one_list_lacks_is_counted_before_any_of_it_is_judged() {
    let mut world = in_step(50, 4);
    world.registry("a").silent = true;
    for service in 0..40 {
        deregister(&mut world, service, 0);
    }
    world.trigger();
    world.pass(seconds(900));
    assert_eq!(
        at_target(&world, 50),
        200,
        "20 % of the link, one of four here and there"
    );
    assert_eq!(world.status("a-b").state, LinkState::Held);
    decide(&mut world, true);
    world.pass(seconds(1));
    assert_eq!(at_target(&world, 50), 160);
}

#[test]
fn what_a_list_lacked_by_mistake_is_no_loss() {
    let mut world = in_step(10, 1);
    world.registry("a").hidden.insert(service("s0"));
    world.trigger();
    world.pass(seconds(60));
    assert!(world.status("a-b").holds.is_empty());
    assert_eq!(at_target(&world, 10), 10);
}

#[test]
fn a_hold_survives_a_crash_with_its_id_and_what_was_said_of_it() {
    for denied in [false, true] {
        let mut world = world([link("a", "b").guarded().held_by(Hold::Persistent)]);
        for service in 0..10 {
            for last in 0..10 {
                register(&mut world, service, last);
            }
        }
        world.start();
        world.pass(seconds(600));
        world.registry("a").silent = true;
        for service in 0..10 {
            for last in 0..4 {
                deregister(&mut world, service, last);
            }
        }
        world.trigger();
        world.pass(seconds(1));
        let before = hold(&world);
        if denied {
            decide(&mut world, false);
        }
        world.crash();
        world.pass(seconds(20));
        world.start();
        world.pass(seconds(600));
        assert_eq!(hold(&world), before);
        assert_eq!(at_target(&world, 10), 100);
        decide(&mut world, true);
        world.pass(seconds(1));
        assert_eq!(at_target(&world, 10), 60);
    }
}

#[test]
fn a_loss_counts_once_however_often_its_write_is_tried() {
    let mut setup = link("a", "b").guarded();
    setup.guard.link_share.at_least = 3;
    let mut world = world([setup]);
    for last in 0..10 {
        register(&mut world, 0, last);
    }
    world.start();
    world.pass(seconds(600));
    world.registry("b").writes = Fate::Refused;
    deregister(&mut world, 0, 0);
    world.pass(seconds(200));
    assert!(world.status("a-b").holds.is_empty());
    world.registry("b").writes = Fate::Lands;
    world.pass(seconds(60));
    assert_eq!(at_target(&world, 1), 9);
}

#[test]
fn what_comes_back_to_one_service_has_not_moved_from_another() {
    let mut world = world([link("a", "b").guarded()]);
    // Dubbo registers every interface of a process at one address.
    for last in 0..2 {
        for name in ["x", "y"] {
            world.register("a", name, &format!("10.0.0.{last}:80"));
        }
    }
    world.start();
    world.pass(seconds(600));
    // The source shows nothing for a while, and then one service first.
    world.registry("a").silent = true;
    for last in 0..2 {
        for name in ["x", "y"] {
            world.deregister("a", name, &format!("10.0.0.{last}:80"));
        }
    }
    world.trigger();
    world.pass(seconds(5));
    world.registry("a").silent = false;
    world.register("a", "x", "10.0.0.0:80");
    world.register("a", "x", "10.0.0.1:80");
    world.pass(seconds(5));
    assert_eq!(world.shown("b", "x").len(), 2);
    assert_eq!(world.shown("b", "y").len(), 2);
}

/// What was let through is what was left of the service then; a write that failed
/// does not let more through when it is tried again.
#[test]
fn a_loss_that_was_made_up_for_is_judged_anew_when_that_goes_too() {
    let mut world = in_step(1, 1);
    world.disk_fails(true);
    world.deregister("a", "s0", "10.0.0.0:80");
    world.register("a", "s0", "10.0.0.9:80");
    world.pass(seconds(2));
    world.deregister("a", "s0", "10.0.0.9:80");
    world.disk_fails(false);
    world.pass(seconds(10));
    assert_eq!(at_target(&world, 1), 2, "the old one, and the new one");
    assert_eq!(world.status("a-b").state, LinkState::Held);
    world.pass(seconds(60));
    assert_eq!(at_target(&world, 1), 0);
}
