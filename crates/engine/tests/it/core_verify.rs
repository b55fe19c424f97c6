//! Source, ledger and target, compared.

use syncline_engine::core::{Event, LinkVerification, Why};
use syncline_model::plan::RemovalPolicy;

use crate::core_world::{World, link, seconds, world};

fn verified(world: &World) -> LinkVerification {
    let mut links = world.verify().into_iter();
    links.next().expect("a link")
}

/// Why each instance that differs does.
fn whys(world: &World) -> Vec<(String, &'static str)> {
    let differences = verified(world).differences;
    let why = |it: &syncline_engine::core::Difference| (it.instance.to_string(), it.why.as_str());
    differences.iter().map(why).collect()
}

fn in_step() -> World {
    let mut world = world([link("a", "b").guarded()]);
    world.register("a", "orders", "10.0.0.1:80 weight 5");
    world.register("a", "orders", "10.0.0.2:80");
    world.start();
    world.pass(seconds(600));
    world
}

#[test]
fn what_is_in_step_is_the_same_on_all_sides() {
    let world = in_step();
    let found = verified(&world);
    assert_eq!((found.same, found.differences.len()), (2, 0));
    assert!(found.target_is_read && !found.reading);
}

#[test]
fn links_that_make_up_one_service_are_no_strays_to_each_other() {
    let mut world = world([link("a", "c"), link("b", "c")]);
    world.register("a", "orders", "10.0.0.1:80");
    world.register("b", "orders", "10.0.0.2:80");
    world.start();
    world.pass(seconds(600));
    assert_eq!(world.shown("c", "orders").len(), 2);
    for found in world.verify() {
        assert_eq!((found.same, found.differences.len()), (1, 0), "{found:?}");
    }
}

#[test]
fn what_waits_for_an_operator_says_for_which() {
    let mut world = in_step();
    let link: syncline_model::LinkName = "a-b".into();
    let pause = |paused| Event::Pause {
        link: link.clone(),
        paused,
    };
    world.tell(pause(true));
    world.register("a", "orders", "10.0.0.3:80");
    assert_eq!(whys(&world), [("10.0.0.3:80".to_owned(), "paused")]);
    world.tell(pause(false));
    assert_eq!(whys(&world), []);

    world.deregister("a", "orders", "10.0.0.1:80");
    world.deregister("a", "orders", "10.0.0.2:80");
    world.deregister("a", "orders", "10.0.0.3:80");
    let held = verified(&world).differences;
    assert!(!held.is_empty());
    assert!(
        held.iter().all(|it| matches!(it.why, Why::Held(_))),
        "{held:?}"
    );
    let hold = world.status("a-b").holds[0].hold.id;
    assert!(held.iter().all(|it| it.why == Why::Held(hold)));
}

#[test]
fn natives_evacuations_and_removal_policies_are_reasons() {
    let mut world = in_step();
    world.register("b", "orders", "10.0.0.2:80 weight 9");
    world.pass(seconds(10));
    assert_eq!(whys(&world), [("10.0.0.2:80".to_owned(), "shadowed")]);
    let what = "link:a-b".parse().expect("names one");
    world.tell(Event::Evacuate { what, on: true });
    let found = verified(&world).differences;
    let aside = found
        .iter()
        .find(|it| it.instance.to_string() == "10.0.0.1:80");
    assert_eq!(
        aside.map(|it| it.why.to_string()).as_deref(),
        Some("stands aside (evacuated: link:a-b)")
    );

    let mut world = crate::core_world::world([link("a", "b").removal(RemovalPolicy::Keep)]);
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    world.pass(seconds(600));
    world.deregister("a", "orders", "10.0.0.1:80");
    world.pass(seconds(60));
    let found = verified(&world).differences;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].why.to_string(), "kept: removal.policy: keep");
    assert!(found[0].source.is_none() && found[0].ledger.is_some());
}
