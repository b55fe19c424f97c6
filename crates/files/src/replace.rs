//! The whole way of a new version, and of files that go.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use syncline_contract::{Class, Failure};

use crate::error::FileError;
use crate::only_writer::OnlyWriter;
use crate::staged::Staged;

/// What a file is to be: these bytes, or not there.
pub type FileChange = (PathBuf, Option<Vec<u8>>);

/// Replaces a file's content; writes nothing where the bytes are the same
/// already. Says whether it wrote.
///
/// # Errors
/// When the disk refuses; the old file is as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<bool, FileError> {
    if fs::read(path).is_ok_and(|current| current == bytes) {
        return Ok(false);
    }
    Staged::beside(path, bytes)?.put()?;
    Ok(true)
}

/// Removes a file; one that is not there is fine.
///
/// # Errors
/// When the disk refuses.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FileError::refused("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Puts files in place that nobody else may write, apart from the async
/// runtime, since writing and syncing may block for long on a sick disk. Each is
/// written, also after one that failed.
///
/// # Errors
/// The first failure; the file that it is about is as it was.
pub async fn put_all(writer: &Arc<OnlyWriter>, files: Vec<FileChange>) -> Result<(), Failure> {
    let writer = Arc::clone(writer);
    tokio::task::spawn_blocking(move || {
        writer.claim()?;
        let mut errors = files.into_iter().filter_map(|file| put(file).err());
        let first = errors.next();
        errors.for_each(|error| tracing::debug!("{}", Failure::from(error).chain()));
        first.map_or(Ok(()), Err)
    })
    .await
    .map_err(|panic| Failure::new(Class::Fatal, "write files").because(panic))?
    .map_err(Failure::from)
}

fn put((path, bytes): FileChange) -> Result<(), FileError> {
    match bytes {
        Some(bytes) => replace(&path, &bytes).map(drop),
        None => remove(&path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_are_not_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/list.json");
        assert!(replace(&path, b"one").expect("written"));
        assert!(replace(&path, b"two").expect("replaced"));
        assert!(!replace(&path, b"two").expect("the same"));
        assert_eq!(fs::read(&path).expect("there"), b"two");
        let files = fs::read_dir(path.parent().expect("has one")).expect("listed");
        assert_eq!(files.count(), 1, "no staged file stays");
    }

    #[test]
    fn a_failed_swap_leaves_the_old_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a-folder-stands-here");
        fs::create_dir(&path).expect("made");
        let error = replace(&path, b"new").expect_err("a folder cannot be replaced");
        assert!(error.to_string().starts_with("swap in "), "{error}");
        assert!(path.is_dir());
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_holds_up_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let (bad, good) = (folder.path().join("a"), folder.path().join("b"));
        fs::create_dir(&bad).expect("in the way");
        let writer = Arc::new(OnlyWriter::of_folder(folder.path()));
        let files = [&bad, &good].map(|path| (path.clone(), Some(b"new".to_vec())));
        let failure = put_all(&writer, files.to_vec())
            .await
            .expect_err("in the way");
        assert!(failure.chain().contains("/a: "), "{}", failure.chain());
        assert!(good.is_file());
    }

    #[tokio::test]
    async fn what_another_process_writes_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.json");
        let other = OnlyWriter::of_file(&path);
        other.claim().expect("free");
        let writer = Arc::new(OnlyWriter::of_file(&path));
        let files = vec![(path.clone(), Some(b"new".to_vec()))];
        let refused = put_all(&writer, files.clone()).await.expect_err("taken");
        assert!(refused.chain().contains("another process writes"));
        assert!(!path.exists());
        drop(other);
        put_all(&writer, files).await.expect("free now");
        assert!(path.is_file());
    }
}
