//! What is decided about subscriptions over UDP, on a clock kept by hand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use syncline_model::ServiceKey;

use super::subscriptions::{Looked, Standing, Subscriber, Subscriptions};
use super::*;
use crate::intern::Interner;
use crate::settings::Settings;
use crate::store::{Clusters, Store};

const RETRY: Duration = Duration::from_secs(10);

/// Subscriptions, the store that names their clients, and a clock.
struct World {
    store: Store,
    subscriptions: Subscriptions,
    now: Moment,
    numbers: u64,
}

impl World {
    fn new() -> Self {
        Self::with(UdpSettings::default())
    }

    fn with(settings: UdpSettings) -> Self {
        Self {
            store: Store::new(&Settings::default(), Arc::new(Interner::new())),
            subscriptions: Subscriptions::new(settings),
            now: Moment::from_unix_millis(1_000_000),
            numbers: 0,
        }
    }

    fn subscribe(&mut self, subscriber: Subscriber) -> ClientId {
        let standing = self.subscriptions.renew(&subscriber, self.now);
        assert_eq!(standing, Standing::Welcome, "{subscriber:?}");
        let client = self.store.connect();
        assert!(
            self.subscriptions
                .admit(client, subscriber, Program::default(), self.now)
        );
        client
    }

    fn renew(&mut self, subscriber: &Subscriber) -> Standing {
        self.subscriptions.renew(subscriber, self.now)
    }

    fn change(&mut self, clients: &[ClientId]) {
        self.subscriptions.changed(clients.iter());
    }

    /// Sends whatever is due, as one list; gives its number and to whom.
    fn send(&mut self) -> (u64, Vec<ClientId>) {
        self.numbers += 1;
        let mut to = Vec::new();
        while let Some((client, _)) = self.subscriptions.next() {
            self.subscriptions.sent(client, self.numbers, self.now);
            to.push(client);
        }
        (self.numbers, to)
    }

    /// Lets time pass, stopping wherever there is something to look at.
    fn pass(&mut self, duration: Duration) -> Looked {
        let end = self.now.after(duration);
        let mut all = Looked::default();
        loop {
            self.now = match self.subscriptions.next_look() {
                Some(at) if at < end => at.max(self.now),
                _ => end,
            };
            let looked = self.subscriptions.look(self.now);
            all.ended.extend(looked.ended);
            all.repeated += looked.repeated;
            if self.now == end {
                return all;
            }
        }
    }
}

fn subscriber(address: &str) -> Subscriber {
    Subscriber {
        address: socket(address),
        service: ServiceKey::new("public", "DEFAULT_GROUP", "orders"),
        clusters: Clusters::new(""),
    }
}

fn socket(address: &str) -> SocketAddr {
    address.parse().expect("an address")
}

fn nothing() -> Looked {
    Looked::default()
}

#[test]
fn a_subscriber_is_sent_what_changes_once() {
    let mut world = World::new();
    let one = world.subscribe(subscriber("10.0.0.1:5000"));
    let stranger = world.store.connect();
    assert_eq!(world.send().1, [], "nothing changed yet");
    world.change(&[stranger, one]);
    world.change(&[one]);
    assert_eq!(world.send().1, [one]);
    assert_eq!(world.send().1, []);
}

#[test]
fn what_tells_subscriptions_apart_is_address_service_and_clusters() {
    let mut world = World::new();
    let first = subscriber("10.0.0.1:5000");
    let mut clusters = first.clone();
    clusters.clusters = Clusters::new("c1");
    let mut service = first.clone();
    service.service.name = "payments".into();
    let port = subscriber("10.0.0.1:5001");
    let mut clients = Vec::new();
    for subscriber in [&first, &clusters, &service, &port] {
        clients.push(world.subscribe(subscriber.clone()));
        assert_eq!(world.renew(subscriber), Standing::Renewed);
    }
    world.change(&clients);
    assert_eq!(world.send().1, clients);
}

#[test]
fn the_same_subscriber_is_admitted_once() {
    let mut world = World::new();
    let one = world.subscribe(subscriber("10.0.0.1:5000"));
    let two = world.store.connect();
    let again = subscriber("10.0.0.1:5000");
    assert!(
        !world
            .subscriptions
            .admit(two, again, Program::default(), world.now)
    );
    world.change(&[one, two]);
    assert_eq!(world.send().1, [one]);
}

#[test]
fn a_subscription_ends_unless_it_is_renewed() {
    let settings = UdpSettings::default();
    let mut world = World::new();
    let one = world.subscribe(subscriber("10.0.0.1:5000"));
    assert_eq!(world.pass(settings.kept - RETRY), nothing());
    let standing = world.renew(&subscriber("10.0.0.1:5000"));
    assert_eq!(standing, Standing::Renewed);
    assert_eq!(
        world.pass(settings.kept - Duration::from_millis(1)),
        nothing()
    );
    assert_eq!(world.pass(Duration::from_millis(1)).ended, [one]);
    world.change(&[one]);
    assert_eq!(world.send().1, []);
    // It may come back: it was not out of reach.
    assert_eq!(world.renew(&subscriber("10.0.0.1:5000")), Standing::Welcome);
}

#[test]
fn what_is_not_acknowledged_is_sent_once_more_and_then_given_up() {
    let mut world = World::new();
    let one = world.subscribe(subscriber("10.0.0.1:5000"));
    world.change(&[one]);
    world.send();
    assert_eq!(world.pass(RETRY - Duration::from_millis(1)), nothing());
    assert_eq!(world.pass(Duration::from_millis(1)).repeated, 1);
    assert_eq!(world.send().1, [one]);
    let looked = world.pass(RETRY);
    assert_eq!((looked.repeated, looked.ended), (0, vec![one]));
    assert_eq!(world.send().1, []);
}

#[test]
fn an_acknowledgement_ends_the_matter() {
    let mut world = World::new();
    let one = world.subscribe(subscriber("10.0.0.1:5000"));
    world.change(&[one]);
    let (number, _) = world.send();
    let from = socket("10.0.0.1:5000");
    assert!(!world.subscriptions.acknowledged(number + 1, from));
    assert!(
        !world
            .subscriptions
            .acknowledged(number, socket("10.0.0.1:5001"))
    );
    assert!(world.subscriptions.acknowledged(number, from));
    assert!(!world.subscriptions.acknowledged(number, from), "only once");
    assert_eq!(world.pass(3 * RETRY), nothing());
}

#[test]
fn a_late_acknowledgement_of_the_repetition_counts() {
    let mut world = World::new();
    let one = world.subscribe(subscriber("10.0.0.1:5000"));
    world.change(&[one]);
    world.send();
    world.pass(RETRY);
    let (number, to) = world.send();
    assert_eq!(to, [one]);
    world.pass(RETRY - Duration::from_millis(1));
    let from = socket("10.0.0.1:5000");
    assert!(world.subscriptions.acknowledged(number, from));
    assert_eq!(world.pass(RETRY), nothing());
}

#[test]
fn a_host_may_answer_from_another_of_its_addresses() {
    let mut world = World::new();
    let one = world.subscribe(subscriber("10.0.0.1:5000"));
    let two = world.subscribe(subscriber("10.0.0.2:5001"));
    let three = world.subscribe(subscriber("10.0.0.3:5001"));
    world.change(&[one, two, three]);
    let (number, _) = world.send();
    let other = |port: u16| SocketAddr::new([127, 0, 0, 1].into(), port);
    assert!(world.subscriptions.acknowledged(number, other(5000)));
    // Two have the port 5001, so nobody knows which of them it is.
    assert!(!world.subscriptions.acknowledged(number, other(5001)));
    let from = socket("10.0.0.3:5001");
    assert!(world.subscriptions.acknowledged(number, from));
    assert!(world.subscriptions.acknowledged(number, other(5001)));
}

#[test]
fn a_newer_push_takes_the_place_of_an_older_one() {
    let mut world = World::new();
    let one = world.subscribe(subscriber("10.0.0.1:5000"));
    let from = socket("10.0.0.1:5000");
    world.change(&[one]);
    let (older, _) = world.send();
    world.pass(RETRY / 2);
    world.change(&[one]);
    let (newer, _) = world.send();
    assert!(!world.subscriptions.acknowledged(older, from));
    // The newer one has its own time, and its own repetition.
    assert_eq!(world.pass(RETRY - Duration::from_millis(1)), nothing());
    assert!(world.subscriptions.acknowledged(newer, from));
    assert_eq!(world.pass(2 * RETRY), nothing());
}

#[test]
fn who_never_answers_is_sent_little() {
    let mut world = World::new();
    let one = world.subscribe(subscriber("10.0.0.1:5000"));
    let mut sent = 0;
    let mut ended = Vec::new();
    for _ in 0..1000 {
        world.change(&[one]);
        sent += world.send().1.len();
        ended.extend(world.pass(Duration::from_millis(50)).ended);
    }
    assert_eq!(sent, 5, "four, and one of them once more");
    assert_eq!(ended, [one]);
}

#[test]
fn what_had_to_wait_is_sent_after_the_acknowledgement() {
    let mut world = World::new();
    let one = world.subscribe(subscriber("10.0.0.1:5000"));
    let mut last = 0;
    for _ in 0..4 {
        world.change(&[one]);
        last = world.send().0;
    }
    world.change(&[one]);
    assert_eq!(world.send().1, []);
    let from = socket("10.0.0.1:5000");
    assert!(world.subscriptions.acknowledged(last, from));
    assert_eq!(world.send().1, [one]);
    assert_eq!(world.send().1, []);
}

#[test]
fn an_address_that_was_out_of_reach_polls_for_a_while() {
    let settings = UdpSettings::default();
    let mut world = World::new();
    let gone = subscriber("10.0.0.1:5000");
    let one = world.subscribe(gone.clone());
    world.change(&[one]);
    world.send();
    world.pass(RETRY);
    world.send();
    assert_eq!(world.pass(RETRY).ended, [one]);
    let mut other_service = gone.clone();
    other_service.service.name = "payments".into();
    for refused in [&gone, &other_service] {
        assert_eq!(world.renew(refused), Standing::Refused);
    }
    let neighbour = subscriber("10.0.0.1:5001");
    assert_eq!(world.renew(&neighbour), Standing::Welcome);
    world.pass(settings.unreachable_for);
    assert_eq!(world.renew(&gone), Standing::Welcome);
}

#[test]
fn a_list_that_fits_into_no_datagram_is_polled_until_it_does() {
    let mut world = World::new();
    let big = subscriber("10.0.0.1:5000");
    let one = world.subscribe(big.clone());
    world.change(&[one]);
    let due = world.subscriptions.next().map(|(client, _)| client);
    assert_eq!(due, Some(one));
    assert!(world.subscriptions.too_large(one));
    assert!(!world.subscriptions.too_large(one), "that is known");
    assert_eq!(world.renew(&big), Standing::Refused);
    assert_eq!(world.pass(2 * RETRY), nothing(), "nothing is repeated");
    world.change(&[one]);
    assert_eq!(world.send().1, [one]);
    assert_eq!(world.renew(&big), Standing::Renewed);
}

#[test]
fn there_is_a_limit_and_room_again_after_an_end() {
    let settings = UdpSettings {
        subscriptions: 2,
        ..UdpSettings::default()
    };
    let mut world = World::with(settings.clone());
    let first = subscriber("10.0.0.1:5000");
    let one = world.subscribe(first.clone());
    let two = world.subscribe(subscriber("10.0.0.2:5000"));
    let third = subscriber("10.0.0.3:5000");
    assert_eq!(world.renew(&third), Standing::Refused);
    assert_eq!(world.renew(&first), Standing::Renewed, "it has its place");
    let client = world.store.connect();
    let late = world
        .subscriptions
        .admit(client, third.clone(), Program::default(), world.now);
    assert!(!late, "the last place went in between");
    world.pass(settings.kept / 2);
    assert_eq!(world.renew(&first), Standing::Renewed);
    assert_eq!(world.pass(settings.kept / 2).ended, [two]);
    let mut endless = third.clone();
    endless.clusters = Clusters::new(&"c,".repeat(2000));
    assert_eq!(world.renew(&endless), Standing::Refused, "too long");
    assert_eq!(world.renew(&third), Standing::Welcome);
    assert_eq!(world.pass(settings.kept / 2).ended, [one]);
}
