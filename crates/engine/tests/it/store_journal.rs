//! What the journal tells to those who ask.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use syncline_engine::journal::{
    Cause, Change, Content, Filter, Journal, JournalEntry, JournalOptions, JournalReader, Kind,
    ServiceName,
};
use syncline_model::ServiceKey;

use crate::store_open::{instance, temporary};

fn entry(at_ms: u64, link: &str, service: &str, instance: &str) -> JournalEntry {
    JournalEntry {
        change: Some(Change::Remove),
        link: Some(link.into()),
        service: Some(ServiceName::from(&ServiceKey::new("public", "g", service))),
        instance: Some(instance.into()),
        ..JournalEntry::new(at_ms, Kind::Intent)
    }
}

/// Segments of a handful of records, so that every test crosses several.
fn small() -> JournalOptions {
    JournalOptions {
        segment_bytes: 600,
        ..JournalOptions::default()
    }
}

fn found(reader: &JournalReader, filter: Filter) -> Vec<u64> {
    reader
        .search(filter)
        .expect("reads")
        .map(|line| line.expect("is sound").number)
        .collect()
}

#[test]
fn the_journal_goes_on_where_it_ended() {
    let dir = temporary();
    let mut heads = Vec::new();
    for run in 0..5 {
        let (mut journal, recovery) = Journal::open(dir.path(), small(), run).expect("opens");
        assert_eq!(recovery, syncline_engine::journal::Recovery::default());
        let entries = [0, 1, 2].map(|n| entry(run, "a", &format!("s{n}"), "10.0.0.1:1"));
        assert_eq!(journal.append(&entries).expect("writes"), 3 * run);
        journal.sync().expect("syncs");
        heads.push(journal.head());
    }
    let reader = JournalReader::new(dir.path());
    let numbers: Vec<_> = reader
        .read(0)
        .expect("reads")
        .map(|line| line.expect("is sound").number)
        .collect();
    assert_eq!(numbers, (0..15).collect::<Vec<_>>());
    let tail = reader.read(11).expect("reads");
    assert_eq!(
        tail.map(|line| line.expect("is sound").number).min(),
        Some(11)
    );

    let found = reader.verify().expect("reads");
    assert!(found.is_sound(), "{found:?}");
    assert!(found.segments > 2);
    assert_eq!(
        (found.records, found.first, found.last),
        (15, Some(0), Some(14))
    );
    assert_eq!(found.head.as_ref(), heads.last());
}

#[test]
fn lines_are_found_by_link_service_address_kind_and_time_the_youngest_first() {
    let dir = temporary();
    let (mut journal, _) = Journal::open(dir.path(), small(), 0).expect("opens");
    let mut entries = vec![
        entry(10, "a", "orders", "10.0.0.1:80"),
        entry(20, "a", "payments", "10.0.0.2:80@blue"),
        entry(30, "b", "orders", "10.0.0.1:81"),
        entry(40, "b", "users", "10.0.0.3:80"),
    ];
    entries[3].source_service = Some(ServiceName::from(&ServiceKey::new("dev", "h", "people")));
    entries[3].kind = Kind::Applied;
    for entry in entries {
        journal.append(&[entry]).expect("writes");
    }
    let reader = journal.reader();
    let by = |adjust: fn(&mut Filter)| {
        let mut filter = Filter::default();
        adjust(&mut filter);
        found(&reader, filter)
    };
    assert_eq!(by(|_| {}), [3, 2, 1, 0]);
    assert_eq!(by(|filter| filter.link = Some("a".into())), [1, 0]);
    assert_eq!(by(|filter| filter.service = Some("orders".into())), [2, 0]);
    assert_eq!(
        by(|filter| filter.service = Some("g@@orders".into())),
        [2, 0]
    );
    assert_eq!(
        by(|filter| filter.service = Some("public/g/users".into())),
        [3]
    );
    assert_eq!(
        by(|filter| filter.service = Some("dev/h/people".into())),
        [3]
    );
    assert_eq!(
        by(|filter| filter.service = Some("g/orders".into())),
        [0; 0]
    );
    assert_eq!(
        by(|filter| filter.address = Some("10.0.0.1".into())),
        [2, 0]
    );
    assert_eq!(
        by(|filter| filter.address = Some("10.0.0.2:80".into())),
        [1]
    );
    assert_eq!(by(|filter| filter.kinds = vec![Kind::Applied]), [3]);
    let between = by(|filter| {
        filter.from_ms = Some(20);
        filter.until_ms = Some(30);
    });
    assert_eq!(between, [2, 1]);
}

#[test]
fn an_export_is_one_json_object_a_line_and_can_be_checked_elsewhere() {
    let dir = temporary();
    let (mut journal, _) = Journal::open(dir.path(), small(), 0).expect("opens");
    let mut forged = entry(1, "a\nb", "orders\r\n{\"number\":7}", "10.0.0.1:80");
    forged.cause = Some(Cause {
        source: Some("hangzhou".into()),
        view: Some("raw".into()),
        revision: Some(12),
        rule: Some("removal.policy".into()),
    });
    forged.before = Some(Content::from(&instance(80)));
    journal.append(&[forged.clone(), forged]).expect("writes");

    let mut out = Vec::new();
    let lines = journal.reader().export(&Filter::default(), &mut out);
    assert_eq!(lines.expect("exports"), 2);
    let text = String::from_utf8(out).expect("is text");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("is JSON"))
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["number"], 1);
    assert_eq!(lines[1]["entry"]["link"], "a\nb");
    assert_eq!(lines[1]["entry"]["before"]["weight"], 1.0);
    assert_eq!(lines[1]["entry"]["cause"]["rule"], "removal.policy");
    assert_eq!(lines[0]["previous"], "0".repeat(64));
    assert_ne!(lines[1]["previous"], lines[0]["previous"]);
}

#[test]
fn the_oldest_segments_go_first_and_the_chain_holds() {
    let dir = temporary();
    let options = JournalOptions {
        max_bytes: 2_000,
        ..small()
    };
    let (mut journal, _) = Journal::open(dir.path(), options, 0).expect("opens");
    for number in 0..60 {
        let entry = entry(number, "a", "orders", "10.0.0.1:80");
        journal.append(&[entry]).expect("writes");
    }
    let bytes: u64 = fs::read_dir(dir.path())
        .expect("is there")
        .map(|file| file.expect("is there").metadata().expect("is there").len())
        .sum();
    assert!(bytes <= 2_000 + 700, "{bytes}");
    let found = journal.reader().verify().expect("reads");
    assert!(found.is_sound(), "{found:?}");
    assert!(found.first > Some(0));
    assert_eq!(found.last, Some(59));
    drop(journal);
    let (journal, _) = Journal::open(dir.path(), options, 60).expect("opens");
    assert_eq!(journal.next(), 60);
}

#[test]
fn what_is_too_old_goes_but_a_leaping_clock_does_not_take_everything() {
    let dir = temporary();
    let options = JournalOptions {
        max_age: Duration::from_millis(1_000),
        ..small()
    };
    let (mut journal, _) = Journal::open(dir.path(), options, 0).expect("opens");
    for at in 0..30 {
        let entry = entry(at * 10, "a", "orders", "10.0.0.1:80");
        journal.append(&[entry]).expect("writes");
    }
    assert_eq!(journal.reader().verify().expect("reads").first, Some(0));
    journal.retain(1_200);
    let first = journal.reader().verify().expect("reads").first;
    assert!(first > Some(0) && first < Some(20), "{first:?}");

    journal.retain(u64::MAX);
    let found = journal.reader().verify().expect("reads");
    assert_eq!(found.segments, 2);
    assert!(found.is_sound(), "{found:?}");
}

#[test]
fn a_quiet_journal_forgets_what_is_too_old_too() {
    let dir = temporary();
    let day = 24 * 60 * 60 * 1_000;
    let options = JournalOptions::keeping(1 << 30, Duration::from_millis(8 * day));
    let (mut journal, _) = Journal::open(dir.path(), options, 0).expect("opens");
    for number in 0..40 {
        let entry = entry(number * day, "a", "orders", "10.0.0.1:80");
        journal.append(&[entry]).expect("writes");
    }
    let found = journal.reader().verify().expect("reads");
    assert!(found.is_sound(), "{found:?}");
    assert!(found.first >= Some(28), "lines from {:?} on", found.first);
    assert_eq!(found.last, Some(39));
}

#[test]
fn a_small_journal_is_kept_in_small_segments() {
    let dir = temporary();
    let options = JournalOptions::keeping(16_000, Duration::from_secs(3_600));
    let (mut journal, _) = Journal::open(dir.path(), options, 0).expect("opens");
    for number in 0..400 {
        let entry = entry(number, "a", "orders", "10.0.0.1:80");
        journal.append(&[entry]).expect("writes");
        let files = fs::read_dir(dir.path()).expect("is there");
        let sizes = files.map(|file| file.expect("is there").metadata().expect("is there").len());
        let bytes: u64 = sizes.sum();
        assert!(bytes <= 16_000 + 3_000, "{bytes} bytes");
    }
    let found = journal.reader().verify().expect("reads");
    assert!(found.is_sound() && found.segments > 2, "{found:?}");
}

#[test]
fn a_reader_sees_what_is_written_while_it_stays() {
    let dir = temporary();
    let (mut journal, _) = Journal::open(dir.path(), small(), 0).expect("opens");
    let reader = journal.reader();
    for number in 0..20 {
        let entry = entry(number, "a", "orders", "10.0.0.1:80");
        journal.append(&[entry]).expect("writes");
        let last = reader.search(Filter::default()).expect("reads").next();
        assert_eq!(last.expect("has one").expect("is sound").number, number);
    }
}
