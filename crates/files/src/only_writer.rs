//! One process writes a file: two would take turns, and readers would see
//! services come and go.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::error::FileError;
use crate::staged::{folder_of, hidden_beside};

/// The right to write a file, or all files below a folder.
///
/// It is a lock on a hidden, empty file that stays where it is. The system lets
/// go of the lock when the process ends, however it ends.
#[derive(Debug)]
pub struct OnlyWriter {
    files: PathBuf,
    lock: PathBuf,
    held: Mutex<Option<File>>,
}

impl OnlyWriter {
    /// For one file: the lock is `.NAME.lock` beside it. Touches nothing yet.
    pub fn of_file(path: &Path) -> Self {
        Self::at(path, hidden_beside(path, "lock"))
    }

    /// For all files below a folder: the lock is `.syncline.lock` in it. Touches
    /// nothing yet.
    pub fn of_folder(path: &Path) -> Self {
        Self::at(path, path.join(".syncline.lock"))
    }

    fn at(files: &Path, lock: PathBuf) -> Self {
        Self {
            files: files.to_owned(),
            lock,
            held: Mutex::new(None),
        }
    }

    /// Makes sure that this process has the right; it keeps it until this value
    /// is dropped. Blocks for as long as the disk does.
    ///
    /// # Errors
    /// When another process has it, or the lock cannot be made.
    pub fn claim(&self) -> Result<(), FileError> {
        let mut held = self.held.lock();
        if held.is_some() {
            return Ok(());
        }
        let refused = |doing| FileError::refused(doing, &self.lock);
        fs::create_dir_all(folder_of(&self.lock)).map_err(refused("make the folder of"))?;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.lock)
            .map_err(refused("open"))?;
        match file.try_lock() {
            Ok(()) => {
                *held = Some(file);
                Ok(())
            }
            Err(TryLockError::WouldBlock) => Err(FileError::InUse {
                path: self.files.clone(),
            }),
            // Some network file systems have no locks; their files are written
            // all the same.
            Err(TryLockError::Error(error)) => {
                tracing::warn!(lock = %self.lock.display(), %error,
                    "nothing keeps a second process from writing here as well");
                *held = Some(file);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/list.json");
        let (first, second) = (OnlyWriter::of_file(&path), OnlyWriter::of_file(&path));
        first.claim().expect("free");
        first.claim().expect("held already");
        let error = second.claim().expect_err("taken");
        assert!(matches!(error, FileError::InUse { .. }), "{error}");
        OnlyWriter::of_file(&folder.path().join("deep/other.json"))
            .claim()
            .expect("another file");
        drop(first);
        second.claim().expect("free again");
    }

    #[test]
    fn a_folder_has_one_writer() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = OnlyWriter::of_folder(folder.path());
        first.claim().expect("free");
        let second = OnlyWriter::of_folder(folder.path());
        assert!(second.claim().is_err());
    }
}
