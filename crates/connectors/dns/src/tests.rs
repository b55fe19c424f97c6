//! Messages in, messages out: what clients see, byte by byte, without sockets.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use proptest::prelude::*;
use syncline_model::{Instance, Port, ServiceKey, ServiceSet, Weight};

use crate::DnsConfig;
use crate::name::skip;
use crate::records::Records;
use crate::request::tests::question;
use crate::responder::{Responder, SharedZone};
use crate::wire::{Rcode, kind};
use crate::zone::Zone;

const HERE: &str = "127.0.0.1";

/// An answer as a client reads it.
#[derive(Debug)]
struct Seen {
    flags: u16,
    answers: Vec<Read>,
    authority: Vec<Read>,
    additional: Vec<Read>,
}

/// One record: its owner, type, TTL and data.
type Read = (String, u16, u32, Vec<u8>);

impl Seen {
    fn of(message: &[u8]) -> Self {
        let word = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
        let mut at = skip(message, 12).expect("a question") + 4;
        let mut section = |count: u16| {
            let mut records = Vec::new();
            for _ in 0..count {
                let owner = name_at(message, at);
                let fixed = skip(message, at).expect("an owner");
                let ttl = u32::from(word(fixed + 4)) << 16 | u32::from(word(fixed + 6));
                let end = fixed + 10 + usize::from(word(fixed + 8));
                records.push((owner, word(fixed), ttl, message[fixed + 10..end].to_vec()));
                at = end;
            }
            records
        };
        let seen = Self {
            flags: word(2),
            answers: section(word(6)),
            authority: section(word(8)),
            additional: section(word(10)),
        };
        assert_eq!(at, message.len(), "nothing is left over");
        seen
    }

    fn rcode(&self) -> u16 {
        self.flags & 0xf
    }

    fn is_truncated(&self) -> bool {
        self.flags & 0x0200 != 0
    }
}

fn name_at(message: &[u8], mut at: usize) -> String {
    let mut name = String::new();
    loop {
        match usize::from(message[at]) {
            0 => return name,
            high @ 0xc0.. => at = (high & 0x3f) << 8 | usize::from(message[at + 1]),
            length => {
                name.push_str(&String::from_utf8_lossy(&message[at + 1..at + 1 + length]));
                name.push('.');
                at += length + 1;
            }
        }
    }
}

/// A zone with `order` at these addresses and weights.
fn responder(order: &[(&str, f64)]) -> Responder {
    let instances = order.iter().map(|(host, weight)| {
        let mut instance = Instance::new(*host, Port::new(8080).expect("not zero"));
        instance.weight = Weight::new(*weight).expect("legal");
        instance
    });
    let mut zone = Zone::new(7);
    let records = Records::of([&ServiceSet::new(instances.collect())]);
    let key = ServiceKey::new("public", "DEFAULT_GROUP", "order");
    zone.set(&key, Some(Arc::new(records)));
    let shared = SharedZone {
        zone: RwLock::new(zone),
        known: AtomicBool::new(true),
    };
    let config = DnsConfig::default();
    Responder::new(&config, config.listen, Arc::new(shared))
}

fn many(count: u16) -> Responder {
    let hosts: Vec<String> = (0..count)
        .map(|n| format!("10.0.{}.{}", n / 250, n % 250 + 1))
        .collect();
    let hosts: Vec<_> = hosts.iter().map(|host| (host.as_str(), 1.0)).collect();
    responder(&hosts)
}

fn from(client: &str, responder: &Responder, message: &[u8]) -> Option<Vec<u8>> {
    let client: IpAddr = client.parse().expect("an address");
    responder.over_udp(message, client, Duration::ZERO)
}

fn ask(responder: &Responder, name: &str, kind: u16) -> Seen {
    let message = question(name, kind, Some(1232));
    Seen::of(&from(HERE, responder, &message).expect("an answer"))
}

#[test]
fn a_service_has_addresses() {
    let responder = responder(&[("10.0.0.1", 1.0), ("10.0.0.2", 1.0), ("fd00::1", 1.0)]);
    for name in [
        "order.nacos.internal",
        "OrDeR.default_group.public.NACOS.internal",
    ] {
        let seen = ask(&responder, name, kind::A);
        assert_eq!((seen.flags, seen.answers.len()), (0x8500, 2), "{seen:?}");
        let mut addresses: Vec<_> = seen.answers.iter().map(|read| read.3.clone()).collect();
        addresses.sort();
        assert_eq!(addresses, [[10, 0, 0, 1], [10, 0, 0, 2]]);
        // In the case in which it was asked.
        assert_eq!(seen.answers[0].0, format!("{name}."));
        assert_eq!(seen.answers[0].2, 5);
        assert_eq!(ask(&responder, name, kind::AAAA).answers.len(), 1);
    }
}

#[test]
fn instances_have_weights_ports_and_names_with_addresses() {
    let responder = responder(&[("10.0.0.1", 1.0), ("10.0.0.2", 3.0)]);
    for name in ["_order._tcp.nacos.internal", "order.nacos.internal"] {
        let seen = ask(&responder, name, kind::SRV);
        let mut told: Vec<_> = seen.answers.iter().map(|read| &read.3).collect();
        told.sort();
        assert_eq!(told[0][..6], [0, 0, 1, 0, 0x1f, 0x90]);
        assert_eq!(told[1][..6], [0, 0, 3, 0, 0x1f, 0x90]);
        let target = "10-0-0-1.order.default_group.public.nacos.internal.";
        assert_eq!(name_at(told[0], 6), target);
        // The OPT record is the third.
        assert_eq!(seen.additional.len(), 3);
        let glue = seen.additional.iter().find(|read| read.0 == target);
        assert_eq!(
            glue.map(|read| (read.1, &read.3[..])),
            Some((kind::A, &[10, 0, 0, 1][..]))
        );
        assert_eq!(ask(&responder, target, kind::A).answers.len(), 1);
    }
    let none = ask(&responder, "_order._tcp.nacos.internal", kind::A);
    assert_eq!((none.rcode(), none.answers.len()), (0, 0));
}

#[test]
fn what_is_not_there_is_told_with_how_long_that_may_be_kept() {
    let responder = responder(&[("10.0.0.1", 1.0)]);
    for (name, asked, rcode) in [
        ("order.nacos.internal", kind::AAAA, Rcode::NoError),
        ("public.nacos.internal", kind::A, Rcode::NoError),
        ("pay.nacos.internal", kind::A, Rcode::NxDomain),
        (
            "10-0-0-9.order.default_group.public.nacos.internal",
            kind::A,
            Rcode::NxDomain,
        ),
    ] {
        let seen = ask(&responder, name, asked);
        assert_eq!(seen.rcode(), rcode.bits(), "{name}");
        let [(owner, kind::SOA, ttl, data)] = &seen.authority[..] else {
            panic!("{name}: {seen:?}");
        };
        assert_eq!((owner.as_str(), *ttl), ("nacos.internal.", 1));
        assert_eq!(data[data.len() - 4..], [0, 0, 0, 1]);
    }
}

#[test]
fn the_zone_says_who_answers_for_it() {
    let responder = responder(&[]);
    let soa = ask(&responder, "nacos.internal", kind::SOA);
    assert_eq!((soa.answers.len(), soa.authority.len()), (1, 0));
    let ns = ask(&responder, "nacos.internal", kind::NS);
    assert_eq!(name_at(&ns.answers[0].3, 0), "ns--1.nacos.internal.");
    assert_eq!(ns.additional[0].0, "ns--1.nacos.internal.");
    assert_eq!(
        ask(&responder, "ns--1.nacos.internal", kind::A).answers[0].3,
        [127, 0, 0, 1]
    );
}

#[test]
fn nothing_else_is_answered() {
    let responder = responder(&[("10.0.0.1", 1.0)]);
    let rcode = |name: &str, kind: u16| ask(&responder, name, kind).rcode();
    let refused = Rcode::Refused.bits();
    assert_eq!(rcode("example.com", kind::A), refused);
    assert_eq!(rcode("xnacos.internal", kind::A), refused);
    assert_eq!(rcode("internal", kind::NS), refused);
    assert_eq!(rcode("", kind::NS), refused);
    for transfer in [251, 252] {
        assert_eq!(rcode("nacos.internal", transfer), refused);
    }
    let any = ask(&responder, "order.nacos.internal", kind::ANY);
    assert_eq!(any.answers.len(), 1);
    assert_eq!(any.answers[0].1, kind::HINFO);
    let mut chaos = question("version.bind", 16, None);
    let class = chaos.len() - 1;
    chaos[class] = 3;
    let seen = Seen::of(&from(HERE, &responder, &chaos).expect("an answer"));
    assert_eq!(seen.rcode(), refused);
}

#[test]
fn nothing_is_denied_before_it_is_known_what_there_is() {
    let responder = responder(&[("10.0.0.1", 1.0)]);
    responder.shared().known.store(false, Ordering::Release);
    let there = ask(&responder, "order.nacos.internal", kind::A);
    assert_eq!(there.answers.len(), 1);
    for (name, asked) in [("order", kind::AAAA), ("pay", kind::A)] {
        let seen = ask(&responder, &format!("{name}.nacos.internal"), asked);
        let servfail = Rcode::ServFail.bits();
        assert_eq!((seen.rcode(), seen.authority.len()), (servfail, 0));
    }
    assert_eq!(
        ask(&responder, "example.com", kind::A).rcode(),
        Rcode::Refused.bits()
    );
}

#[test]
fn what_does_not_fit_over_udp_comes_over_tcp() {
    let responder = many(300);
    let asked = |size| question("order.nacos.internal", kind::A, size);
    for (size, room) in [(None, 512), (Some(800), 800), (Some(4096), 1232)] {
        let message = from(HERE, &responder, &asked(size)).expect("an answer");
        assert!(
            message.len() <= room && message.len() > room - 16,
            "{}",
            message.len()
        );
        assert!(Seen::of(&message).is_truncated());
    }
    let client = HERE.parse().expect("an address");
    let whole = responder
        .over_tcp(&asked(Some(512)), client)
        .expect("an answer");
    let seen = Seen::of(&whole);
    assert_eq!((seen.is_truncated(), seen.answers.len()), (false, 300));
    // More than any message holds: as many as fit, others each time.
    let responder = many(5_000);
    let message = question("order.nacos.internal", kind::SRV, None);
    let message = responder.over_tcp(&message, client).expect("an answer");
    let seen = Seen::of(&message);
    assert!(
        !seen.is_truncated() && seen.answers.len() > 900,
        "{}",
        seen.answers.len()
    );
}

#[test]
fn addresses_that_are_not_told_are_missed_by_nobody() {
    let responder = many(14);
    let message = question("order.nacos.internal", kind::SRV, Some(1232));
    let seen = Seen::of(&from(HERE, &responder, &message).expect("an answer"));
    assert_eq!((seen.is_truncated(), seen.answers.len()), (false, 14));
    assert!(seen.additional.len() < 15, "{}", seen.additional.len());
}

#[test]
fn strangers_get_no_more_than_they_sent() {
    let responder = many(300);
    let message = question("order.nacos.internal", kind::A, Some(4096));
    let refused = from("203.0.113.9", &responder, &message).expect("an answer");
    assert_eq!(Seen::of(&refused).rcode(), Rcode::Refused.bits());
    assert!(refused.len() <= message.len());
}

#[test]
fn a_client_in_the_internet_gets_four_times_what_it_sent() {
    let mut responder = many(300);
    responder.let_in("203.0.113.0/24");
    let message = question("order.nacos.internal", kind::A, Some(4096));
    let answer = from("203.0.113.9", &responder, &message).expect("an answer");
    assert!(answer.len() <= 4 * message.len(), "{}", answer.len());
    assert!(Seen::of(&answer).is_truncated());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn whatever_is_sent_is_answered_within_its_room(
        name in "(order|pay|_order|_tcp|public|nacos|internal|10-0-0-1|default_group|\\.|x){0,12}",
        kind in prop::sample::select(vec![1_u16, 2, 6, 15, 16, 28, 33, 41, 65, 252, 255]),
        size in prop::option::of(any::<u16>()),
        changed in prop::collection::vec((0..60_usize, any::<u8>()), 0..3),
    ) {
        let responder = many(100);
        let mut message = question(&name, kind, size);
        for (at, byte) in changed {
            if let Some(place) = message.get_mut(at) {
                *place = byte;
            }
        }
        for client in [HERE, "203.0.113.9"] {
            if let Some(answer) = from(client, &responder, &message) {
                prop_assert!(answer.len() <= 1232);
                prop_assert_eq!(&answer[..2], &message[..2]);
                prop_assert!(client == HERE || answer.len() <= message.len() + 11);
                if answer[5] == 1 {
                    drop(Seen::of(&answer));
                }
            }
        }
    }

    #[test]
    fn noise_is_never_a_panic(message in prop::collection::vec(any::<u8>(), 0..300)) {
        drop(from(HERE, &many(3), &message));
    }
}
