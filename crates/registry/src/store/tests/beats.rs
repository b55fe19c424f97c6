//! Registrations that live by beats.

use super::*;

fn healthy(world: &mut World) -> Option<bool> {
    let set = world.set();
    let instance = set.instances().first()?;
    Some(instance.healthy == Seen::Known(true))
}

fn beat(world: &mut World) -> Option<Duration> {
    let address = address(&instance("10.0.0.1").key, Kind::Ephemeral);
    world.store.beat(&address, &service(), world.now)
}

#[test]
fn without_beats_an_instance_turns_unhealthy_and_then_leaves() {
    let mut world = World::new();
    world.register(instance("10.0.0.1"));
    world.pass(Duration::from_millis(14_999));
    assert_eq!(healthy(&mut world), Some(true));
    world.pass(Duration::from_millis(1));
    assert_eq!(healthy(&mut world), Some(false));
    world.pass(Duration::from_millis(14_999));
    assert_eq!(healthy(&mut world), Some(false));
    world.pass(Duration::from_millis(1));
    assert_eq!(healthy(&mut world), None);
    assert_eq!(world.store.counts().beat_addresses, 0);
}

#[test]
fn beats_keep_it_alive_and_bring_its_health_back() {
    let mut world = World::new();
    world.register(instance("10.0.0.1"));
    for _ in 0..100 {
        world.pass_seconds(5);
        assert_eq!(beat(&mut world), Some(Duration::from_secs(5)));
        assert_eq!(healthy(&mut world), Some(true));
    }
    world.pass_seconds(16);
    assert_eq!(healthy(&mut world), Some(false));
    beat(&mut world);
    assert_eq!(healthy(&mut world), Some(true));
    world.pass_seconds(14);
    assert_eq!(healthy(&mut world), Some(true));
    world.pass_seconds(16);
    assert_eq!(healthy(&mut world), None);
}

#[test]
fn metadata_lengthens_the_times_up_to_three_minutes() {
    let mut world = World::new();
    world.register(saying(
        "10.0.0.1",
        &[
            ("preserved.heart.beat.interval", "20000"),
            ("preserved.heart.beat.timeout", "60000"),
            ("preserved.ip.delete.timeout", "300000"),
        ],
    ));
    assert_eq!(beat(&mut world), Some(Duration::from_secs(20)));
    world.pass_seconds(59);
    assert_eq!(healthy(&mut world), Some(true));
    world.pass_seconds(1);
    assert_eq!(healthy(&mut world), Some(false));
    world.pass_seconds(119);
    assert_eq!(healthy(&mut world), Some(false));
    world.pass_seconds(1);
    assert_eq!(healthy(&mut world), None);
}

#[test]
fn metadata_that_is_no_number_counts_for_nothing() {
    let mut world = World::new();
    world.register(saying("10.0.0.1", &[("preserved.heart.beat.timeout", "x")]));
    world.pass_seconds(15);
    assert_eq!(healthy(&mut world), Some(false));
}

#[test]
fn registering_again_starts_anew() {
    let mut world = World::new();
    for _ in 0..10 {
        world.register(instance("10.0.0.1"));
        world.pass_seconds(14);
        assert_eq!(healthy(&mut world), Some(true));
    }
    world.pass_seconds(1);
    assert_eq!(healthy(&mut world), Some(false));
}

#[test]
fn a_beat_of_what_is_not_registered_is_not_taken() {
    let mut world = World::new();
    assert_eq!(beat(&mut world), None);
    world.register(instance("10.0.0.2"));
    assert_eq!(beat(&mut world), None);
    let address = address(&instance("10.0.0.2").key, Kind::Ephemeral);
    let elsewhere = ServiceKey::new("public", "DEFAULT_GROUP", "other");
    assert_eq!(world.store.beat(&address, &elsewhere, world.now), None);
}

#[test]
fn services_of_one_address_are_beaten_apart() {
    let mut world = World::new();
    let other = ServiceKey::new("public", "DEFAULT_GROUP", "other");
    let address = address(&instance("10.0.0.1").key, Kind::Ephemeral);
    world.register(instance("10.0.0.1"));
    let publication = Publication::one(instance("10.0.0.1"), None);
    world
        .store
        .publish_address(&address, &other, publication, world.now)
        .expect("new");
    for _ in 0..6 {
        world.pass_seconds(5);
        beat(&mut world);
    }
    assert_eq!(world.set().len(), 1);
    let gone = world.store.snapshot(&other).expect("listed for a minute");
    assert!(gone.set.is_empty());
}

#[test]
fn persistent_instances_need_no_beats() {
    let mut world = World::new();
    let persistent = address(&instance("10.0.0.1").key, Kind::Persistent);
    let publication = Publication::one(instance("10.0.0.1"), None);
    world
        .store
        .publish_address(&persistent, &service(), publication, world.now)
        .expect("new");
    world.pass_seconds(86_400);
    assert_eq!(healthy(&mut world), Some(true));
    let ephemeral = address(&instance("10.0.0.1").key, Kind::Ephemeral);
    assert_eq!(world.store.beat(&ephemeral, &service(), world.now), None);
    assert!(
        !world
            .store
            .withdraw_address(&ephemeral, &service(), world.now)
    );
    assert!(
        world
            .store
            .withdraw_address(&persistent, &service(), world.now)
    );
    assert_eq!(healthy(&mut world), None);
}

#[test]
fn a_thousand_silent_addresses_leave_nothing_behind() {
    let mut world = World::new();
    for n in 0..1000_u32 {
        let host = format!("10.0.{}.{}", n / 250, n % 250);
        world.register(instance(&host));
        world.pass(Duration::from_millis(7));
    }
    world.pass_seconds(120);
    assert_eq!(world.store.counts(), Counts::default());
    assert_eq!(world.store.next_due(), None);
    assert!(world.store.snapshot(&service()).is_none());
}

#[test]
fn registering_without_end_plans_nothing_twice() {
    let mut world = World::new();
    let client = world.connection();
    let other = ServiceKey::new("public", "G", "other");
    for round in 0..1000_u32 {
        let timeout = if round % 2 == 0 { "60000" } else { "20000" };
        let lasting = [("preserved.heart.beat.timeout", timeout)];
        world.register(saying("10.0.0.1", &lasting));
        let publication = Publication::one(instance("10.0.0.2"), None);
        let published = world.store.publish(client, &other, publication, world.now);
        assert_eq!(published, Ok(()));
        world.store.withdraw(client, &other, world.now);
        world.pass(Duration::from_millis(1));
    }
    // One that was overtaken, one that counts, one for the empty service.
    assert!(world.store.timers.len() <= 3);
    world.pass_seconds(300);
    assert_eq!(world.store.next_due(), None);
}
