//! One link: what comes, changes and goes.

use syncline_contract::{Hold, Listed, Observation, Rejected};
use syncline_engine::core::Event;
use syncline_model::plan::RemovalPolicy;
use syncline_model::{ServiceSet, Truth, View};

use crate::core_world::{Answer, Fate, Kind, instance, link, seconds, service, world};

#[test]
fn a_first_list_is_copied_whole() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80 weight 5 zone=x");
    world.register("a", "orders", "10.0.0.2:80 unhealthy");
    world.register("a", "stock", "10.0.0.3:80 disabled");
    world.start();
    assert_eq!(
        world.shown("b", "orders"),
        ["10.0.0.1:80 weight 5 zone=x", "10.0.0.2:80 unhealthy"]
    );
    assert_eq!(world.shown("b", "stock"), ["10.0.0.3:80 disabled"]);
    assert_eq!(
        world.done(),
        [
            "list a",
            "list b",
            "a-b orders: add 10.0.0.1:80 weight 5 zone=x",
            "a-b orders: add 10.0.0.2:80 unhealthy",
            "a-b stock: add 10.0.0.3:80 disabled",
            "settled a-b",
        ]
    );
}

#[test]
fn what_is_in_step_is_left_alone() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    world.pass(seconds(60));
    world.done();
    for _ in 0..3 {
        world.trigger();
        world.pass(seconds(300));
    }
    let lists = ["list a", "list b"].repeat(3);
    assert_eq!(world.done(), lists);
}

#[test]
fn a_push_adds_and_changes_at_once() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    world.done();
    world.register("a", "orders", "10.0.0.2:80");
    world.register("a", "orders", "10.0.0.1:80 weight 5");
    world.register("a", "stock", "10.0.0.9:80");
    assert_eq!(
        world.done(),
        [
            "a-b orders: add 10.0.0.2:80",
            "a-b orders: update 10.0.0.1:80, weight 1 → 5",
            "a-b stock: add 10.0.0.9:80",
        ]
    );
}

#[test]
fn a_push_removes_only_what_a_read_confirms() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.register("a", "orders", "10.0.0.2:80");
    world.start();
    world.done();
    world.withhold(Kind::Read);
    world.deregister("a", "orders", "10.0.0.2:80");
    assert_eq!(world.done(), ["ConfirmRemoval a orders"]);
    world.let_go(Kind::Read);
    assert_eq!(
        world.written(),
        ["a-b orders: remove 10.0.0.2:80, gone from the source (raw)"]
    );
}

#[test]
fn a_disabled_instance_that_pushes_hide_is_not_gone() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.register("a", "orders", "10.0.0.2:80");
    world.start();
    world.register("a", "orders", "10.0.0.2:80 disabled");
    world.done();
    world.register("a", "orders", "10.0.0.1:80 weight 5");
    assert_eq!(
        world.shown("b", "orders"),
        ["10.0.0.1:80 weight 5", "10.0.0.2:80 disabled"]
    );
    assert_eq!(
        world.done(),
        ["a-b orders: update 10.0.0.1:80, weight 1 → 5"]
    );
}

#[test]
fn a_list_or_a_read_that_fails_removes_nothing() {
    for answer in [Answer::Fails, Answer::Partial, Answer::Suspect] {
        let mut world = world([link("a", "b")]);
        world.register("a", "orders", "10.0.0.1:80");
        world.register("a", "stock", "10.0.0.2:80");
        world.start();
        world.withhold(Kind::Push);
        world.deregister("a", "orders", "10.0.0.1:80");
        world.deregister("a", "stock", "10.0.0.2:80");
        world.lose(Kind::Push);
        world.done();

        world.registry("a").lists = answer;
        world.trigger();
        world.pass(seconds(120));
        assert_eq!(world.written(), [""; 0], "lists: {answer:?}");

        world.registry("a").lists = Answer::Whole;
        world.registry("a").reads = answer;
        world.trigger();
        world.pass(seconds(120));
        assert_eq!(world.written(), [""; 0], "reads: {answer:?}");

        world.registry("a").reads = Answer::Whole;
        world.pass(seconds(60));
        assert!(world.shown("b", "orders").is_empty(), "{answer:?}");
        assert!(world.shown("b", "stock").is_empty(), "{answer:?}");
    }
}

#[test]
fn a_service_that_a_whole_list_lacks_goes_when_a_read_confirms_it() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.register("a", "stock", "10.0.0.2:80");
    world.start();
    world.done();
    // One of the two is gone, the other only missing from the list.
    world.withhold(Kind::Push);
    world.deregister("a", "orders", "10.0.0.1:80");
    world.lose(Kind::Push);
    world.registry("a").hidden.insert(service("stock"));
    world.trigger();
    assert_eq!(
        world.done()[..5],
        [
            "list a",
            "list b",
            "ConfirmRemoval a orders",
            "ConfirmRemoval a stock",
            "a-b orders: remove 10.0.0.1:80, gone from the source (raw)",
        ]
    );
    assert_eq!(world.shown("b", "stock"), ["10.0.0.2:80"]);
}

#[test]
fn what_a_list_of_a_part_lacks_is_not_even_asked_for() {
    for answer in [Answer::Partial, Answer::Suspect, Answer::Fails] {
        let mut world = world([link("a", "b")]);
        world.register("a", "team/orders", "10.0.0.1:80");
        world.register("a", "stock", "10.0.0.2:80");
        world.start();
        world.done();
        world.withhold(Kind::Push);
        world.deregister("a", "team/orders", "10.0.0.1:80");
        world.deregister("a", "stock", "10.0.0.2:80");
        world.lose(Kind::Push);
        world.registry("a").doubtful.insert("team".into(), answer);
        world.trigger();
        let done = world.done();
        let of_orders = done.iter().filter(|line| line.contains("orders"));
        assert_eq!(of_orders.count(), 0, "{answer:?}: {done:?}");
        assert!(world.shown("b", "stock").is_empty(), "the rest goes on");
    }
}

#[test]
fn an_instance_that_moves_is_added_before_it_is_removed() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80@east");
    world.start();
    world.done();
    world.withhold(Kind::Push);
    world.register("a", "orders", "10.0.0.1:80@west");
    world.deregister("a", "orders", "10.0.0.1:80@east");
    world.let_go(Kind::Push);
    assert_eq!(
        world.written(),
        [
            "a-b orders: add 10.0.0.1:80@west",
            "a-b orders: remove 10.0.0.1:80@east, gone from the source (raw)",
        ]
    );
}

#[test]
fn what_happens_during_a_write_is_written_after_it_and_once() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    world.done();
    world.withhold(Kind::Write);
    world.register("a", "orders", "10.0.0.2:80");
    for weight in 1..=5 {
        world.register("a", "orders", &format!("10.0.0.1:80 weight {weight}"));
        world.register("a", "orders", &format!("10.0.0.3:80 weight {weight}"));
    }
    assert_eq!(world.done(), ["a-b orders: add 10.0.0.2:80"]);
    world.let_go(Kind::Write);
    assert_eq!(
        world.done(),
        [
            "a-b orders: add 10.0.0.3:80 weight 5",
            "a-b orders: update 10.0.0.1:80, weight 1 → 5",
        ]
    );
}

#[test]
fn a_failed_write_is_tried_again_until_it_lands() {
    for fate in [Fate::Refused, Fate::Unheard, Fate::Halved] {
        let mut world = world([link("a", "b")]);
        world.register("a", "orders", "10.0.0.1:80");
        world.register("a", "orders", "10.0.0.2:80");
        world.registry("b").writes = fate;
        world.start();
        world.pass(seconds(60));
        let tries = world.written().len();
        assert!((4..60).contains(&tries), "{fate:?}: {tries} tries in 60 s");
        assert_eq!(world.status("a-b").problems.len(), 1);

        world.registry("b").writes = Fate::Lands;
        world.pass(seconds(120));
        assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80", "10.0.0.2:80"]);
        assert!(world.status("a-b").problems.is_empty());
        world.done();
        world.pass(seconds(600));
        assert_eq!(world.done(), [""; 0], "{fate:?}: it is quiet then");
    }
}

#[test]
fn what_a_failed_write_may_have_left_behind_is_removed() {
    for (fate, additive) in [(Fate::Unheard, true), (Fate::Unheard, false)] {
        let mut world = world([link("a", "b")]);
        world.registry("b").additive = additive;
        world.start();
        world.registry("b").writes = fate;
        world.register("a", "orders", "10.0.0.1:80");
        world.deregister("a", "orders", "10.0.0.1:80");
        world.registry("b").writes = Fate::Lands;
        world.pass(seconds(120));
        assert!(world.shown("b", "orders").is_empty());
    }
}

#[test]
fn nothing_is_removed_or_marked_that_the_store_cannot_remember() {
    let mark = RemovalPolicy::MarkUnavailable {
        grace: seconds(0),
        expire_after: None,
    };
    let delete = RemovalPolicy::Delete { grace: seconds(0) };
    for policy in [delete, mark] {
        let mut world = world([link("a", "b").removal(policy)]);
        world.register("a", "orders", "10.0.0.1:80");
        world.register("a", "orders", "10.0.0.2:80");
        world.start();
        world.disk_fails(true);
        world.deregister("a", "orders", "10.0.0.2:80");
        world.pass(seconds(300));
        assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80", "10.0.0.2:80"]);
        world.disk_fails(false);
        world.pass(seconds(120));
        assert_ne!(world.shown("b", "orders"), ["10.0.0.1:80", "10.0.0.2:80"]);
    }
}

#[test]
fn additions_go_on_while_the_store_fails() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    world.disk_fails(true);
    world.register("a", "stock", "10.0.0.9:80");
    assert_eq!(world.shown("b", "stock"), ["10.0.0.9:80"]);
    // Also beside a removal, which has to wait.
    world.withhold(Kind::Write);
    world.register("a", "orders", "10.0.0.1:80 weight 5");
    world.register("a", "orders", "10.0.0.2:80");
    world.deregister("a", "orders", "10.0.0.1:80");
    world.let_go(Kind::Write);
    world.pass(seconds(120));
    let both = ["10.0.0.1:80 weight 5", "10.0.0.2:80"];
    assert_eq!(world.shown("b", "orders"), both);
    world.disk_fails(false);
    world.pass(seconds(120));
    assert_eq!(world.shown("b", "orders"), ["10.0.0.2:80"]);
}

#[test]
fn what_outlives_us_is_on_disk_before_it_is_written() {
    for hold in [Hold::Beat, Hold::Persistent] {
        let mut world = world([link("a", "b").held_by(hold)]);
        world.start();
        world.withhold(Kind::Store);
        world.register("a", "orders", "10.0.0.1:80");
        assert!(world.shown("b", "orders").is_empty());
        world.let_go(Kind::Store);
        assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80"]);
    }
}

#[test]
fn a_grace_is_waited_for_and_no_longer() {
    let policy = RemovalPolicy::Delete { grace: seconds(30) };
    let mut world = world([link("a", "b").removal(policy)]);
    world.register("a", "orders", "10.0.0.1:80");
    world.register("a", "orders", "10.0.0.2:80");
    world.start();
    world.deregister("a", "orders", "10.0.0.2:80");
    world.pass(seconds(29));
    assert_eq!(world.shown("b", "orders").len(), 2);
    world.pass(seconds(1));
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80"]);
}

#[test]
fn an_instance_that_came_during_the_read_stays() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.register("a", "orders", "10.0.0.2:80");
    world.start();
    world.withhold(Kind::Read);
    world.deregister("a", "orders", "10.0.0.2:80");
    // The read was answered before this one came.
    world.register("a", "orders", "10.0.0.3:80");
    world.let_go(Kind::Read);
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80", "10.0.0.3:80"]);
    let written = world.written();
    assert!(
        !written.iter().any(|line| line.contains("remove 10.0.0.3")),
        "{written:?}"
    );
}

#[test]
fn a_service_that_returns_while_it_is_read_is_not_forgotten() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    world.deregister("a", "orders", "10.0.0.1:80");
    world.withhold(Kind::List);
    world.trigger();
    world.withhold(Kind::Push);
    world.register("a", "orders", "10.0.0.1:80");
    world.lose(Kind::Push);
    world.withhold(Kind::Read);
    world.observe("a", Observation::Look(service("orders")));
    // The list began before it returned, the read after.
    world.let_go(Kind::List);
    world.let_go(Kind::Read);
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80"]);
}

#[test]
fn what_leaves_one_of_several_services_that_become_one_is_removed() {
    let mut world = world([link("a", "b").into_namespace("all")]);
    world.register("a", "x/orders", "10.0.0.1:80");
    world.register("a", "x/orders", "10.0.0.2:80");
    world.start();
    // Nothing but a push has ever told of the other one.
    world.register("a", "y/orders", "10.0.0.1:80 weight 3");
    world.register("a", "y/orders", "10.0.0.3:80");
    world.deregister("a", "x/orders", "10.0.0.1:80");
    world.deregister("a", "x/orders", "10.0.0.2:80");
    world.pass(seconds(10));
    assert_eq!(
        world.shown("b", "all/orders"),
        ["10.0.0.1:80 weight 3", "10.0.0.3:80"]
    );
}

#[test]
fn what_leaves_the_condition_of_a_link_is_removed() {
    let mut world = world([link("a", "b").with_condition("weight > 1")]);
    world.register("a", "orders", "10.0.0.1:80 weight 2");
    world.register("a", "orders", "10.0.0.2:80 weight 2");
    world.start();
    world.register("a", "orders", "10.0.0.2:80 weight 1");
    world.pass(seconds(10));
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80 weight 2"]);
}

#[test]
fn a_read_that_was_overtaken_puts_nothing_back() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80 weight 2");
    world.start();
    world.withhold(Kind::Read);
    world.observe("a", Observation::Look(service("orders")));
    world.registry("a").silent = true;
    world.register("a", "orders", "10.0.0.1:80 weight 3 disabled");
    world.trigger();
    assert_eq!(
        world.shown("b", "orders"),
        ["10.0.0.1:80 weight 3 disabled"]
    );
    // A push that does not show what is disabled.
    world.registry("a").silent = false;
    world.register("a", "orders", "10.0.0.1:80 weight 3 disabled");
    world.done();
    world.let_go(Kind::Read);
    assert_eq!(world.written(), [""; 0]);
}

#[test]
fn an_old_list_speaks_against_a_removal_until_a_read_has_told() {
    let mut world = world([link("a", "b").held_by(Hold::Persistent)]);
    world.register("a", "orders", "10.0.0.1:80");
    world.register("a", "orders", "10.0.0.2:80");
    world.start();
    world.withhold(Kind::List);
    world.trigger();
    world.withhold(Kind::Store);
    world.deregister("a", "orders", "10.0.0.2:80");
    world.withhold(Kind::Read);
    world.let_go(Kind::List);
    world.let_go(Kind::Store);
    assert_eq!(world.shown("b", "orders").len(), 2);
    world.let_go(Kind::Read);
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80"]);
}

#[test]
fn what_a_timed_link_planned_anew_is_brought_to_an_end() {
    let mut world = world([link("a", "b").timed()]);
    world.register("a", "orders", "10.0.0.1:80");
    world.register("a", "orders", "10.0.0.2:80");
    world.start();
    world.pass(seconds(60));
    world.deregister("a", "orders", "10.0.0.2:80");
    world.withhold(Kind::Store);
    world.trigger();
    world.register("a", "orders", "10.0.0.3:80");
    world.let_go(Kind::Store);
    world.pass(seconds(10));
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80", "10.0.0.3:80"]);
}

#[test]
fn what_a_doubtful_look_showed_is_not_forgotten_with_the_doubt() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    let shown = ServiceSet::new(vec![instance("10.0.0.1:80 weight 3")]);
    world.tell(Event::Read {
        endpoint: "a".into(),
        service: service("orders"),
        view: View::Suspect(shown.into(), "members disagree".into()),
        rejected: Vec::new(),
    });
    world.describe("a-b");
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80 weight 3"]);
    // A list that cannot make sense of it says nothing of it.
    let nonsense = Rejected {
        what: "10.0.0.1:80".to_owned(),
        why: "its metadata is no text".to_owned(),
    };
    let listed = Listed {
        service: service("orders"),
        view: View::Complete(Truth::Raw, ServiceSet::empty()),
        rejected: vec![nonsense],
    };
    let endpoint = "a".into();
    world.tell(Event::Listed { endpoint, listed });
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80 weight 3"]);
}

#[test]
fn what_came_back_as_nonsense_while_it_was_to_go_stays() {
    let grace = seconds(30);
    let setup = link("a", "b").removal(RemovalPolicy::Delete { grace });
    let mut world = world([setup]);
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    world.deregister("a", "orders", "10.0.0.1:80");
    let nonsense = Rejected {
        what: "10.0.0.1:80".to_owned(),
        why: "its metadata is no text".to_owned(),
    };
    let content = Observation::Content {
        service: service("orders"),
        view: View::Complete(Truth::Consumer, ServiceSet::empty()),
        rejected: vec![nonsense],
    };
    world.observe("a", content);
    world.pass(seconds(60));
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80"]);
}

#[test]
fn a_grace_does_not_begin_again_when_a_removal_fails() {
    let grace = seconds(30);
    let setup = link("a", "b").removal(RemovalPolicy::Delete { grace });
    let mut world = world([setup]);
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    world.registry("b").writes = Fate::Refused;
    world.deregister("a", "orders", "10.0.0.1:80");
    world.pass(seconds(31));
    world.registry("b").writes = Fate::Lands;
    world.pass(seconds(20));
    assert!(world.shown("b", "orders").is_empty());
}
