//! Copies that stand aside: evacuated by an operator, or of a source that stays
//! lost.

use syncline_contract::Hold;
use syncline_engine::core::{Aside, Evacuation, Event, SourceLost};

use crate::core_world::{Answer, World, link, seconds, world};

fn evacuate(world: &mut World, what: &str, on: bool) {
    let what: Evacuation = what.parse().expect("names one");
    world.tell(Event::Evacuate { what, on });
}

fn in_step() -> World {
    let mut world = world([link("a", "b").guarded().held_by(Hold::Persistent)]);
    for last in 0..30 {
        world.register("a", "orders", &format!("10.0.0.{last}:80 weight 5"));
    }
    world.register("a", "stock", "10.0.1.1:80@east");
    world.start();
    world.pass(seconds(600));
    world
}

fn source_dies(world: &mut World) {
    world.registry("a").lists = Answer::Fails;
    world.registry("a").reads = Answer::Fails;
}

#[test]
fn an_evacuated_link_takes_no_traffic_and_loses_nothing_also_after_a_crash() {
    for what in ["link:a-b", "origin:a"] {
        let mut world = in_step();
        source_dies(&mut world);
        evacuate(&mut world, what, true);
        let out_of_use = "10.0.0.7:80 weight 0 unhealthy".to_owned();
        for _ in 0..2 {
            let shown = world.shown("b", "orders");
            assert_eq!(shown.len(), 30);
            assert!(shown.contains(&out_of_use), "{shown:?}");
            assert_eq!(world.status("a-b").aside, Some(Aside::OutOfUse));
            assert!(world.status("a-b").holds.is_empty());
            world.crash();
            world.start();
            world.pass(seconds(60));
        }
        evacuate(&mut world, what, false);
        let shown = world.shown("b", "orders");
        assert!(
            shown.contains(&"10.0.0.7:80 weight 5".to_owned()),
            "{shown:?}"
        );
        assert_eq!(world.shown("b", "stock"), ["10.0.1.1:80@east"]);
    }
}

#[test]
fn one_cluster_is_evacuated_and_the_rest_goes_on() {
    let mut world = in_step();
    evacuate(&mut world, "cluster:east", true);
    assert_eq!(
        world.shown("b", "stock"),
        ["10.0.1.1:80@east weight 0 unhealthy"]
    );
    world.register("a", "stock", "10.0.1.2:80");
    assert_eq!(world.shown("b", "stock").len(), 2);
    assert!(
        world
            .shown("b", "stock")
            .contains(&"10.0.1.2:80".to_owned())
    );
    evacuate(&mut world, "cluster:east", false);
    assert_eq!(
        world.shown("b", "stock"),
        ["10.0.1.1:80@east", "10.0.1.2:80"]
    );
}

#[test]
fn copies_of_a_source_that_stays_lost_stand_aside_until_it_is_read_again() {
    let after = seconds(120);
    for (lost, shown) in [
        (
            SourceLost::Deprioritize { after },
            "10.0.0.1:80 weight 0.01",
        ),
        (
            SourceLost::MarkUnavailable { after },
            "10.0.0.1:80 weight 0 unhealthy",
        ),
    ] {
        let mut setup = link("a", "b").guarded().held_by(Hold::Persistent);
        setup.source_lost = lost;
        let mut world = world([setup]);
        world.register("a", "orders", "10.0.0.1:80 weight 5");
        world.start();
        world.pass(seconds(600));
        source_dies(&mut world);
        world.trigger();
        world.pass(seconds(110));
        assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80 weight 5"]);
        world.pass(seconds(20));
        assert_eq!(world.shown("b", "orders"), [shown]);
        world.registry("a").lists = Answer::Whole;
        world.registry("a").reads = Answer::Whole;
        world.pass(seconds(60));
        assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80 weight 5"]);
    }
}
