use proptest::collection::vec;
use proptest::prelude::*;
use syncline_model::{LinkName, ServiceKey};

use super::super::key::{CacheKey, LedgerKey};
use super::*;

fn seen() -> impl Strategy<Value = Seen<bool>> {
    prop_oneof![
        Just(Seen::Unknown),
        Just(Seen::Known(false)),
        Just(Seen::Known(true)),
    ]
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| Ipv4Addr::from(octets).to_string()),
        // Spellings that only look like addresses must come back as they are.
        Just("010.0.0.1".to_owned()),
        Just("10.0.0.1.".to_owned()),
        Just("2001:db8::1".to_owned()),
        ".{0,12}",
    ]
}

fn weight() -> impl Strategy<Value = Weight> {
    prop_oneof![
        Just(Weight::ONE),
        Just(Weight::ZERO),
        (0.0..=Weight::MAX).prop_map(|weight| Weight::new(weight).expect("is in range")),
    ]
}

prop_compose! {
    fn instance()(
        host in host(),
        port in 1..=u16::MAX,
        cluster in prop_oneof![Just("DEFAULT".to_owned()), ".{0,6}"],
        weight in weight(),
        (healthy, ephemeral) in (seen(), seen()),
        enabled in any::<bool>(),
        metadata in vec((".{0,8}", prop_oneof![Just("same".to_owned()), ".{0,8}"]), 0..5),
    ) -> Instance {
        let mut instance = Instance::new(host.as_str(), Port::new(port).expect("not zero"));
        instance.key.cluster = cluster.into();
        instance.weight = weight;
        instance.healthy = healthy;
        instance.ephemeral = ephemeral;
        instance.enabled = enabled;
        instance.metadata = Metadata::from_pairs(metadata);
        instance
    }
}

prop_compose! {
    fn cache_record()(
        raw in any::<bool>(),
        seen_at_ms in any::<u64>(),
        instances in vec(instance(), 0..6),
    ) -> CacheRecord {
        CacheRecord {
            truth: if raw { Truth::Raw } else { Truth::Consumer },
            seen_at_ms,
            set: Arc::new(ServiceSet::new(instances)),
        }
    }
}

prop_compose! {
    fn entry()(
        instance in instance(),
        state in prop_oneof![
            Just(LedgerState::Intended),
            Just(LedgerState::Confirmed),
            Just(LedgerState::Removing),
        ],
        since_ms in any::<u64>(),
        origin in ".{0,12}",
    ) -> LedgerEntry {
        LedgerEntry { instance, state, since_ms, origin: origin.into() }
    }
}

prop_compose! {
    fn ledger_record()(
        target in ".{0,12}",
        instances in vec(entry(), 0..6),
        confirmed_at_ms in proptest::option::of(0..u64::MAX),
    ) -> LedgerRecord {
        LedgerRecord { target: target.into(), instances, confirmed_at_ms }
    }
}

fn service() -> ServiceKey {
    ServiceKey::new("public", "DEFAULT_GROUP", "orders")
}

fn cache_key() -> Vec<u8> {
    let endpoint = EndpointName::from("hangzhou");
    let service = service();
    CacheKey { endpoint, service }.bytes()
}

fn ledger_key() -> Vec<u8> {
    let link = LinkName::from("hz-to-sh");
    let service = service();
    LedgerKey { link, service }.bytes()
}

proptest! {
    #[test]
    fn a_cache_record_comes_back_as_it_was(record in cache_record()) {
        let bytes = record.encode(&cache_key());
        prop_assert_eq!(CacheRecord::decode(&cache_key(), &bytes), Ok(record));
    }

    #[test]
    fn a_ledger_record_comes_back_as_it_was(record in ledger_record()) {
        let bytes = record.encode(&ledger_key());
        prop_assert_eq!(LedgerRecord::decode(&ledger_key(), &bytes), Ok(record));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic_or_read_a_record(bytes in vec(any::<u8>(), 0..200)) {
        // A random body bears the right checksum once in four billion times.
        prop_assert!(CacheRecord::decode(&cache_key(), &bytes).is_err());
        prop_assert!(LedgerRecord::decode(&ledger_key(), &bytes).is_err());
        prop_assert!(decode_meta("schema", &bytes).is_err());
    }

    #[test]
    fn no_body_under_a_right_checksum_makes_the_decoder_panic(bytes in vec(any::<u8>(), 0..200)) {
        // The outcome is the decoder's own; that there is one is the test.
        let cache = CacheRecord::read(Decoder::unsealed(&bytes));
        let ledger = LedgerRecord::read(Decoder::unsealed(&bytes));
        if let Ok(record) = cache {
            prop_assert!(record.set.len() <= bytes.len());
        }
        if let Ok(record) = ledger {
            prop_assert!(record.instances.len() <= bytes.len());
        }
    }

    #[test]
    fn a_body_with_one_byte_changed_is_read_or_refused(
        record in ledger_record(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let sealed = record.encode(&ledger_key());
        let mut body = sealed[2..sealed.len() - 4].to_vec();
        let at = at.index(body.len());
        body[at] = byte;
        if let Ok(read) = LedgerRecord::read(Decoder::unsealed(&body)) {
            prop_assert!(read.instances.len() <= body.len());
        }
    }
}

fn orders() -> LedgerRecord {
    let mut instance = Instance::new("10.0.0.1", Port::new(8080).expect("not zero"));
    instance.weight = Weight::new(2.5).expect("is in range");
    instance.metadata = Metadata::from_pairs([("version", "1.2.3"), ("zone", "a")]);
    LedgerRecord {
        target: "shanghai".into(),
        instances: vec![LedgerEntry {
            instance,
            state: LedgerState::Confirmed,
            since_ms: 1_700_000_000_000,
            origin: "hangzhou".into(),
        }],
        confirmed_at_ms: Some(1_700_000_000_500),
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_detected() {
    let key = ledger_key();
    let bytes = orders().encode(&key);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            assert_eq!(
                LedgerRecord::decode(&key, &flipped),
                Err(RecordError::Checksum),
                "bit {bit} of byte {at}"
            );
        }
        assert!(
            LedgerRecord::decode(&key, &bytes[..at]).is_err(),
            "cut at {at}"
        );
    }
}

#[test]
fn a_record_counts_only_under_its_own_key_and_in_its_own_table() {
    let key = ledger_key();
    let bytes = orders().encode(&key);
    let link = LinkName::from("hz-to-sh");
    let other = LedgerKey {
        link,
        service: ServiceKey::new("public", "DEFAULT_GROUP", "payments"),
    };
    assert_eq!(
        LedgerRecord::decode(&other.bytes(), &bytes),
        Err(RecordError::Checksum)
    );
    assert_eq!(CacheRecord::decode(&key, &bytes), Err(RecordError::Kind));
}

#[test]
fn a_newer_record_is_refused_by_its_version() {
    let key = ledger_key();
    let mut bytes = orders().encode(&key);
    bytes.truncate(bytes.len() - 4);
    bytes[0] = 9;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&key);
    hasher.update(&bytes);
    bytes.extend_from_slice(&hasher.finalize().to_le_bytes());
    assert_eq!(
        LedgerRecord::decode(&key, &bytes),
        Err(RecordError::Version(9))
    );
}

#[test]
fn equal_metadata_of_many_instances_is_stored_and_held_once() {
    let pairs =
        ["version", "region", "zone", "rack", "owner"].map(|key| (key, "a value of some length"));
    let instances = (1..=100)
        .map(|port| {
            let mut instance = Instance::new("10.0.0.1", Port::new(port).expect("not zero"));
            instance.metadata = Metadata::from_pairs(pairs);
            instance
        })
        .collect();
    let record = CacheRecord {
        truth: Truth::Raw,
        seen_at_ms: 0,
        set: Arc::new(ServiceSet::new(instances)),
    };
    let bytes = record.encode(&cache_key());
    assert!(bytes.len() < 100 * 25, "{} bytes", bytes.len());

    let read = CacheRecord::decode(&cache_key(), &bytes).expect("was written");
    let pairs_of = |at: usize| read.set.instances()[at].metadata.pairs();
    assert!(std::ptr::eq(pairs_of(0), pairs_of(99)));
}
