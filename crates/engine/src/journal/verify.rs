//! Whether the journal is still what was written.

use std::path::PathBuf;

use super::error::JournalError;
use super::frame::{Found, Frame, Hash};
use super::read::{JournalReader, read};
use super::segment::Segment;
use crate::store::to_hex;

/// Problems beyond this many are counted, not listed.
const LISTED_PROBLEMS: usize = 100;

/// What a walk over the whole journal found.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Verification {
    /// How many segments there are.
    pub segments: usize,
    /// How many whole records there are.
    pub records: u64,
    /// The number of the oldest record.
    pub first: Option<u64>,
    /// The number of the youngest record.
    pub last: Option<u64>,
    /// The hash of the youngest record, in hexadecimal digits; to be compared
    /// with one that was kept elsewhere.
    pub head: Option<String>,
    /// Bytes at the very end that are no record yet: one is being written, or
    /// was when a crash came.
    pub unfinished_bytes: u64,
    /// The first hundred things that are wrong.
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub more_problems: u64,
}

/// One thing that is wrong with the journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Problem {
    /// Bytes that are no record.
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where they begin.
        from: u64,
        /// How many there are.
        bytes: u64,
    },
    /// A segment that does not begin as one.
    NoHead {
        /// The segment.
        path: PathBuf,
    },
    /// Records are missing, or stand twice.
    Jump {
        /// The number that had to follow.
        expected: u64,
        /// The number that follows.
        found: u64,
    },
    /// A record is not chained to the one before it: one of the two, or what
    /// stood between them, was rewritten.
    Unchained {
        /// The record.
        number: u64,
    },
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    fn report(&mut self, problem: Problem) {
        if self.problems.len() < LISTED_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.more_problems += 1;
        }
    }
}

impl JournalReader {
    /// Reads everything and checks that each record is whole and chained to the
    /// one before it.
    ///
    /// What this cannot find is a journal rewritten from some record on to its
    /// end, or cut there: for that its head has to be compared with an older
    /// one that was kept elsewhere.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn verify(&self) -> Result<Verification, JournalError> {
        let segments = self.segments()?;
        let mut walk = Walk {
            found: Verification {
                segments: segments.len(),
                ..Verification::default()
            },
            expected: None,
        };
        let last = segments.len().saturating_sub(1);
        for (at, segment) in segments.iter().enumerate() {
            if let Some(bytes) = read(segment)? {
                walk.segment(segment, &bytes, at == last);
            }
        }
        if walk.found.records > 0 {
            walk.found.head = walk.expected.map(|(_, hash)| to_hex(&hash));
        }
        Ok(walk.found)
    }
}

struct Walk {
    found: Verification,
    /// The number that must come next and the hash that it must be chained to;
    /// the oldest segment is believed to begin where it says.
    expected: Option<(u64, Hash)>,
}

impl Walk {
    fn segment(&mut self, segment: &Segment, bytes: &[u8], is_last: bool) {
        match segment.head {
            Some(head) => self.link(head.first, head.previous),
            None => self.found.report(Problem::NoHead {
                path: segment.path.clone(),
            }),
        }
        for found in segment.frames(bytes) {
            match found {
                Found::Record(frame) => self.record(&frame),
                Found::Damage(range) if is_last && range.end == bytes.len() => {
                    self.found.unfinished_bytes = range.len() as u64;
                }
                Found::Damage(range) => self.found.report(Problem::Damaged {
                    path: segment.path.clone(),
                    from: range.start as u64,
                    bytes: range.len() as u64,
                }),
            }
        }
    }

    fn record(&mut self, frame: &Frame<'_>) {
        self.link(frame.number, frame.previous);
        self.found.records += 1;
        self.found.first.get_or_insert(frame.number);
        self.found.last = Some(frame.number);
        self.expected = Some((frame.number.saturating_add(1), frame.hash()));
    }

    fn link(&mut self, number: u64, previous: Hash) {
        let (expected, hash) = *self.expected.get_or_insert((number, previous));
        if number != expected {
            self.found.report(Problem::Jump {
                expected,
                found: number,
            });
        } else if previous != hash {
            self.found.report(Problem::Unchained { number });
        }
        // One problem is told once, not again by all that follows.
        self.expected = Some((number, previous));
    }
}
