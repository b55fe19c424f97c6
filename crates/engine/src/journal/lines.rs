//! A journal that a test writes line by line, a second apart.

use std::collections::BTreeMap;

use tempfile::TempDir;

use super::{
    Change, Content, Journal, JournalEntry, JournalOptions, JournalReader, Kind, ServiceName,
};

pub(super) struct Lines {
    dir: TempDir,
    journal: Journal,
    next_ms: u64,
}

impl Lines {
    /// A journal with the first line of a run in it, at 1,000 ms.
    pub(super) fn begin() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (journal, _) = Journal::open(dir.path(), JournalOptions::default(), 0).expect("opens");
        let mut lines = Self {
            dir,
            journal,
            next_ms: 1_000,
        };
        lines.plain(Kind::Started);
        lines
    }

    /// Writes a line with what is filled in; when it was written.
    pub(super) fn line(&mut self, kind: Kind, fill: impl FnOnce(&mut JournalEntry)) -> u64 {
        let at_ms = self.next_ms;
        let mut entry = JournalEntry::new(at_ms, kind);
        fill(&mut entry);
        self.journal.append(&[entry]).expect("writes");
        self.next_ms += 1_000;
        at_ms
    }

    /// A line that says only what happened.
    pub(super) fn plain(&mut self, kind: Kind) -> u64 {
        self.line(kind, |_| {})
    }

    /// A line about a link and nothing smaller.
    pub(super) fn of_link(&mut self, kind: Kind, note: &str) -> u64 {
        self.line(kind, |entry| {
            entry.link = Some("l".to_owned());
            entry.endpoint = Some("b".to_owned());
            entry.note = Some(note.to_owned());
        })
    }

    /// What is about to be written of an instance of `orders`: from one weight
    /// to another.
    pub(super) fn intent(
        &mut self,
        effect: u64,
        instance: &str,
        (before, after): (Option<f64>, Option<f64>),
    ) -> u64 {
        self.line(Kind::Intent, |entry| {
            about_orders(entry, effect);
            entry.instance = Some(instance.to_owned());
            entry.change = Some(match (before, after) {
                (None, _) => Change::Add,
                (_, None) => Change::Remove,
                _ => Change::Update,
            });
            entry.before = before.map(content);
            entry.after = after.map(content);
        })
    }

    /// How a write of `orders` ended.
    pub(super) fn outcome(&mut self, effect: u64, kind: Kind, note: &str) -> u64 {
        self.line(kind, |entry| {
            about_orders(entry, effect);
            entry.note = Some(note.to_owned());
        })
    }

    pub(super) fn reader(&self) -> JournalReader {
        JournalReader::new(self.dir.path())
    }
}

fn about_orders(entry: &mut JournalEntry, effect: u64) {
    entry.link = Some("l".to_owned());
    entry.endpoint = Some("b".to_owned());
    entry.effect = Some(effect);
    entry.service = Some(orders());
}

/// `public/g/orders`.
pub(super) fn orders() -> ServiceName {
    ServiceName {
        namespace: "public".to_owned(),
        group: "g".to_owned(),
        name: "orders".to_owned(),
    }
}

pub(super) fn content(weight: f64) -> Content {
    Content {
        weight,
        healthy: Some(true),
        enabled: true,
        ephemeral: None,
        metadata: BTreeMap::new(),
    }
}
