//! What can go wrong with the journal.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

/// A failed operation of the journal.
#[derive(Clone, Debug, Error)]
pub enum JournalError {
    /// No space is left, or a quota is used up.
    #[error("no space is left for {doing} {}", path.display())]
    Full {
        /// What was being attempted.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The disk or the system failed.
    #[error("{doing} {} failed", path.display())]
    Io {
        /// What was being attempted.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// Bytes in the middle of the journal are not the ones that were written.
    #[error("{} is damaged: {bytes} bytes from {from} on are no record", path.display())]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where the damage begins.
        from: u64,
        /// How far it reaches.
        bytes: u64,
    },
    /// A record is whole, and no line that this version can read.
    #[error("record {number} of the journal cannot be read")]
    Unreadable {
        /// The record.
        number: u64,
        /// What is wrong with it.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// Something failed before, and nothing is tried again on the same file.
    #[error("the journal is out of service since an earlier failure: {why}")]
    Degraded {
        /// The earlier failure.
        why: Arc<str>,
    },
}

impl JournalError {
    /// An error of the file or folder at a path.
    pub(super) fn at(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let (path, source) = (path.to_path_buf(), Arc::new(source));
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full {
                doing,
                path,
                source,
            },
            _ => Self::Io {
                doing,
                path,
                source,
            },
        }
    }

    /// The message with all its causes, for states that keep text.
    pub(crate) fn chain(&self) -> Arc<str> {
        crate::store::chain(self).into()
    }

    pub(super) fn unreadable(number: u64, source: serde_json::Error) -> Self {
        Self::Unreadable {
            number,
            source: Arc::new(source),
        }
    }
}
