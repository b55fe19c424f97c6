//! Who is answered over UDP, and how much: answers go to whatever address a
//! question names as its own, so nobody may be flooded through us.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;
use syncline_model::mapping::Network;

use crate::reply::Room;
use crate::wire::{MOST_TCP, MOST_UDP, PLAIN_UDP};

/// How many times as long as its question an answer to somebody in the internet
/// may be. TCP, which proves the address, has the rest.
const AMPLIFICATION: usize = 4;

/// How many networks are told apart at once. Those that share a place share its
/// rate.
const PLACES: usize = 16_384;

/// Of those that are too many, every so manieth is told to come over TCP.
const SLIP: u32 = 2;

/// How much room an answer over UDP has.
pub(crate) fn udp_room(client: IpAddr, asked: usize, offered: Option<u16>) -> Room {
    let offered = offered.map_or(PLAIN_UDP, |size| {
        usize::from(size.min(MOST_UDP)).max(PLAIN_UDP)
    });
    let bytes = match is_public(client) {
        true => offered.min(asked * AMPLIFICATION),
        false => offered,
    };
    Room {
        bytes,
        may_ask_again: true,
    }
}

/// How much room an answer over TCP has.
pub(crate) const TCP_ROOM: Room = Room {
    bytes: MOST_TCP,
    may_ask_again: false,
};

/// Whether an address may be anybody's in the internet.
fn is_public(client: IpAddr) -> bool {
    match client {
        IpAddr::V4(v4) => {
            !(v4.is_loopback() || v4.is_private() || v4.is_link_local() || is_shared(v4))
        }
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()),
    }
}

/// Addresses that providers share out among their customers (RFC 6598).
fn is_shared(address: std::net::Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && (64..128).contains(&second)
}

/// Whether a client is answered at all.
pub(crate) fn is_client(clients: &[Network], client: IpAddr) -> bool {
    clients.iter().any(|network| network.contains(client))
}

/// What becomes of one more answer to a network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It is sent.
    Answer,
    /// The client is told to come over TCP.
    ComeByTcp,
    /// Nothing is sent.
    Drop,
}

/// How many answers each network got of late: a second's worth at once, and
/// that many every second.
#[derive(Debug)]
pub(crate) struct Rates {
    per_second: u32,
    places: Mutex<Box<[Place]>>,
    hashed: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    /// How many answers may go, in thousandths.
    left: u64,
    /// Since when, in milliseconds.
    counted: u64,
    refused: u32,
}

impl Rates {
    pub(crate) fn new(per_second: u32) -> Self {
        let full = Place {
            left: u64::from(per_second) * 1000,
            counted: 0,
            refused: 0,
        };
        Self {
            per_second,
            places: Mutex::new(vec![full; PLACES].into()),
            hashed: RandomState::new(),
        }
    }

    /// Counts an answer. `now` is how long this server is there.
    pub(crate) fn take(&self, client: IpAddr, now: Duration) -> Verdict {
        if client.is_loopback() {
            return Verdict::Answer;
        }
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let place = self.hashed.hash_one(network_of(client)) as usize % PLACES;
        let mut places = self.places.lock();
        let place = &mut places[place];
        let rate = u64::from(self.per_second);
        let came = now.saturating_sub(place.counted).saturating_mul(rate);
        place.left = place.left.saturating_add(came).min(rate * 1000);
        place.counted = place.counted.max(now);
        if let Some(left) = place.left.checked_sub(1000) {
            place.left = left;
            return Verdict::Answer;
        }
        place.refused = place.refused.wrapping_add(1);
        match place.refused % SLIP {
            0 => Verdict::ComeByTcp,
            _ => Verdict::Drop,
        }
    }
}

/// The network that a client shares its rate with: a /24, or a /56.
fn network_of(client: IpAddr) -> u128 {
    match client {
        IpAddr::V4(address) => u128::from(address.to_bits() >> 8),
        IpAddr::V6(address) => address.to_bits() >> 72 | 1 << 127,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn room_is_what_clients_take_and_no_more_than_passes_whole() {
        let room = |offered| udp_room(address("10.0.0.1"), 40, offered).bytes;
        assert_eq!(room(None), 512);
        assert_eq!(
            [100, 512, 1000, 1232, 4096].map(|size| room(Some(size))),
            [512, 512, 1000, 1232, 1232]
        );
    }

    #[test]
    fn answers_into_the_internet_are_four_questions_long() {
        for public in ["8.8.8.8", "2001:db8::1", "100.128.0.1"] {
            assert_eq!(
                udp_room(address(public), 60, Some(4096)).bytes,
                240,
                "{public}"
            );
        }
        for private in ["100.64.0.1", "192.168.3.4", "fd00::1", "127.0.0.1"] {
            assert_eq!(
                udp_room(address(private), 60, Some(4096)).bytes,
                1232,
                "{private}"
            );
        }
    }

    #[test]
    fn a_flood_gets_what_the_rate_has_and_half_of_the_rest_comes_by_tcp() {
        let rates = Rates::new(100);
        let victim = address("192.0.2.7");
        let mut got = [0_u32; 3];
        for asked in 0..50_000_u64 {
            let verdict = rates.take(victim, Duration::from_micros(asked * 20));
            got[verdict as usize] += 1;
        }
        // A second's worth at once, and another within the second.
        assert!((199..=200).contains(&got[0]), "{got:?}");
        assert!(got[1].abs_diff(got[2]) <= 1, "{got:?}");
        assert_eq!(
            rates.take(address("127.0.0.1"), Duration::from_secs(1)),
            Verdict::Answer
        );
    }

    #[test]
    fn a_network_is_one_client() {
        assert_eq!(
            network_of(address("10.0.0.1")),
            network_of(address("10.0.0.200"))
        );
        assert_ne!(
            network_of(address("10.0.0.1")),
            network_of(address("10.0.1.1"))
        );
        assert_eq!(
            network_of(address("fd00::1")),
            network_of(address("fd00:0:0:ff::2"))
        );
        assert_ne!(
            network_of(address("fd00::1")),
            network_of(address("fd00:0:0:100::1"))
        );
    }
}
