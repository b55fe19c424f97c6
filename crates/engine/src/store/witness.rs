//! What tells a store from an older state of itself.
//!
//! The database keeps its last two commits side by side, and one bit says which
//! of them counts; a backup brings an old file back whole. Either would pass
//! every checksum, and would own again what was given up since. So each commit
//! bears a number, and the number of the last one that reached the disk is also
//! written here. It is not synced: after a power loss it may be too low, which
//! proves nothing, but it is never too high.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const FILE: &str = "store.witness";
const BYTES: usize = 12;

pub(super) struct Witness {
    path: PathBuf,
    /// Opened with the first commit, so that looking at a store writes nothing.
    file: Option<File>,
}

impl Witness {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            path: dir.join(FILE),
            file: None,
        }
    }

    /// The number of the last commit that was witnessed; zero where nothing
    /// that can be believed is known.
    pub(super) fn last_commit(&self) -> u64 {
        fs::read(&self.path)
            .ok()
            .and_then(|bytes| parse(&bytes))
            .unwrap_or(0)
    }

    /// Notes that a commit is on disk. Failing here costs a later comparison
    /// and nothing else.
    pub(super) fn note(&mut self, commit: u64) {
        if let Err(error) = self.write(commit) {
            tracing::debug!(%error, path = %self.path.display(), "a commit went unwitnessed");
        }
    }

    fn write(&mut self, commit: u64) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .open(&self.path)?;
                self.file.insert(file)
            }
        };
        let mut bytes = [0; BYTES];
        bytes[..8].copy_from_slice(&commit.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..8]);
        bytes[8..].copy_from_slice(&checksum.to_le_bytes());
        file.write_all_at(&bytes, 0)
    }
}

fn parse(bytes: &[u8]) -> Option<u64> {
    let bytes: &[u8; BYTES] = bytes.try_into().ok()?;
    let (commit, checksum) = bytes.split_first_chunk::<8>()?;
    (crc32fast::hash(commit).to_le_bytes() == checksum).then(|| u64::from_le_bytes(*commit))
}
