//! The store on a disk that fails, fills up, loses power, or was tampered with.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend};
use syncline_model::{Instance, Port, ServiceKey};
use tempfile::TempDir;

use super::*;

const NAME: &str = "store.redb";
const WITNESS: &str = "store.witness";

fn install() -> InstallId {
    InstallId::from("0011223344556677")
}

fn claim() -> Claim {
    Claim {
        pid: 42,
        started_at_ms: 1_795_414_500_000,
        command: "syncline run".into(),
    }
}

fn key(service: &str) -> LedgerKey {
    LedgerKey {
        link: "hz-to-sh".into(),
        service: ServiceKey::new("public", "DEFAULT_GROUP", service),
    }
}

/// A put that can be told from every other by its number.
fn put(service: &str, number: u64) -> StoreOp {
    let instance = Instance::new("10.0.0.1", Port::new(8080).expect("not zero"));
    let entry = LedgerEntry {
        instance,
        state: LedgerState::Confirmed,
        since_ms: number,
        origin: "hangzhou".into(),
    };
    let record = LedgerRecord {
        target: "shanghai".into(),
        instances: vec![entry],
        confirmed_at_ms: None,
    };
    StoreOp::PutLedger(key(service), record)
}

/// What all services of the link were last put with.
fn numbers(store: &Store) -> Vec<(String, u64)> {
    store
        .reader()
        .load_ledger(&"hz-to-sh".into())
        .expect("is readable")
        .map(|row| {
            let (service, record) = row.expect("is sound");
            (service.name.to_string(), record.instances[0].since_ms)
        })
        .collect()
}

fn number(store: &Store, service: &str) -> Option<u64> {
    let record = store.reader().get_ledger(&key(service));
    record
        .expect("is readable")
        .map(|record| record.instances[0].since_ms)
}

/// A disk that remembers every step and fails when it is told to.
#[derive(Clone, Default, Debug)]
struct Disk(Arc<Mutex<DiskState>>);

#[derive(Default, Debug)]
struct DiskState {
    /// What the file held when it was last opened.
    base: Vec<u8>,
    steps: Vec<Step>,
    /// How many bytes more can be written.
    space: Option<u64>,
    sync_fails: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Write(u64, Vec<u8>),
    Length(u64),
    Sync,
}

impl Disk {
    fn opener(&self) -> OpenDatabase {
        let disk = self.clone();
        Box::new(move |builder, path| {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)?;
            {
                let mut state = disk.0.lock();
                state.base = fs::read(path)?;
                state.steps.clear();
            }
            builder.create_with_backend(Backend {
                file: FileBackend::new(file)?,
                disk: disk.clone(),
            })
        })
    }

    /// The file as a crash after so many steps leaves it: with all that was
    /// written, or with as many of the writes since the last sync as `keep` says.
    fn image(&self, steps: usize, keep: impl Fn(usize) -> bool) -> Vec<u8> {
        let state = self.0.lock();
        let done = &state.steps[..steps];
        let synced = done
            .iter()
            .rposition(|step| matches!(step, Step::Sync))
            .unwrap_or(0);
        let mut image = state.base.clone();
        for (at, step) in done.iter().enumerate() {
            match step {
                Step::Write(offset, data) if at < synced || keep(at) => {
                    let start = usize::try_from(*offset).expect("is small");
                    let end = start + data.len();
                    image.resize(image.len().max(end), 0);
                    image[start..end].copy_from_slice(data);
                }
                Step::Length(length) => {
                    image.resize(usize::try_from(*length).expect("is small"), 0);
                }
                Step::Write(..) | Step::Sync => {}
            }
        }
        image
    }

    fn steps(&self) -> usize {
        self.0.lock().steps.len()
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
        self.disk.0.lock().steps.push(Step::Length(len));
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        if state.sync_fails {
            return Err(io::Error::other("injected: the disk is gone"));
        }
        state.steps.push(Step::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        if let Some(space) = &mut state.space {
            let bytes = data.len() as u64;
            *space = space
                .checked_sub(bytes)
                .ok_or_else(|| io::Error::from(io::ErrorKind::StorageFull))?;
        }
        state.steps.push(Step::Write(offset, data.to_vec()));
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

fn open(dir: &TempDir) -> Result<(Store, Opened), StoreError> {
    Store::open(dir.path(), &install(), &claim())
}

fn open_on(dir: &TempDir, disk: &Disk) -> Store {
    let (store, _) =
        Store::open_on(dir.path(), &install(), &claim(), disk.opener()).expect("the disk is well");
    store
}

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn a_crash_after_any_step_leaves_all_that_was_acknowledged() {
    let disk = Disk::default();
    let dir = temporary();
    let mut store = open_on(&dir, &disk);
    // After which step each number was acknowledged as being on disk, and what
    // was witnessed by then.
    let witness = || fs::read(dir.path().join(WITNESS)).unwrap_or_default();
    let mut acknowledged = vec![(disk.steps(), 0, witness())];
    for round in 1..=6 {
        let durability = match round % 3 {
            0 => Durability::Grouped,
            _ => Durability::Immediate,
        };
        let ops = [put("a", round), put("b", round)];
        store.commit(&ops, durability).expect("the disk is well");
        if durability == Durability::Immediate {
            acknowledged.push((disk.steps(), round, witness()));
        }
    }
    let last = disk.steps();
    drop(store);

    for steps in acknowledged[0].0..=last {
        let (_, due, witness) = acknowledged
            .iter()
            .rfind(|(at, _, _)| *at <= steps)
            .expect("the first comes before all steps");
        for (name, image) in [
            ("all written", disk.image(steps, |_| true)),
            ("nothing unsynced", disk.image(steps, |_| false)),
            ("every other", disk.image(steps, |at| at % 2 == 0)),
            ("the others", disk.image(steps, |at| at % 2 == 1)),
        ] {
            let crashed = temporary();
            fs::write(crashed.path().join(NAME), image).expect("writes");
            fs::write(crashed.path().join(WITNESS), witness).expect("writes");
            let (store, opened) = open(&crashed).expect("recovers");
            assert_eq!(opened, Opened::Existing, "step {steps}, {name}");
            let (a, b) = (number(&store, "a"), number(&store, "b"));
            assert_eq!(a, b, "half a transaction after step {steps}, {name}");
            assert!(
                a.unwrap_or(0) >= *due,
                "{a:?} instead of {due} after step {steps}, {name}"
            );
        }
    }
}

#[test]
fn a_full_disk_stops_the_store_and_loses_nothing_that_was_stored() {
    // Space that runs out within the first commit, and somewhat later.
    for space in [0, 100, 4096, 10_000, 30_000] {
        let (disk, dir) = (Disk::default(), temporary());
        let mut store = open_on(&dir, &disk);
        store
            .commit(&[put("a", 1)], Durability::Immediate)
            .expect("there is space");
        disk.0.lock().space = Some(space);

        let mut stored = 1;
        let error = loop {
            match store.commit(&[put("a", stored + 1)], Durability::Immediate) {
                Ok(()) => stored += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StoreError::Full { .. }), "{error}");
        let refused = store.commit(&[put("a", 99)], Durability::Immediate);
        assert!(matches!(refused, Err(StoreError::Degraded { .. })));
        assert!(store.failure().is_some());
        store.reopen(1).expect_err("there is still no space");
        assert!(store.failure().is_some());

        disk.0.lock().space = None;
        assert_eq!(store.reopen(2).expect("there is space"), Opened::Existing);
        assert_eq!(store.failure(), None);
        // A commit that failed may have reached the disk, but never by half.
        let kept = number(&store, "a").expect("was stored");
        assert!(kept == stored || kept == stored + 1, "{kept}");
        store
            .commit(&[put("a", 50)], Durability::Immediate)
            .expect("is in service");
        assert_eq!(number(&store, "a"), Some(50));
    }
}

#[test]
fn a_failed_sync_is_never_tried_again_on_the_same_file() {
    let (disk, dir) = (Disk::default(), temporary());
    let mut store = open_on(&dir, &disk);
    let reader = store.reader();
    store
        .commit(&[put("a", 1)], Durability::Immediate)
        .expect("the disk is well");
    disk.0.lock().sync_fails = true;
    let error = store
        .commit(&[put("a", 2)], Durability::Immediate)
        .expect_err("the sync fails");
    assert!(matches!(error, StoreError::Io { .. }), "{error}");

    // The next sync would succeed, and prove nothing.
    disk.0.lock().sync_fails = false;
    let steps = disk.steps();
    store.flush().expect_err("is out of service");
    assert_eq!(disk.steps(), steps, "nothing was written or synced");

    store.reopen(1).expect("the disk is well");
    store.flush().expect("is in service");
    let kept = reader.get_ledger(&key("a")).expect("reads the new handle");
    assert!(kept.is_some());
}

#[test]
fn a_newer_schema_is_refused_and_left_as_it_is() {
    let dir = temporary();
    let (store, _) = open(&dir).expect("opens");
    store.close().expect("closes");
    let path = dir.path().join(NAME);
    set_meta(&path, "schema", &(SCHEMA + 1).to_le_bytes());
    let error = open(&dir).expect_err("is newer");
    assert!(
        matches!(error, StoreError::NewerSchema { found, known, .. } if found == SCHEMA + 1 && known == SCHEMA),
        "{error}"
    );
    assert!(error.to_string().contains("run the newer version"));
    assert_eq!(files(&dir), ["lock", NAME, WITNESS]);
}

#[test]
fn an_older_state_of_the_store_is_not_believed() {
    let dir = temporary();
    let path = dir.path().join(NAME);
    let (mut store, _) = open(&dir).expect("opens");
    store
        .commit(&[put("a", 1)], Durability::Immediate)
        .expect("commits");
    store.close().expect("closes");
    let backup = fs::read(&path).expect("is there");
    let (mut store, opened) = open(&dir).expect("opens");
    assert_eq!(opened, Opened::Existing);
    store
        .commit(&[StoreOp::DropLedger(key("a"))], Durability::Immediate)
        .expect("commits");
    store.close().expect("closes");

    fs::write(&path, backup).expect("writes");
    let (mut store, opened) = open(&dir).expect("begins anew");
    let Opened::Rebuilt { why, .. } = opened else {
        panic!("{opened:?}");
    };
    assert!(why.contains("older state"), "{why}");
    assert_eq!(numbers(&store), []);
    let done = [StoreOp::RebuildDone];
    store.commit(&done, Durability::Immediate).expect("commits");
    store.close().expect("closes");
    let (_, opened) = open(&dir).expect("opens");
    assert_eq!(opened, Opened::Existing);
}

#[test]
fn a_lost_or_damaged_witness_accuses_nobody() {
    let dir = temporary();
    let path = dir.path().join(WITNESS);
    let (mut store, _) = open(&dir).expect("opens");
    store
        .commit(&[put("a", 1)], Durability::Immediate)
        .expect("commits");
    store.close().expect("closes");
    let whole = fs::read(&path).expect("is there");
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x80;
        fs::write(&path, &damaged).expect("writes");
        let (store, opened) = open(&dir).expect("opens");
        assert_eq!(opened, Opened::Existing, "byte {at}");
        drop(store);
        fs::write(&path, &whole[..at]).expect("writes");
        let (_, opened) = open(&dir).expect("opens");
        assert_eq!(opened, Opened::Existing, "cut at {at}");
    }
}

#[test]
fn a_store_that_lost_its_schema_is_damaged() {
    let dir = temporary();
    let (store, _) = open(&dir).expect("opens");
    store.close().expect("closes");
    let path = dir.path().join(NAME);
    set_meta(&path, "schema", b"x");
    let (_, opened) = open(&dir).expect("begins anew");
    assert!(matches!(opened, Opened::Rebuilt { .. }), "{opened:?}");
}

#[test]
fn a_damaged_record_is_one_error_and_the_others_are_read() {
    let dir = temporary();
    let (mut store, _) = open(&dir).expect("opens");
    let ops = ["a", "b", "c"].map(|service| put(service, 1));
    store.commit(&ops, Durability::Immediate).expect("commits");
    store.close().expect("closes");
    let database = Database::open(dir.path().join(NAME)).expect("is a database");
    let transaction = database.begin_write().expect("writes");
    {
        let mut ledger = transaction.open_table(LEDGER).expect("is there");
        let key = key("b").bytes();
        let mut record = {
            let stored = ledger.get(key.as_slice()).expect("reads");
            stored.expect("is there").value().to_vec()
        };
        record[10] ^= 1;
        ledger
            .insert(key.as_slice(), record.as_slice())
            .expect("writes");
    }
    transaction.commit().expect("commits");
    drop(database);

    let (store, opened) = open(&dir).expect("opens");
    assert_eq!(opened, Opened::Existing);
    let rows: Vec<_> = store
        .reader()
        .load_ledger(&"hz-to-sh".into())
        .expect("is readable")
        .collect();
    assert_eq!(rows.len(), 3);
    assert!(rows[0].is_ok() && rows[2].is_ok());
    let error = rows[1].as_ref().expect_err("is damaged");
    assert_eq!(
        error.to_string(),
        "the ledger record of public/DEFAULT_GROUP/b of hz-to-sh cannot be used: \
         its checksum does not match"
    );
}

/// Damage that a disk or a tool does to the file, after a close and after a
/// crash.
#[test]
fn a_flip_anywhere_in_the_file_is_detected_or_harmless() {
    let dir = temporary();
    let (mut store, _) = open(&dir).expect("opens");
    for round in 1..=3 {
        let ops: Vec<_> = (0..40)
            .map(|service| put(&format!("s{service:03}"), round))
            .collect();
        store.commit(&ops, Durability::Immediate).expect("commits");
    }
    let written = numbers(&store);
    let path = dir.path().join(NAME);
    let witness = fs::read(dir.path().join(WITNESS)).expect("is there");
    let crashed = fs::read(&path).expect("is there");
    store.close().expect("closes");
    let closed = fs::read(&path).expect("is there");

    // Each bit of the bytes that say which of two commits counts, a bit of each
    // byte of the rest of the file's head, and a sample of each page.
    let start = || (0..16).flat_map(|at| (0..8).map(move |bit| (at, bit)));
    let head = (16..320).map(|at| (at, at % 8));
    let pages = (320..closed.len())
        .filter(|at| at % 4096 < 3 || at % 2039 == 0)
        .map(|at| (at, at % 8));
    let of_closed = start().chain(head).chain(pages).map(|flip| (&closed, flip));
    let of_crashed = start().map(|flip| (&crashed, flip));
    let (mut harmless, mut detected) = (0, 0);
    for (image, (at, bit)) in of_closed.chain(of_crashed) {
        let mut damaged = image.clone();
        damaged[at] ^= 1 << bit;
        let dir = temporary();
        fs::write(dir.path().join(NAME), damaged).expect("writes");
        fs::write(dir.path().join(WITNESS), &witness).expect("writes");
        let (store, opened) =
            open(&dir).unwrap_or_else(|error| panic!("bit {bit} of byte {at}: {error}"));
        match opened {
            Opened::Existing => {
                assert_eq!(numbers(&store), written, "bit {bit} of byte {at}");
                harmless += 1;
            }
            Opened::Rebuilt { moved_to, .. } => {
                assert!(moved_to.exists(), "bit {bit} of byte {at}");
                assert_eq!(numbers(&store), [], "bit {bit} of byte {at}");
                detected += 1;
            }
            Opened::Fresh => panic!("bit {bit} of byte {at}: passed for a missing file"),
        }
    }
    assert!(harmless > 0 && detected > 0, "{harmless} and {detected}");
}

fn files(dir: &TempDir) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir.path())
        .expect("is there")
        .map(|entry| {
            let name = entry.expect("is there").file_name();
            name.to_string_lossy().into_owned()
        })
        .collect();
    names.sort();
    names
}

fn set_meta(path: &Path, key: &str, value: &[u8]) {
    let database = Database::open(path).expect("is a database");
    let transaction = database.begin_write().expect("writes");
    {
        let mut meta = transaction.open_table(META).expect("is there");
        meta.insert(key, encode_meta(key, value).as_slice())
            .expect("writes");
    }
    transaction.commit().expect("commits");
    let reading = database.begin_read().expect("reads");
    assert!(reading.open_table(META).is_ok());
}

#[test]
fn what_was_half_made_before_does_not_count() {
    let dir = temporary();
    File::create(dir.path().join("store.redb.new")).expect("creates");
    let (_, opened) = open(&dir).expect("opens");
    assert_eq!(opened, Opened::Fresh);
    assert_eq!(files(&dir), ["lock", NAME]);
}
