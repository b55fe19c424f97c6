//! What becomes of the copies of a link that is configured no more.

use syncline_contract::Hold;
use syncline_engine::core::{Event, LinkState};

use crate::core_world::{Answer, Kind, LinkSetup, World, link, seconds, world};

/// In step, and about to start again without its link, or with it renamed.
fn in_step(setup: LinkSetup) -> World {
    let mut world = world([setup]);
    world.register("a", "orders", "10.0.0.1:80");
    world.register("a", "stock", "10.0.0.2:80");
    world.register("b", "orders", "10.0.0.9:80");
    world.start();
    world.pass(seconds(60));
    world.done();
    world.journal();
    world
}

#[test]
fn the_copies_of_a_removed_link_are_taken_back_and_nothing_else() {
    for hold in [Hold::Persistent, Hold::Connection] {
        let setup = link("a", "b").held_by(hold);
        let mut world = in_step(setup.clone());
        world.start_with([setup.retired()]);
        assert_eq!(world.shown("b", "orders"), ["10.0.0.9:80"], "{hold:?}");
        assert!(world.shown("b", "stock").is_empty());
        let because = "its link was removed from the configuration";
        assert!(world.journal().iter().any(|line| line.contains(because)));
    }
}

#[test]
fn the_guard_holds_all_copies_of_a_large_link_until_somebody_approves() {
    let setup = link("a", "b").guarded();
    let mut world = world([setup.clone()]);
    for service in 0..20 {
        for last in 0..5 {
            let instance = format!("10.0.{service}.{last}:80");
            world.register("a", &format!("s{service}"), &instance);
        }
    }
    world.start();
    world.start_with([setup.retired()]);
    let left = |world: &World| {
        let of = |service| world.shown("b", &format!("s{service}")).len();
        (0..20).map(of).sum::<usize>()
    };
    world.pass(seconds(900));
    assert_eq!(left(&world), 100, "time alone does not help");
    let status = world.status("a-b");
    assert_eq!(status.state, LinkState::Held);
    for held in status.holds {
        let (hold, approve) = (held.hold.id, true);
        world.tell(Event::Decide { hold, approve });
    }
    world.pass(seconds(1));
    assert_eq!(left(&world), 0);
}

#[test]
fn a_service_of_a_removed_link_goes_to_zero_no_faster_than_of_any_other() {
    let setup = link("a", "b").guarded();
    let mut world = in_step(setup.clone());
    world.start_with([setup.retired()]);
    world.pass(seconds(5));
    assert_eq!(world.shown("b", "stock"), ["10.0.0.2:80"]);
    assert_eq!(world.status("a-b").state, LinkState::Held);
    world.pass(seconds(600));
    assert!(world.shown("b", "stock").is_empty());
}

#[test]
fn a_target_that_cannot_be_listed_keeps_them() {
    let setup = link("a", "b").held_by(Hold::Persistent);
    let mut world = in_step(setup.clone());
    world.registry("b").lists = Answer::Fails;
    world.start_with([setup.retired()]);
    world.pass(seconds(60));
    assert_eq!(world.shown("b", "stock"), ["10.0.0.2:80"]);
    world.registry("b").lists = Answer::Whole;
    world.pass(seconds(60));
    assert!(world.shown("b", "stock").is_empty());
}

#[test]
fn what_another_link_gives_now_is_handed_to_it_and_not_taken_away() {
    let setup = link("a", "b").held_by(Hold::Persistent).guarded();
    let mut world = in_step(setup.clone());
    let mut renamed = setup.clone();
    renamed.name = "renamed".into();
    world.withhold(Kind::Write);
    world.start_with([setup.retired(), renamed]);
    world.let_go(Kind::Write);
    world.pass(seconds(60));
    let done = world.written();
    assert!(
        done.contains(&"renamed stock: add 10.0.0.2:80".to_owned()),
        "{done:#?}"
    );
    let handed = "a-b stock: remove 10.0.0.2:80, given by another link now";
    assert!(done.contains(&handed.to_owned()), "{done:#?}");
    assert_eq!(world.shown("b", "stock"), ["10.0.0.2:80"]);
}

#[test]
fn a_removed_link_waits_for_what_others_give_but_not_for_a_source_that_is_down() {
    let setup = link("a", "b").held_by(Hold::Persistent);
    let mut world = in_step(setup.clone());
    let mut other = link("c", "b");
    other.name = "other".into();
    world.withhold(Kind::List);
    world.start_with([setup.retired(), other]);
    assert_eq!(world.shown("b", "stock"), ["10.0.0.2:80"]);
    world.registry("c").lists = Answer::Fails;
    world.trigger();
    world.let_go(Kind::List);
    world.pass(seconds(60));
    assert!(world.shown("b", "stock").is_empty());
}
