//! The file on a real disk: torn, flipped, foreign, full, taken.

use std::fs;
use std::io;
use std::path::Path;

use proptest::prelude::*;
use redb::StorageBackend;
use redb::backends::FileBackend;
use syncline_model::{
    ClusterName, Instance, InstanceKey, Metadata, Port, Seen, ServiceKey, Weight,
};
use tempfile::TempDir;

use super::record::{decode, decode_key, encode, encode_key};
use super::*;
use crate::checks::{Checker, ClusterRecord};
use crate::registry::Registry;
use crate::selector::Selector;
use crate::settings::Settings;
use crate::store::{
    Address, Durable, DurableKey, Kind, NamespaceRecord, Override, Part, Publication, ServiceRecord,
};

const NAME: &str = "registry.redb";

type Row = (DurableKey, Option<Durable>);

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn open(folder: &Path) -> Result<PartsFile, FolderError> {
    PartsFile::open(folder, on_disk())
}

fn orders() -> ServiceKey {
    ServiceKey::new("public", "DEFAULT_GROUP", "orders")
}

fn key(number: u8) -> DurableKey {
    let host = format!("10.0.0.{number}").as_str().into();
    let port = Port::new(8080).expect("not zero");
    DurableKey::Service(orders(), Part::Instance(host, port))
}

fn row(number: u8) -> Row {
    let key = key(number);
    let host = format!("10.0.0.{number}");
    let instance = Instance::new(host.as_str(), Port::new(8080).expect("not zero"));
    let instance = Box::new(instance);
    (key, Some(Durable::Instance { instance, id: None }))
}

fn load(file: &PartsFile) -> Result<Vec<Row>, FolderError> {
    let parts = file.load(&Interner::new())?.into_iter();
    Ok(parts.map(|(key, durable)| (key, Some(durable))).collect())
}

/// A file with some rows, written one by one.
fn written(folder: &Path, numbers: std::ops::Range<u8>) -> Vec<Row> {
    let mut file = open(folder).expect("opens");
    let rows: Vec<Row> = numbers.map(row).collect();
    for row in &rows {
        file.write(std::slice::from_ref(row)).expect("writes");
    }
    rows
}

#[test]
fn what_was_written_is_there_in_order_and_what_was_removed_is_not() {
    let folder = folder();
    let rows = written(folder.path(), 1..4);
    let mut file = open(folder.path()).expect("opens");
    assert_eq!(load(&file).expect("reads"), rows);
    file.write(&[(key(2), None)]).expect("writes");
    drop(file);
    let file = open(folder.path()).expect("opens");
    assert_eq!(
        load(&file).expect("reads"),
        [rows[0].clone(), rows[2].clone()]
    );
}

#[test]
fn a_second_who_wants_the_folder_is_told_who_has_it() {
    let folder = folder();
    let file = open(folder.path()).expect("opens");
    let refused = open(folder.path()).err().expect("taken").to_string();
    let owner = format!("is in use by process {}", std::process::id());
    assert!(refused.contains(&owner), "{refused}");
    assert!(
        refused.contains(&folder.path().display().to_string()),
        "{refused}"
    );
    drop(file);
    open(folder.path()).expect("is free again");
}

#[test]
fn what_is_no_registry_file_is_refused_and_left_alone() {
    for content in [&b""[..], b"services: []\n", &[0; 100_000]] {
        let folder = folder();
        let path = folder.path().join(NAME);
        fs::write(&path, content).expect("writes");
        let refused = open(folder.path()).err().expect("refused");
        assert!(
            matches!(refused, FolderError::Corrupt { .. }),
            "{refused:?}"
        );
        let said = refused.to_string();
        assert!(said.starts_with(&path.display().to_string()), "{said}");
        assert_eq!(fs::read(&path).expect("reads"), content);
    }
}

#[test]
fn a_database_of_something_else_and_a_newer_format_are_refused() {
    use redb::{Database, TableDefinition};
    let other = |name: &'static str, format: u32| {
        let folder = folder();
        let database = Database::create(folder.path().join(NAME)).expect("makes");
        let transaction = database.begin_write().expect("begins");
        let table: TableDefinition<'_, &str, u32> = TableDefinition::new(name);
        transaction
            .open_table(table)
            .expect("opens")
            .insert("format", format)
            .expect("inserts");
        transaction.commit().expect("commits");
        drop(database);
        open(folder.path()).err().expect("refused")
    };
    let foreign = other("ledger", 1);
    assert!(
        matches!(foreign, FolderError::Corrupt { .. }),
        "{foreign:?}"
    );
    let newer = other("syncline-registry", 3);
    assert!(
        matches!(newer, FolderError::Newer { found: 3, .. }),
        "{newer:?}"
    );
}

#[test]
fn a_file_that_ends_early_is_refused_and_left_alone() {
    let whole = folder();
    written(whole.path(), 1..20);
    let bytes = fs::read(whole.path().join(NAME)).expect("reads");
    for len in [1, 100, 4096, bytes.len() / 2, bytes.len() - 4096] {
        let torn = folder();
        let path = torn.path().join(NAME);
        fs::write(&path, &bytes[..len]).expect("writes");
        let refused = open(torn.path()).err().expect("refused");
        assert!(
            matches!(refused, FolderError::Corrupt { .. }),
            "{len}: {refused:?}"
        );
        assert_eq!(fs::read(&path).expect("reads").len(), len);
    }
}

#[test]
fn a_flipped_bit_is_refused_or_changes_nothing() {
    let whole = folder();
    // Two digits, so that their order as texts is their order.
    let rows = written(whole.path(), 10..30);
    let bytes = fs::read(whole.path().join(NAME)).expect("reads");
    // Each bit of the header's beginning, and a sample of all the rest.
    let header = (0..16).flat_map(|place| (0..8).map(move |bit| (place, bit)));
    let rest = (16..512).chain((512..bytes.len()).step_by(997));
    let mut refused = 0;
    for (place, bit) in header.chain(rest.map(|place| (place, place % 8))) {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << bit;
        let other = folder();
        fs::write(other.path().join(NAME), &flipped).expect("writes");
        match open(other.path()).and_then(|file| load(&file)) {
            Ok(loaded) => assert!(loaded == rows, "byte {place}, bit {bit}: {}", loaded.len()),
            Err(FolderError::Corrupt { .. } | FolderError::Newer { .. }) => refused += 1,
            Err(other) => panic!("byte {place}, bit {bit}: {other:?}"),
        }
    }
    assert!(refused > 0);
}

/// One bit says which of the last two commits counts.
#[test]
fn of_a_file_that_was_closed_the_commit_before_the_last_never_comes_back() {
    for count in 1..20 {
        let whole = folder();
        let rows = written(whole.path(), 10..10 + count);
        let path = whole.path().join(NAME);
        let mut bytes = fs::read(&path).expect("reads");
        bytes[9] ^= 1;
        fs::write(&path, &bytes).expect("writes");
        if let Ok(loaded) = open(whole.path()).and_then(|file| load(&file)) {
            assert!(loaded == rows, "{} of {count}", loaded.len());
        }
    }
}

#[test]
fn a_namespace_is_read_as_it_was_written() {
    for description in [None, Some("of the team".to_owned())] {
        let key = DurableKey::Namespace("dev".into());
        let name = "Development".to_owned();
        let durable = Durable::Namespace(NamespaceRecord { name, description });
        let bytes = encode_key(&key).expect("encodes");
        assert_eq!(decode_key(&bytes).expect("decodes"), key);
        let sealed = encode(&bytes, &durable).expect("encodes");
        let read = decode(&bytes, &key, &sealed, &Interner::new());
        assert_eq!(read.expect("decodes"), durable);
    }
}

#[test]
fn checkers_of_the_first_format_are_read() {
    let body = br#"{"ephemeral":false,"record":{"protect-threshold":"0.5","metadata":{},
        "checkers":{"c1":"{\"type\":\"HTTP\",\"path\":\"/ok\"}"}}}"#;
    let key = DurableKey::Service(orders(), Part::Settings);
    let key_bytes = encode_key(&key).expect("encodes");
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&key_bytes);
    hasher.update(body);
    let sealed = [&hasher.finalize().to_le_bytes(), &body[..]].concat();
    let read = decode(&key_bytes, &key, &sealed, &Interner::new()).expect("reads");
    let Durable::Settings {
        record: Some(record),
        ..
    } = read
    else {
        panic!("settings, not {read:?}");
    };
    let cluster = &record.clusters[&ClusterName::from("c1")];
    let said = Checker::parse(r#"{"type":"HTTP","path":"/ok"}"#).expect("an object");
    assert_eq!(cluster.checker, said);
    assert!(cluster.own_port);
}

#[test]
fn a_file_of_the_first_format_is_taken_over() {
    use redb::{Database, ReadableTable as _, TableDefinition};
    let folder = folder();
    let mut file = open(folder.path()).expect("makes");
    file.write(&[row(1)]).expect("writes");
    drop(file);
    let table: TableDefinition<'_, &str, u32> = TableDefinition::new("syncline-registry");
    let path = folder.path().join(NAME);
    let set = |format: Option<u32>| {
        let database = Database::open(&path).expect("opens");
        let transaction = database.begin_write().expect("begins");
        let mut about = transaction.open_table(table).expect("opens");
        let before = about
            .get("format")
            .expect("reads")
            .map(|format| format.value());
        if let Some(format) = format {
            about.insert("format", format).expect("inserts");
        }
        drop(about);
        transaction.commit().expect("commits");
        before
    };
    set(Some(1));
    let file = open(folder.path()).expect("opens");
    assert_eq!(load(&file).expect("loads"), vec![row(1)]);
    drop(file);
    assert_eq!(
        set(None),
        Some(2),
        "an earlier version refuses it from now on"
    );
}

#[test]
fn a_record_under_another_key_or_with_a_flipped_bit_is_refused() {
    let (one, durable) = row(1);
    let durable = durable.expect("is there");
    let bytes = encode_key(&one).expect("encodes");
    let sealed = encode(&bytes, &durable).expect("encodes");
    let read = |key: &[u8], sealed: &[u8]| decode(key, &one, sealed, &Interner::new());
    assert_eq!(read(&bytes, &sealed).expect("reads"), durable);
    assert!(read(&encode_key(&key(2)).expect("encodes"), &sealed).is_err());
    for at in 0..sealed.len() {
        let mut flipped = sealed.clone();
        flipped[at] ^= 1;
        assert!(read(&bytes, &flipped).is_err(), "byte {at}");
    }
    for len in 0..sealed.len() {
        assert!(read(&bytes, &sealed[..len]).is_err(), "{len} bytes");
    }
}

fn metadata() -> impl Strategy<Value = Metadata> {
    proptest::collection::vec((any::<String>(), any::<String>()), 0..4)
        .prop_map(Metadata::from_pairs)
}

fn selector(label: bool) -> Selector {
    match label {
        true => Selector::label("CONSUMER.label.A = PROVIDER.label.A").expect("is one"),
        false => Selector::None,
    }
}

fn cluster(text: &str, own_port: bool) -> ClusterRecord {
    let said = serde_json::json!({ "type": "HTTP", "path": text, "headers": text });
    ClusterRecord {
        checker: Checker::parse(&said.to_string()).expect("an object"),
        check_port: i32::from(own_port),
        own_port,
        metadata: Metadata::from_pairs([(text, text)]),
    }
}

fn part() -> impl Strategy<Value = (DurableKey, Durable)> {
    let weight = (0.0..=Weight::MAX).prop_map(|weight| Weight::new(weight).expect("in range"));
    let names = (any::<String>(), any::<String>(), any::<String>());
    let place = (any::<String>(), 1..=u16::MAX, any::<String>());
    let seen = prop_oneof![Just(Seen::Unknown), any::<bool>().prop_map(Seen::Known),];
    let flags = (any::<bool>(), seen.clone(), seen, 0..3_u8);
    let rest = (metadata(), any::<Option<String>>(), any::<f64>());
    (names, place, weight, flags, rest).prop_map(|(names, place, weight, flags, rest)| {
        let service = ServiceKey::new(names.0, names.1, names.2);
        let instance = InstanceKey {
            host: place.0.as_str().into(),
            port: Port::new(place.1).expect("not zero"),
            cluster: ClusterName::from(place.2),
        };
        let (enabled, healthy, ephemeral, kind) = flags;
        let (metadata, id, threshold) = rest;
        let (part, durable) = match kind {
            0 => {
                let record = ServiceRecord {
                    protect_threshold: threshold,
                    metadata,
                    selector: selector(enabled),
                    clusters: id
                        .map(|text| (instance.cluster, Arc::new(cluster(&text, enabled))))
                        .into_iter()
                        .collect(),
                };
                let kind = enabled.then_some(Kind::Persistent);
                let record = Some(Arc::new(record));
                (Part::Settings, Durable::Settings { kind, record })
            }
            1 => {
                let set = Override::new(weight, enabled, metadata);
                (Part::Override(instance), Durable::Override(set))
            }
            _ => {
                let part = Part::Instance(instance.host.clone(), instance.port);
                let instance = Box::new(Instance {
                    key: instance,
                    weight,
                    healthy,
                    enabled,
                    ephemeral,
                    metadata,
                });
                let id = id.map(Arc::from);
                (part, Durable::Instance { instance, id })
            }
        };
        (DurableKey::Service(service, part), durable)
    })
}

proptest! {
    #[test]
    fn any_part_comes_back_as_it_was_written((key, durable) in part()) {
        let bytes = encode_key(&key).expect("encodes");
        prop_assert_eq!(&decode_key(&bytes).expect("decodes"), &key);
        let sealed = encode(&bytes, &durable).expect("encodes");
        let read = decode(&bytes, &key, &sealed, &Interner::new());
        prop_assert_eq!(read.expect("decodes"), durable);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(key) = decode_key(&bytes) {
            prop_assert!(decode(&bytes, &key, &bytes, &Interner::new()).is_err());
        }
    }
}

/// A disk whose space can run out.
#[derive(Clone, Debug, Default)]
struct Disk {
    space: Arc<Mutex<Option<u64>>>,
}

impl Disk {
    fn opener(&self) -> OpenDatabase {
        let disk = self.clone();
        Box::new(move |builder, path| {
            let mut options = fs::OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let file = FileBackend::new(options.open(path)?)?;
            let disk = disk.clone();
            builder.create_with_backend(Backend { file, disk })
        })
    }
}

#[derive(Debug)]
struct Backend {
    file: FileBackend,
    disk: Disk,
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if let Some(space) = &mut *self.disk.space.lock() {
            let left = space.checked_sub(data.len() as u64);
            *space = left.ok_or_else(|| io::Error::from(io::ErrorKind::StorageFull))?;
        }
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

/// A store, and the one who saves it.
struct Kept {
    store: Arc<Mutex<Store>>,
    saver: Saver,
}

impl Kept {
    fn open(folder: &Path, open: OpenDatabase) -> Self {
        let interner = Arc::new(Interner::new());
        let store = Store::new(&Settings::default(), interner.clone());
        let store = Arc::new(Mutex::new(store));
        let now = Moment::from_unix_millis(1);
        let saver = Saver::start(folder, store.clone(), &interner, now, open);
        Self {
            store,
            saver: saver.expect("opens"),
        }
    }

    async fn register(&self, number: u8) -> Result<(), NotSaved> {
        let service = orders();
        let host = format!("10.0.0.{number}");
        let instance = Instance::new(host.as_str(), Port::new(8080).expect("not zero"));
        let address = Address {
            host: instance.key.host.clone(),
            port: instance.key.port,
            kind: Kind::Persistent,
        };
        let revision = {
            let mut store = self.store.lock();
            let publication = Publication::one(instance, None);
            let now = Moment::from_unix_millis(2);
            store
                .publish_address(&address, &service, publication, now)
                .expect("the service is persistent");
            store.durable_revision()
        };
        self.saver.wake();
        self.saver.saved(revision).await
    }

    fn instances(&self) -> usize {
        let mut store = self.store.lock();
        let snapshot = store.snapshot(&orders());
        snapshot.map_or(0, |snapshot| snapshot.set.len())
    }
}

#[tokio::test]
async fn what_was_said_to_be_saved_is_there_after_a_start() {
    let folder = folder();
    let kept = Kept::open(folder.path(), on_disk());
    for number in 1..=5 {
        kept.register(number).await.expect("is saved");
    }
    drop(kept);
    let kept = Kept::open(folder.path(), on_disk());
    assert_eq!(kept.instances(), 5);
}

#[tokio::test]
async fn a_full_disk_is_told_loses_nothing_and_is_made_up_for_later() {
    let (folder, disk) = (folder(), Disk::default());
    let kept = Kept::open(folder.path(), disk.opener());
    kept.register(1).await.expect("is saved");
    *disk.space.lock() = Some(0);
    let refused = kept.register(2).await.expect_err("the disk is full");
    assert!(refused.to_string().contains(NAME), "{refused}");
    kept.register(3).await.expect_err("the disk is still full");
    // A copy of what a kill would leave now.
    let crashed = self::folder();
    let copied = fs::copy(folder.path().join(NAME), crashed.path().join(NAME));
    copied.expect("copies");
    let after = Kept::open(crashed.path(), on_disk());
    assert_eq!(after.instances(), 1);

    *disk.space.lock() = None;
    let again = &kept;
    let saved = || async move { again.register(3).await.is_ok() };
    syncline_testkit::eventually(Duration::from_secs(10), saved).await;
    drop(kept);
    let kept = Kept::open(folder.path(), on_disk());
    assert_eq!(kept.instances(), 3);
}

#[tokio::test]
async fn a_dropped_saver_saves_the_rest_also_unasked() {
    let folder = folder();
    let kept = Kept::open(folder.path(), on_disk());
    {
        let mut store = kept.store.lock();
        let record = ServiceRecord {
            protect_threshold: 0.5,
            metadata: Metadata::from_pairs([("team", "a")]),
            ..ServiceRecord::default()
        };
        let service = orders();
        let now = Moment::from_unix_millis(2);
        store
            .create_service(&service, Kind::Persistent, record, now)
            .expect("there was none");
    }
    drop(kept);
    let kept = Kept::open(folder.path(), on_disk());
    let snapshot = kept.store.lock().snapshot(&orders());
    assert_eq!(snapshot.expect("is there").threshold(), Some(0.5));
}

/// Calls a registry's HTTP side; status and body.
async fn call(registry: &Registry, method: &str, path: &str) -> (u16, String) {
    let request = axum::http::Request::builder().method(method).uri(path);
    let request = request.body(axum::body::Body::empty()).expect("a request");
    let front = crate::http::Front::new(registry, 8848);
    let response = front.answer(request).await;
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
    let body = body.expect("a body in memory").to_vec();
    (status, String::from_utf8(body).expect("UTF-8"))
}

#[tokio::test]
async fn a_full_disk_fails_what_has_to_be_kept_and_nothing_else() {
    let (folder, disk) = (folder(), Disk::default());
    let registry = Registry::open_on(Settings::default(), None, folder.path(), disk.opener());
    let registry = registry.expect("opens");
    let persistent = "/nacos/v1/ns/instance?serviceName=a&ip=10.0.0.1&port=80&ephemeral=false";
    let ephemeral = "/nacos/v1/ns/instance?serviceName=b&ip=10.0.0.1&port=80";
    let in_result = "/nacos/v2/ns/instance?serviceName=a&ip=10.0.0.1&port=80&ephemeral=false";
    *disk.space.lock() = Some(0);
    let (status, body) = call(&registry, "POST", persistent).await;
    assert_eq!(status, 500);
    assert!(body.starts_with("caused: not saved: writing "), "{body}");
    let (status, body) = call(&registry, "POST", in_result).await;
    assert_eq!(status, 500);
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["code"], 30_000, "{body}");
    let ok = (200, "ok".to_owned());
    assert_eq!(call(&registry, "POST", ephemeral).await, ok);
    let beat = "/nacos/v1/ns/instance/beat?serviceName=b&ip=10.0.0.1&port=80";
    assert_eq!(call(&registry, "PUT", beat).await.0, 200);

    *disk.space.lock() = None;
    let taken = || async { call(&registry, "POST", persistent).await == (200, "ok".to_owned()) };
    syncline_testkit::eventually(Duration::from_secs(10), taken).await;
}

#[tokio::test]
async fn the_folder_is_free_once_the_last_handle_is_dropped() {
    let folder = folder();
    let open = || Registry::open(Settings::default(), None, folder.path());
    let registry = open().expect("opens");
    let other = registry.clone();
    drop(registry);
    assert!(matches!(open(), Err(FolderError::InUse { .. })));
    drop(other);
    open().map(drop).expect("is free");
}
