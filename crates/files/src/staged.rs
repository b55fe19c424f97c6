//! A new version of a file, whole and on the disk, that does not count yet.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::error::FileError;

/// A new version of a file, beside the one that counts. Dropped, it is gone.
///
/// Its name is the file's with a dot before and `.syncline` behind, which no
/// pattern of a consumer matches (Prometheus's `*.json` also takes hidden
/// files), and always the same, so that a crash leaves one behind at most.
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
    target: PathBuf,
    in_place: bool,
}

impl Staged {
    /// Writes and syncs a new version, with the mode and the owner of the file
    /// that counts. A link is followed: the file that it leads to is meant.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn beside(target: &Path, bytes: &[u8]) -> Result<Self, FileError> {
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
        let refused = |doing| FileError::refused(doing, &target);
        fs::create_dir_all(folder_of(&target)).map_err(refused("make the folder of"))?;
        let path = hidden_beside(&target, "syncline");
        let mut file = create(&path).map_err(refused("stage a new version beside"))?;
        let staged = Self {
            path,
            target: target.clone(),
            in_place: false,
        };
        file.write_all(bytes).map_err(refused("stage"))?;
        set_mode_and_owner(&file, &target).map_err(refused("set the mode of"))?;
        file.sync_all().map_err(refused("sync"))?;
        Ok(staged)
    }

    /// Where it is, for whoever tries it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it count.
    ///
    /// # Errors
    /// When the system refuses; the old file still counts then.
    pub fn put(mut self) -> Result<(), FileError> {
        let refused = |doing| FileError::refused(doing, &self.target);
        fs::rename(&self.path, &self.target).map_err(refused("swap in"))?;
        self.in_place = true;
        sync_folder(folder_of(&self.target)).map_err(refused("sync the folder of"))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.in_place {
            // What stays behind is replaced by the next one.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// A file that nobody else can have put there, in place of one that a crash
/// left behind.
fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// `.NAME.SUFFIX` in the same folder.
pub(crate) fn hidden_beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or(OsStr::new("")));
    name.push(".");
    name.push(suffix);
    folder_of(path).join(name)
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A new file is readable by all, as consumers usually run as somebody else; an
/// existing one keeps its mode, and its owner and group as far as we may give
/// files away.
fn set_mode_and_owner(staged: &File, path: &Path) -> io::Result<()> {
    let Ok(existing) = fs::metadata(path) else {
        return staged.set_permissions(fs::Permissions::from_mode(0o644));
    };
    let ours = staged.metadata()?;
    if (existing.uid(), existing.gid()) != (ours.uid(), ours.gid()) {
        let (owner, group) = (Some(existing.uid()), Some(existing.gid()));
        // Only root may change the owner; everybody may give a file to a group
        // of their own.
        if fchown(staged, owner, group).is_err() && fchown(staged, None, group).is_err() {
            tracing::debug!(path = %path.display(), "the file has another owner from now on");
        }
    }
    // After the owner, whose change takes away special bits.
    staged.set_permissions(existing.permissions())
}

pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_in(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("listed");
        let names = entries.map(|entry| entry.expect("readable").file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn what_is_staged_counts_once_it_is_put() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.json");
        let staged = Staged::beside(&path, b"new").expect("staged");
        assert_eq!(names_in(folder.path()), [".list.json.syncline"]);
        assert_eq!(fs::read(staged.path()).expect("there"), b"new");
        staged.put().expect("put");
        assert_eq!(names_in(folder.path()), ["list.json"]);
    }

    #[test]
    fn what_is_dropped_or_left_by_a_crash_is_in_nobodys_way() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.json");
        drop(Staged::beside(&path, b"bad").expect("staged"));
        assert_eq!(names_in(folder.path()), [""; 0]);
        let left = Staged::beside(&path, b"torn").expect("staged");
        std::mem::forget(left);
        Staged::beside(&path, b"new")
            .expect("staged")
            .put()
            .expect("put");
        assert_eq!(names_in(folder.path()), ["list.json"]);
        assert_eq!(fs::read(&path).expect("there"), b"new");
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").expect("written");
        std::os::unix::fs::symlink(&real, &link).expect("linked");
        Staged::beside(&link, b"new")
            .expect("staged")
            .put()
            .expect("put");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read(&real).expect("there"), b"new");
    }

    #[test]
    fn the_mode_of_an_existing_file_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.json");
        let mode = || fs::metadata(&path).expect("there").permissions().mode() & 0o7777;
        let put = |text: &[u8]| Staged::beside(&path, text).and_then(Staged::put);
        put(b"new").expect("put");
        assert_eq!(mode(), 0o644);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("set");
        put(b"newer").expect("put");
        assert_eq!(mode(), 0o640);
    }

    #[test]
    fn the_owner_of_an_existing_file_is_kept_where_we_may() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.json");
        fs::write(&path, "old").expect("written");
        let may = fchown(File::open(&path).expect("there"), Some(65534), Some(65534)).is_ok();
        let owners = || {
            let metadata = fs::metadata(&path).expect("there");
            (metadata.uid(), metadata.gid())
        };
        let before = owners();
        Staged::beside(&path, b"new")
            .expect("staged")
            .put()
            .expect("put");
        assert_eq!(owners(), before);
        assert_eq!(before == (65534, 65534), may, "it was given away, or not");
    }
}
