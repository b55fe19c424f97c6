//! The thread that writes store and journal for everyone.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use syncline_engine::journal::{
    Filter, Journal, JournalEntry, JournalOptions, JournalReader, Kind,
};
use syncline_engine::store::{
    Batch, Durability, StoreError, StoreHealth, StoreOp, StoreWriter, WriterOptions,
};

use crate::store_open::{ledger_of, open, put_ledger, temporary};

fn start(dir: &Path, adjust: impl FnOnce(&mut WriterOptions)) -> StoreWriter {
    let (store, _) = open(dir).expect("opens");
    // Segments so small that the tests cross them.
    let small = JournalOptions {
        segment_bytes: 4096,
        ..JournalOptions::default()
    };
    let (journal, _) = Journal::open(&dir.join("journal"), small, 0).expect("opens");
    let mut options = WriterOptions::new(Arc::new(|| 1_795_414_500_000));
    adjust(&mut options);
    StoreWriter::start(store, journal, options).expect("starts")
}

fn batch(service: &str, durability: Durability) -> Batch {
    let mut entry = JournalEntry::new(1, Kind::Intent);
    entry.note = Some(service.to_owned());
    Batch {
        ops: vec![put_ledger("link", service)],
        entries: vec![entry],
        durability,
    }
}

fn journal_of(dir: &Path) -> Vec<String> {
    JournalReader::new(&dir.join("journal"))
        .read(0)
        .expect("reads")
        .map(|line| line.expect("is sound").entry.note.expect("has one"))
        .collect()
}

#[tokio::test]
async fn batches_are_written_in_their_order_and_answered_when_they_are() {
    let dir = temporary();
    let writer = start(dir.path(), |options| options.queue = 4);
    let mut answers = Vec::new();
    for number in 0..100 {
        let durability = match number % 10 {
            0 => Durability::Immediate,
            _ => Durability::Grouped,
        };
        let batch = batch(&format!("s{number:03}"), durability);
        answers.push(writer.submit(batch).await.expect("is open"));
    }
    for answer in answers {
        answer.await.expect("is answered").expect("is written");
    }
    assert_eq!(*writer.health().borrow(), StoreHealth::Healthy { epoch: 0 });
    writer.close().await.expect("closes");

    let expected: Vec<_> = (0..100).map(|number| format!("s{number:03}")).collect();
    let (store, _) = open(dir.path()).expect("is free again");
    assert_eq!(ledger_of(&store, "link"), expected);
    assert_eq!(journal_of(dir.path()), expected);
    let found = JournalReader::new(&dir.path().join("journal")).verify();
    assert!(found.expect("reads").is_sound());
}

#[tokio::test]
async fn closing_writes_what_was_accepted_and_refuses_what_comes_after() {
    let dir = temporary();
    let writer = start(dir.path(), |options| {
        options.flush_after = Duration::from_secs(3600);
    });
    let answer = writer
        .submit(batch("orders", Durability::Grouped))
        .await
        .expect("is open");
    let reader = writer.reader();
    writer.close().await.expect("closes");
    answer.await.expect("is answered").expect("is written");
    assert!(matches!(
        reader.blob("any"),
        Err(StoreError::Degraded { .. } | StoreError::Closed)
    ));
    let (store, _) = open(dir.path()).expect("is free again");
    assert_eq!(ledger_of(&store, "link"), ["orders"]);
}

/// Without a close, and as a killed process would, by what reached the file.
#[tokio::test]
async fn grouped_batches_reach_the_disk_by_themselves() {
    let dir = temporary();
    let writer = start(dir.path(), |options| {
        options.flush_after = Duration::from_millis(1);
    });
    writer
        .commit(batch("orders", Durability::Grouped))
        .await
        .expect("is written");
    let state = dir.path().to_path_buf();
    let found = tokio::task::spawn_blocking(move || {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        loop {
            let copy = temporary();
            for file in ["store.redb", "install.json"] {
                std::fs::copy(state.join(file), copy.path().join(file)).expect("copies");
            }
            let (store, _) = open(copy.path()).expect("opens");
            let found = ledger_of(&store, "link");
            if !found.is_empty() || std::time::Instant::now() > deadline {
                break found;
            }
        }
    })
    .await
    .expect("does not panic");
    assert_eq!(found, ["orders"]);
    writer.close().await.expect("closes");
}

#[tokio::test]
async fn a_batch_may_come_without_entries_or_without_changes() {
    let dir = temporary();
    let writer = start(dir.path(), |_| {});
    let mut only_ops = batch("orders", Durability::Immediate);
    only_ops.entries.clear();
    writer.commit(only_ops).await.expect("is written");
    let mut only_entries = batch("payments", Durability::Immediate);
    only_entries.ops.clear();
    writer.commit(only_entries).await.expect("is written");
    let blob = Batch {
        ops: vec![StoreOp::PutBlob("name".into(), vec![1])],
        entries: Vec::new(),
        durability: Durability::Grouped,
    };
    writer.commit(blob).await.expect("is written");
    let reader = writer.reader();
    let value = tokio::task::spawn_blocking(move || reader.blob("name"))
        .await
        .expect("does not panic");
    assert_eq!(value.expect("reads"), Some(vec![1]));
    writer.close().await.expect("closes");
    assert_eq!(journal_of(dir.path()), ["payments"]);
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_stops_removals_until_it_can() {
    let dir = temporary();
    let writer = start(dir.path(), |options| {
        options.reopen_after = Duration::from_millis(5);
    });
    let mut health = writer.health();
    writer
        .commit(batch("before", Durability::Immediate))
        .await
        .expect("is written");

    break_journal(dir.path());
    let mut filler = batch("filler", Durability::Immediate);
    filler.entries = vec![filler.entries[0].clone(); 100];
    let error = writer
        .commit(filler)
        .await
        .expect_err("has no next segment");
    assert!(matches!(error, StoreError::Journal(_)), "{error}");
    health
        .wait_for(|health| !health.allows_removal())
        .await
        .expect("is alive");
    let refused = writer.commit(batch("during", Durability::Immediate)).await;
    refused.expect_err("is out of service");

    mend_journal(dir.path());
    health
        .wait_for(StoreHealth::allows_removal)
        .await
        .expect("is alive");
    writer
        .commit(batch("after", Durability::Immediate))
        .await
        .expect("is written");
    writer.close().await.expect("closes");

    let filter = Filter {
        kinds: vec![Kind::Gap],
        ..Filter::default()
    };
    let reader = JournalReader::new(&dir.path().join("journal"));
    let gaps = reader.search(filter).expect("reads").count();
    assert_eq!(gaps, 1, "what is missing is said");
    assert!(reader.verify().expect("reads").is_sound());
    assert_eq!(
        journal_of(dir.path()).last().map(String::as_str),
        Some("after")
    );
}

/// Puts a folder where the journal's next segment would be.
fn break_journal(dir: &Path) {
    std::fs::create_dir(dir.join("journal/journal-000002.log")).expect("creates");
}

fn mend_journal(dir: &Path) {
    std::fs::remove_dir(dir.join("journal/journal-000002.log")).expect("removes");
}
