//! What several publishers of one service make together, as measured on real
//! servers (2.0.3 to 3.0.3).

use super::*;

#[test]
fn equal_instances_of_two_connections_are_one_and_outlive_either() {
    let mut world = World::new();
    let (one, two) = (world.connection(), world.connection());
    world.publish(one, saying("10.0.0.1", &[("a", "1"), ("b", "2")]));
    world.publish_batch(two, vec![saying("10.0.0.1", &[("b", "2"), ("a", "1")])]);
    let together = world.set();
    assert_eq!(together.len(), 1);
    world.store.disconnect(one, world.now);
    assert_eq!(world.set(), together);
    world.store.disconnect(two, world.now);
    assert!(world.set().is_empty());
}

#[test]
fn instances_that_differ_in_anything_stand_side_by_side() {
    let mut disabled = instance("10.0.0.1");
    disabled.enabled = false;
    let mut elsewhere = instance("10.0.0.1");
    elsewhere.key.cluster = ClusterName::from("c1");
    let variants = [
        saying("10.0.0.1", &[("a", "1")]),
        weighing("10.0.0.1", 2.0),
        disabled,
        elsewhere,
    ];
    for variant in variants {
        let mut world = World::new();
        let (one, two) = (world.connection(), world.connection());
        world.publish(one, instance("10.0.0.1"));
        world.publish(two, variant.clone());
        assert_eq!(world.set().len(), 2, "{variant:?}");
        world.store.disconnect(one, world.now);
        assert_eq!(world.set().instances(), [variant]);
    }
}

#[test]
fn a_connection_holds_one_publish_per_service() {
    let mut world = World::new();
    let client = world.connection();
    world.publish_batch(client, vec![instance("10.0.0.1"), instance("10.0.0.2")]);
    world.publish(client, instance("10.0.0.3"));
    assert_eq!(world.set().instances(), [instance("10.0.0.3")]);
    world.publish_batch(client, vec![]);
    assert!(world.set().is_empty());
    assert!(world.store.snapshot(&service()).is_some(), "still listed");
}

#[test]
fn one_batch_may_name_an_address_twice() {
    let mut world = World::new();
    let client = world.connection();
    let twice = vec![
        instance("10.0.0.1"),
        instance("10.0.0.1"),
        weighing("10.0.0.1", 2.0),
    ];
    world.publish_batch(client, twice);
    assert_eq!(world.set().len(), 2);
}

#[test]
fn an_address_that_registers_in_another_cluster_moves() {
    let mut world = World::new();
    let mut moved = instance("10.0.0.1");
    moved.key.cluster = ClusterName::from("c1");
    world.register(instance("10.0.0.1"));
    world.register(moved.clone());
    assert_eq!(world.set().instances(), [moved]);
}

#[test]
fn a_link_stands_beside_natives_and_takes_no_side() {
    let mut world = World::new();
    let link = world.store.open_link(&"hz".into(), 1);
    let mut persistent = instance("10.0.0.9");
    persistent.ephemeral = Seen::Known(false);
    let set = Arc::new(ServiceSet::new(vec![persistent]));
    world
        .store
        .publish_link(link, &service(), set.clone(), world.now);
    assert!(Arc::ptr_eq(&world.set(), &set), "shared, not copied");
    let native = world.connection();
    world.publish(native, instance("10.0.0.1"));
    assert_eq!(world.set().len(), 2);
    assert_eq!(world.store.publications(&service()).count(), 2);
    world.store.disconnect(native, world.now);
    assert_eq!(world.set(), set);
}

#[test]
fn only_the_latest_handle_of_a_link_ends_it() {
    let mut world = World::new();
    let link = world.store.open_link(&"hz".into(), 1);
    let set = Arc::new(ServiceSet::new(vec![instance("10.0.0.1")]));
    world.store.publish_link(link, &service(), set, world.now);
    assert_eq!(world.store.open_link(&"hz".into(), 2), link);
    world.store.close_link(&"hz".into(), 1, world.now);
    assert_eq!(world.set().len(), 1);
    world.store.close_link(&"hz".into(), 2, world.now);
    assert!(world.set().is_empty());
}

#[test]
fn a_connection_that_ends_takes_all_it_published_and_nothing_else() {
    let mut world = World::new();
    let (one, two) = (world.connection(), world.connection());
    let services: Vec<ServiceKey> = (0..20)
        .map(|n| ServiceKey::new("public", "G", format!("s{n}")))
        .collect();
    for (n, key) in services.iter().enumerate() {
        let client = if n % 2 == 0 { one } else { two };
        let publication = Publication::one(instance("10.0.0.1"), None);
        world
            .store
            .publish(client, key, publication, world.now)
            .expect("new");
    }
    world.store.disconnect(one, world.now);
    for (n, key) in services.iter().enumerate() {
        let snapshot = world.store.snapshot(key).expect("listed for a minute");
        assert_eq!(snapshot.set.len(), n % 2, "{key}");
    }
    let counts = world.store.counts();
    assert_eq!((counts.connections, counts.published_instances), (1, 10));
}

#[test]
fn a_connection_that_has_ended_cannot_publish() {
    let mut world = World::new();
    let client = world.connection();
    world.store.disconnect(client, world.now);
    let publication = Publication::one(instance("10.0.0.1"), None);
    let refused = world
        .store
        .publish(client, &service(), publication, world.now);
    assert_eq!(refused, Err(PublishError::Disconnected));
    assert!(world.store.snapshot(&service()).is_none());
}

#[test]
fn a_chosen_id_is_kept_and_leaves_with_its_publisher() {
    let mut world = World::new();
    let (one, two) = (world.connection(), world.connection());
    world.publish(one, instance("10.0.0.1"));
    let publication = Publication::one(instance("10.0.0.1"), Some("mine".into()));
    world
        .store
        .publish(two, &service(), publication, world.now)
        .expect("ephemeral");
    let key = instance("10.0.0.1").key;
    let snapshot = world.store.snapshot(&service()).expect("listed");
    assert_eq!(snapshot.custom_id(&key), Some("mine"));
    assert_eq!(snapshot.set.len(), 1);
    world.store.disconnect(two, world.now);
    let snapshot = world.store.snapshot(&service()).expect("listed");
    assert_eq!(snapshot.custom_id(&key), None);
}

#[test]
fn a_client_with_many_services_leaves_by_parts() {
    let mut world = World::new();
    let client = world.connection();
    let count = 2 * super::super::RETIRED_AT_ONCE + 5;
    for n in 0..count {
        let key = ServiceKey::new("public", "G", format!("s{n}"));
        let publication = Publication::one(instance("10.0.0.1"), None);
        let published = world.store.publish(client, &key, publication, world.now);
        assert_eq!(published, Ok(()));
    }
    let mut parts = 1;
    while world.store.retire(client, world.now) {
        parts += 1;
    }
    assert_eq!(parts, 3);
    let counts = world.store.counts();
    assert_eq!((counts.connections, counts.published_instances), (0, 0));
    assert!(!world.store.retire(client, world.now));
}
