//! Limits of what clients may bring.

use super::*;
use crate::settings::Quotas;

fn limited(quotas: Quotas) -> World {
    let mut settings = Settings::default();
    settings.limits.quotas = quotas;
    World::with(settings)
}

fn named(name: &str) -> ServiceKey {
    ServiceKey::new("public", "DEFAULT_GROUP", name)
}

fn publish(
    world: &mut World,
    client: ClientId,
    service: &ServiceKey,
    hosts: &[&str],
) -> Result<(), PublishError> {
    let instances = hosts.iter().map(|host| instance(host)).collect();
    let set = Arc::new(ServiceSet::new(instances));
    let publication = Publication::set(set, CustomIds::new());
    world.store.publish(client, service, publication, world.now)
}

fn refused(result: Result<(), PublishError>) -> String {
    match result {
        Err(PublishError::OverQuota(over)) => over.to_string(),
        other => panic!("refused for its number, not {other:?}"),
    }
}

#[test]
fn a_service_takes_so_many_instances_and_then_no_more() {
    let mut world = limited(Quotas {
        instances_per_service: Some(2),
        ..Quotas::default()
    });
    let (one, two) = (world.connection(), world.connection());
    publish(&mut world, one, &service(), &["10.0.0.1", "10.0.0.2"]).expect("two");
    let over = refused(publish(&mut world, two, &service(), &["10.0.0.3"]));
    assert_eq!(
        over,
        "no more than 2 instances of clients of service DEFAULT_GROUP@@orders are allowed"
    );
    assert_eq!(world.set().len(), 2, "what was there stays");
    publish(&mut world, one, &service(), &["10.0.0.4", "10.0.0.2"]).expect("others instead");
    publish(&mut world, two, &named("other"), &["10.0.0.3"]).expect("elsewhere");
    publish(&mut world, one, &service(), &["10.0.0.4"]).expect("fewer");
    publish(&mut world, two, &service(), &["10.0.0.3"]).expect("room again");
    world.store.disconnect(one, world.now);
    publish(&mut world, two, &service(), &["10.0.0.3", "10.0.0.5"]).expect("room again");
}

#[test]
fn links_are_not_counted() {
    let mut world = limited(Quotas {
        services_per_namespace: Some(1),
        instances_per_namespace: Some(1),
        instances_per_service: Some(1),
        instances_per_client: Some(1),
        ..Quotas::default()
    });
    let link = world.store.open_link(&"l".into(), 1);
    for name in ["a", "b", "orders"] {
        let set = ServiceSet::new(vec![instance("10.0.1.1"), instance("10.0.1.2")]);
        let set = Arc::new(set);
        world.store.publish_link(link, &named(name), set, world.now);
    }
    let client = world.connection();
    publish(&mut world, client, &service(), &["10.0.0.1"]).expect("the first of clients");
    world.store.disconnect(link, world.now);
    let over = publish(&mut world, client, &named("a"), &["10.0.0.1"]);
    assert!(refused(over).contains("services of clients in namespace public"));
}

#[test]
fn a_namespace_takes_so_many_and_others_are_not_touched() {
    let mut world = limited(Quotas {
        instances_per_namespace: Some(2),
        services_per_namespace: Some(2),
        ..Quotas::default()
    });
    let client = world.connection();
    publish(&mut world, client, &named("a"), &["10.0.0.1"]).expect("one");
    publish(&mut world, client, &named("b"), &["10.0.0.1"]).expect("two");
    let over = publish(&mut world, client, &named("b"), &["10.0.0.1", "10.0.0.2"]);
    assert!(refused(over).contains("instances of clients in namespace public"));
    let over = publish(&mut world, client, &named("c"), &["10.0.0.1"]);
    assert!(refused(over).contains("no more than 2 services"));
    let elsewhere = ServiceKey::new("dev", "DEFAULT_GROUP", "c");
    publish(&mut world, client, &elsewhere, &["10.0.0.1"]).expect("another namespace");
    let created = world.store.create_service(
        &named("d"),
        Kind::Persistent,
        set(0.0, Metadata::empty()),
        world.now,
    );
    assert!(matches!(created, Err(EditError::OverQuota(_))));

    // A service counts until it is forgotten, a minute after its last instance.
    assert!(world.store.withdraw(client, &named("b"), world.now));
    let over = publish(&mut world, client, &named("c"), &["10.0.0.1"]);
    assert!(refused(over).contains("services"));
    world.pass_seconds(60);
    publish(&mut world, client, &named("c"), &["10.0.0.1"]).expect("room again");
}

#[test]
fn a_client_has_so_many_instances_and_subscriptions() {
    let mut world = limited(Quotas {
        instances_per_client: Some(2),
        subscriptions_per_client: Some(1),
        ..Quotas::default()
    });
    let client = world.connection();
    publish(&mut world, client, &named("a"), &["10.0.0.1", "10.0.0.2"]).expect("two");
    let over = publish(&mut world, client, &named("b"), &["10.0.0.1"]);
    assert!(refused(over).contains("instances of one client"));
    let other = world.connection();
    publish(&mut world, other, &named("b"), &["10.0.0.1"]).expect("another client");

    let now = world.now;
    let store = &mut world.store;
    store
        .subscribe(client, &named("a"), all(""), now)
        .expect("one");
    store
        .subscribe(client, &named("a"), all("c"), now)
        .expect("the same");
    assert!(store.subscribe(client, &named("b"), all(""), now).is_err());
    store.unsubscribe(client, &named("a"));
    store
        .subscribe(client, &named("b"), all(""), now)
        .expect("room again");
}

#[test]
fn what_was_kept_comes_back_whatever_the_limit_is_now() {
    let mut world = limited(Quotas {
        instances_per_namespace: Some(0),
        services_per_namespace: Some(0),
        ..Quotas::default()
    });
    let mut kept = instance("10.0.0.1");
    kept.ephemeral = Seen::Known(false);
    let part = Part::Instance(kept.key.host.clone(), kept.key.port);
    let key = DurableKey::Service(service(), part);
    let durable = Durable::Instance {
        instance: Box::new(kept),
        id: None,
    };
    world
        .store
        .restore(key, durable, world.now)
        .expect("restored");
    assert_eq!(world.set().len(), 1);
}
