//! Reading the journal, also while it is being written.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::vec;

use serde::Serialize;
use serde_json::value::RawValue;

use super::entry::{JournalEntry, Kind};
use super::error::JournalError;
use super::frame::{Found, Frame, Frames};
use super::segment::{HEAD_BYTES, Segment};
use crate::store::to_hex;

/// One line of the journal.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    /// Its number, one more than the line before.
    pub number: u64,
    /// What it says.
    pub entry: JournalEntry,
}

/// Which lines to show; what is not set is not asked for.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Filter {
    /// Only this link.
    pub link: Option<String>,
    /// Only this service, at the source or at the target: its name, its
    /// `group@@name`, or `namespace/group/name`.
    pub service: Option<String>,
    /// Only this instance: its host, `host:port`, or `host:port@cluster`.
    pub address: Option<String>,
    /// Nothing older, in milliseconds since the Unix epoch.
    pub from_ms: Option<u64>,
    /// Nothing younger, in milliseconds since the Unix epoch.
    pub until_ms: Option<u64>,
    /// Only these kinds; all where there are none.
    pub kinds: Vec<Kind>,
}

/// The journal for those who only read: any number of them, in any process.
#[derive(Clone, Debug)]
pub struct JournalReader {
    dir: PathBuf,
}

impl JournalReader {
    /// Reads the journal in a folder.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_path_buf(),
        }
    }

    /// The lines from a number on, the oldest first. Damage is one error in the
    /// row; the rest follows.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn read(&self, from: u64) -> Result<Records, JournalError> {
        let mut segments = self.segments()?;
        // Segments that end before the wanted line need not be opened.
        let skip = segments
            .iter()
            .rposition(|segment| segment.head.is_some_and(|head| head.first <= from))
            .unwrap_or(0);
        segments.drain(..skip);
        Ok(Records {
            segments: segments.into_iter(),
            lines: Vec::new().into_iter(),
            from,
        })
    }

    /// The lines that a filter lets pass, the youngest first. Damage is one
    /// error in the row; the rest follows.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn search(&self, filter: Filter) -> Result<Search, JournalError> {
        Ok(Search {
            segments: self.segments()?,
            lines: Vec::new(),
            ended_at_ms: u64::MAX,
            filter,
        })
    }

    /// Writes the lines that a filter lets pass as JSON, one a line, the oldest
    /// first: their number, the hash they are chained to, and the entry byte for
    /// byte as it was written. Gives how many there were.
    ///
    /// # Errors
    /// When the journal cannot be read or is damaged, or the output fails.
    pub fn export(&self, filter: &Filter, out: &mut dyn Write) -> Result<u64, JournalError> {
        let mut lines = 0;
        for segment in self.segments()? {
            let Some(bytes) = read(&segment)? else {
                continue;
            };
            for found in segment.frames(&bytes) {
                let Some(frame) = record(&segment, &bytes, found)? else {
                    continue;
                };
                if filter.passes(&entry(&frame)?) {
                    export_line(&frame, out)?;
                    lines += 1;
                }
            }
        }
        Ok(lines)
    }

    pub(super) fn segments(&self) -> Result<Vec<Segment>, JournalError> {
        Segment::list(&self.dir).map_err(|error| JournalError::at("listing", &self.dir, error))
    }
}

/// Lines from the oldest to the youngest.
pub struct Records {
    segments: vec::IntoIter<Segment>,
    lines: vec::IntoIter<Result<Record, JournalError>>,
    from: u64,
}

impl Iterator for Records {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(line) = self.lines.next() {
                return Some(line);
            }
            let segment = self.segments.next()?;
            let mut lines = lines(&segment);
            lines.retain(|line| match line {
                Ok(record) => record.number >= self.from,
                Err(_) => true,
            });
            self.lines = lines.into_iter();
        }
    }
}

/// Lines from the youngest to the oldest.
pub struct Search {
    segments: Vec<Segment>,
    /// Those of the segment at hand, the youngest last.
    lines: Vec<Result<Record, JournalError>>,
    /// When the segment that comes next was ended.
    ended_at_ms: u64,
    filter: Filter,
}

impl Iterator for Search {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(line) = self.lines.pop() {
                return Some(line);
            }
            if self
                .filter
                .from_ms
                .is_some_and(|from| self.ended_at_ms < from)
            {
                return None;
            }
            let segment = self.segments.pop()?;
            if let Some(head) = segment.head {
                self.ended_at_ms = head.begun_at_ms;
            }
            self.lines = lines(&segment);
            self.lines.retain(|line| match line {
                Ok(record) => self.filter.passes(&record.entry),
                Err(_) => true,
            });
        }
    }
}

impl Filter {
    /// Whether an entry is asked for.
    pub fn passes(&self, entry: &JournalEntry) -> bool {
        self.from_ms.is_none_or(|from| entry.at_ms >= from)
            && self.until_ms.is_none_or(|until| entry.at_ms <= until)
            && (self.kinds.is_empty() || self.kinds.contains(&entry.kind))
            && (self.link.is_none() || self.link == entry.link)
            && self
                .service
                .as_deref()
                .is_none_or(|wanted| entry.is_about_service(wanted))
            && self
                .address
                .as_deref()
                .is_none_or(|wanted| entry.is_about_instance(wanted))
    }
}

impl JournalEntry {
    /// Whether a line is about the service of that name, at the source or at the
    /// target.
    pub(super) fn is_about_service(&self, name: &str) -> bool {
        [&self.service, &self.source_service]
            .into_iter()
            .flatten()
            .any(|service| service.is_called(name))
    }

    /// Whether a line is about an instance at that host, `host:port` or
    /// `host:port@cluster`.
    pub(super) fn is_about_instance(&self, place: &str) -> bool {
        let mut instances = self.instance.iter().chain(&self.kept);
        instances.any(|instance| is_at(instance, place))
    }
}

/// Whether an instance, `host:port` or `host:port@cluster`, is at that host,
/// that `host:port`, or is exactly that.
fn is_at(instance: &str, wanted: &str) -> bool {
    let (address, _cluster) = instance.split_once('@').unwrap_or((instance, ""));
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    [instance, address, host, bare].contains(&wanted)
}

impl Segment {
    /// What stands in the segment after its head.
    pub(super) fn frames<'a>(&self, bytes: &'a [u8]) -> Frames<'a> {
        let start = if self.head.is_some() { HEAD_BYTES } else { 0 };
        Frames::new(bytes, start)
    }
}

pub(super) fn read(segment: &Segment) -> Result<Option<Vec<u8>>, JournalError> {
    segment
        .read()
        .map_err(|error| JournalError::at("reading", &segment.path, error))
}

/// The record that was found; `None` for an unfinished end, which a writer may
/// be working on.
fn record<'a>(
    segment: &Segment,
    bytes: &[u8],
    found: Found<'a>,
) -> Result<Option<Frame<'a>>, JournalError> {
    match found {
        Found::Record(frame) => Ok(Some(frame)),
        Found::Damage(range) if range.end == bytes.len() => Ok(None),
        Found::Damage(range) => Err(JournalError::Damaged {
            path: segment.path.clone(),
            from: range.start as u64,
            bytes: range.len() as u64,
        }),
    }
}

fn entry(frame: &Frame<'_>) -> Result<JournalEntry, JournalError> {
    serde_json::from_slice(frame.line)
        .map_err(|error| JournalError::unreadable(frame.number, error))
}

fn lines(segment: &Segment) -> Vec<Result<Record, JournalError>> {
    let bytes = match read(segment) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![Err(error)],
    };
    segment
        .frames(&bytes)
        .filter_map(|found| record(segment, &bytes, found).transpose())
        .map(|frame| {
            let frame = frame?;
            Ok(Record {
                number: frame.number,
                entry: entry(&frame)?,
            })
        })
        .collect()
}

#[derive(Serialize)]
struct ExportedLine<'a> {
    number: u64,
    previous: String,
    #[serde(borrow)]
    entry: &'a RawValue,
}

fn export_line(frame: &Frame<'_>, out: &mut dyn Write) -> Result<(), JournalError> {
    let unreadable = |error| JournalError::unreadable(frame.number, error);
    let line = ExportedLine {
        number: frame.number,
        previous: to_hex(&frame.previous),
        entry: serde_json::from_slice(frame.line).map_err(unreadable)?,
    };
    let mut text = serde_json::to_vec(&line).map_err(unreadable)?;
    text.push(b'\n');
    out.write_all(&text)
        .map_err(|error| JournalError::at("exporting to", Path::new("the output"), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_found_by_host_address_or_all_of_it() {
        let yes = [
            ("10.0.0.1:80", "10.0.0.1"),
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("10.0.0.1:80@a:b", "10.0.0.1:80"),
            ("10.0.0.1:80@a:b", "10.0.0.1:80@a:b"),
            ("[2001:db8::1]:80@x", "2001:db8::1"),
            ("[2001:db8::1]:80@x", "[2001:db8::1]:80"),
        ];
        for (instance, wanted) in yes {
            assert!(is_at(instance, wanted), "{wanted} is {instance}");
        }
        let no = [
            ("10.0.0.1:80", "10.0.0.1:8"),
            ("10.0.0.10:80", "10.0.0.1"),
            ("10.0.0.1:80@a", "10.0.0.1:80@b"),
            ("10.0.0.1:80@a", "a"),
            ("10.0.0.1:80", ""),
        ];
        for (instance, wanted) in no {
            assert!(!is_at(instance, wanted), "{wanted} is not {instance}");
        }
    }
}
