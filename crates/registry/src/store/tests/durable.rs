//! What outlives the process: which changes are noted, and what comes back.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::*;
use crate::store::{Durable, DurableKey};

/// What a disk holds that is brought up to date now and then.
type Disk = BTreeMap<DurableKey, Durable>;

fn save(store: &mut Store, disk: &mut Disk) {
    for (key, durable) in store.take_unsaved().parts {
        match durable {
            Some(durable) => disk.insert(key, durable),
            None => disk.remove(&key),
        };
    }
}

fn watched() -> World {
    let mut world = World::new();
    world.store.watch_durable();
    world
}

/// The world of a process that starts with what is on disk.
fn restarted(disk: &Disk, now: Moment) -> World {
    let mut world = World::new();
    world.now = now;
    for (key, durable) in disk.clone() {
        world
            .store
            .restore(key, durable, now)
            .expect("what one store held another can hold");
    }
    world.store.watch_durable();
    world
}

fn register(world: &mut World, host: &str, id: Option<&str>) {
    let mut instance = saying(host, &[("zone", "a")]);
    instance.ephemeral = Seen::Known(false);
    let address = address(&instance.key, Kind::Persistent);
    let publication = Publication::one(instance, id.map(Arc::from));
    world
        .store
        .publish_address(&address, &service(), publication, world.now)
        .expect("the service is persistent");
}

#[test]
fn a_persistent_instance_comes_back_as_it_was() {
    let (mut world, mut disk) = (watched(), Disk::new());
    register(&mut world, "10.0.0.1", Some("mine"));
    let before = world.set();
    save(&mut world.store, &mut disk);

    let mut world = restarted(&disk, world.now);
    assert_eq!(world.set(), before);
    let snapshot = world.store.snapshot(&service()).expect("it exists");
    assert_eq!(snapshot.custom_id(&before.instances()[0].key), Some("mine"));
    assert!(!snapshot.ephemeral);
    let client = world.connection();
    let refused = world.store.publish(
        client,
        &service(),
        Publication::one(instance("10.0.0.2"), None),
        world.now,
    );
    assert!(matches!(refused, Err(PublishError::WrongKind(_))));
}

#[test]
fn what_lives_by_its_client_is_not_kept() {
    let mut world = watched();
    let client = world.connection();
    world.publish(client, instance("10.0.0.1"));
    world.register(instance("10.0.0.2"));
    let link = world.store.open_link(&"a".into(), 1);
    let set = Arc::new(ServiceSet::new(vec![instance("10.0.0.3")]));
    world.store.publish_link(link, &service(), set, world.now);
    world.pass_seconds(20);
    assert_eq!(world.store.durable_revision(), 0);
    assert!(world.store.take_unsaved().parts.is_empty());
}

#[test]
fn settings_without_instances_wait_for_them_a_minute_more() {
    let (mut world, mut disk) = (watched(), Disk::new());
    let client = world.connection();
    world.publish(client, instance("10.0.0.1"));
    let metadata = Metadata::from_pairs([("team", "a")]);
    world
        .store
        .update_service(&service(), set(0.5, metadata), world.now)
        .expect("it exists");
    let key = instance("10.0.0.1").key;
    let set = Override::new(Weight::ZERO, false, Metadata::empty());
    world
        .store
        .set_override(&service(), key.clone(), set, world.now)
        .expect("it exists");
    save(&mut world.store, &mut disk);

    let mut world = restarted(&disk, world.now);
    world.pass_seconds(59);
    let client = world.connection();
    world.publish(client, instance("10.0.0.1"));
    let snapshot = world.store.snapshot(&service()).expect("it exists");
    assert_eq!(snapshot.threshold(), Some(0.5));
    let shown = &snapshot.set.get(&key)[0];
    assert!(!shown.enabled && shown.weight == Weight::ZERO);

    let mut world = restarted(&disk, world.now);
    world.pass_seconds(61);
    assert!(world.store.snapshot(&service()).is_none());
    save(&mut world.store, &mut disk);
    assert_eq!(disk, Disk::new());
}

#[test]
fn what_could_not_be_saved_is_taken_again_as_it_then_stands() {
    let mut world = watched();
    register(&mut world, "10.0.0.1", None);
    let unsaved = world.store.take_unsaved();
    assert!(world.store.take_unsaved().parts.is_empty());
    world.store.not_saved(unsaved);
    let address = address(&instance("10.0.0.1").key, Kind::Persistent);
    world
        .store
        .withdraw_address(&address, &service(), world.now);
    let parts = world.store.take_unsaved().parts;
    let instance = parts
        .iter()
        .find(|(key, _)| matches!(key, DurableKey::Service(_, Part::Instance(..))))
        .expect("still to be saved");
    assert_eq!(instance.1, None);
}

#[test]
fn a_namespace_that_was_created_comes_back_and_a_deleted_one_does_not() {
    let (mut world, mut disk) = (watched(), Disk::new());
    let record = |name: &str| NamespaceRecord {
        name: name.to_owned(),
        description: None,
    };
    let (dev, test) = (NamespaceId::from("dev"), NamespaceId::from("test"));
    assert!(world.store.create_namespace(&dev, record("Development")));
    assert!(!world.store.create_namespace(&dev, record("again")));
    let public = NamespaceId::public();
    assert!(!world.store.create_namespace(&public, record("mine")));
    assert!(world.store.create_namespace(&test, record("Tests")));
    save(&mut world.store, &mut disk);
    world.store.update_namespace(&dev, record("Dev"));
    world.store.update_namespace(&"none".into(), record("None"));
    world.store.delete_namespace(&test);
    save(&mut world.store, &mut disk);

    let mut world = restarted(&disk, world.now);
    let kept = BTreeMap::from([(dev.clone(), Some(record("Dev")))]);
    assert_eq!(world.store.all_namespaces(), kept);

    // It is there as long as it has services, also after it was deleted.
    let client = world.connection();
    let key = ServiceKey::new("dev", "G", "orders");
    let publication = Publication::one(instance("10.0.0.1"), None);
    world
        .store
        .publish(client, &key, publication, world.now)
        .expect("there is no quota");
    world.store.delete_namespace(&dev);
    let services_alone = BTreeMap::from([(dev, None)]);
    assert_eq!(world.store.all_namespaces(), services_alone);
    assert!(world.store.snapshot(&key).is_some());
}

#[test]
fn the_same_registration_again_is_nothing_to_save() {
    let mut world = watched();
    register(&mut world, "10.0.0.1", None);
    let revision = world.store.durable_revision();
    register(&mut world, "10.0.0.1", None);
    assert_eq!(world.store.durable_revision(), revision);
}

/// What may happen to the two services of the property.
#[derive(Clone, Debug)]
enum Step {
    Register(usize, u8, f64),
    Withdraw(usize, u8),
    Publish(usize, u8),
    Disconnect,
    Create(usize, bool, f64),
    Update(usize, f64),
    Delete(usize),
    Override(usize, u8, f64),
    Checker(usize),
    Health(usize, u8, bool),
    Pass(u64),
    Save,
}

fn step() -> impl Strategy<Value = Step> {
    let service = 0..2_usize;
    let host = 1..4_u8;
    let number = (0..4_u8).prop_map(|quarters| f64::from(quarters) / 4.0);
    prop_oneof![
        4 => (service.clone(), host.clone(), number.clone())
            .prop_map(|(s, h, w)| Step::Register(s, h, w)),
        2 => (service.clone(), host.clone()).prop_map(|(s, h)| Step::Withdraw(s, h)),
        2 => (service.clone(), host.clone()).prop_map(|(s, h)| Step::Publish(s, h)),
        1 => Just(Step::Disconnect),
        1 => (service.clone(), any::<bool>(), number.clone())
            .prop_map(|(s, e, t)| Step::Create(s, e, t)),
        1 => (service.clone(), number.clone()).prop_map(|(s, t)| Step::Update(s, t)),
        1 => service.clone().prop_map(Step::Delete),
        2 => (service.clone(), host.clone(), number).prop_map(|(s, h, w)| Step::Override(s, h, w)),
        1 => service.clone().prop_map(Step::Checker),
        2 => (service, host, any::<bool>()).prop_map(|(s, h, v)| Step::Health(s, h, v)),
        2 => (1..100_u64).prop_map(Step::Pass),
        2 => Just(Step::Save),
    ]
}

/// Does a step; that some are refused is part of it.
fn take(world: &mut World, client: &mut ClientId, disk: &mut Disk, step: Step) {
    let named = |at: usize| ServiceKey::new("public", "G", ["orders", "users"][at]);
    let at = |host: u8| instance(&format!("10.0.0.{host}"));
    let (store, now) = (&mut world.store, world.now);
    match step {
        Step::Register(service, host, weight) => {
            let weight = Weight::new(weight).expect("a legal weight");
            let instance = Instance { weight, ..at(host) };
            let address = address(&instance.key, Kind::Persistent);
            let publication = Publication::one(instance, None);
            store
                .publish_address(&address, &named(service), publication, now)
                .ok();
        }
        Step::Withdraw(service, host) => {
            let address = address(&at(host).key, Kind::Persistent);
            store.withdraw_address(&address, &named(service), now);
        }
        Step::Publish(service, host) => {
            let publication = Publication::one(at(host), None);
            store
                .publish(*client, &named(service), publication, now)
                .ok();
        }
        Step::Disconnect => {
            store.disconnect(*client, now);
            *client = store.connect();
        }
        Step::Create(service, ephemeral, threshold) => {
            let metadata = Metadata::from_pairs([("made", "by hand")]);
            let kind = Kind::of(ephemeral);
            store
                .create_service(&named(service), kind, set(threshold, metadata), now)
                .ok();
        }
        Step::Update(service, threshold) => {
            let none = Metadata::empty();
            store
                .update_service(&named(service), set(threshold, none), now)
                .ok();
        }
        Step::Delete(service) => drop(store.delete_service(&named(service))),
        Step::Override(service, host, weight) => {
            let weight = Weight::new(weight).expect("a legal weight");
            let set = Override::new(weight, false, Metadata::from_pairs([("k", "v")]));
            store
                .set_override(&named(service), at(host).key, set, now)
                .ok();
        }
        Step::Checker(service) => {
            let cluster = ClusterName::from("DEFAULT");
            store
                .set_cluster(&named(service), cluster, checked_by(Checker::None), now)
                .ok();
        }
        Step::Health(service, host, healthy) => {
            store
                .set_health(&named(service), &at(host).key, healthy, now)
                .ok();
        }
        Step::Pass(seconds) => world.pass_seconds(seconds),
        Step::Save => save(store, disk),
    }
}

proptest! {
    #[test]
    fn whatever_happened_the_disk_holds_it_and_it_comes_back(
        steps in proptest::collection::vec(step(), 1..60)
    ) {
        let (mut world, mut disk) = (watched(), Disk::new());
        let mut client = world.connection();
        for step in steps {
            take(&mut world, &mut client, &mut disk, step);
        }
        save(&mut world.store, &mut disk);
        prop_assert_eq!(&world.store.durable(), &disk);
        prop_assert_eq!(&restarted(&disk, world.now).store.durable(), &disk);
    }
}

/// A property whose steps are all refused would hold of anything.
#[test]
fn the_steps_of_the_property_leave_something_on_disk() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let steps = proptest::collection::vec(step(), 1..60);
    let mut kept = 0;
    for _ in 0..50 {
        let steps = steps.new_tree(&mut runner).expect("generates").current();
        let (mut world, mut disk) = (watched(), Disk::new());
        let mut client = world.connection();
        for step in steps {
            take(&mut world, &mut client, &mut disk, step);
        }
        save(&mut world.store, &mut disk);
        kept += usize::from(disk.len() > 1);
    }
    assert!(kept > 10, "{kept} of 50");
}
