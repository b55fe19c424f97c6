//! What can go wrong with a file.

use std::io;
use std::path::{Path, PathBuf};

use syncline_contract::{Class, Failure, Whose};
use thiserror::Error;

/// A file could not be put in place; the old one is as it was.
#[derive(Debug, Error)]
pub enum FileError {
    /// The system refused.
    #[error("{doing} {}", path.display())]
    Refused {
        /// What was tried, such as `swap in`.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process writes it.
    #[error("another process writes {}", path.display())]
    InUse {
        /// Which file, or which folder of files.
        path: PathBuf,
    },
}

impl FileError {
    pub(crate) fn refused(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Refused {
            doing,
            path: path.to_owned(),
            source,
        }
    }
}

/// All of it may pass by itself: disks get room again, and the process that has
/// a file is often one that is about to end.
impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let (whose, path) = match &error {
            FileError::Refused { path, .. } => (Whose::Us, path),
            FileError::InUse { path } => (Whose::Configuration, path),
        };
        Self::new(Class::Transient, format!("write {}", path.display()))
            .blaming(whose)
            .because(error)
    }
}
