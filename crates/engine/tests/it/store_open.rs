//! One state directory: who may open it, and what is found in it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use syncline_engine::store::{
    CacheKey, CacheRecord, Claim, Durability, Install, LedgerEntry, LedgerKey, LedgerRecord,
    LedgerState, Opened, Store, StoreError, StoreOp,
};
use syncline_model::{EndpointName, Instance, LinkName, Port, ServiceKey, ServiceSet, Truth};
use tempfile::TempDir;

pub(crate) fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

pub(crate) fn claim() -> Claim {
    Claim {
        pid: 42,
        started_at_ms: 1_795_414_500_000,
        command: "syncline run".into(),
    }
}

/// Opens the store as the daemon does: with the install that lives beside it.
pub(crate) fn open(dir: &Path) -> Result<(Store, Opened), StoreError> {
    let install = Install::load_or_create(dir).expect("has an identity");
    Store::open(dir, &install.id, &claim())
}

pub(crate) fn instance(port: u16) -> Instance {
    Instance::new("10.0.0.1", Port::new(port).expect("not zero"))
}

pub(crate) fn ledger(link: &str, service: &str) -> (LedgerKey, LedgerRecord) {
    let key = LedgerKey {
        link: link.into(),
        service: ServiceKey::new("public", "DEFAULT_GROUP", service),
    };
    let entry = LedgerEntry {
        instance: instance(8080),
        state: LedgerState::Confirmed,
        since_ms: 1,
        origin: "hangzhou".into(),
    };
    let record = LedgerRecord {
        target: "shanghai".into(),
        instances: vec![entry],
        confirmed_at_ms: Some(2),
    };
    (key, record)
}

pub(crate) fn cache(endpoint: &str, service: &str) -> (CacheKey, CacheRecord) {
    let key = CacheKey {
        endpoint: endpoint.into(),
        service: ServiceKey::new("public", "DEFAULT_GROUP", service),
    };
    let record = CacheRecord {
        truth: Truth::Raw,
        seen_at_ms: 3,
        set: Arc::new(ServiceSet::new(vec![instance(1), instance(2)])),
    };
    (key, record)
}

pub(crate) fn put_ledger(link: &str, service: &str) -> StoreOp {
    let (key, record) = ledger(link, service);
    StoreOp::PutLedger(key, record)
}

pub(crate) fn put_cache(endpoint: &str, service: &str) -> StoreOp {
    let (key, record) = cache(endpoint, service);
    StoreOp::PutCache(key, record)
}

/// The names of the services that the ledger has for a link.
pub(crate) fn ledger_of(store: &Store, link: &str) -> Vec<String> {
    store
        .reader()
        .load_ledger(&LinkName::from(link))
        .expect("is readable")
        .map(|row| row.expect("is sound").0.name.to_string())
        .collect()
}

#[test]
fn what_was_stored_is_there_after_a_restart() {
    let dir = temporary();
    let (mut store, opened) = open(dir.path()).expect("opens");
    assert_eq!(opened, Opened::Fresh);
    let ops = [
        put_ledger("hz-to-sh", "orders"),
        put_ledger("hz-to-sh", "payments"),
        put_ledger("hz-to-sh-2", "orders"),
        put_cache("hangzhou", "orders"),
        StoreOp::PutBlob("fingerprint".into(), b"blob".to_vec()),
    ];
    store.commit(&ops, Durability::Immediate).expect("commits");
    store.close().expect("closes");

    let (store, opened) = open(dir.path()).expect("opens");
    assert_eq!(opened, Opened::Existing);
    let reader = store.reader();
    assert_eq!(ledger_of(&store, "hz-to-sh"), ["orders", "payments"]);
    let (key, record) = ledger("hz-to-sh", "orders");
    assert_eq!(reader.get_ledger(&key).expect("reads"), Some(record));
    let (key, record) = cache("hangzhou", "orders");
    assert_eq!(reader.get_cache(&key).expect("reads"), Some(record.clone()));
    let rows: Vec<_> = reader
        .load_cache(&EndpointName::from("hangzhou"))
        .expect("reads")
        .map(|row| row.expect("is sound"))
        .collect();
    assert_eq!(rows, [(key.service.clone(), record)]);
    let names: Vec<_> = reader
        .cached_services(&EndpointName::from("hangzhou"))
        .expect("reads")
        .map(|row| row.expect("is sound"))
        .collect();
    assert_eq!(names, [key.service]);
    assert_eq!(
        reader.blob("fingerprint").expect("reads"),
        Some(b"blob".to_vec())
    );
    assert_eq!(reader.blob("other").expect("reads"), None);
}

#[test]
fn links_and_endpoints_that_are_configured_no_more_are_still_found() {
    let dir = temporary();
    let (mut store, _) = open(dir.path()).expect("opens");
    let ops = [
        put_ledger("b", "orders"),
        put_ledger("a", "orders"),
        put_ledger("a", "payments"),
        put_ledger("ab", "orders"),
        put_cache("hangzhou", "orders"),
    ];
    store.commit(&ops, Durability::Immediate).expect("commits");
    let links = store.reader().ledger_links().expect("reads");
    assert_eq!(links, ["a", "ab", "b"].map(LinkName::from));
    let endpoints = store.reader().cached_endpoints().expect("reads");
    assert_eq!(endpoints, [EndpointName::from("hangzhou")]);
}

#[test]
fn what_was_dropped_or_cleared_is_gone_and_its_neighbours_are_not() {
    let dir = temporary();
    let (mut store, _) = open(dir.path()).expect("opens");
    let ops = [
        put_ledger("a", "orders"),
        put_ledger("a", "payments"),
        put_ledger("ab", "orders"),
        put_cache("hangzhou", "orders"),
        put_cache("shanghai", "orders"),
        StoreOp::PutBlob("blob".into(), vec![1]),
    ];
    store.commit(&ops, Durability::Immediate).expect("commits");

    let (key, _) = ledger("a", "orders");
    let ops = [
        StoreOp::DropLedger(key),
        StoreOp::ClearCache("hangzhou".into()),
        StoreOp::DropBlob("blob".into()),
    ];
    store.commit(&ops, Durability::Immediate).expect("commits");
    assert_eq!(ledger_of(&store, "a"), ["payments"]);
    let endpoints = store.reader().cached_endpoints().expect("reads");
    assert_eq!(endpoints, [EndpointName::from("shanghai")]);
    assert_eq!(store.reader().blob("blob").expect("reads"), None);

    // Clearing and putting again, as after a disk failure, is one transaction.
    let ops = [StoreOp::ClearLedger("a".into()), put_ledger("a", "users")];
    store.commit(&ops, Durability::Immediate).expect("commits");
    assert_eq!(ledger_of(&store, "a"), ["users"]);
    assert_eq!(ledger_of(&store, "ab"), ["orders"]);
}

#[test]
fn a_second_daemon_is_refused_and_told_who_is_there() {
    let dir = temporary();
    let (store, _) = open(dir.path()).expect("opens");
    let error = open(dir.path()).expect_err("is in use");
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.ends_with(
            "is in use by process 42 (syncline run), which started at 2026-11-23T06:15:00Z"
        ),
        "{text}"
    );
    drop(store);
    open(dir.path()).expect("is free again");
}

#[test]
fn a_reader_that_lives_on_does_not_keep_the_store_open() {
    let dir = temporary();
    let (mut store, _) = open(dir.path()).expect("opens");
    let ops = [put_ledger("a", "orders"), put_ledger("a", "payments")];
    store.commit(&ops, Durability::Immediate).expect("commits");
    let reader = store.reader();
    let _rows = reader.load_ledger(&"a".into()).expect("reads");
    store.close().expect("closes");
    open(dir.path()).expect("is free again");
    assert!(reader.load_ledger(&"a".into()).is_err());
}

#[test]
fn another_installs_store_is_refused_and_left_as_it_is() {
    let dir = temporary();
    let (store, _) = open(dir.path()).expect("opens");
    store.close().expect("closes");
    let ours = Install::load_or_create(dir.path()).expect("has one").id;
    let theirs = Install::load_or_create(temporary().path())
        .expect("has one")
        .id;
    let error = Store::open(dir.path(), &theirs, &claim()).expect_err("is foreign");
    let StoreError::ForeignInstall {
        found, expected, ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!(
        (found.as_str(), expected.as_str()),
        (ours.as_str(), theirs.as_str())
    );
    let (_, opened) = open(dir.path()).expect("opens");
    assert_eq!(opened, Opened::Existing);
}

#[test]
fn a_damaged_store_is_set_aside_and_reported_until_it_is_rebuilt() {
    let whole = {
        let dir = temporary();
        let (mut store, _) = open(dir.path()).expect("opens");
        store
            .commit(&[put_ledger("a", "orders")], Durability::Immediate)
            .expect("commits");
        store.close().expect("closes");
        fs::read(dir.path().join("store.redb")).expect("is there")
    };
    let damages: [(&str, Vec<u8>); 4] = [
        ("empty", Vec::new()),
        ("not a database", b"hello, world".repeat(1000)),
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("zeroes", vec![0; whole.len()]),
    ];
    for (damage, bytes) in damages {
        let dir = temporary();
        let path = dir.path().join("store.redb");
        fs::write(&path, &bytes).expect("writes");
        let (mut store, first) = open(dir.path()).expect("begins anew");
        let Opened::Rebuilt { moved_to, why } = &first else {
            panic!("{damage}: {first:?}");
        };
        assert!(!why.is_empty());
        let expected = dir.path().join("store.redb.damaged-20261123T061500Z");
        assert_eq!(moved_to, &expected, "{damage}");
        assert_eq!(
            fs::read(moved_to).expect("is kept").len(),
            bytes.len(),
            "{damage}"
        );
        assert_eq!(ledger_of(&store, "a"), [""; 0], "{damage}");

        store
            .commit(&[put_ledger("a", "orders")], Durability::Immediate)
            .expect("is usable");
        drop(store);
        let (mut store, second) = open(dir.path()).expect("opens");
        assert_eq!(second, first, "{damage}: not rebuilt yet");
        store
            .commit(&[StoreOp::RebuildDone], Durability::Immediate)
            .expect("commits");
        drop(store);
        let (_, third) = open(dir.path()).expect("opens");
        assert_eq!(third, Opened::Existing, "{damage}");
    }
}

#[test]
fn a_store_damaged_twice_within_a_second_keeps_both() {
    let dir = temporary();
    let path = dir.path().join("store.redb");
    for name in [
        "store.redb.damaged-20261123T061500Z",
        "store.redb.damaged-20261123T061500Z-2",
    ] {
        fs::write(&path, name).expect("writes");
        let (store, _) = open(dir.path()).expect("begins anew");
        drop(store);
        assert_eq!(
            fs::read_to_string(dir.path().join(name)).expect("is kept"),
            name
        );
    }
}

#[test]
fn grouped_commits_are_seen_at_once_and_last_from_the_next_immediate_one() {
    let dir = temporary();
    let (mut store, _) = open(dir.path()).expect("opens");
    store
        .commit(&[put_ledger("a", "orders")], Durability::Grouped)
        .expect("commits");
    assert_eq!(ledger_of(&store, "a"), ["orders"]);
    store
        .commit(&[put_ledger("a", "payments")], Durability::Immediate)
        .expect("commits");
    drop(store);
    let (store, _) = open(dir.path()).expect("opens");
    assert_eq!(ledger_of(&store, "a"), ["orders", "payments"]);
}

#[test]
fn what_a_reader_began_to_read_does_not_change_under_it() {
    let dir = temporary();
    let (mut store, _) = open(dir.path()).expect("opens");
    let ops = ["a", "b", "c"].map(|service| put_ledger("link", service));
    store.commit(&ops, Durability::Immediate).expect("commits");
    let mut rows = store.reader().load_ledger(&"link".into()).expect("reads");
    let first = rows.next().expect("has one").expect("is sound");
    assert_eq!(first.0.name.as_str(), "a");
    store
        .commit(
            &[StoreOp::ClearLedger("link".into())],
            Durability::Immediate,
        )
        .expect("commits");
    assert_eq!(rows.count(), 2);
    assert_eq!(ledger_of(&store, "link"), [""; 0]);
}
