//! Telling our own copies from natives and from one another, where marks are lost
//! or were never written.

use crate::core_natives::assert_silent;
use crate::core_world::{Answer, Fate, Kind, LinkSetup, World, link, seconds, world};

/// Three registries that lose marks, with links between all of them.
fn stripped_mesh() -> World {
    let names = ["a", "b", "c"];
    let pairs = names.iter().flat_map(|from| names.map(|to| (*from, to)));
    let links = pairs.filter(|(from, to)| *from != *to);
    let mut world = world(links.map(|(from, to)| link(from, to)));
    for name in names {
        world.registry(name).strips_marks = true;
    }
    world
}

#[test]
fn what_came_two_ways_goes_on_by_the_one_that_may() {
    let mut world = stripped_mesh();
    world.register("b", "orders", "10.0.0.1:80");
    world.start();
    assert_silent(&mut world);
    for name in ["b-a", "b-c", "a-c", "c-a"] {
        assert_eq!(world.copies(name, "orders"), ["10.0.0.1:80"], "{name}");
    }
    world.register("b", "orders", "10.0.0.1:80 weight 3");
    assert_silent(&mut world);
    world.deregister("b", "orders", "10.0.0.1:80");
    assert_silent(&mut world);
    for name in ["a", "b", "c"] {
        assert!(world.shown(name, "orders").is_empty(), "{name}");
    }
}

#[test]
fn what_came_through_registries_without_marks_does_not_come_back() {
    let mut world = world([
        link("b", "c").unmarked(),
        link("c", "a").unmarked(),
        link("a", "b"),
    ]);
    world.register("b", "orders", "10.0.0.1:80");
    world.start();
    assert_silent(&mut world);
    assert_eq!(world.shown("a", "orders"), ["10.0.0.1:80"]);
    assert!(world.copies("a-b", "orders").is_empty());
}

#[test]
fn copies_of_two_links_stand_beside_one_another_without_marks() {
    let mut world = world([
        link("d", "e").unmarked(),
        link("d", "c"),
        link("c", "e").unmarked(),
    ]);
    world.register("d", "orders", "10.0.0.1:80");
    world.start();
    assert_silent(&mut world);
    assert_eq!(world.copies("d-e", "orders"), ["10.0.0.1:80"]);
    assert_eq!(world.copies("c-e", "orders"), ["10.0.0.1:80"]);
}

#[test]
fn a_native_beside_a_copy_without_mark_is_seen_for_good() {
    let mut world = world([link("a", "b").unmarked()]);
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    world.register("b", "orders", "10.0.0.1:80 zone=b");
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80 zone=b"]);
    assert_silent(&mut world);
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80 zone=b"]);
}

#[test]
fn what_a_look_lacks_is_no_native_until_a_read_has_told() {
    let with: [fn(LinkSetup) -> LinkSetup; 2] = [|link| link, LinkSetup::unmarked];
    for setup in with {
        let mut world = world([setup(link("a", "b"))]);
        world.registry("b").strips_marks = true;
        // What is disabled is in no push.
        world.register("a", "orders", "10.0.0.1:80 disabled");
        world.start();
        world.deregister("a", "orders", "10.0.0.1:80 disabled");
        world.register("a", "orders", "10.0.0.1:80@east disabled");
        world.trigger();
        world.pass(seconds(60));
        world.done();
        world.trigger();
        world.pass(seconds(300));
        assert_eq!(world.written(), [""; 0]);
        assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80@east disabled"]);
    }
}

#[test]
fn a_copy_yields_also_while_its_link_waits_and_its_source_is_lost() {
    let mut world = world([link("a", "b").timed()]);
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80"]);
    world.pass(seconds(60));
    world.registry("a").lists = Answer::Fails;
    world.registry("a").reads = Answer::Fails;
    world.trigger();
    world.register("b", "orders", "10.0.0.1:80 zone=b");
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80 zone=b"]);
}

/// An answer may be as old as the question. A list that began before our write, and
/// ends long after it, still shows what we gave before; where the registry loses
/// marks that looks like a native.
#[test]
fn a_list_that_takes_long_does_not_make_our_former_content_a_native() {
    let mut world = world([link("a", "b")]);
    world.registry("b").strips_marks = true;
    world.register("a", "orders", "10.0.0.1:80");
    world.start();
    world.pass(seconds(60));
    world.registry("b").silent = true;
    world.withhold(Kind::List);
    world.trigger();
    world.register("a", "orders", "10.0.0.1:80 weight 2");
    world.pass(seconds(10));
    world.let_go(Kind::List);
    world.register("a", "orders", "10.0.0.2:80");
    assert_eq!(
        world.copies("a-b", "orders"),
        ["10.0.0.1:80 weight 2", "10.0.0.2:80"]
    );
    assert_eq!(world.status("a-b").shadowed, 0);
    assert_silent(&mut world);
}

/// Where nothing is marked, what stands alone in the place of our copy is our copy,
/// changed by somebody; unless a native was seen beside it before, and ours went.
#[test]
fn a_native_that_is_left_alone_stays_a_native() {
    let mut world = world([link("b", "a").unmarked(), link("a", "b")]);
    world.register("b", "orders", "10.0.0.1:80");
    world.start();
    world.pass(seconds(60));
    world.registry("a").writes = Fate::Unheard;
    world.register("a", "orders", "10.0.0.1:80 zone=a");
    world.deregister("b", "orders", "10.0.0.1:80");
    world.pass(seconds(30));
    assert_eq!(world.shown("a", "orders"), ["10.0.0.1:80 zone=a"]);
    assert_eq!(world.shown("b", "orders"), ["10.0.0.1:80 zone=a"]);
    let taken = |line: &String| line.starts_with("a-b orders: remove");
    assert!(!world.written().iter().any(taken), "it came and stayed");
}
