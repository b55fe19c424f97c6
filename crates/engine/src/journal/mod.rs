//! Why each thing was done, and how it ended: an append-only journal that a
//! crash cannot spoil and that nobody can rewrite unnoticed.
//!
//! The journal is a row of segments, `journal-000001.log` and so on, of framed
//! and checksummed records. Each record holds one line of JSON and the hash of
//! the record before it. What a crash tore off the end is cut away when the
//! journal is opened, and said; damage anywhere else is left as it is,
//! reported, and read around.
//!
//! * [`Journal`]: for the one who writes; it decides nothing about *when* things
//!   must be on disk, the caller syncs;
//! * [`JournalReader`]: for `syncline why` and `journal`, at the same time;
//! * [`JournalEntry`]: what a line says;
//! * [`Story`]: all that is said of one thing, and [`AsOf`]: what a target had
//!   been given at a moment.
//!
//! The journal explains, the ledger decides: nothing is ever planned from what
//! is read here. Whoever opens a [`Journal`] holds the state directory through
//! [`Store`](crate::store::Store).

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

mod entry;
mod error;
mod frame;
mod read;
mod replay;
mod segment;
mod story;
mod verify;

#[cfg(test)]
mod lines;
#[cfg(test)]
mod tests;

pub use entry::{Cause, Change, Content, JournalEntry, Kind, ServiceName};
pub use error::JournalError;
pub use read::{Filter, JournalReader, Record, Records, Search};
pub use replay::{AsOf, Given, GivenInstance};
pub use story::{Outcome, Question, Reach, Step, Story};
pub use verify::{Problem, Verification};

use frame::{Found, Frame, Hash, MAX_LINE_BYTES};
use segment::{Head, OpenSegment, Segment, SegmentFile};

use crate::store::{create_dir, sync_dir, to_hex};

/// How much of the journal is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JournalOptions {
    /// How large a segment may become.
    pub segment_bytes: u64,
    /// For how long a segment is written. A quiet journal would otherwise keep
    /// its oldest lines for ever, beside the youngest.
    pub segment_age: Duration,
    /// How large all segments together may become; the oldest go first.
    pub max_bytes: u64,
    /// How old a segment's youngest record may become.
    pub max_age: Duration,
}

impl Default for JournalOptions {
    /// Segments of 16 MiB, at most 1 GiB or 90 days of them.
    fn default() -> Self {
        Self::keeping(1 << 30, Duration::from_secs(90 * 24 * 60 * 60))
    }
}

impl JournalOptions {
    /// Keeps so much, to an eighth: what goes at once is a segment.
    pub fn keeping(max_bytes: u64, max_age: Duration) -> Self {
        Self {
            segment_bytes: (max_bytes / 8).min(16 << 20),
            segment_age: max_age / 8,
            max_bytes,
            max_age,
        }
    }
}

/// Kept whatever its age or size, so that a clock that leaps ahead cannot take
/// the whole journal with it.
const KEPT_SEGMENTS: usize = 2;

/// Bytes of a segment that are no record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// The segment.
    pub path: PathBuf,
    /// Where they begin.
    pub from: u64,
    /// How many there are.
    pub bytes: u64,
}

/// What opening the journal found beside whole records.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// What a crash had torn off and is now cut away: records that were being
    /// written when it came.
    pub torn: Vec<Damage>,
    /// What lies damaged in the segment that is written next, with records
    /// behind it. It is left there, and [`JournalReader::verify`] finds it, as
    /// it does in older segments.
    pub damaged: Vec<Damage>,
}

/// The journal, open for the one who writes. Everything here blocks.
pub struct Journal {
    dir: PathBuf,
    options: JournalOptions,
    open: OpenSegment,
    active: Active,
    /// The segments before the active one, the oldest first.
    older: Vec<Segment>,
    /// Why nothing is accepted until [`Journal::reopen`].
    failed: Option<Arc<str>>,
}

/// The segment that is written.
struct Active {
    segment: Segment,
    file: Box<dyn SegmentFile>,
    /// The number of the next record, and the hash that it is chained to.
    next: u64,
    previous: Hash,
}

impl Journal {
    /// Opens the journal in its folder, making the folder where it is missing.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn open(
        dir: &Path,
        options: JournalOptions,
        at_ms: u64,
    ) -> Result<(Self, Recovery), JournalError> {
        Self::open_on(dir, options, at_ms, segment::on_disk())
    }

    fn open_on(
        dir: &Path,
        options: JournalOptions,
        at_ms: u64,
        open: OpenSegment,
    ) -> Result<(Self, Recovery), JournalError> {
        create_dir(dir).map_err(|error| JournalError::at("creating", dir, error))?;
        let (active, older, recovery) = recover(dir, at_ms, &open)?;
        let mut journal = Self {
            dir: dir.to_path_buf(),
            options,
            open,
            active,
            older,
            failed: None,
        };
        journal.retain(at_ms);
        Ok((journal, recovery))
    }

    /// Appends entries in their order and gives the number of the first. They
    /// are on disk after the next [`Journal::sync`].
    ///
    /// # Errors
    /// When the disk is full or fails. Some of the entries may have been
    /// written; the journal then refuses everything until [`Journal::reopen`]
    /// succeeds.
    pub fn append(&mut self, entries: &[JournalEntry]) -> Result<u64, JournalError> {
        self.guarded(|journal| journal.try_append(entries))
    }

    /// Brings what was appended to disk.
    ///
    /// # Errors
    /// When the disk fails; as [`Journal::append`].
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.guarded(|journal| {
            let active = &mut journal.active;
            active
                .file
                .sync()
                .map_err(|error| JournalError::at("syncing", &active.segment.path, error))
        })
    }

    /// Opens the journal again after a failure and goes on in a new segment: a
    /// failed sync is never tried again on the file that it failed on, since
    /// nothing is known of what the system dropped.
    ///
    /// # Errors
    /// As long as the disk is full or fails; the journal stays out of service.
    pub fn reopen(&mut self, at_ms: u64) -> Result<Recovery, JournalError> {
        let reopening: Arc<str> = "it could not be opened again".into();
        let why = self.failed.get_or_insert(reopening).clone();
        let (active, older, recovery) = recover(&self.dir, at_ms, &self.open)?;
        self.active = active;
        self.older = older;
        self.failed = None;
        self.rotate(at_ms)
            .inspect_err(|_| self.failed = Some(why))?;
        Ok(recovery)
    }

    /// Why the journal accepts nothing at present.
    pub fn failure(&self) -> Option<&Arc<str>> {
        self.failed.as_ref()
    }

    /// The number of the next record.
    pub fn next(&self) -> u64 {
        self.active.next
    }

    /// The hash of the last record, in hexadecimal digits. Whoever keeps it
    /// elsewhere can tell later that nothing before it was rewritten.
    pub fn head(&self) -> String {
        to_hex(&self.active.previous)
    }

    /// For those who only read; it outlives the journal.
    pub fn reader(&self) -> JournalReader {
        JournalReader::new(&self.dir)
    }

    /// Drops the oldest segments, as far as they are too old or too many; the
    /// two youngest always stay. Done by itself whenever a segment is full.
    pub fn retain(&mut self, now_ms: u64) {
        while self.older.len() + 1 > KEPT_SEGMENTS && self.oldest_is_due(now_ms) {
            let oldest = self.older.remove(0);
            if let Err(error) = fs::remove_file(&oldest.path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(%error, path = %oldest.path.display(), "an old segment of the journal stays");
            }
        }
    }

    fn oldest_is_due(&self, now_ms: u64) -> bool {
        let bytes: u64 = self.older.iter().map(|segment| segment.bytes).sum();
        if bytes + self.active.segment.bytes > self.options.max_bytes {
            return true;
        }
        // Nothing in a segment is younger than the beginning of the next.
        let next = self.older.get(1).unwrap_or(&self.active.segment);
        let age = next
            .head
            .map_or(0, |head| now_ms.saturating_sub(head.begun_at_ms));
        u128::from(age) > self.options.max_age.as_millis()
    }

    fn guarded<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        if let Some(why) = &self.failed {
            return Err(JournalError::Degraded { why: why.clone() });
        }
        let result = work(self);
        if let Err(error) = &result {
            self.failed = Some(error.chain());
        }
        result
    }

    fn try_append(&mut self, entries: &[JournalEntry]) -> Result<u64, JournalError> {
        let first = self.active.next;
        let mut frames = Vec::new();
        for entry in entries {
            let bytes = self.active.segment.bytes + frames.len() as u64;
            if bytes >= self.options.segment_bytes || self.active_is_old(entry.at_ms) {
                self.active.append(&frames)?;
                frames.clear();
                self.rotate(entry.at_ms)?;
            }
            let number = self.active.next;
            let line = entry
                .to_line(MAX_LINE_BYTES)
                .map_err(|error| JournalError::unreadable(number, error))?;
            let frame = Frame {
                number,
                previous: self.active.previous,
                line: &line,
            };
            frame.write(&mut frames);
            self.active.next += 1;
            self.active.previous = frame.hash();
        }
        self.active.append(&frames)?;
        Ok(first)
    }

    /// Whether the active segment has been written for long enough. One without
    /// a line goes on: its age is nobody's.
    fn active_is_old(&self, now_ms: u64) -> bool {
        let Some(head) = self.active.segment.head else {
            return false;
        };
        let age = u128::from(now_ms.saturating_sub(head.begun_at_ms));
        head.first < self.active.next && age > self.options.segment_age.as_millis()
    }

    /// Ends the active segment and begins the next.
    fn rotate(&mut self, at_ms: u64) -> Result<(), JournalError> {
        let active = &mut self.active;
        active
            .file
            .sync()
            .map_err(|error| JournalError::at("syncing", &active.segment.path, error))?;
        let head = Head {
            first: active.next,
            begun_at_ms: at_ms,
            previous: active.previous,
        };
        let next = Active::begin(&self.dir, active.segment.number + 1, head, &self.open)?;
        let full = std::mem::replace(active, next);
        self.older.push(full.segment);
        self.retain(at_ms);
        Ok(())
    }
}

impl Active {
    /// Makes a segment with nothing in it but its head.
    fn begin(
        dir: &Path,
        number: u64,
        head: Head,
        open: &OpenSegment,
    ) -> Result<Self, JournalError> {
        let path = Segment::path_of(dir, number);
        let bytes = head.to_bytes();
        let file = open(&path)
            .and_then(|mut file| {
                file.append(&bytes)?;
                file.sync()?;
                sync_dir(dir)?;
                Ok(file)
            })
            .map_err(|error| JournalError::at("beginning", &path, error))?;
        Ok(Self {
            segment: Segment {
                number,
                path,
                bytes: bytes.len() as u64,
                head: Some(head),
            },
            file,
            next: head.first,
            previous: head.previous,
        })
    }

    fn append(&mut self, frames: &[u8]) -> Result<(), JournalError> {
        if frames.is_empty() {
            return Ok(());
        }
        self.file
            .append(frames)
            .map_err(|error| JournalError::at("writing", &self.segment.path, error))?;
        self.segment.bytes += frames.len() as u64;
        Ok(())
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("dir", &self.dir)
            .field("next", &self.active.next)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// Finds the end of the journal, cuts away what was torn off there, and opens
/// its last segment to go on.
fn recover(
    dir: &Path,
    at_ms: u64,
    open: &OpenSegment,
) -> Result<(Active, Vec<Segment>, Recovery), JournalError> {
    let mut older = Segment::list(dir).map_err(|error| JournalError::at("listing", dir, error))?;
    let mut spoiled = Vec::new();
    let mut recovery = Recovery::default();
    let mut head = Head::first(at_ms);
    while let Some(mut last) = older.pop() {
        let bytes = last
            .read()
            .map_err(|error| JournalError::at("reading", &last.path, error))?
            .unwrap_or_default();
        let end = End::of(&last, &bytes, &mut recovery);
        if last.head.is_none() && end.records == 0 {
            if bytes.len() > segment::HEAD_BYTES {
                // More than a head was here once: it is left as it is.
                spoiled.push(last);
            } else {
                // A crash came between making the file and writing its head.
                fs::remove_file(&last.path)
                    .map_err(|error| JournalError::at("removing the torn", &last.path, error))?;
            }
            continue;
        }
        if end.bytes < bytes.len() as u64 {
            cut(&last.path, end.bytes)
                .map_err(|error| JournalError::at("cutting the torn end of", &last.path, error))?;
            last.bytes = end.bytes;
        }
        if spoiled.is_empty() {
            let file =
                open(&last.path).map_err(|error| JournalError::at("opening", &last.path, error))?;
            let active = Active {
                segment: last,
                file,
                next: end.next,
                previous: end.previous,
            };
            return Ok((active, older, recovery));
        }
        older.push(last);
        head.first = end.next;
        head.previous = end.previous;
        break;
    }
    older.extend(spoiled.into_iter().rev());
    let number = older.last().map_or(1, |segment| segment.number + 1);
    let active = Active::begin(dir, number, head, open)?;
    Ok((active, older, recovery))
}

/// Where the whole records of a segment end.
struct End {
    bytes: u64,
    records: u64,
    next: u64,
    previous: Hash,
}

impl End {
    fn of(segment: &Segment, bytes: &[u8], recovery: &mut Recovery) -> Self {
        let head = segment.head.unwrap_or(Head::first(0));
        let mut end = Self {
            bytes: bytes.len() as u64,
            records: 0,
            next: head.first,
            previous: head.previous,
        };
        for found in segment.frames(bytes) {
            match found {
                Found::Record(frame) => {
                    end.records += 1;
                    end.next = frame.number.saturating_add(1);
                    end.previous = frame.hash();
                }
                Found::Damage(range) => {
                    let damage = Damage {
                        path: segment.path.clone(),
                        from: range.start as u64,
                        bytes: range.len() as u64,
                    };
                    if range.end == bytes.len() {
                        end.bytes = damage.from;
                        recovery.torn.push(damage);
                    } else {
                        recovery.damaged.push(damage);
                    }
                }
            }
        }
        end
    }
}

fn cut(path: &Path, bytes: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(bytes)?;
    file.sync_all()
}
