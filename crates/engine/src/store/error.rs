//! What can go wrong with the store, in the terms in which the engine decides.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::codec::RecordError;
use crate::journal::JournalError;

/// A failed operation of the store.
///
/// It can be cloned because one failed commit answers every batch that shared
/// it.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// Another daemon has the state directory.
    #[error("the state directory {} is in use by {by}", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// Who has it: process id, command and start, as far as it said so.
        by: String,
    },
    /// A newer Syncline wrote the store; this one would lose what it does not know.
    #[error(
        "the store {} has schema {found}, and this Syncline knows schemas up to {known}: \
         run the newer version, or restore the state from before the upgrade",
        path.display()
    )]
    NewerSchema {
        /// The store's file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema known here.
        known: u32,
    },
    /// The store belongs to another install: what its ledger owns, this one does not.
    #[error(
        "the store {} belongs to the install {found}, and this one is {expected}",
        path.display()
    )]
    ForeignInstall {
        /// The store's file.
        path: PathBuf,
        /// The install that wrote it.
        found: String,
        /// This install.
        expected: String,
    },
    /// No space is left, or a quota is used up.
    #[error("no space is left for {doing}")]
    Full {
        /// What was being attempted.
        doing: Arc<str>,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The disk or the system failed.
    #[error("{doing} failed")]
    Io {
        /// What was being attempted.
        doing: Arc<str>,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The store's file is damaged.
    #[error("{doing} found the store damaged: {why}")]
    Corrupt {
        /// What was being attempted.
        doing: Arc<str>,
        /// What is wrong with it.
        why: String,
    },
    /// One record is damaged; the others are not.
    #[error("the {table} record of {key} cannot be used: {why}")]
    BadRecord {
        /// The table it stands in.
        table: &'static str,
        /// Whose record it is, as far as its key says so.
        key: String,
        /// What is wrong with it.
        why: RecordError,
    },
    /// Something failed before, and nothing is tried again on the same handle.
    #[error("the store is out of service since an earlier failure: {why}")]
    Degraded {
        /// The earlier failure.
        why: Arc<str>,
    },
    /// The journal, which is written together with the store, failed.
    #[error("the journal could not be written")]
    Journal(#[source] JournalError),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    pub(super) fn io(doing: impl Into<Arc<str>>, source: io::Error) -> Self {
        let (doing, source) = (doing.into(), Arc::new(source));
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { doing, source }
            }
            _ => Self::Io { doing, source },
        }
    }

    /// An error of the file at a path.
    pub(super) fn at(doing: &str, path: &Path, source: io::Error) -> Self {
        Self::io(format!("{doing} {}", path.display()), source)
    }

    /// Sorts an error of the database into what the disk did and what is wrong
    /// with the file.
    pub(super) fn database(doing: impl Into<Arc<str>>, error: impl Into<redb::Error>) -> Self {
        let doing = doing.into();
        match error.into() {
            // A file that is no database or that ends early is damaged; the
            // disk answered.
            redb::Error::Io(source)
                if matches!(
                    source.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ) =>
            {
                Self::Corrupt {
                    doing,
                    why: source.to_string(),
                }
            }
            redb::Error::Io(source) => Self::io(doing, source),
            redb::Error::DatabaseClosed => Self::Closed,
            redb::Error::PreviousIo => Self::Degraded {
                why: format!("{doing} came after a failed read or write").into(),
            },
            error => Self::Corrupt {
                doing,
                why: error.to_string(),
            },
        }
    }

    /// The message with all its causes, for states that keep text.
    pub(super) fn chain(&self) -> Arc<str> {
        chain(self).into()
    }
}

/// An error's message followed by those of its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
