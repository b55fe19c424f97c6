//! Kinds, empty services, overrides and thresholds.

use super::*;

fn persistent(world: &mut World, host: &str) -> Result<(), PublishError> {
    let mut instance = instance(host);
    instance.ephemeral = Seen::Known(false);
    let address = address(&instance.key, Kind::Persistent);
    let publication = Publication::one(instance, None);
    world
        .store
        .publish_address(&address, &service(), publication, world.now)
}

#[test]
fn a_service_is_of_one_kind_until_it_was_empty_for_a_minute() {
    let mut world = World::new();
    let client = world.connection();
    world.publish(client, instance("10.0.0.1"));
    let refused = persistent(&mut world, "10.0.0.2").expect_err("ephemeral");
    assert_eq!(
        refused.to_string(),
        "Current service DEFAULT_GROUP@@orders is ephemeral service, \
         can't register persistent instance."
    );
    world.store.disconnect(client, world.now);
    world.pass_seconds(59);
    assert!(persistent(&mut world, "10.0.0.2").is_err());
    world.pass_seconds(1);
    assert!(world.store.snapshot(&service()).is_none());
    assert_eq!(persistent(&mut world, "10.0.0.2"), Ok(()));
}

#[test]
fn a_service_that_came_back_in_time_is_not_forgotten() {
    let mut world = World::new();
    let client = world.connection();
    world.publish(client, instance("10.0.0.1"));
    world.store.withdraw(client, &service(), world.now);
    world.pass_seconds(50);
    world.publish(client, instance("10.0.0.1"));
    world.pass_seconds(50);
    assert_eq!(world.set().len(), 1);
}

#[test]
fn a_created_service_decides_the_kind_and_is_cleaned_like_any_other() {
    let mut world = World::new();
    let create = |world: &mut World| {
        let none = Metadata::empty();
        world
            .store
            .create_service(&service(), Kind::Persistent, set(0.5, none), world.now)
    };
    assert_eq!(create(&mut world), Ok(()));
    assert_eq!(create(&mut world), Err(EditError::ServiceExists));
    let client = world.connection();
    let publication = Publication::one(instance("10.0.0.1"), None);
    let refused = world
        .store
        .publish(client, &service(), publication, world.now);
    assert!(matches!(refused, Err(PublishError::WrongKind(_))));
    persistent(&mut world, "10.0.0.1").expect("the same kind");
    assert_eq!(
        world.store.delete_service(&service()),
        Err(EditError::ServiceNotEmpty)
    );
    let address = address(&instance("10.0.0.1").key, Kind::Persistent);
    world
        .store
        .withdraw_address(&address, &service(), world.now);
    world.pass_seconds(61);
    assert_eq!(
        world.store.delete_service(&service()),
        Err(EditError::ServiceMissing)
    );
}

#[test]
fn an_override_wins_over_every_publisher() {
    let mut world = World::new();
    let (one, two) = (world.connection(), world.connection());
    let key = instance("10.0.0.1").key;
    world.publish(one, saying("10.0.0.1", &[("a", "1"), ("c", "3")]));
    let five = Weight::new(5.0).expect("legal");
    let set = Override::new(five, true, Metadata::from_pairs([("a", "9"), ("b", "x")]));
    world
        .store
        .set_override(&service(), key.clone(), set, world.now)
        .expect("the service exists");
    let mut shown = saying("10.0.0.1", &[("a", "9"), ("b", "x"), ("c", "3")]);
    shown.weight = five;
    assert_eq!(world.set().instances(), [shown]);
    let mut other = saying("10.0.0.1", &[("z", "7")]);
    other.weight = Weight::new(7.0).expect("legal");
    world.publish(two, other);
    assert_eq!(world.set().len(), 2);
    assert!(world.set().instances().iter().all(|i| i.weight == five));
}

#[test]
fn an_override_outlives_its_instance_by_a_minute() {
    let mut world = World::new();
    let client = world.connection();
    let anchor = world.connection();
    world.publish(client, instance("10.0.0.1"));
    world.publish(anchor, instance("10.0.0.2"));
    let set = Override::new(Weight::ZERO, false, Metadata::empty());
    let key = instance("10.0.0.1").key;
    world
        .store
        .set_override(&service(), key.clone(), set, world.now)
        .expect("the service exists");
    for (away, remembered) in [(59, true), (59, true), (60, false)] {
        world.store.withdraw(client, &service(), world.now);
        world.pass_seconds(away);
        world.publish(client, instance("10.0.0.1"));
        let set = world.set();
        let shown = &set.get(&key)[0];
        assert_eq!(!shown.enabled, remembered, "away for {away} s");
    }
}

#[test]
fn a_patch_changes_only_what_it_names() {
    let mut world = World::new();
    let client = world.connection();
    let key = instance("10.0.0.1").key;
    world.publish(client, saying("10.0.0.1", &[("a", "1")]));
    let patches = [
        Patch {
            enabled: Some(false),
            ..Patch::default()
        },
        Patch {
            weight: Weight::new(2.5),
            ..Patch::default()
        },
        Patch {
            metadata: Some(Metadata::from_pairs([("p", "1")])),
            ..Patch::default()
        },
    ];
    for patch in patches {
        world
            .store
            .patch_instance(&service(), &key, patch, world.now)
            .expect("it exists");
    }
    let mut shown = saying("10.0.0.1", &[("a", "1"), ("p", "1")]);
    shown.enabled = false;
    shown.weight = Weight::new(2.5).expect("legal");
    assert_eq!(world.set().instances(), [shown]);
    let missing = world.store.patch_instance(
        &service(),
        &instance("10.9.9.9").key,
        Patch::default(),
        world.now,
    );
    assert_eq!(missing, Err(EditError::InstanceMissing));
}

#[test]
fn the_threshold_shows_all_as_healthy_where_a_service_was_set_up() {
    let mut world = World::new();
    let client = world.connection();
    let mut sick = instance("10.0.0.1");
    sick.healthy = Seen::Known(false);
    let mut off = instance("10.0.0.2");
    off.enabled = false;
    world.publish_batch(client, vec![sick, off, instance("10.0.0.3")]);
    let selected = |world: &mut World, clusters, healthy_only| {
        let snapshot = world.store.snapshot(&service()).expect("listed");
        let selection = snapshot.select(&all(clusters), healthy_only);
        (selection.hosts.len(), selection.protected)
    };
    assert_eq!(selected(&mut world, "", false), (2, false));
    assert_eq!(selected(&mut world, "", true), (1, false));
    let none = Metadata::empty();
    world
        .store
        .update_service(&service(), set(0.5, none), world.now)
        .expect("it exists");
    assert_eq!(selected(&mut world, "", false), (2, true));
    assert_eq!(selected(&mut world, "", true), (1, false));
    assert_eq!(selected(&mut world, "c1,c2", false), (0, false));
    assert_eq!(selected(&mut world, "c1,DEFAULT", false), (2, true));
}

#[test]
fn a_threshold_of_zero_is_not_off_once_it_was_set() {
    let mut world = World::new();
    let client = world.connection();
    let mut sick = instance("10.0.0.1");
    sick.healthy = Seen::Known(false);
    world.publish(client, sick);
    let protected = |world: &mut World| {
        let snapshot = world.store.snapshot(&service()).expect("listed");
        snapshot.select(&all(""), false).protected
    };
    assert!(!protected(&mut world));
    let none = Metadata::empty();
    world
        .store
        .update_service(&service(), set(0.0, none), world.now)
        .expect("it exists");
    assert!(protected(&mut world));
}

#[test]
fn health_is_set_by_hand_where_the_checker_is_none() {
    let mut world = World::new();
    let key = instance("10.0.0.1").key;
    persistent(&mut world, "10.0.0.1").expect("new");
    let set = |world: &mut World| world.store.set_health(&service(), &key, false, world.now);
    assert_eq!(set(&mut world), Err(EditError::CheckerWorking));
    let cluster = ClusterName::from(ClusterName::DEFAULT);
    world
        .store
        .set_cluster(&service(), cluster, checked_by(Checker::None), world.now)
        .expect("it exists");
    assert_eq!(set(&mut world), Ok(()));
    assert_eq!(world.set().instances()[0].healthy, Seen::Known(false));
}
