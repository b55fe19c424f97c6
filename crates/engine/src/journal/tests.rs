//! The journal on a disk that fails, fills up, loses power, or was tampered with.

use parking_lot::Mutex;
use tempfile::TempDir;

use super::frame::Frames;
use super::*;

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn entries(notes: &[&str]) -> Vec<JournalEntry> {
    notes
        .iter()
        .map(|note| JournalEntry {
            note: Some((*note).to_owned()),
            ..JournalEntry::new(1_000, Kind::Intent)
        })
        .collect()
}

fn open(dir: &TempDir) -> (Journal, Recovery) {
    Journal::open(dir.path(), JournalOptions::default(), 1_000).expect("opens")
}

fn notes(dir: &TempDir) -> Vec<String> {
    JournalReader::new(dir.path())
        .read(0)
        .expect("reads")
        .filter_map(|line| line.ok()?.entry.note)
        .collect()
}

fn sound(dir: &TempDir) -> bool {
    let found = JournalReader::new(dir.path()).verify().expect("reads");
    found.is_sound()
}

#[test]
fn a_crash_within_the_last_record_leaves_all_before_it() {
    let dir = temporary();
    let (mut journal, _) = open(&dir);
    journal.append(&entries(&["a", "b"])).expect("writes");
    let path = Segment::path_of(dir.path(), 1);
    let before = fs::metadata(&path).expect("is there").len();
    journal.append(&entries(&["c"])).expect("writes");
    drop(journal);
    let whole = fs::read(&path).expect("is there");

    for cut in before..whole.len() as u64 {
        fs::write(&path, &whole[..usize::try_from(cut).expect("is small")]).expect("writes");
        let (mut journal, recovery) = open(&dir);
        assert_eq!(recovery.damaged, []);
        let torn: Vec<_> = recovery.torn.iter().map(|torn| torn.bytes).collect();
        let expected = if cut == before {
            vec![]
        } else {
            vec![cut - before]
        };
        assert_eq!(torn, expected, "cut at {cut}");
        assert_eq!(journal.append(&entries(&["d"])).expect("writes"), 2);
        assert_eq!(notes(&dir), ["a", "b", "d"], "cut at {cut}");
        assert!(sound(&dir), "cut at {cut}");
    }
}

#[test]
fn a_crash_while_a_segment_begins_leaves_all_before_it() {
    let dir = temporary();
    let (mut journal, _) = open(&dir);
    journal.append(&entries(&["a", "b"])).expect("writes");
    drop(journal);
    let head = Head::first(0).to_bytes();
    let second = Segment::path_of(dir.path(), 2);
    for cut in 0..head.len() {
        fs::write(&second, &head[..cut]).expect("writes");
        let (journal, recovery) = open(&dir);
        assert_eq!(recovery.torn.len(), usize::from(cut > 0), "cut at {cut}");
        assert_eq!(journal.next(), 2);
        assert!(!second.exists());
    }
    let first = Segment::path_of(dir.path(), 1);
    for cut in 0..segment::HEAD_BYTES {
        let whole = fs::read(&first).expect("is there");
        let alone = temporary();
        fs::write(Segment::path_of(alone.path(), 1), &whole[..cut]).expect("writes");
        let (mut journal, _) = open(&alone);
        assert_eq!(journal.append(&entries(&["x"])).expect("writes"), 0);
        assert!(sound(&alone), "cut at {cut}");
    }
}

#[test]
fn a_segment_of_which_nothing_is_left_stays_and_the_next_goes_on() {
    let dir = temporary();
    let (mut journal, _) = open(&dir);
    journal.append(&entries(&["a", "b"])).expect("writes");
    drop(journal);
    let spoiled = Segment::path_of(dir.path(), 2);
    fs::write(&spoiled, [0; 5000]).expect("writes");
    let (mut journal, _) = open(&dir);
    assert_eq!(journal.append(&entries(&["c"])).expect("writes"), 2);
    assert!(Segment::path_of(dir.path(), 3).exists());
    assert_eq!(fs::read(&spoiled).expect("is kept"), [0; 5000]);
    assert_eq!(notes(&dir), ["a", "b", "c"]);
    let found = journal.reader().verify().expect("reads");
    let paths: Vec<_> = found
        .problems
        .into_iter()
        .map(|problem| match problem {
            Problem::NoHead { path } | Problem::Damaged { path, .. } => path,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(paths, [spoiled.clone(), spoiled]);
}

#[test]
fn damage_in_the_middle_is_told_and_nothing_behind_it_is_cut_away() {
    let dir = temporary();
    let (mut journal, _) = open(&dir);
    journal.append(&entries(&["a", "b", "c"])).expect("writes");
    drop(journal);
    let path = Segment::path_of(dir.path(), 1);
    let whole = fs::read(&path).expect("is there");
    let first = JournalEntry {
        note: Some("a".into()),
        ..JournalEntry::new(1_000, Kind::Intent)
    };
    let length = frame::HEAD_BYTES + first.to_line(MAX_LINE_BYTES).expect("is plain").len();
    let second = segment::HEAD_BYTES + length;
    for at in second..second + length {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(&path, damaged).expect("writes");
        let (mut journal, recovery) = open(&dir);
        let damage = Damage {
            path: path.clone(),
            from: second as u64,
            bytes: length as u64,
        };
        assert_eq!((recovery.torn, recovery.damaged), (vec![], vec![damage]));
        assert_eq!(journal.append(&entries(&["d"])).expect("writes"), 3);
        assert_eq!(notes(&dir), ["a", "c", "d"], "byte {at}");
        assert!(!sound(&dir), "byte {at}");
        drop(journal);
    }
}

#[test]
fn a_flip_anywhere_in_the_journal_is_detected() {
    let dir = temporary();
    let (mut journal, _) = open(&dir);
    journal.append(&entries(&["a", "b", "c"])).expect("writes");
    drop(journal);
    let path = Segment::path_of(dir.path(), 1);
    let whole = fs::read(&path).expect("is there");
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(&path, damaged).expect("writes");
        let found = JournalReader::new(dir.path()).verify().expect("reads");
        assert!(
            !found.is_sound() || found.unfinished_bytes > 0,
            "byte {at} passed"
        );
    }
}

/// Whoever changes a record can make it whole again, but not the ones after it.
#[test]
fn a_rewritten_record_breaks_the_chain() {
    let dir = temporary();
    let (mut journal, _) = open(&dir);
    journal.append(&entries(&["a", "b", "c"])).expect("writes");
    drop(journal);
    let path = Segment::path_of(dir.path(), 1);
    let whole = fs::read(&path).expect("is there");
    let mut forged = whole[..segment::HEAD_BYTES].to_vec();
    for found in Frames::new(&whole, segment::HEAD_BYTES) {
        let Found::Record(mut frame) = found else {
            panic!("is whole");
        };
        let line = String::from_utf8(frame.line.to_vec()).expect("is text");
        let line = line.replace("\"b\"", "\"B\"");
        frame.line = line.as_bytes();
        frame.write(&mut forged);
    }
    fs::write(&path, forged).expect("writes");
    assert_eq!(notes(&dir), ["a", "B", "c"]);
    let found = JournalReader::new(dir.path()).verify().expect("reads");
    assert_eq!(found.problems, [Problem::Unchained { number: 2 }]);
}

#[test]
fn a_dropped_segment_in_the_middle_is_noticed() {
    let dir = temporary();
    let options = JournalOptions {
        segment_bytes: 200,
        ..JournalOptions::default()
    };
    let (mut journal, _) = Journal::open(dir.path(), options, 0).expect("opens");
    for note in ["a", "b", "c", "d", "e", "f"] {
        journal.append(&entries(&[note])).expect("writes");
    }
    assert!(sound(&dir));
    fs::remove_file(Segment::path_of(dir.path(), 2)).expect("is there");
    let found = JournalReader::new(dir.path()).verify().expect("reads");
    assert!(
        matches!(found.problems[..], [Problem::Jump { .. }]),
        "{found:?}"
    );
}

/// A disk that has so much space, and fails to sync when it is told to.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<DiskState>>);

#[derive(Default)]
struct DiskState {
    space: Option<usize>,
    sync_fails: bool,
    syncs: usize,
}

struct File {
    file: fs::File,
    disk: Disk,
}

impl SegmentFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        let Some(space) = &mut state.space else {
            return self.file.append(bytes);
        };
        // As a real disk does, it takes what fits and fails with the rest.
        let fits = bytes.len().min(*space);
        *space -= fits;
        self.file.append(&bytes[..fits])?;
        if fits < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.syncs += 1;
        if state.sync_fails {
            return Err(io::Error::other("injected: the disk is gone"));
        }
        Ok(())
    }
}

impl Disk {
    fn opener(&self) -> OpenSegment {
        let disk = self.clone();
        Box::new(move |path| {
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            let disk = disk.clone();
            Ok(Box::new(File { file, disk }))
        })
    }
}

fn open_on(dir: &TempDir, disk: &Disk) -> Journal {
    let options = JournalOptions::default();
    let (journal, _) =
        Journal::open_on(dir.path(), options, 0, disk.opener()).expect("the disk is well");
    journal
}

#[test]
fn a_full_disk_stops_the_journal_and_costs_no_line_that_was_written() {
    for space in 0..120 {
        let (disk, dir) = (Disk::default(), temporary());
        let mut journal = open_on(&dir, &disk);
        journal.append(&entries(&["a"])).expect("there is space");
        disk.0.lock().space = Some(space);
        let error = journal
            .append(&entries(&["b", "c"]))
            .expect_err("there is no space");
        assert!(matches!(error, JournalError::Full { .. }), "{error}");
        assert!(journal.failure().is_some());
        let refused = journal.append(&entries(&["d"]));
        assert!(matches!(refused, Err(JournalError::Degraded { .. })));
        journal.reopen(0).expect_err("there is still no space");
        assert!(journal.failure().is_some());

        disk.0.lock().space = None;
        journal.reopen(0).expect("there is space");
        journal.append(&entries(&["e"])).expect("is in service");
        let notes = notes(&dir);
        assert!(
            notes == ["a", "e"] || notes == ["a", "b", "e"],
            "{notes:?} with {space} bytes left"
        );
        assert!(sound(&dir), "with {space} bytes left");
    }
}

#[test]
fn a_failed_sync_is_never_tried_again_on_the_same_file() {
    let (disk, dir) = (Disk::default(), temporary());
    let mut journal = open_on(&dir, &disk);
    journal.append(&entries(&["a"])).expect("the disk is well");
    disk.0.lock().sync_fails = true;
    journal.sync().expect_err("the sync fails");

    disk.0.lock().sync_fails = false;
    let syncs = disk.0.lock().syncs;
    journal.sync().expect_err("is out of service");
    assert_eq!(disk.0.lock().syncs, syncs, "nothing was synced");

    journal.reopen(0).expect("the disk is well");
    journal.append(&entries(&["b"])).expect("is in service");
    assert!(
        Segment::path_of(dir.path(), 2).exists(),
        "goes on in a new segment"
    );
    assert_eq!(notes(&dir), ["a", "b"]);
    assert!(sound(&dir));
}
