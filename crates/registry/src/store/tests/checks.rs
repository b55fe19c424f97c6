//! Persistent instances that are looked at.

use super::*;
use crate::checks::Outcome;

/// A world in which somebody looks.
fn looking() -> World {
    let mut world = World::new();
    world.store.start_checks(world.now);
    world
}

fn register(world: &mut World, host: &str) {
    let mut instance = instance(host);
    instance.ephemeral = Seen::Known(false);
    let address = address(&instance.key, Kind::Persistent);
    let publication = Publication::one(instance, None);
    world
        .store
        .publish_address(&address, &service(), publication, world.now)
        .expect("the service is persistent");
}

fn check_by(world: &mut World, record: ClusterRecord) {
    let cluster = ClusterName::from(ClusterName::DEFAULT);
    world
        .store
        .set_cluster(&service(), cluster, record, world.now)
        .expect("it exists");
}

/// Who is due within the longest wait.
fn due(world: &mut World) -> Vec<Probe> {
    world.pass_seconds(8);
    world.store.take_checks(usize::MAX)
}

/// Looks at the one instance, and tells how it counts.
fn looked(world: &mut World, outcome: Outcome) -> Seen<bool> {
    let probes = due(world);
    let [probe] = &probes[..] else {
        panic!("one is due, not {probes:?}");
    };
    world
        .store
        .checked(probe, outcome, Duration::from_millis(1), world.now);
    world.set().instances()[0].healthy
}

#[test]
fn each_is_looked_at_again_after_its_result_and_not_before() {
    let mut world = looking();
    register(&mut world, "10.0.0.1");
    assert!(world.store.take_checks(1).is_empty(), "it is too early");
    let first = due(&mut world);
    assert_eq!(first.len(), 1);
    assert_eq!((first[0].host.as_str(), first[0].port), ("10.0.0.1", 8080));
    assert!(due(&mut world).is_empty(), "the first look has not ended");
    let took = Duration::from_millis(1);
    world
        .store
        .checked(&first[0], Outcome::Passed, took, world.now);
    assert_eq!(due(&mut world).len(), 1);
}

#[test]
fn health_follows_the_looks_is_pushed_and_kept() {
    let mut world = looking();
    world.store.watch_durable();
    register(&mut world, "10.0.0.1");
    let subscriber = world.connection();
    world
        .store
        .subscribe(subscriber, &service(), all(""), world.now)
        .expect("there is no quota");
    for (outcome, healthy) in [
        (Outcome::Busy, true),
        (Outcome::Failed, true),
        (Outcome::Busy, false),
        (Outcome::Passed, false),
        (Outcome::Passed, false),
        (Outcome::Passed, true),
        (Outcome::Down, false),
        (Outcome::Spared, false),
    ] {
        let before = world.set().instances()[0].healthy;
        world.pass_seconds(1);
        world.store.take_unsaved();
        world.pushes();
        assert_eq!(looked(&mut world, outcome), Seen::Known(healthy));
        world.pass_seconds(1);
        let changed = usize::from(before != Seen::Known(healthy));
        assert_eq!(world.pushes(), changed, "{outcome:?}");
        assert_eq!(world.store.take_unsaved().parts.len(), changed);
    }
}

#[test]
fn nobody_looks_at_what_others_keep_alive() {
    let mut world = looking();
    world.register(instance("10.0.0.1"));
    let client = world.connection();
    world.publish(client, instance("10.0.0.2"));
    let link = world.store.open_link(&"copies".into(), 1);
    let mut copy = instance("10.0.0.3");
    copy.ephemeral = Seen::Known(false);
    let copies = Arc::new(ServiceSet::new(vec![copy]));
    let other = ServiceKey::new("public", "DEFAULT_GROUP", "copied");
    world
        .store
        .publish_link(link, &service(), copies.clone(), world.now);
    world.store.publish_link(link, &other, copies, world.now);
    assert!(due(&mut world).is_empty());
}

#[test]
fn a_copy_beside_a_persistent_instance_is_not_looked_at() {
    let mut world = looking();
    register(&mut world, "10.0.0.1");
    let link = world.store.open_link(&"copies".into(), 1);
    let copies = Arc::new(ServiceSet::new(vec![instance("10.0.0.3")]));
    world
        .store
        .publish_link(link, &service(), copies, world.now);
    let probes = due(&mut world);
    let hosts: Vec<&str> = probes.iter().map(|probe| probe.host.as_str()).collect();
    assert_eq!(hosts, ["10.0.0.1"]);
}

#[test]
fn a_checker_ends_the_looks_and_another_begins_them() {
    let mut world = looking();
    register(&mut world, "10.0.0.1");
    check_by(&mut world, checked_by(Checker::None));
    assert!(due(&mut world).is_empty());
    register(&mut world, "10.0.0.1");
    assert!(due(&mut world).is_empty(), "nor when it registers again");
    let record = ClusterRecord {
        check_port: 9000,
        own_port: false,
        ..checked_by(Checker::Tcp)
    };
    check_by(&mut world, record);
    let probes = due(&mut world);
    assert_eq!(probes.len(), 1);
    assert_eq!(probes[0].port, 9000);
}

#[test]
fn a_look_at_what_registered_anew_or_left_meanwhile_says_nothing() {
    let mut world = looking();
    register(&mut world, "10.0.0.1");
    let probe = due(&mut world).remove(0);
    register(&mut world, "10.0.0.1");
    let took = Duration::from_millis(1);
    world.store.checked(&probe, Outcome::Down, took, world.now);
    assert_eq!(world.set().instances()[0].healthy, Seen::Known(true));

    let probe = due(&mut world).remove(0);
    let address = address(&instance("10.0.0.1").key, Kind::Persistent);
    assert!(
        world
            .store
            .withdraw_address(&address, &service(), world.now)
    );
    world.store.checked(&probe, Outcome::Down, took, world.now);
    assert!(due(&mut world).is_empty());
}

#[test]
fn nobody_is_due_before_somebody_looks_and_after() {
    let mut world = World::new();
    register(&mut world, "10.0.0.1");
    assert!(due(&mut world).is_empty());
    world.store.start_checks(world.now);
    assert_eq!(due(&mut world).len(), 1, "it was there before");
    world.store.stop_checks();
    register(&mut world, "10.0.0.2");
    assert!(due(&mut world).is_empty());
}

#[test]
fn many_are_spread_and_taken_as_few_as_wanted() {
    const ALL: usize = 10_000;
    let mut world = looking();
    for number in 0..ALL {
        register(
            &mut world,
            &format!("10.0.{}.{}", number / 250, number % 250),
        );
    }
    world.pass_seconds(2);
    let mut due = Vec::new();
    for _ in 0..60 {
        world.pass(Duration::from_millis(100));
        due.push(world.store.take_checks(usize::MAX).len());
    }
    assert_eq!(due.iter().sum::<usize>(), ALL);
    let most = due.iter().max().copied().unwrap_or_default();
    assert!(most < ALL / 6, "{most} in a tenth of a second");

    world.store.stop_checks();
    world.store.start_checks(world.now);
    world.pass_seconds(8);
    assert_eq!(world.store.take_checks(7).len(), 7);
    assert!(world.store.has_due_checks());
    assert_eq!(world.store.take_checks(ALL).len(), ALL - 7);
}
