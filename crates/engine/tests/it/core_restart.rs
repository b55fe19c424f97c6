//! After a death: what is taken up again at once, and what waits.

use syncline_contract::Hold;
use syncline_engine::core::{Event, Fill};

use crate::core_world::{Answer, Fate, Kind, World, link, seconds, service, world};

/// A world with two services in step that was killed, and starts again so many
/// seconds later.
fn killed(hold: Hold, for_seconds: u64) -> World {
    let mut world = world([link("a", "b").held_by(hold)]);
    world.register("a", "orders", "10.0.0.1:80");
    world.register("a", "orders", "10.0.0.2:80");
    world.register("a", "stock", "10.0.0.3:80");
    world.start();
    world.crash();
    world.pass(seconds(for_seconds));
    world.done();
    world
}

#[test]
fn what_was_confirmed_lately_is_taken_up_before_any_list() {
    let mut world = killed(Hold::Connection, 60);
    assert!(world.shown("b", "orders").is_empty(), "it went with us");
    world.withhold(Kind::List);
    world.start();
    assert_eq!(
        world.done(),
        [
            "a-b orders: again, 2 held",
            "a-b stock: again, 1 held",
            "list a",
            "list b"
        ]
    );
    assert_eq!(world.shown("b", "orders").len(), 2);
    world.let_go(Kind::List);
    assert_eq!(world.written(), [""; 0], "and not written once more");
}

#[test]
fn a_target_is_filled_with_what_it_had_before_any_list_and_its_age_is_known() {
    let mut world = killed(Hold::Connection, 60);
    world.withhold(Kind::List);
    world.withhold(Kind::Write);
    world.start();
    assert_eq!(world.filled("a-b"), None, "nothing stands yet");
    world.let_go(Kind::Write);
    assert_eq!(world.filled("a-b"), Some(Fill::LastKnown));
    let status = world.status("a-b");
    assert_eq!(status.complete_ago, None);
    assert_eq!(status.last_known_ago, Some(seconds(60)));
    world.let_go(Kind::List);
    assert_eq!(world.filled("a-b"), Some(Fill::FirstList));
    assert_eq!(world.status("a-b").last_known_ago, Some(seconds(0)));
}

#[test]
fn a_list_is_known_again_once_all_of_it_was_given_before_any_list_of_the_source() {
    let mut world = world([link("a", "b").output()]);
    world.register("a", "orders", "10.0.0.1:80");
    world.register("a", "stock", "10.0.0.3:80");
    world.start();
    assert!(!world.resumed("a-b"), "it had nothing before");
    world.crash();
    world.withhold(Kind::List);
    world.withhold(Kind::Write);
    world.begin();
    assert!(!world.resumed("a-b"), "nothing is given yet");
    world.describe("a-b");
    assert!(world.resumed("a-b"), "though nothing is confirmed");
}

#[test]
fn what_is_taken_up_however_old_is_not_put_on_disk_again() {
    let mut world = world([link("a", "b").serving_last_known()]);
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    world.crash();
    world.pass(seconds(600));
    world.withhold(Kind::List);
    world.start();
    assert_eq!(world.shown("b", "orders").len(), 1);
    assert_eq!(world.confirmed_ago("a-b", "orders"), Some(seconds(600)));
    world.let_go(Kind::List);
    world.register("a", "orders", "10.0.0.2:80");
    world.run();
    assert_eq!(world.confirmed_ago("a-b", "orders"), Some(seconds(0)));
}

#[test]
fn a_target_that_had_nothing_is_filled_by_the_first_list() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.withhold(Kind::List);
    world.start();
    assert_eq!(world.filled("a-b"), Some(Fill::Nothing));
    world.withhold(Kind::Write);
    world.let_go(Kind::List);
    assert_eq!(world.filled("a-b"), Some(Fill::Nothing), "it is on its way");
    world.let_go(Kind::Write);
    assert_eq!(world.filled("a-b"), Some(Fill::FirstList));
}

#[test]
fn what_comes_while_absence_proves_nothing_is_copied_at_once_and_nothing_goes() {
    let mut world = killed(Hold::Persistent, 60);
    world.deregister("a", "orders", "10.0.0.1:80");
    world.deregister("a", "orders", "10.0.0.2:80");
    world.deregister("a", "stock", "10.0.0.3:80");
    world.register("a", "orders", "10.0.0.1:80");
    // As a registry whose clients are on their way back.
    world.registry("a").returning = true;
    world.start();
    world.register("a", "orders", "10.0.0.9:80");
    world.pass(seconds(25));
    assert_eq!(
        world.shown("b", "orders"),
        ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.9:80"]
    );
    assert_eq!(world.shown("b", "stock"), ["10.0.0.3:80"]);
    world.registry("a").returning = false;
    world.trigger();
    world.pass(seconds(1));
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80", "10.0.0.9:80"]);
}

#[test]
fn what_is_older_waits_for_a_complete_view() {
    let mut world = killed(Hold::Connection, 600);
    world.withhold(Kind::List);
    world.start();
    world.pass(seconds(60));
    assert_eq!(world.done(), ["list a", "list b"]);
    world.let_go(Kind::List);
    assert_eq!(
        world.done(),
        [
            "a-b orders: again, 2 held",
            "a-b stock: again, 1 held",
            "settled a-b"
        ]
    );
    assert_eq!(world.shown("b", "stock"), ["10.0.0.3:80"]);
}

#[test]
fn what_went_in_the_meantime_is_removed_after_the_lists_and_a_read() {
    for age in [60, 600] {
        let mut world = killed(Hold::Persistent, age);
        world.deregister("a", "orders", "10.0.0.2:80");
        world.deregister("a", "stock", "10.0.0.3:80");
        world.withhold(Kind::List);
        world.withhold(Kind::Read);
        world.start();
        world.pass(seconds(60));
        assert_eq!(world.shown("b", "orders").len(), 2, "age {age}");
        world.let_go(Kind::List);
        world.pass(seconds(60));
        assert_eq!(world.shown("b", "orders").len(), 2, "age {age}");
        assert_eq!(world.shown("b", "stock").len(), 1, "age {age}");
        world.let_go(Kind::Read);
        assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80"]);
        assert!(world.shown("b", "stock").is_empty());
    }
}

#[test]
fn a_source_that_is_down_at_the_start_costs_nothing() {
    for answer in [Answer::Fails, Answer::Suspect] {
        let mut world = killed(Hold::Persistent, 600);
        world.registry("a").lists = answer;
        world.registry("a").reads = Answer::Fails;
        world.registry("a").silent = true;
        world.registry("a").hidden.insert(service("orders"));
        world.registry("a").hidden.insert(service("stock"));
        world.start();
        world.pass(seconds(900));
        assert_eq!(world.written(), [""; 0]);
        assert_eq!(world.shown("b", "orders").len(), 2);
        assert!(!world.done().contains(&"settled a-b".to_owned()));
    }
}

#[test]
fn a_change_made_in_the_meantime_is_an_update() {
    let mut world = killed(Hold::Persistent, 600);
    world.register("a", "orders", "10.0.0.1:80 weight 7");
    world.start();
    assert_eq!(
        world.written(),
        [
            "a-b orders: update 10.0.0.1:80, weight 1 → 7",
            "a-b stock: again, 1 held"
        ]
    );
}

#[test]
fn what_fails_to_be_taken_up_is_tried_again_without_the_source() {
    let mut world = killed(Hold::Connection, 60);
    world.registry("a").lists = Answer::Fails;
    world.registry("b").writes = Fate::Refused;
    world.start();
    world.pass(seconds(5));
    assert!(world.shown("b", "orders").is_empty());
    world.registry("b").writes = Fate::Lands;
    world.pass(seconds(60));
    assert_eq!(world.shown("b", "orders").len(), 2);
    assert_eq!(world.shown("b", "stock").len(), 1);
}

#[test]
fn a_kill_between_intent_and_write_leaves_old_or_new() {
    let mut world = killed(Hold::Persistent, 60);
    world.start();
    world.withhold(Kind::Store);
    world.deregister("a", "orders", "10.0.0.2:80");
    world.register("a", "orders", "10.0.0.4:80");
    // The intent is on disk; nothing was written.
    world.crash();
    world.let_go(Kind::Store);
    world.start();
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80", "10.0.0.4:80"]);
    world.trigger();
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80", "10.0.0.4:80"]);
}

#[test]
fn a_kill_between_write_and_confirmation_is_no_harm() {
    let mut world = killed(Hold::Persistent, 60);
    world.start();
    world.withhold(Kind::Write);
    world.deregister("a", "orders", "10.0.0.2:80");
    world.register("a", "stock", "10.0.0.4:80");
    world.lose(Kind::Write);
    world.crash();
    world.start();
    // What the first list lacks is read before it goes.
    world.pass(seconds(1));
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80"]);
    assert_eq!(world.shown("b", "stock"), ["10.0.0.3:80", "10.0.0.4:80"]);
}

#[test]
fn a_file_is_not_rendered_short_after_a_restart() {
    let mut world = world([link("a", "f").output()]);
    world.register("a", "team/orders", "10.0.0.1:80");
    world.register("a", "stock", "10.0.0.3:80");
    world.start();
    world.crash();
    world.pass(seconds(3600));
    world.done();
    // A part of the source cannot be read: the file keeps what it had of it.
    world
        .registry("a")
        .doubtful
        .insert("team".into(), Answer::Partial);
    world.registry("a").hidden.insert(service("team/orders"));
    world.start();
    let done = world.done();
    let settled = done.iter().position(|line| line == "settled a-f");
    let taken_up = done.iter().position(|line| line.starts_with("a-f orders"));
    assert!(taken_up.is_some() && taken_up < settled, "{done:?}");
}

#[test]
fn a_file_is_not_rendered_while_a_part_of_it_waits_for_the_disk() {
    let mut world = world([link("a", "f").output()]);
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    world.crash();
    world.pass(seconds(3600));
    world.register("a", "orders", "10.0.0.2:80");
    world.deregister("a", "orders", "10.0.0.1:80");
    world.done();
    world.withhold(Kind::Store);
    world.start();
    assert!(!world.done().contains(&"settled a-f".to_owned()));
    world.let_go(Kind::Store);
    assert_eq!(
        world.done(),
        [
            "a-f orders: add 10.0.0.2:80",
            "a-f orders: remove 10.0.0.1:80, gone from the source (raw)",
            "settled a-f"
        ]
    );
}

#[test]
fn a_store_that_is_opened_again_remembers_what_is_being_written() {
    let mut world = world([link("a", "b").held_by(Hold::Persistent)]);
    world.registry("b").strips_marks = true;
    world.registry("b").writes = Fate::Unheard;
    world.start();
    world.withhold(Kind::Write);
    world.register("a", "orders", "10.0.0.1:80");
    world.tell(Event::StoreReopened);
    world.let_go(Kind::Write);
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80"]);
    world.crash();
    world.registry("b").writes = Fate::Lands;
    world.deregister("a", "orders", "10.0.0.1:80");
    world.start();
    world.pass(seconds(60));
    assert!(world.shown("b", "orders").is_empty());
}

#[test]
fn nothing_is_removed_before_the_source_has_been_listed_once() {
    let mut world = killed(Hold::Persistent, 600);
    let (link, paused) = ("a-b".into(), true);
    world.start();
    world.tell(Event::Pause { link, paused });
    // The cache knows that it left, and the target still has it.
    world.deregister("a", "orders", "10.0.0.2:80");
    world.crash();
    world.registry("a").lists = Answer::Fails;
    world.start();
    world.register("a", "orders", "10.0.0.5:80");
    world.pass(seconds(120));
    assert_eq!(world.shown("b", "orders").len(), 3);
    world.registry("a").lists = Answer::Whole;
    world.trigger();
    world.pass(seconds(60));
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80", "10.0.0.5:80"]);
}

#[test]
fn what_was_to_be_changed_when_we_died_is_no_native() {
    let mut world = world([link("a", "b").held_by(Hold::Persistent)]);
    world.registry("b").strips_marks = true;
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    world.pass(seconds(600));
    world.withhold(Kind::Store);
    world.register("a", "orders", "10.0.0.1:80 weight 7");
    // The intent is on disk; nothing was written.
    world.crash();
    world.let_go(Kind::Store);
    world.done();
    world.start();
    world.pass(seconds(60));
    let written = world.written();
    assert!(
        !written.iter().any(|line| line.contains("remove")),
        "{written:?}"
    );
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80 weight 7"]);
}

#[test]
fn what_may_be_listed_in_part_alone_is_read_before_anything_is_removed() {
    let mut world = killed(Hold::Persistent, 600);
    world.deregister("a", "orders", "10.0.0.2:80");
    world.registry("a").lists = Answer::Partial;
    world.withhold(Kind::Read);
    world.start();
    world.pass(seconds(60));
    assert_eq!(world.shown("b", "orders").len(), 2);
    world.let_go(Kind::Read);
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80"]);
}

#[test]
fn a_removal_that_died_on_its_way_counts_once_with_the_guard() {
    let guarded = link("a", "b").held_by(Hold::Persistent).guarded();
    let mut world = world([guarded]);
    let name = |n: usize| format!("service-{n:02}");
    for n in 0..30 {
        for last in 1..=4 {
            world.register("a", &name(n), &format!("10.0.0.{last}:80"));
        }
    }
    world.start();
    world.pass(seconds(2));
    // As many as may go at once, and not one more.
    world.withhold(Kind::Write);
    for n in 0..19 {
        world.deregister("a", &name(n), "10.0.0.4:80");
    }
    world.pass(seconds(1));
    for _ in 0..3 {
        world.crash();
        world.start();
        world.pass(seconds(1));
    }
    world.let_go(Kind::Write);
    world.pass(seconds(5));
    let holds = world.status("a-b").holds;
    assert!(holds.is_empty(), "{holds:?}");
    let standing = (0..30).map(|n| world.shown("b", &name(n)).len());
    assert_eq!(standing.sum::<usize>(), 30 * 4 - 19);
    world.deregister("a", &name(20), "10.0.0.4:80");
    assert!(!world.status("a-b").holds.is_empty(), "the twentieth waits");
}

/// Writes may fail one after another: all that any of them was to change may stand
/// at the target, and none of it is a native.
#[test]
fn what_failed_writes_left_behind_is_known_after_a_death() {
    let mut world = world([link("a", "b").held_by(Hold::Persistent)]);
    world.registry("b").strips_marks = true;
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    world.pass(seconds(60));
    world.registry("b").writes = Fate::Refused;
    world.register("a", "orders", "10.0.0.1:80 weight 2");
    world.pass(seconds(30));
    world.register("a", "orders", "10.0.0.1:80 weight 3");
    world.pass(seconds(30));
    world.crash();
    world.start();
    world.pass(seconds(5));
    assert_eq!(world.status("a-b").shadowed, 0);
    world.registry("b").writes = Fate::Lands;
    world.pass(seconds(120));
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80 weight 3"]);
}
