//! What the store keeps of a service: the set last seen at an endpoint, and
//! the instances that a link wrote at its target.

use std::net::Ipv4Addr;
use std::sync::Arc;

use syncline_model::{
    ClusterName, EndpointName, Host, Instance, InstanceKey, Metadata, Port, Seen, ServiceSet,
    Truth, Weight,
};

use super::codec::{Decoder, Encoder, RecordError};

const CACHE: u8 = 1;
const LEDGER: u8 = 2;
const META: u8 = 3;

/// A service as it was last seen whole at an endpoint.
///
/// Only complete views are kept: what is served from here after a restart was
/// once the truth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CacheRecord {
    /// Whose eyes saw it.
    pub truth: Truth,
    /// When, in milliseconds since the Unix epoch; for display and for the age
    /// that it is served with.
    pub seen_at_ms: u64,
    /// The instances.
    pub set: Arc<ServiceSet>,
}

/// What a link wrote of one service, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LedgerRecord {
    /// The endpoint it was written to.
    pub target: EndpointName,
    /// What was written, or is about to be.
    pub instances: Vec<LedgerEntry>,
    /// When the target last confirmed all of it, in milliseconds since the Unix
    /// epoch; `None` as long as it never did.
    pub confirmed_at_ms: Option<u64>,
}

/// One instance that this install wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LedgerEntry {
    /// The instance as the target was given it.
    pub instance: Instance,
    /// How far the write has come.
    pub state: LedgerState,
    /// Since when it is in that state, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// The registry that the instance was first registered in, and the path it
    /// came on, as its mark says it.
    pub origin: Arc<str>,
}

/// How far the write of an instance has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LedgerState {
    /// About to be written, or written without an answer: it may be there.
    Intended,
    /// The target has it.
    Confirmed,
    /// About to be removed, or removed without an answer: it may still be there.
    Removing,
}

impl CacheRecord {
    pub(super) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let mut encoder = Encoder::new(CACHE);
        encoder.byte(match self.truth {
            Truth::Consumer => 0,
            Truth::Raw => 1,
        });
        encoder.number(self.seen_at_ms);
        encoder.number(self.set.len() as u64);
        for instance in self.set.instances() {
            encode_instance(&mut encoder, instance);
        }
        encoder.seal(key)
    }

    pub(super) fn decode(key: &[u8], record: &[u8]) -> Result<Self, RecordError> {
        Self::read(Decoder::open(key, CACHE, record)?)
    }

    fn read(mut body: Decoder<'_>) -> Result<Self, RecordError> {
        let truth = match body.byte("truth")? {
            0 => Truth::Consumer,
            1 => Truth::Raw,
            _ => return Err(RecordError::Malformed("truth")),
        };
        let seen_at_ms = body.number("time")?;
        let count = body.count(LEAST_INSTANCE_BYTES, "number of instances")?;
        let mut before = Metadata::empty();
        let instances = (0..count)
            .map(|_| decode_instance(&mut body, &mut before))
            .collect::<Result<Vec<_>, _>>()?;
        body.end()?;
        Ok(Self {
            truth,
            seen_at_ms,
            set: Arc::new(ServiceSet::new(instances)),
        })
    }
}

impl LedgerRecord {
    pub(super) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let mut encoder = Encoder::new(LEDGER);
        encoder.word(self.target.as_str());
        // Shifted by one, so that "never" is told from the epoch.
        encoder.number(self.confirmed_at_ms.map_or(0, |at| at.saturating_add(1)));
        encoder.number(self.instances.len() as u64);
        for entry in &self.instances {
            encode_instance(&mut encoder, &entry.instance);
            encoder.byte(match entry.state {
                LedgerState::Intended => 0,
                LedgerState::Confirmed => 1,
                LedgerState::Removing => 2,
            });
            encoder.number(entry.since_ms);
            encoder.word(&entry.origin);
        }
        encoder.seal(key)
    }

    pub(super) fn decode(key: &[u8], record: &[u8]) -> Result<Self, RecordError> {
        Self::read(Decoder::open(key, LEDGER, record)?)
    }

    fn read(mut body: Decoder<'_>) -> Result<Self, RecordError> {
        let target = EndpointName::new(body.word("target")?);
        let confirmed_at_ms = body.number("time of confirmation")?.checked_sub(1);
        let count = body.count(LEAST_INSTANCE_BYTES + 3, "number of entries")?;
        let mut before = Metadata::empty();
        let instances = (0..count)
            .map(|_| LedgerEntry::read(&mut body, &mut before))
            .collect::<Result<_, _>>()?;
        body.end()?;
        Ok(Self {
            target,
            instances,
            confirmed_at_ms,
        })
    }
}

impl LedgerEntry {
    fn read(body: &mut Decoder<'_>, before: &mut Metadata) -> Result<Self, RecordError> {
        Ok(Self {
            instance: decode_instance(body, before)?,
            state: match body.byte("state")? {
                0 => LedgerState::Intended,
                1 => LedgerState::Confirmed,
                2 => LedgerState::Removing,
                _ => return Err(RecordError::Malformed("state")),
            },
            since_ms: body.number("time of the state")?,
            origin: body.word("origin")?,
        })
    }
}

/// A value of the `meta` table, opaque but checked.
pub(super) fn encode_meta(key: &str, value: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(META);
    encoder.bytes(value);
    encoder.seal(key.as_bytes())
}

pub(super) fn decode_meta<'a>(key: &str, record: &'a [u8]) -> Result<&'a [u8], RecordError> {
    Decoder::open(key.as_bytes(), META, record).map(Decoder::rest)
}

const HEALTHY_SHIFT: u8 = 0;
const EPHEMERAL_SHIFT: u8 = 2;
const ENABLED: u8 = 1 << 4;
/// The weight is 1 and not written.
const WEIGHT_ONE: u8 = 1 << 5;
/// The host is an IPv4 address in four bytes.
const IPV4: u8 = 1 << 6;
const KNOWN_FLAGS: u8 = 0x7f;

/// Flags, a host that was seen before, port, cluster, number of pairs.
const LEAST_INSTANCE_BYTES: usize = 1 + 1 + 2 + 1 + 1;

fn encode_instance<'a>(encoder: &mut Encoder<'a>, instance: &'a Instance) {
    let host = instance.key.host.as_str();
    // Rust accepts only the one canonical spelling, so the text comes back as it was.
    let ipv4: Option<Ipv4Addr> = host.parse().ok();
    let mut flags = seen_bits(instance.healthy) << HEALTHY_SHIFT
        | seen_bits(instance.ephemeral) << EPHEMERAL_SHIFT;
    for (flag, set) in [
        (ENABLED, instance.enabled),
        (WEIGHT_ONE, instance.weight == Weight::ONE),
        (IPV4, ipv4.is_some()),
    ] {
        if set {
            flags |= flag;
        }
    }
    encoder.byte(flags);
    match ipv4 {
        Some(address) => encoder.bytes(&address.octets()),
        None => encoder.word(host),
    }
    encoder.bytes(&instance.key.port.get().to_le_bytes());
    encoder.word(instance.key.cluster.as_str());
    if instance.weight != Weight::ONE {
        encoder.bytes(&instance.weight.get().to_le_bytes());
    }
    encoder.number(instance.metadata.len() as u64);
    for (key, value) in instance.metadata.iter() {
        encoder.word(key);
        encoder.word(value);
    }
}

/// Reads an instance. Metadata that says the same as that of the instance before
/// it is the same in memory too.
fn decode_instance(body: &mut Decoder<'_>, before: &mut Metadata) -> Result<Instance, RecordError> {
    let flags = body.byte("flags")?;
    if flags & !KNOWN_FLAGS != 0 {
        return Err(RecordError::Malformed("flags"));
    }
    let host = if flags & IPV4 != 0 {
        Host::from(
            Ipv4Addr::from(body.array::<4>("address")?)
                .to_string()
                .as_str(),
        )
    } else {
        Host::from(&*body.word("host")?)
    };
    let port =
        Port::new(u16::from_le_bytes(body.array("port")?)).ok_or(RecordError::Malformed("port"))?;
    let cluster = ClusterName::new(body.word("cluster")?);
    let weight = if flags & WEIGHT_ONE != 0 {
        Weight::ONE
    } else {
        Weight::new(f64::from_le_bytes(body.array("weight")?))
            .ok_or(RecordError::Malformed("weight"))?
    };
    let pairs = body.count(2, "number of metadata pairs")?;
    let metadata = (0..pairs)
        .map(|_| Ok((body.word("metadata key")?, body.word("metadata value")?)))
        .collect::<Result<Vec<_>, RecordError>>()?;
    if before.pairs() != metadata {
        *before = Metadata::from_pairs(metadata);
    }
    Ok(Instance {
        key: InstanceKey {
            host,
            port,
            cluster,
        },
        weight,
        healthy: seen_from(flags >> HEALTHY_SHIFT)?,
        enabled: flags & ENABLED != 0,
        ephemeral: seen_from(flags >> EPHEMERAL_SHIFT)?,
        metadata: before.clone(),
    })
}

fn seen_bits(seen: Seen<bool>) -> u8 {
    match seen {
        Seen::Unknown => 0,
        Seen::Known(false) => 1,
        Seen::Known(true) => 2,
    }
}

fn seen_from(bits: u8) -> Result<Seen<bool>, RecordError> {
    match bits & 0b11 {
        0 => Ok(Seen::Unknown),
        1 => Ok(Seen::Known(false)),
        2 => Ok(Seen::Known(true)),
        _ => Err(RecordError::Malformed("flags")),
    }
}

#[cfg(test)]
mod tests;
