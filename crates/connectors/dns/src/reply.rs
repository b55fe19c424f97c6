//! Writing an answer down, cut to what may be sent.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::answer::{Answer, Data, Facts, Owner, Record};
use crate::name::Name;
use crate::records::{Srv, Target, label_of};
use crate::request::{Edns, Head, Request};
use crate::wire::{HEADER, MOST_UDP, Rcode, class, flag, kind};

/// A pointer to the name that was asked for, which stands behind the header.
const ASKED: u16 = 0xc000 | HEADER as u16;

/// How far a pointer reaches.
const REACH: usize = 0x4000;

/// An OPT record without options.
const OPT: usize = 11;

/// How often secondaries would look, and how long they would go on: nobody may
/// transfer the zone, so these are what is usual.
const TRANSFER: [u32; 3] = [3600, 600, 86_400];

/// How much may be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Room {
    /// The whole message.
    pub(crate) bytes: usize,
    /// Whether a client that is told that something is missing can ask again
    /// where there is more room.
    pub(crate) may_ask_again: bool,
}

/// Writes an answer. What does not fit is left out, and said to be missing
/// where it was asked for.
pub(crate) fn written(
    request: &Request<'_>,
    answer: &Answer<'_>,
    facts: &Facts,
    room: Room,
) -> Vec<u8> {
    let opt = request.edns.map_or(0, |_| OPT);
    let mut writer = Writer::new(request, facts, room.bytes.saturating_sub(opt));
    let answers = writer.put(&answer.answers);
    let mut whole = answers == answer.answers.len();
    let authority = if whole {
        writer.put(&answer.authority)
    } else {
        0
    };
    whole &= authority == answer.authority.len();
    // Clients ask for these if they miss them, so nothing is said to be missing.
    let additional = if whole {
        writer.put(&answer.additional)
    } else {
        0
    };
    let mut flags = 0;
    if answer.authoritative {
        flags |= flag::AUTHORITATIVE;
    }
    if room.may_ask_again && !whole {
        flags |= flag::TRUNCATED;
    }
    let counts = [answers, authority, additional];
    finish(
        request.head,
        flags,
        answer.rcode,
        counts,
        writer.bytes,
        request.edns,
    )
}

/// Writes that there is an answer which does not come this way.
pub(crate) fn elsewhere(request: &Request<'_>) -> Vec<u8> {
    let bytes = begin(request.head);
    let flags = flag::TRUNCATED | flag::AUTHORITATIVE;
    finish(
        request.head,
        flags,
        Rcode::NoError,
        [0; 3],
        bytes,
        request.edns,
    )
}

/// Writes a code and nothing else.
pub(crate) fn refusal(head: Head<'_>, rcode: Rcode) -> Vec<u8> {
    // This code has bits that only an OPT record can carry.
    let edns = (rcode == Rcode::BadVers).then_some(Edns {
        size: 0,
        version: 0,
        dnssec: false,
    });
    finish(head, 0, rcode, [0; 3], begin(head), edns)
}

fn begin(head: Head<'_>) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes.extend(head.question);
    bytes
}

fn finish(
    head: Head<'_>,
    flags: u16,
    rcode: Rcode,
    [answers, authority, additional]: [usize; 3],
    mut bytes: Vec<u8>,
    edns: Option<Edns>,
) -> Vec<u8> {
    if let Some(edns) = edns {
        let dnssec = if edns.dnssec { 0x80 } else { 0 };
        let upper = (rcode.bits() >> 4) as u8;
        bytes.push(0);
        bytes.extend(kind::OPT.to_be_bytes());
        bytes.extend(MOST_UDP.to_be_bytes());
        bytes.extend([upper, 0, dnssec, 0, 0, 0]);
    }
    let kept = head.flags & (flag::RECURSION_DESIRED | flag::CHECKING_DISABLED);
    let flags = flag::RESPONSE | kept | flags | (rcode.bits() & 0xf);
    let questions = usize::from(!head.question.is_empty());
    let opt = usize::from(edns.is_some());
    // A message of 64 KiB has no room for 65,536 records.
    let counts = [questions, answers, authority, additional + opt].map(|count| count as u16);
    let words = [head.id, flags].into_iter().chain(counts);
    for (place, word) in bytes.chunks_exact_mut(2).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

struct Writer<'a> {
    bytes: Vec<u8>,
    room: usize,
    facts: &'a Facts,
    /// Where the zone's name stands in the question.
    zone_at: usize,
    /// Where names of instances were written.
    instances: BTreeMap<IpAddr, usize>,
}

impl<'a> Writer<'a> {
    fn new(request: &Request<'_>, facts: &'a Facts, room: usize) -> Self {
        let zone = facts.zone.as_bytes().len();
        Self {
            bytes: begin(request.head),
            room,
            facts,
            zone_at: HEADER + request.name.len().saturating_sub(zone),
            instances: BTreeMap::new(),
        }
    }

    /// Writes records as far as they fit; how many do.
    fn put(&mut self, records: &[Record<'_>]) -> usize {
        for (written, record) in records.iter().enumerate() {
            let before = self.bytes.len();
            self.record(record);
            if self.bytes.len() > self.room {
                self.bytes.truncate(before);
                return written;
            }
        }
        records.len()
    }

    fn record(&mut self, record: &Record<'_>) {
        match record.owner {
            Owner::Asked => self.word(ASKED),
            Owner::Zone => self.zone(),
            Owner::Nameserver => self.whole(&self.facts.nameserver),
            Owner::Instance(address, service) => match self.instances.get(&address) {
                Some(at) => self.word(0xc000 | *at as u16),
                None => {
                    self.instance(address, service);
                    self.zone();
                }
            },
        }
        self.word(match record.data {
            Data::A(_) => kind::A,
            Data::Aaaa(_) => kind::AAAA,
            Data::Srv(..) => kind::SRV,
            Data::Ns => kind::NS,
            Data::Soa { .. } => kind::SOA,
            Data::Hinfo => kind::HINFO,
        });
        self.word(class::IN);
        self.bytes.extend(record.ttl.to_be_bytes());
        let length_at = self.bytes.len();
        self.word(0);
        self.data(record.data);
        let length = (self.bytes.len() - length_at - 2) as u16;
        self.bytes[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
    }

    fn data(&mut self, data: Data<'_>) {
        match data {
            Data::A(address) => self.bytes.extend(address.octets()),
            Data::Aaaa(address) => self.bytes.extend(address.octets()),
            Data::Srv(srv, service) => self.srv(srv, service),
            Data::Ns => self.whole(&self.facts.nameserver),
            Data::Soa { serial } => {
                self.whole(&self.facts.nameserver);
                self.bytes.extend(b"\x0ahostmaster");
                self.zone();
                let times = [serial].into_iter().chain(TRANSFER);
                for number in times.chain([self.facts.negative_ttl]) {
                    self.bytes.extend(number.to_be_bytes());
                }
            }
            Data::Hinfo => self.bytes.extend(b"\x07RFC8482\x00"),
        }
    }

    /// The target's name stands in full, since RFC 2782 wants that.
    fn srv(&mut self, srv: &Srv, service: &Name) {
        self.word(0);
        self.word(srv.weight);
        self.word(srv.port.get());
        match &srv.target {
            Target::Address(address) => {
                let at = self.bytes.len();
                self.instance(*address, service);
                self.bytes.extend(self.facts.zone.as_bytes());
                self.bytes.push(0);
                if at < REACH {
                    self.instances.entry(*address).or_insert(at);
                }
            }
            Target::Host(host) => self.whole(host),
        }
    }

    /// The labels of an instance's name up to the zone.
    fn instance(&mut self, address: IpAddr, service: &Name) {
        let label = label_of(address);
        self.bytes.push(label.len() as u8);
        self.bytes.extend(label.as_bytes());
        self.bytes.extend(service.as_bytes());
    }

    fn whole(&mut self, name: &Name) {
        self.bytes.extend(name.as_bytes());
        self.bytes.push(0);
    }

    fn zone(&mut self) {
        self.word(0xc000 | self.zone_at as u16);
    }

    fn word(&mut self, word: u16) {
        self.bytes.extend(word.to_be_bytes());
    }
}
