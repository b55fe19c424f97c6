//! Taking over what others left at a target.

use syncline_engine::core::{Adoption, Candidate, Event};
use syncline_model::adoption::{Obstacle, Publisher, Wish};

use crate::core_world::{Kind, LinkSetup, World, link, seconds, world};

const WANTED: &str = "10.0.0.1:80 zone=a";
const COPY: &str = "10.0.0.1:80 zone=a destClusterId=2 syncSource=NACOS sourceClusterId=1";

const PLAIN: Wish = Wish {
    natives: false,
    differing: false,
};
const ALL: Wish = Wish {
    natives: true,
    differing: true,
};

/// A source with an instance, and a target where something stands in its place.
fn scene(setup: LinkSetup, stands: &str) -> World {
    let mut world = world([setup]);
    world.register("a", "orders", WANTED);
    world.register("b", "orders", stands);
    world.start();
    world.pass(seconds(60));
    world.done();
    world.journal();
    world
}

fn candidates(world: &World, wish: Wish) -> Vec<Candidate> {
    let mut links = world.adoptions(wish).into_iter();
    links.next().expect("a link").candidates
}

fn obstacles(world: &World, wish: Wish) -> Vec<Option<Obstacle>> {
    let found = candidates(world, wish).into_iter();
    found.map(|it| it.obstacle).collect()
}

/// Takes over all that there is, whatever may stand in the way.
fn adopt(world: &mut World, wish: Wish) {
    let found = candidates(world, wish).into_iter();
    let instances = found.map(|it| (it.service, it.instance.key)).collect();
    world.tell(Event::Adopt(Adoption {
        link: "a-b".into(),
        wish,
        instances,
    }));
}

#[test]
fn what_nacos_sync_left_is_taken_over_and_follows_the_source() {
    let mut world = scene(link("a", "b"), COPY);
    assert_eq!(
        world.shown("b", "orders"),
        [COPY_SORTED],
        "it is left alone"
    );
    assert_eq!(world.written(), [] as [&str; 0]);
    let found = candidates(&world, PLAIN);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].by, &found[0].obstacle),
        (Publisher::NacosSync, &None)
    );
    adopt(&mut world, PLAIN);
    assert_eq!(world.shown("b", "orders"), [WANTED]);
    let told = world.journal();
    let adopted = told.iter().filter(|line| line.starts_with("adopted"));
    assert_eq!(adopted.count(), 1, "{told:?}");
    assert_eq!(world.status("a-b").shadowed, 0);
    world.register("a", "orders", "10.0.0.1:80 weight 5");
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80 weight 5"]);
    world.deregister("a", "orders", WANTED);
    world.pass(seconds(60));
    assert!(world.shown("b", "orders").is_empty());
}

/// Metadata is told in the order of its keys.
const COPY_SORTED: &str = "10.0.0.1:80 destClusterId=2 sourceClusterId=1 syncSource=NACOS zone=a";

#[test]
fn a_publisher_that_goes_on_for_a_while_stands_beside_ours_and_may_leave() {
    let mut world = scene(link("a", "b"), COPY);
    world.registry("b").keeps_alive = true;
    adopt(&mut world, PLAIN);
    world.trigger();
    world.pass(seconds(600));
    assert_eq!(world.shown("b", "orders"), [COPY_SORTED, WANTED]);
    assert_eq!(world.status("a-b").shadowed, 0, "ours does not give way");
    world.deregister("b", "orders", COPY);
    world.pass(seconds(60));
    assert_eq!(world.shown("b", "orders"), [WANTED]);
}

#[test]
fn a_native_is_taken_over_only_where_that_is_said_and_takes_its_place_back() {
    let mut world = scene(link("a", "b"), WANTED);
    assert_eq!(obstacles(&world, PLAIN), [Some(Obstacle::Native)]);
    adopt(&mut world, PLAIN);
    assert_eq!(world.written(), [] as [&str; 0], "never silently");
    let wish = Wish {
        natives: true,
        ..PLAIN
    };
    assert_eq!(obstacles(&world, wish), [None]);
    adopt(&mut world, wish);
    assert_eq!(world.copies("a-b", "orders"), [WANTED]);
    // It lives after all.
    world.pass(seconds(10));
    world.register("b", "orders", "10.0.0.1:80 own=yes");
    world.pass(seconds(10));
    assert_eq!(world.status("a-b").shadowed, 1);
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80 own=yes"]);
}

#[test]
fn what_differs_or_is_not_wanted_is_left() {
    let heavier = COPY.replace(" zone", " weight 5 zone");
    let mut world = scene(link("a", "b"), &heavier);
    let gone = COPY.replace("10.0.0.1", "10.0.0.9");
    world.register("b", "orders", &gone);
    let left = [
        Some(Obstacle::Differs("weight 5 → 1".to_owned())),
        Some(Obstacle::NotWanted),
    ];
    assert_eq!(obstacles(&world, PLAIN), left);
    assert_eq!(obstacles(&world, ALL), [None, Some(Obstacle::NotWanted)]);
    adopt(&mut world, PLAIN);
    assert_eq!(world.written(), [] as [&str; 0]);
    adopt(&mut world, ALL);
    let shown = world.shown("b", "orders");
    assert_eq!(shown.len(), 2);
    assert!(shown.contains(&WANTED.to_owned()), "{shown:?}");
}

#[test]
fn a_death_after_the_word_and_before_the_write_forgets_nothing() {
    let mut world = scene(link("a", "b").held_by(syncline_contract::Hold::Beat), COPY);
    world.withhold(Kind::Store);
    adopt(&mut world, PLAIN);
    world.crash();
    world.let_go(Kind::Store);
    world.start();
    world.pass(seconds(60));
    assert_eq!(world.status("a-b").shadowed, 0);
    assert_eq!(world.shown("b", "orders"), [WANTED]);
    world.deregister("a", "orders", WANTED);
    world.pass(seconds(60));
    assert!(world.shown("b", "orders").is_empty());
}

#[test]
fn a_paused_link_takes_over_and_writes_when_it_goes_on() {
    let mut world = scene(link("a", "b"), COPY);
    let pause = |world: &mut World, paused| {
        let link = "a-b".into();
        world.tell(Event::Pause { link, paused });
    };
    pause(&mut world, true);
    adopt(&mut world, PLAIN);
    assert_eq!(world.written(), [] as [&str; 0]);
    pause(&mut world, false);
    assert_eq!(world.shown("b", "orders"), [WANTED]);
}

#[test]
fn nothing_is_taken_over_before_the_source_was_read() {
    let mut world = world([link("a", "b")]);
    world.register("a", "orders", WANTED);
    world.register("b", "orders", COPY);
    world.withhold(Kind::List);
    world.start();
    assert!(
        candidates(&world, ALL)
            .iter()
            .all(|it| it.obstacle.is_some())
    );
    world.let_go(Kind::List);
    assert_eq!(obstacles(&world, PLAIN), [None]);
}
