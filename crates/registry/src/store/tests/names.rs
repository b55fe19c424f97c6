//! Names that come and go, for those who watch them.

use super::*;
use crate::settings::WatchLimits;

const MOST: usize = 3;

fn world() -> World {
    let mut settings = Settings::default();
    settings.limits.watches = WatchLimits {
        patterns: 2,
        matches: MOST,
    };
    World::with(settings)
}

impl World {
    fn watch(&mut self, client: ClientId, pattern: &str) -> Matches {
        let pattern = Pattern::new(pattern);
        let unread = self.store.watch_names(client, &pattern);
        if let Some(names) = unread.expect("it may be watched") {
            self.store.list_watched(&pattern, pattern.among(&names));
        }
        self.store.watched(pattern.text())
    }

    fn bring(&mut self, client: ClientId, name: &str, host: &str) {
        let publication = Publication::one(instance(host), None);
        self.store
            .publish(client, &named(name), publication, self.now)
            .expect("the service is ephemeral");
    }

    /// What is told once changes had the time to travel, and to how many.
    fn told(&mut self) -> Vec<(String, usize)> {
        self.pass_seconds(1);
        let names = self.store.take_effects().names.into_iter();
        let mut told: Vec<_> = names
            .map(|(key, clients)| (key.name.to_string(), clients.len()))
            .collect();
        told.sort();
        told
    }
}

fn names(matches: &Matches) -> Vec<&str> {
    matches.names.iter().map(|key| key.name.as_str()).collect()
}

#[test]
fn a_name_is_told_when_its_first_instance_comes_and_its_last_goes() {
    let mut world = world();
    let (one, two) = (world.connection(), world.connection());
    let watcher = world.connection();
    assert!(world.watch(watcher, "public>>*>>*").names.is_empty());
    world.bring(one, "orders", "10.0.0.1");
    assert_eq!(world.told(), [("orders".to_owned(), 1)]);
    assert_eq!(world.store.watched_name(watcher, &service()), Some(true));
    world.bring(two, "orders", "10.0.0.2");
    world.store.retire(one, world.now);
    assert!(world.told().is_empty(), "one instance is still there");
    world.store.withdraw(two, &service(), world.now);
    assert_eq!(world.told(), [("orders".to_owned(), 1)]);
    assert_eq!(world.store.watched_name(watcher, &service()), Some(false));
    world.pass_seconds(120);
    assert!(
        world.told().is_empty(),
        "it was gone before it was forgotten"
    );
}

#[test]
fn what_comes_and_goes_at_once_is_never_told() {
    let mut world = world();
    let (publisher, watcher) = (world.connection(), world.connection());
    world.watch(watcher, "public>>*>>*");
    world.bring(publisher, "orders", "10.0.0.1");
    world.store.withdraw(publisher, &service(), world.now);
    assert!(world.told().is_empty());
}

#[test]
fn a_service_that_an_operator_made_is_there_until_it_is_removed() {
    let mut world = world();
    let watcher = world.connection();
    let create = |world: &mut World, name: &str| {
        let created = world.store.create_service(
            &named(name),
            Kind::Ephemeral,
            ServiceRecord::default(),
            world.now,
        );
        created.expect("it is new");
    };
    create(&mut world, "orders");
    assert_eq!(names(&world.watch(watcher, "public>>*>>*")), ["orders"]);
    create(&mut world, "stock");
    assert_eq!(world.told(), [("stock".to_owned(), 1)]);
    let removed = world.store.delete_service(&service());
    removed.expect("it has no instances");
    assert_eq!(world.told(), [("orders".to_owned(), 1)]);
    assert_eq!(world.store.watched_name(watcher, &service()), Some(false));
}

#[test]
fn only_who_watches_is_told_and_nobody_who_left() {
    let mut world = world();
    let publisher = world.connection();
    let (stays, leaves, ends) = (world.connection(), world.connection(), world.connection());
    for watcher in [stays, leaves, ends] {
        world.watch(watcher, "public>>*>>*");
    }
    world.watch(stays, "public>>OTHER>>*");
    let pattern = Pattern::new("public>>*>>*");
    world.store.unwatch_names(leaves, &pattern);
    world.store.retire(ends, world.now);
    world.bring(publisher, "orders", "10.0.0.1");
    assert_eq!(world.told(), [("orders".to_owned(), 1)]);
    assert_eq!(world.store.watched_name(leaves, &service()), None);
    world.store.unwatch_names(stays, &pattern);
    world.bring(publisher, "stock", "10.0.0.1");
    assert!(world.told().is_empty());
}

#[test]
fn a_full_pattern_tells_no_more_and_makes_room_for_the_next_look() {
    let mut world = world();
    let (publisher, watcher) = (world.connection(), world.connection());
    for name in ["a", "b", "c", "d"] {
        world.bring(publisher, name, "10.0.0.1");
    }
    let matches = world.watch(watcher, "public>>*>>*");
    assert_eq!((names(&matches), matches.full), (vec!["a", "b", "c"], true));
    world.bring(publisher, "e", "10.0.0.1");
    assert!(world.told().is_empty());
    assert_eq!(world.store.watched_name(watcher, &named("e")), None);
    world.store.withdraw(publisher, &named("a"), world.now);
    assert_eq!(world.told(), [("a".to_owned(), 1)]);
    let matches = world.watch(watcher, "public>>*>>*");
    assert_eq!(names(&matches), ["b", "c", "d"]);
}

#[test]
fn patterns_are_limited_while_somebody_watches_them() {
    let mut world = world();
    let (one, two) = (world.connection(), world.connection());
    world.watch(one, "public>>*>>a*");
    world.watch(one, "public>>*>>b*");
    world.watch(two, "public>>*>>b*");
    let third = Pattern::new("public>>*>>c*");
    let refused = world.store.watch_names(two, &third);
    assert_eq!(refused, Err(NotWatched::TooManyPatterns));
    world.store.retire(one, world.now);
    assert!(world.watch(two, "public>>*>>c*").names.is_empty());
    let gone = world.store.watch_names(one, &third);
    assert_eq!(gone, Err(NotWatched::Disconnected));
}
