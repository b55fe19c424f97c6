//! From a message to the message that answers it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use syncline_model::mapping::Network;

use crate::DnsConfig;
use crate::answer::{Facts, answer};
use crate::limit::{Rates, TCP_ROOM, Verdict, is_client, udp_room};
use crate::reply::{Room, elsewhere, refusal, written};
use crate::request::{self, Request, Unanswerable};
use crate::wire::Rcode;
use crate::zone::Zone;

/// Answers messages from a zone.
#[derive(Debug)]
pub(crate) struct Responder {
    facts: Facts,
    clients: Vec<Network>,
    rates: Rates,
    zone: Arc<SharedZone>,
    asked: AtomicU64,
}

/// A zone that links write while it is asked.
#[derive(Debug)]
pub(crate) struct SharedZone {
    pub(crate) zone: RwLock<Zone>,
    /// Whether it is known what stands in it.
    pub(crate) known: AtomicBool,
}

impl Responder {
    pub(crate) fn new(config: &DnsConfig, listen: SocketAddr, zone: Arc<SharedZone>) -> Self {
        Self {
            facts: config.facts(listen),
            clients: config.clients.clone(),
            rates: Rates::new(config.answers_per_second),
            zone,
            asked: AtomicU64::new(0),
        }
    }

    /// Answers what came over UDP, `now` after the server began; `None` to stay
    /// silent.
    pub(crate) fn over_udp(
        &self,
        message: &[u8],
        client: IpAddr,
        now: Duration,
    ) -> Option<Vec<u8>> {
        let client = client.to_canonical();
        let read = request::read(message);
        if matches!(read, Err(Unanswerable::Silence)) {
            return None;
        }
        match (self.rates.take(client, now), &read) {
            (Verdict::Answer, _) => {}
            (Verdict::ComeByTcp, Ok(request)) => return Some(elsewhere(request)),
            (Verdict::ComeByTcp, Err(_)) | (Verdict::Drop, _) => return None,
        }
        let offered = |request: &Request<'_>| request.edns.map(|edns| edns.size);
        let room = |request: &Request<'_>| udp_room(client, message.len(), offered(request));
        self.respond(read, client, room)
    }

    /// Answers what came over TCP.
    pub(crate) fn over_tcp(&self, message: &[u8], client: IpAddr) -> Option<Vec<u8>> {
        self.respond(request::read(message), client.to_canonical(), |_| TCP_ROOM)
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &SharedZone {
        &self.zone
    }

    #[cfg(test)]
    pub(crate) fn let_in(&mut self, network: &str) {
        self.clients.extend(network.parse::<Network>());
    }

    /// Whether a client is answered at all.
    pub(crate) fn answers(&self, client: IpAddr) -> bool {
        is_client(&self.clients, client.to_canonical())
    }

    fn respond(
        &self,
        read: Result<Request<'_>, Unanswerable<'_>>,
        client: IpAddr,
        room: impl Fn(&Request<'_>) -> Room,
    ) -> Option<Vec<u8>> {
        let request = match read {
            Ok(request) => request,
            Err(Unanswerable::Silence) => return None,
            Err(Unanswerable::With(head, rcode)) => return Some(refusal(head, rcode)),
        };
        if !self.answers(client) {
            return Some(refusal(request.head, Rcode::Refused));
        }
        let seed = mixed(self.asked.fetch_add(1, Ordering::Relaxed));
        let known = self.zone.known.load(Ordering::Acquire);
        let zone = self.zone.zone.read();
        let answer = answer(&request, &self.facts, (&zone, known), seed);
        Some(written(&request, &answer, &self.facts, room(&request)))
    }
}

/// Spreads a counter over all numbers (the finaliser of SplitMix64).
fn mixed(count: u64) -> u64 {
    let mut z = count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
