//! Replacing a file so that whoever reads it sees the old or the new one, whole,
//! also after a crash at any moment.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A file could not be replaced; the old one is as it was.
#[derive(Debug, Error)]
#[error("{doing} {}", path.display())]
pub(crate) struct ReplaceError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Replaces a file's content, keeping its mode; writes nothing where the bytes
/// are the same already.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), ReplaceError> {
    let failed = |doing| {
        move |source| ReplaceError {
            doing,
            path: path.to_owned(),
            source,
        }
    };
    if fs::read(path).is_ok_and(|current| current == bytes) {
        return Ok(());
    }
    let folder = folder_of(path);
    fs::create_dir_all(folder).map_err(failed("make the folder of"))?;
    let mut staged = tempfile::Builder::new()
        .prefix(".syncline-")
        .tempfile_in(folder)
        .map_err(failed("stage a new version beside"))?;
    staged.write_all(bytes).map_err(failed("stage"))?;
    set_mode(staged.as_file(), path).map_err(failed("set the mode of"))?;
    staged.as_file().sync_all().map_err(failed("sync"))?;
    staged
        .persist(path)
        .map_err(|error| error.error)
        .map_err(failed("swap in"))?;
    sync_folder(folder).map_err(failed("sync the folder of"))
}

/// Removes a file; one that is not there is fine.
pub(crate) fn remove(path: &Path) -> Result<(), ReplaceError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ReplaceError {
            doing: "remove",
            path: path.to_owned(),
            source: error,
        }),
        _ => Ok(()),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A new file is readable by all, as consumers usually run as somebody else; an
/// existing one keeps its mode.
fn set_mode(staged: &File, path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let permissions = match fs::metadata(path) {
            Ok(existing) => existing.permissions(),
            Err(_) => fs::Permissions::from_mode(0o644),
        };
        staged.set_permissions(permissions)
    }
    #[cfg(not(unix))]
    {
        Ok(())
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_the_old_or_the_new_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/list.json");
        replace(&path, b"one").expect("written");
        replace(&path, b"two").expect("replaced");
        assert_eq!(fs::read(&path).expect("there"), b"two");
        let files = fs::read_dir(path.parent().expect("has one")).expect("listed");
        assert_eq!(files.count(), 1, "no staged file stays");
    }

    #[cfg(unix)]
    #[test]
    fn the_mode_of_an_existing_file_is_kept() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.json");
        fs::write(&path, "old").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("set");
        replace(&path, b"new").expect("replaced");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
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
}
