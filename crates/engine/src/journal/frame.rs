//! How one record stands in a segment, and how records are found again in one
//! that was torn or damaged.
//!
//! A frame is: marker, length, checksum, number, hash of the record before, and
//! the line. The marker's first and last byte occur in no UTF-8 text, so no line
//! can pass for a frame, and after damage the next whole frame is found.

use std::ops::Range;

use ring::digest::{Context, SHA256};

/// What a record is chained by: SHA-256 over the hash of the record before it,
/// its number, and its line.
pub(super) type Hash = [u8; 32];

/// The chain's first link: no record came before.
pub(super) const NO_HASH: Hash = [0; 32];

/// Longer lines are shortened before they are written, and not believed when
/// they are read.
pub(super) const MAX_LINE_BYTES: usize = 1024 * 1024;

const MARKER: [u8; 4] = [0xf5, b'S', b'L', 0xf6];
pub(super) const HEAD_BYTES: usize = MARKER.len() + 4 + 4 + 8 + 32;

/// One record as it stands in a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Frame<'a> {
    /// Its number: one more than the record before.
    pub(super) number: u64,
    /// The hash of the record before.
    pub(super) previous: Hash,
    /// One line of JSON.
    pub(super) line: &'a [u8],
}

impl<'a> Frame<'a> {
    /// What the next record will be chained to.
    pub(super) fn hash(&self) -> Hash {
        let mut context = Context::new(&SHA256);
        context.update(&self.previous);
        context.update(&self.number.to_le_bytes());
        context.update(self.line);
        let mut hash = NO_HASH;
        hash.copy_from_slice(context.finish().as_ref());
        hash
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        // Lines are cut to far less than four gigabytes.
        let length = u32::try_from(self.line.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&MARKER);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&self.checksum().to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.previous);
        out.extend_from_slice(self.line);
    }

    /// The frame at the start of the bytes, and its length; `None` where no
    /// whole one stands.
    fn read(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let rest = bytes.strip_prefix(&MARKER)?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (checksum, rest) = rest.split_first_chunk::<4>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let (previous, rest) = rest.split_first_chunk::<32>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        if length > MAX_LINE_BYTES {
            return None;
        }
        let frame = Self {
            number: u64::from_le_bytes(*number),
            previous: *previous,
            line: rest.get(..length)?,
        };
        (frame.checksum() == u32::from_le_bytes(*checksum)).then_some((frame, HEAD_BYTES + length))
    }

    fn checksum(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.number.to_le_bytes());
        hasher.update(&self.previous);
        hasher.update(self.line);
        hasher.finalize()
    }
}

/// What stands in a segment, from one offset to the next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Found<'a> {
    /// A whole record.
    Record(Frame<'a>),
    /// Bytes that belong to no whole record: torn where they reach the end,
    /// damaged where records follow.
    Damage(Range<usize>),
}

/// The records of a segment and the damage between them, in order.
pub(super) struct Frames<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Frames<'a> {
    /// Reads a segment's bytes from an offset on.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        if let Some((frame, length)) = Frame::read(rest) {
            self.at += length;
            return Some(Found::Record(frame));
        }
        let from = self.at;
        // Records are looked for wherever a marker stands; a marker's first byte
        // is rare, so this is one pass over the damage.
        let next = (from + 1..self.bytes.len())
            .filter(|at| self.bytes[*at] == MARKER[0])
            .find(|at| Frame::read(&self.bytes[*at..]).is_some());
        self.at = next.unwrap_or(self.bytes.len());
        Some(Found::Damage(from..self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(lines: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut previous = NO_HASH;
        for (number, line) in (0..).zip(lines) {
            let frame = Frame {
                number,
                previous,
                line: line.as_bytes(),
            };
            frame.write(&mut bytes);
            previous = frame.hash();
        }
        bytes
    }

    fn lines(bytes: &[u8]) -> Vec<Result<String, Range<usize>>> {
        Frames::new(bytes, 0)
            .map(|found| match found {
                Found::Record(frame) => Ok(String::from_utf8_lossy(frame.line).into_owned()),
                Found::Damage(range) => Err(range),
            })
            .collect()
    }

    #[test]
    fn records_come_back_in_order() {
        let bytes = segment(&["{}", "", r#"{"a":1}"#]);
        assert_eq!(
            lines(&bytes),
            [Ok("{}".into()), Ok(String::new()), Ok(r#"{"a":1}"#.into())]
        );
    }

    #[test]
    fn a_cut_anywhere_leaves_every_record_before_it() {
        let whole = segment(&["first", "second"]);
        let first = HEAD_BYTES + "first".len();
        for cut in first + 1..whole.len() {
            let found = lines(&whole[..cut]);
            assert_eq!(found, [Ok("first".into()), Err(first..cut)], "cut at {cut}");
        }
        assert_eq!(lines(&whole[..first]), [Ok("first".into())]);
    }

    #[test]
    fn a_flipped_bit_costs_its_record_and_no_other() {
        let whole = segment(&["first", "second", "third"]);
        let second = HEAD_BYTES + "first".len();
        let third = second + HEAD_BYTES + "second".len();
        for at in second..third {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                assert_eq!(
                    lines(&bytes),
                    [Ok("first".into()), Err(second..third), Ok("third".into())],
                    "bit {bit} of byte {at}"
                );
            }
        }
    }

    #[test]
    fn each_field_goes_into_the_hash() {
        let frame = Frame {
            number: 1,
            previous: NO_HASH,
            line: b"{}",
        };
        let mut others = [frame; 3];
        others[0].number = 2;
        others[1].previous[31] = 1;
        others[2].line = b"[]";
        assert!(others.iter().all(|other| other.hash() != frame.hash()));
        assert_eq!(frame.hash(), { frame }.hash());
    }
}
