//! When subscribers hear of what.

use super::*;

const DELAY: Duration = Duration::from_millis(5);

fn subscribed(world: &mut World) -> ClientId {
    let subscriber = world.connection();
    world
        .store
        .subscribe(subscriber, &service(), all(""), world.now)
        .expect("no limit");
    world.pass_seconds(1);
    world.pushes();
    subscriber
}

#[test]
fn a_first_subscription_is_followed_by_a_push() {
    let mut world = World::new();
    let subscriber = world.connection();
    let subscribe = |world: &mut World| {
        world
            .store
            .subscribe(subscriber, &service(), all(""), world.now)
            .expect("no limit");
    };
    subscribe(&mut world);
    assert_eq!(world.pushes(), 0);
    world.pass(DELAY);
    assert_eq!(world.pushes(), 1);
    subscribe(&mut world);
    world.pass_seconds(1);
    assert_eq!(world.pushes(), 0);
    assert!(
        world.store.snapshot(&service()).is_none(),
        "subscribing makes no service"
    );
}

#[test]
fn who_listens_over_udp_hears_of_changes_alone() {
    let mut world = World::new();
    let listener = world.store.listen(&service(), all(""));
    world.pass_seconds(1);
    assert_eq!(world.pushes(), 0, "its call was just answered");
    let client = world.connection();
    world.publish(client, instance("10.0.0.1"));
    world.pass(DELAY);
    assert_eq!(world.pushes(), 1);
    assert_eq!(world.store.counts().subscriptions, 1);
    assert_eq!(world.store.counts().connections, 1, "it is no connection");
    world.store.retire(listener, world.now);
    assert_eq!(world.store.counts().subscriptions, 0);
    world.publish(client, weighing("10.0.0.1", 2.0));
    world.pass_seconds(1);
    assert_eq!(world.pushes(), 0);
}

#[test]
fn changes_within_the_delay_travel_together() {
    let mut world = World::new();
    subscribed(&mut world);
    let client = world.connection();
    world.publish(client, instance("10.0.0.1"));
    world.publish(client, weighing("10.0.0.1", 2.0));
    world.publish(client, weighing("10.0.0.1", 3.0));
    world.pass(DELAY - Duration::from_millis(1));
    assert_eq!(world.pushes(), 0);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.pushes(), 1);
    world.pass_seconds(10);
    assert_eq!(world.pushes(), 0);
}

#[test]
fn what_changes_nothing_is_not_pushed() {
    let mut world = World::new();
    subscribed(&mut world);
    let (one, two) = (world.connection(), world.connection());
    world.publish(one, instance("10.0.0.1"));
    world.pass_seconds(1);
    assert_eq!(world.pushes(), 1);
    world.publish(one, instance("10.0.0.1"));
    world.publish(two, instance("10.0.0.1"));
    world.pass_seconds(1);
    world.store.disconnect(one, world.now);
    world.pass_seconds(1);
    assert_eq!(world.pushes(), 0);
}

#[test]
fn a_return_that_somebody_may_have_missed_is_pushed() {
    let mut world = World::new();
    subscribed(&mut world);
    let client = world.connection();
    world.publish(client, weighing("10.0.0.1", 1.0));
    world.pass_seconds(1);
    assert_eq!(world.pushes(), 1);
    world.publish(client, weighing("10.0.0.1", 2.0));
    // A subscriber that asks now gets weight 2, so it has to hear of the 1.
    assert_eq!(world.set().instances()[0].weight.get(), 2.0);
    world.publish(client, weighing("10.0.0.1", 1.0));
    world.pass_seconds(1);
    assert_eq!(world.pushes(), 1);
}

#[test]
fn expensive_pushes_are_further_apart_and_none_is_starved() {
    let mut settings = Settings::default();
    settings.push.instances_per_second = 100;
    let mut world = World::with(settings);
    subscribed(&mut world);
    let client = world.connection();
    let hosts: Vec<String> = (0..50).map(|n| format!("10.0.0.{n}")).collect();
    let mut pushes = 0;
    for round in 0..100_u32 {
        let weight = f64::from(round);
        let set = hosts.iter().map(|host| weighing(host, weight)).collect();
        world.publish_batch(client, set);
        world.pass(Duration::from_millis(20));
        pushes += world.pushes();
    }
    // 50 instances at 100 a second: two pushes a second for two seconds.
    assert!((4..=5).contains(&pushes), "{pushes}");
    world.pass_seconds(1);
    assert_eq!(world.pushes(), 1, "the last state comes through");
}

#[test]
fn an_unsubscribed_or_ended_client_hears_nothing() {
    let mut world = World::new();
    let one = subscribed(&mut world);
    let two = subscribed(&mut world);
    world.store.unsubscribe(one, &service());
    world.store.disconnect(two, world.now);
    let client = world.connection();
    world.publish(client, instance("10.0.0.1"));
    world.pass_seconds(1);
    assert_eq!(world.pushes(), 0);
    assert_eq!(world.store.counts().subscriptions, 0);
}

#[test]
fn a_second_subscription_replaces_the_clusters() {
    let mut world = World::new();
    let subscriber = subscribed(&mut world);
    world
        .store
        .subscribe(subscriber, &service(), all("c1"), world.now)
        .expect("no limit");
    let clusters = world.store.subscription(subscriber, &service());
    assert_eq!(clusters, Some(all("c1")));
    assert_eq!(world.store.counts().subscriptions, 1);
}

#[test]
fn every_change_has_a_later_stamp_even_within_a_millisecond() {
    let mut world = World::new();
    let client = world.connection();
    let mut last = Moment::default();
    for weight in 1..50_u32 {
        world.publish(client, weighing("10.0.0.1", f64::from(weight)));
        let snapshot = world.store.snapshot(&service()).expect("listed");
        assert!(snapshot.stamp > last && snapshot.stamp > world.now);
        last = snapshot.stamp;
    }
}

#[test]
fn a_subscription_survives_the_service() {
    let mut world = World::new();
    let subscriber = subscribed(&mut world);
    let client = world.connection();
    world.publish(client, instance("10.0.0.1"));
    world.store.withdraw(client, &service(), world.now);
    world.pass_seconds(61);
    assert!(world.store.snapshot(&service()).is_none());
    world.pushes();
    world.publish(client, instance("10.0.0.2"));
    world.pass_seconds(1);
    assert_eq!(world.pushes(), 1);
    assert!(world.store.subscription(subscriber, &service()).is_some());
}
