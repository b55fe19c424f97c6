//! The journal's files: their names, their heads, and which there are.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::frame::{Hash, NO_HASH};

const PREFIX: &str = "journal-";
const SUFFIX: &str = ".log";
/// Name and version of the format.
const MAGIC: [u8; 8] = *b"SLJOUR\x00\x01";
pub(super) const HEAD_BYTES: usize = MAGIC.len() + 8 + 8 + 32 + 4;

/// What a segment begins with, so that the chain goes on when the segments
/// before it have been dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    /// The number of its first record.
    pub(super) first: u64,
    /// When it was begun, in milliseconds since the Unix epoch: no record of
    /// the segment before it is younger.
    pub(super) begun_at_ms: u64,
    /// The hash of the last record before it.
    pub(super) previous: Hash,
}

impl Head {
    /// The head of a journal's first segment.
    pub(super) fn first(begun_at_ms: u64) -> Self {
        Self {
            first: 0,
            begun_at_ms,
            previous: NO_HASH,
        }
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.begun_at_ms.to_le_bytes());
        bytes.extend_from_slice(&self.previous);
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// `None` for bytes that begin no segment of this format.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let checked = bytes.get(..HEAD_BYTES - 4)?;
        let rest = bytes.strip_prefix(&MAGIC)?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let (begun_at_ms, rest) = rest.split_first_chunk::<8>()?;
        let (previous, rest) = rest.split_first_chunk::<32>()?;
        let checksum = rest.first_chunk::<4>()?;
        (crc32fast::hash(checked).to_le_bytes() == *checksum).then(|| Self {
            first: u64::from_le_bytes(*first),
            begun_at_ms: u64::from_le_bytes(*begun_at_ms),
            previous: *previous,
        })
    }
}

/// One of the journal's files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Segment {
    /// Its place in the order.
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// `None` where the file does not begin as a segment does.
    pub(super) head: Option<Head>,
}

impl Segment {
    pub(super) fn path_of(dir: &Path, number: u64) -> PathBuf {
        dir.join(format!("{PREFIX}{number:06}{SUFFIX}"))
    }

    /// All segments of a folder in their order; other files are left alone.
    pub(super) fn list(dir: &Path) -> io::Result<Vec<Self>> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let number = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX))
                .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|number| number.parse().ok());
            if let Some(number) = number {
                segments.extend(Self::look(number, path)?);
            }
        }
        segments.sort_by_key(|segment| segment.number);
        Ok(segments)
    }

    /// `None` where retention dropped the file meanwhile.
    fn look(number: u64, path: PathBuf) -> io::Result<Option<Self>> {
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let bytes = file.metadata()?.len();
        let mut head = Vec::with_capacity(HEAD_BYTES);
        file.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
        Ok(Some(Self {
            number,
            path,
            bytes,
            head: Head::read(&head),
        }))
    }

    /// All of it; `None` where retention dropped the file meanwhile.
    pub(super) fn read(&self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(&self.path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A segment being written.
///
/// A seam: tests put a failing disk here.
pub(super) trait SegmentFile: Send {
    /// Writes all of it at the end of the file.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Brings what was written to disk.
    fn sync(&mut self) -> io::Result<()>;
}

impl SegmentFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Opens a segment to append to it, making the file where it is missing.
pub(super) type OpenSegment = Box<dyn Fn(&Path) -> io::Result<Box<dyn SegmentFile>> + Send>;

/// Segments on the disk.
pub(super) fn on_disk() -> OpenSegment {
    Box::new(|path| {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Box::new(file))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_and_any_flip_is_found() {
        let head = Head {
            first: 42,
            begun_at_ms: 1_700_000_000_000,
            previous: [7; 32],
        };
        let bytes = head.to_bytes();
        assert_eq!(Head::read(&bytes), Some(head));
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            assert_eq!(Head::read(&flipped), None, "byte {at}");
            assert_eq!(Head::read(&bytes[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn segments_are_listed_in_their_order_and_other_files_left_alone() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for name in [
            "journal-000010.log",
            "journal-000002.log",
            "journal-x.log",
            "notes",
        ] {
            fs::write(dir.path().join(name), b"").expect("writes");
        }
        let segments = Segment::list(dir.path()).expect("lists");
        let numbers: Vec<_> = segments.iter().map(|segment| segment.number).collect();
        assert_eq!(numbers, [2, 10]);
    }
}
