//! What a question is answered with: a pure function of question and zone.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::name::Name;
use crate::records::{Srv, Target};
use crate::request::Request;
use crate::wire::{Rcode, kind};
use crate::zone::{Entry, Found, Zone};

/// What is the same for all answers of a zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Facts {
    /// The zone's own name.
    pub(crate) zone: Name,
    /// Who answers for it.
    pub(crate) nameserver: Name,
    /// Where that is, unless others have to say.
    pub(crate) address: Option<IpAddr>,
    /// How long answers may be kept, in seconds.
    pub(crate) ttl: u32,
    /// How long it may be kept that there is none, in seconds.
    pub(crate) negative_ttl: u32,
}

/// An answer, before it is cut to what fits.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) rcode: Rcode,
    pub(crate) authoritative: bool,
    pub(crate) answers: Vec<Record<'a>>,
    pub(crate) authority: Vec<Record<'a>>,
    pub(crate) additional: Vec<Record<'a>>,
}

/// One record.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) owner: Owner<'a>,
    pub(crate) ttl: u32,
    pub(crate) data: Data<'a>,
}

/// Whose record it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner<'a> {
    /// The name that was asked for.
    Asked,
    /// The zone, which the name that was asked for ends in.
    Zone,
    /// Who answers for the zone.
    Nameserver,
    /// An instance of the service that was asked for.
    Instance(IpAddr, &'a Name),
}

/// What a record says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Data<'a> {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    /// An instance, and the name below which instances of its service stand.
    Srv(&'a Srv, &'a Name),
    Ns,
    Soa {
        serial: u32,
    },
    /// That not everything is told to whoever asks for everything (RFC 8482).
    Hinfo,
}

impl Answer<'_> {
    /// One that is a code and nothing else.
    pub(crate) fn only(rcode: Rcode) -> Self {
        Self {
            rcode,
            authoritative: false,
            answers: Vec::new(),
            authority: Vec::new(),
            additional: Vec::new(),
        }
    }
}

/// Answers a question from a zone. Of one that is not `known` whole yet, it is
/// never said that something is not there. The seed says which instance comes
/// first.
pub(crate) fn answer<'a>(
    request: &Request<'_>,
    facts: &Facts,
    (zone, known): (&'a Zone, bool),
    seed: u64,
) -> Answer<'a> {
    if request.is_meta() || !request.is_of_internet() {
        return Answer::only(Rcode::Refused);
    }
    let Some(relative) = relative_to(&request.name, &facts.zone) else {
        return Answer::only(Rcode::Refused);
    };
    let found = zone.find(relative);
    let mut answer = Answer {
        authoritative: true,
        ..Answer::only(Rcode::NoError)
    };
    if let Found::Missing = found {
        answer.rcode = Rcode::NxDomain;
    } else {
        tell(&mut answer, request.kind, found, facts, zone, seed);
    }
    if answer.answers.is_empty() {
        if !known {
            return Answer::only(Rcode::ServFail);
        }
        answer.authority.push(soa(Owner::Zone, facts, zone));
    }
    answer
}

/// What of a name stands below the zone; `None` for a name of another zone.
fn relative_to<'a>(name: &'a [u8], zone: &Name) -> Option<&'a [u8]> {
    let relative = name.strip_suffix(zone.as_bytes())?;
    // The ending may be that of a label only.
    let whole: usize = crate::name::labels(relative)
        .map(|label| label.len() + 1)
        .sum();
    (whole == relative.len()).then_some(relative)
}

fn tell<'a>(
    answer: &mut Answer<'a>,
    kind: u16,
    found: Found<'a>,
    facts: &Facts,
    zone: &Zone,
    seed: u64,
) {
    if kind == kind::ANY {
        answer.answers.push(record(facts.ttl, Data::Hinfo));
        return;
    }
    match found {
        Found::Apex if kind == kind::SOA => {
            answer.answers.push(soa(Owner::Asked, facts, zone));
        }
        Found::Apex if kind == kind::NS => {
            answer.answers.push(record(facts.ttl, Data::Ns));
            let address = facts.address.map(|address| Record {
                owner: Owner::Nameserver,
                ..addressed(facts, address)
            });
            answer.additional.extend(address);
        }
        Found::Nameserver => {
            let address = facts.address.filter(|address| kind_of(*address) == kind);
            answer
                .answers
                .extend(address.map(|address| addressed(facts, address)));
        }
        Found::Instance(address) if kind_of(address) == kind => {
            answer.answers.push(addressed(facts, address));
        }
        Found::Service(entry) | Found::Srv(entry) if kind == kind::SRV => {
            instances(answer, entry, facts, seed);
        }
        Found::Service(entry) if kind == kind::A => {
            let addresses = entry.records.v4(seed).map(Data::A);
            answer
                .answers
                .extend(addresses.map(|data| record(facts.ttl, data)));
        }
        Found::Service(entry) if kind == kind::AAAA => {
            let addresses = entry.records.v6(seed).map(Data::Aaaa);
            answer
                .answers
                .extend(addresses.map(|data| record(facts.ttl, data)));
        }
        _ => {}
    }
}

/// The instances of a service, and where they are.
fn instances<'a>(answer: &mut Answer<'a>, entry: &'a Entry, facts: &Facts, seed: u64) {
    let mut told = BTreeSet::new();
    for srv in entry.records.services(seed) {
        let data = Data::Srv(srv, &entry.name);
        answer.answers.push(record(facts.ttl, data));
        if let Target::Address(address) = srv.target
            && told.insert(address)
        {
            answer.additional.push(Record {
                owner: Owner::Instance(address, &entry.name),
                ..addressed(facts, address)
            });
        }
    }
}

fn record(ttl: u32, data: Data<'_>) -> Record<'_> {
    Record {
        owner: Owner::Asked,
        ttl,
        data,
    }
}

fn addressed<'a>(facts: &Facts, address: IpAddr) -> Record<'a> {
    let data = match address {
        IpAddr::V4(address) => Data::A(address),
        IpAddr::V6(address) => Data::Aaaa(address),
    };
    record(facts.ttl, data)
}

fn kind_of(address: IpAddr) -> u16 {
    match address {
        IpAddr::V4(_) => kind::A,
        IpAddr::V6(_) => kind::AAAA,
    }
}

/// Resolvers keep the absence of a name for as long as this record says.
fn soa<'a>(owner: Owner<'a>, facts: &Facts, zone: &Zone) -> Record<'a> {
    let serial = zone.serial();
    let ttl = match owner {
        Owner::Zone => facts.negative_ttl,
        _ => facts.ttl,
    };
    Record {
        owner,
        ttl,
        data: Data::Soa { serial },
    }
}
