//! Replicas: what one that cannot see its source lets go of, and what it never
//! does.

use syncline_contract::Observation;
use syncline_engine::core::{Event, LinkState};
use syncline_model::guard::{HoldId, Needs};

use crate::core_world::{Kind, LinkSetup, World, link, replica, seconds, service};

const LET_GO_AFTER: u64 = 60;

fn one(setup: LinkSetup, rules: &str) -> World {
    let mut world = replica(setup, seconds(LET_GO_AFTER), rules);
    for last in 1..=3 {
        world.register("a", "orders", &format!("10.0.0.{last}:80"));
    }
    world.start();
    world.pass(seconds(2));
    world
}

/// Two replicas that hold the same.
fn pair() -> (World, World) {
    let (mut here, mut there) = (one(link("a", "b"), "rules"), one(link("a", "b"), "rules"));
    for _ in 0..3 {
        both_pass(&mut here, &mut there, 2);
    }
    (here, there)
}

/// Lets time go by for both, with their exchange every two seconds.
fn both_pass(here: &mut World, there: &mut World, time: u64) {
    for _ in 0..time.div_ceil(2) {
        here.pass(seconds(2));
        there.pass(seconds(2));
        here.exchange(there);
        there.exchange(here);
    }
}

fn cut_off(world: &mut World) {
    world.withhold(Kind::Push);
    world.withhold(Kind::List);
    world.withhold(Kind::Read);
    world.observe("a", Observation::Down("cut".into()));
}

fn reconnect(world: &mut World) {
    world.lose(Kind::Push);
    world.let_go(Kind::List);
    world.let_go(Kind::Read);
    world.observe("a", Observation::Up);
}

fn held(world: &World) -> usize {
    world.copies("a-b", "orders").len()
}

#[test]
fn replicas_that_hold_the_same_agree() {
    let (here, there) = pair();
    for world in [here, there] {
        let peers = world.peers();
        assert_eq!(peers.len(), 1, "{peers:?}");
        assert_eq!(peers[0].links[0].differs_for, None, "{peers:?}");
        assert!(peers[0].links[0].same_rules);
    }
}

#[test]
fn a_link_that_is_cut_off_lets_go_of_what_its_replica_does_not_hold() {
    let (mut here, mut there) = pair();
    cut_off(&mut here);
    there.deregister("a", "orders", "10.0.0.1:80");
    both_pass(&mut here, &mut there, LET_GO_AFTER - 4);
    assert_eq!(held(&here), 3, "not before it has been cut off for long");
    both_pass(&mut here, &mut there, 6);
    assert_eq!(
        here.copies("a-b", "orders"),
        ["10.0.0.2:80", "10.0.0.3:80"],
        "nothing but what left"
    );
    let told = here.journal();
    let left = told.iter().any(|line| line.contains("a replica that sees"));
    assert!(left, "{told:?}");

    // It does not come back by itself, whatever makes the link plan.
    here.trigger();
    here.register("b", "orders", "10.9.9.9:80");
    both_pass(&mut here, &mut there, 120);
    assert_eq!(held(&here), 2);
    assert_eq!(held(&there), 2);
}

#[test]
fn what_left_is_let_go_of_also_when_something_else_changed_after_it() {
    let (mut here, mut there) = pair();
    cut_off(&mut here);
    there.deregister("a", "orders", "10.0.0.1:80");
    there.register("a", "orders", "10.0.0.9:80");
    both_pass(&mut here, &mut there, LET_GO_AFTER + 6);
    assert_eq!(here.copies("a-b", "orders"), ["10.0.0.2:80", "10.0.0.3:80"]);
}

#[test]
fn what_comes_back_at_the_source_is_held_again_once_that_is_seen() {
    let (mut here, mut there) = pair();
    cut_off(&mut here);
    there.deregister("a", "orders", "10.0.0.1:80");
    both_pass(&mut here, &mut there, LET_GO_AFTER + 6);
    assert_eq!(held(&here), 2);
    // Here the source still has it, as if it had come back.
    there.register("a", "orders", "10.0.0.1:80");
    both_pass(&mut here, &mut there, 30);
    assert_eq!(held(&here), 2, "nothing is added on a replica's word");
    reconnect(&mut here);
    both_pass(&mut here, &mut there, 10);
    assert_eq!(held(&here), 3);
    assert_eq!(here.status("a-b").state, LinkState::InStep);
}

#[test]
fn other_content_is_left_to_the_replica_once_its_copy_stands() {
    let (mut here, mut there) = pair();
    cut_off(&mut here);
    there.register("a", "orders", "10.0.0.1:80 weight 5");
    both_pass(&mut here, &mut there, LET_GO_AFTER * 2);
    assert_eq!(held(&here), 3, "nobody has seen the other copy");
    let copies = there
        .registry("b")
        .copies(&"a-b".into(), &service("orders"));
    let newer = copies.into_iter().find(|i| i.weight.get() == 5.0);
    // The target is still seen.
    here.let_go(Kind::Push);
    here.let_go(Kind::Read);
    here.publish("b", "orders", newer.expect("is held there"));
    both_pass(&mut here, &mut there, 4);
    assert_eq!(
        here.copies("a-b", "orders"),
        ["10.0.0.2:80", "10.0.0.3:80"].map(str::to_owned)
    );
}

#[test]
fn what_only_the_replica_holds_is_not_added() {
    let (mut here, mut there) = pair();
    cut_off(&mut here);
    there.register("a", "orders", "10.0.0.9:80");
    there.register("a", "more", "10.0.0.9:80");
    both_pass(&mut here, &mut there, LET_GO_AFTER + 20);
    assert_eq!((held(&here), here.copies("a-b", "more").len()), (3, 0));
}

#[test]
fn a_link_that_sees_its_source_lets_go_of_nothing() {
    let (mut here, mut there) = pair();
    there.deregister("a", "orders", "10.0.0.1:80");
    both_pass(&mut here, &mut there, LET_GO_AFTER * 3);
    assert_eq!(held(&here), 3);
    let differing = &here.peers()[0].links[0];
    assert!(differing.differs_for.is_some_and(|time| time > seconds(60)));
    assert_eq!(differing.differing.len(), 1, "{differing:?}");
}

#[test]
fn a_replica_that_is_cut_off_itself_proves_nothing() {
    let (mut here, mut there) = pair();
    there.deregister("a", "orders", "10.0.0.1:80");
    cut_off(&mut there);
    cut_off(&mut here);
    both_pass(&mut here, &mut there, LET_GO_AFTER * 5);
    assert_eq!(held(&here), 3);
}

#[test]
fn a_replica_that_cannot_be_reached_proves_nothing() {
    let (mut here, mut there) = pair();
    cut_off(&mut here);
    there.deregister("a", "orders", "10.0.0.1:80");
    for _ in 0..100 {
        here.pass(seconds(2));
        here.tell(Event::TakeStock);
        here.tell(Event::PeerLost {
            peer: "other".into(),
            why: "refused".into(),
        });
    }
    assert_eq!(held(&here), 3);
    assert!(here.peers()[0].lost.is_some());
}

#[test]
fn a_replica_that_was_told_something_else_proves_nothing() {
    let mut here = one(link("a", "b"), "rules");
    let mut there = one(link("a", "b"), "other rules");
    cut_off(&mut here);
    there.deregister("a", "orders", "10.0.0.1:80");
    both_pass(&mut here, &mut there, LET_GO_AFTER * 3);
    assert_eq!(held(&here), 3);
    assert!(!here.peers()[0].links[0].same_rules);
}

#[test]
fn a_replica_that_is_paused_or_has_not_begun_proves_nothing() {
    let (mut here, mut there) = pair();
    cut_off(&mut here);
    let paused = |paused| Event::Pause {
        link: "a-b".into(),
        paused,
    };
    there.deregister("a", "orders", "10.0.0.1:80");
    there.tell(paused(true));
    both_pass(&mut here, &mut there, LET_GO_AFTER * 2);
    assert_eq!(held(&here), 3);

    let mut empty = replica(link("a", "b"), seconds(LET_GO_AFTER), "rules");
    empty.withhold(Kind::List);
    empty.start();
    both_pass(&mut here, &mut empty, LET_GO_AFTER * 2);
    assert_eq!(held(&here), 3);
    there.tell(paused(false));
    both_pass(&mut here, &mut there, 4);
    assert_eq!(held(&here), 2, "it proves it as soon as it speaks again");
}

#[test]
fn an_answer_that_was_long_on_its_way_proves_nothing() {
    let (mut here, mut there) = pair();
    cut_off(&mut here);
    there.deregister("a", "orders", "10.0.0.1:80");
    for _ in 0..LET_GO_AFTER {
        here.pass(seconds(2));
        there.pass(seconds(2));
        let answers = here.ask(&mut there);
        here.hear(answers, seconds(11));
    }
    assert_eq!(held(&here), 3);
}

#[test]
fn a_replica_that_was_stopped_proves_nothing_before_it_has_listed_again() {
    let (mut here, mut there) = pair();
    cut_off(&mut here);
    there.deregister("a", "orders", "10.0.0.1:80");
    both_pass(&mut here, &mut there, LET_GO_AFTER - 10);
    // Its clock goes on while it is stopped, and so does ours.
    there.withhold(Kind::List);
    there.pass(seconds(40));
    here.pass(seconds(40));
    both_pass(&mut here, &mut there, 20);
    assert_eq!(held(&here), 3);
    there.let_go(Kind::List);
    both_pass(&mut here, &mut there, 4);
    assert_eq!(held(&here), 2);
}

#[test]
fn a_service_that_the_replica_is_busy_with_is_left_alone() {
    let (mut here, mut there) = pair();
    cut_off(&mut here);
    there.withhold(Kind::Write);
    there.deregister("a", "orders", "10.0.0.1:80");
    both_pass(&mut here, &mut there, LET_GO_AFTER * 2);
    assert_eq!(held(&here), 3);
    there.let_go(Kind::Write);
    both_pass(&mut here, &mut there, 4);
    assert_eq!(held(&here), 2);
}

#[test]
fn a_service_whose_absence_the_replica_has_yet_to_prove_is_left_alone() {
    let (mut here, mut there) = pair();
    cut_off(&mut here);
    there.withhold(Kind::Read);
    there.deregister("a", "orders", "10.0.0.1:80");
    both_pass(&mut here, &mut there, LET_GO_AFTER * 2);
    assert_eq!((held(&here), held(&there)), (3, 3));
    there.let_go(Kind::Read);
    both_pass(&mut here, &mut there, 4);
    assert_eq!((held(&here), held(&there)), (2, 2));
}

#[test]
fn what_both_write_into_one_record_is_never_let_go_of() {
    let beaten = || link("a", "b").held_by(syncline_contract::Hold::Beat);
    let (mut here, mut there) = (one(beaten(), "rules"), one(beaten(), "rules"));
    cut_off(&mut here);
    there.deregister("a", "orders", "10.0.0.1:80");
    both_pass(&mut here, &mut there, LET_GO_AFTER * 2);
    assert_eq!(held(&here), 3);
}

#[test]
fn a_whole_service_that_left_is_let_go_of() {
    let (mut here, mut there) = pair();
    cut_off(&mut here);
    for last in 1..=3 {
        there.deregister("a", "orders", &format!("10.0.0.{last}:80"));
    }
    both_pass(&mut here, &mut there, LET_GO_AFTER + 6);
    assert_eq!(held(&here), 0);
    reconnect(&mut here);
    // The source that this one sees again never lost them.
    both_pass(&mut here, &mut there, 10);
    assert_eq!(held(&here), 3);
}

/// Two guarded replicas that hold the loss of a whole service.
fn holding() -> (World, World) {
    let guarded = || link("a", "b").guarded();
    let (mut here, mut there) = (one(guarded(), "rules"), one(guarded(), "rules"));
    both_pass(&mut here, &mut there, 4);
    leave(&mut here);
    (here, there)
}

fn leave(world: &mut World) {
    world.withhold(Kind::Push);
    for last in 1..=3 {
        world.deregister("a", "orders", &format!("10.0.0.{last}:80"));
    }
    world.let_go(Kind::Push);
    world.withhold(Kind::Read);
}

fn hold_of(world: &World) -> HoldId {
    let holds = world.status("a-b").holds;
    holds.first().expect("something is held").hold.id
}

#[test]
fn what_an_operator_decides_at_one_replica_both_do() {
    let (mut here, mut there) = holding();
    leave(&mut there);
    assert_eq!(hold_of(&here), hold_of(&there));
    let (hold, approve) = (hold_of(&here), true);
    here.tell(Event::Decide { hold, approve });
    assert_eq!((held(&here), held(&there)), (0, 3));
    both_pass(&mut here, &mut there, 4);
    assert_eq!(held(&there), 0);
}

#[test]
fn what_an_operator_evacuates_at_one_replica_both_do_and_the_last_word_stands() {
    let (mut here, mut there) = pair();
    let evacuated = |world: &World| world.status("a-b").aside.is_some();
    let say = |world: &mut World, on| {
        let what = "link:a-b".parse().expect("names one");
        world.tell(Event::Evacuate { what, on });
    };
    say(&mut here, true);
    both_pass(&mut here, &mut there, 4);
    assert!(evacuated(&here) && evacuated(&there));
    // The other one is told to put them back, and nobody repeats the first word.
    say(&mut there, false);
    both_pass(&mut here, &mut there, 60);
    assert!(!evacuated(&here) && !evacuated(&there));
    // One that was away for a while hears of it; after ten minutes nobody says
    // it any more.
    for (away, heard) in [(300, true), (700, false)] {
        say(&mut here, heard);
        here.pass(seconds(away));
        there.pass(seconds(away));
        both_pass(&mut here, &mut there, 4);
        assert_eq!(
            (evacuated(&here), evacuated(&there)),
            (heard, true),
            "{away}"
        );
    }
}

#[test]
fn a_decision_waits_for_a_replica_that_notices_the_loss_later() {
    let (mut here, mut there) = holding();
    let (hold, approve) = (hold_of(&here), true);
    here.tell(Event::Decide { hold, approve });
    both_pass(&mut here, &mut there, 60);
    assert_eq!(held(&there), 3);
    leave(&mut there);
    both_pass(&mut here, &mut there, 4);
    assert_eq!(held(&there), 0);
}

#[test]
fn a_refusal_reaches_the_replica_as_well() {
    let (mut here, mut there) = holding();
    leave(&mut there);
    let hold = hold_of(&here);
    here.tell(Event::Decide {
        hold,
        approve: false,
    });
    both_pass(&mut here, &mut there, 4);
    for world in [&mut here, &mut there] {
        world.let_go(Kind::Read);
    }
    both_pass(&mut here, &mut there, 120);
    assert_eq!((held(&here), held(&there)), (3, 3));
    // What was refused may be approved after all, at the other replica.
    there.tell(Event::Decide {
        hold: hold_of(&there),
        approve: true,
    });
    both_pass(&mut here, &mut there, 4);
    assert_eq!((held(&here), held(&there)), (0, 0));
}

/// Guarded replicas with many services, of which one of four instances leaves
/// everywhere: the first go, then it is too much. Each notices in an order of
/// its own.
fn freezing() -> (World, World) {
    let services = |reversed: bool| {
        let mut names: Vec<String> = (0..40).map(|n| format!("service-{n:02}")).collect();
        if reversed {
            names.reverse();
        }
        names
    };
    let start = || {
        let mut world = replica(link("a", "b").guarded(), seconds(LET_GO_AFTER), "rules");
        for name in services(false) {
            for last in 1..=4 {
                world.register("a", &name, &format!("10.0.0.{last}:80"));
            }
        }
        world.start();
        world.pass(seconds(2));
        world
    };
    let (mut here, mut there) = (start(), start());
    both_pass(&mut here, &mut there, 4);
    for (world, reversed) in [(&mut here, false), (&mut there, true)] {
        for name in services(reversed) {
            world.deregister("a", &name, "10.0.0.4:80");
        }
    }
    (here, there)
}

/// How many copies there are of all services.
fn all_held(world: &World) -> usize {
    let services = (0..40).map(|n| format!("service-{n:02}"));
    services.map(|name| world.copies("a-b", &name).len()).sum()
}

#[test]
fn approved_at_one_replica_the_losses_of_a_frozen_link_go_at_both() {
    let (mut here, mut there) = freezing();
    let hold = hold_of(&here);
    assert_ne!(hold, hold_of(&there), "they let others through before");
    assert!(all_held(&here) > 120 && all_held(&there) > 120);
    let approve = true;
    here.tell(Event::Decide { hold, approve });
    both_pass(&mut here, &mut there, 6);
    assert_eq!((all_held(&here), all_held(&there)), (120, 120));
    assert!(there.status("a-b").holds.is_empty());
}

#[test]
fn an_approval_of_a_frozen_link_says_nothing_of_what_is_lost_later() {
    let (mut here, mut there) = freezing();
    let (hold, approve) = (hold_of(&here), true);
    here.tell(Event::Decide { hold, approve });
    // The other one notices that everything else leaves as well.
    for n in 0..40 {
        for last in 1..=3 {
            let name = format!("service-{n:02}");
            there.deregister("a", &name, &format!("10.0.0.{last}:80"));
        }
    }
    both_pass(&mut here, &mut there, 10);
    assert!(all_held(&there) > 110, "{}", all_held(&there));
    assert!(!there.status("a-b").holds.is_empty());
}

#[test]
fn refused_at_one_replica_the_losses_of_a_frozen_link_stay_at_both() {
    let (mut here, mut there) = freezing();
    let before = all_held(&there);
    let (hold, approve) = (hold_of(&here), false);
    here.tell(Event::Decide { hold, approve });
    both_pass(&mut here, &mut there, 120);
    assert_eq!(all_held(&there), before);
    let denied = there.status("a-b").holds;
    assert!(
        denied
            .iter()
            .any(|held| matches!(held.hold.needs, Needs::Reversal)),
        "{denied:?}"
    );
}

/// One that has died, and cannot see its source when it starts again.
fn reborn(here: &mut World) {
    here.crash();
    here.withhold(Kind::List);
    here.withhold(Kind::Read);
    here.start();
}

#[test]
fn who_starts_takes_nothing_up_that_its_replica_does_not_hold() {
    let (mut here, mut there) = pair();
    there.deregister("a", "orders", "10.0.0.1:80");
    there.register("a", "orders", "10.0.0.2:80 weight 5");
    there.pass(seconds(2));
    reborn(&mut here);
    assert_eq!(held(&here), 0, "it waits for a word");
    here.exchange(&mut there);
    assert_eq!(here.copies("a-b", "orders"), ["10.0.0.3:80"]);

    // The source counts as soon as it is seen.
    here.pass(seconds(1));
    here.let_go(Kind::List);
    here.let_go(Kind::Read);
    both_pass(&mut here, &mut there, 4);
    assert_eq!(held(&here), 3);
}

#[test]
fn who_starts_forgets_a_service_that_its_replica_does_not_hold() {
    let (mut here, mut there) = pair();
    for last in 1..=3 {
        for world in [&mut here, &mut there] {
            world.withhold(Kind::Push);
            world.deregister("a", "orders", &format!("10.0.0.{last}:80"));
        }
    }
    here.lose(Kind::Push);
    there.let_go(Kind::Push);
    there.pass(seconds(2));
    here.crash();
    here.start();
    here.exchange(&mut there);
    here.pass(seconds(60));
    let gone = here.journal();
    assert!(
        gone.iter().any(|line| line.contains("a replica that sees")),
        "{gone:?}"
    );
    assert_eq!(held(&here), 0);
    // It is forgotten, and not taken up at the next start either.
    here.crash();
    here.start();
    here.pass(seconds(5));
    assert_eq!(held(&here), 0);
}

#[test]
fn who_starts_takes_everything_up_where_no_replica_knows_better() {
    let alone = |here: &mut World, _: &mut World| {
        here.tell(Event::PeerLost {
            peer: "other".into(),
            why: "refused".into(),
        });
    };
    let unheard = |here: &mut World, _: &mut World| here.pass(seconds(1));
    let cut_off_too = |here: &mut World, there: &mut World| {
        cut_off(there);
        there.pass(seconds(60));
        here.exchange(there);
    };
    let paused = |here: &mut World, there: &mut World| {
        there.tell(Event::Pause {
            link: "a-b".into(),
            paused: true,
        });
        here.exchange(there);
    };
    let equal = |here: &mut World, there: &mut World| {
        there.register("a", "orders", "10.0.0.1:80");
        there.pass(seconds(2));
        here.exchange(there);
    };
    type Hears = fn(&mut World, &mut World);
    let cases: [Hears; 5] = [alone, unheard, cut_off_too, paused, equal];
    for (case, hears) in cases.into_iter().enumerate() {
        let (mut here, mut there) = pair();
        there.deregister("a", "orders", "10.0.0.1:80");
        there.pass(seconds(2));
        reborn(&mut here);
        assert_eq!(held(&here), 0, "case {case}");
        hears(&mut here, &mut there);
        assert_eq!(held(&here), 3, "case {case}");
    }
}

#[test]
fn who_starts_heeds_the_first_word_when_its_target_answers_later() {
    let (mut here, mut there) = pair();
    there.deregister("a", "orders", "10.0.0.1:80");
    there.pass(seconds(2));
    here.crash();
    here.withhold(Kind::List);
    here.begin();
    here.exchange(&mut there);
    here.pass(seconds(3));
    assert_eq!(held(&here), 0);
    here.describe("a-b");
    assert_eq!(here.copies("a-b", "orders"), ["10.0.0.2:80", "10.0.0.3:80"]);
}

#[test]
fn what_outlived_a_start_is_left_alone_whatever_a_replica_holds() {
    let beaten = || link("a", "b").held_by(syncline_contract::Hold::Beat);
    let (mut here, mut there) = (one(beaten(), "rules"), one(beaten(), "rules"));
    there.deregister("a", "orders", "10.0.0.1:80");
    there.pass(seconds(2));
    reborn(&mut here);
    here.exchange(&mut there);
    assert_eq!(held(&here), 3);
}

#[test]
fn who_hands_over_stands_still_until_the_successor_is_not_heard() {
    let mut world = one(link("a", "b"), "rules");
    let lease = Some(seconds(15));
    world.tell(Event::HandOver { lease });
    assert_eq!(world.handed_over(), Some(3));
    world.register("a", "orders", "10.0.0.4:80");
    world.pass(seconds(14));
    assert_eq!(held(&world), 3);
    world.pass(seconds(2));
    assert_eq!(held(&world), 4);
    assert_eq!(world.handed_over(), None);
}

#[test]
fn who_hands_over_tells_nothing_while_a_write_is_under_way() {
    let mut world = one(link("a", "b"), "rules");
    world.withhold(Kind::Write);
    world.register("a", "orders", "10.0.0.4:80");
    world.tell(Event::HandOver {
        lease: Some(seconds(15)),
    });
    assert_eq!(world.handed_over(), None);
    world.let_go(Kind::Write);
    assert_eq!(world.handed_over(), Some(4));
    world.register("a", "orders", "10.0.0.5:80");
    world.tell(Event::HandOver { lease: None });
    assert_eq!(held(&world), 5, "it goes on at once");
}
