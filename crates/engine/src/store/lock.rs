//! One state directory, one daemon: whoever comes second is told who is there.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::StoreError;

const FILE: &str = "lock";
/// More than any owner writes.
const MAX_OWNER_BYTES: u64 = 64 * 1024;

/// Who asks for a state directory; shown to whoever asks for it next.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// The process.
    pub pid: u32,
    /// When it started, in milliseconds since the Unix epoch.
    pub started_at_ms: u64,
    /// What it was started as.
    pub command: String,
}

impl Claim {
    /// This process, now, as the command that it was called as.
    pub fn of_this_process(command: impl Into<String>, now_ms: u64) -> Self {
        Self {
            pid: std::process::id(),
            started_at_ms: now_ms,
            command: command.into(),
        }
    }
}

/// `process 42 (syncline run), which started at 2026-11-23T06:15:00Z`.
impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "process {} ({}), which started at {}",
            self.pid,
            self.command,
            timestamp(self.started_at_ms)
        )
    }
}

/// The claimed directory. The system lets go of the lock when the process ends,
/// however it ends, so a stale lock file never keeps anyone out.
#[derive(Debug)]
pub(super) struct DirLock {
    _file: File,
}

impl DirLock {
    /// Creates the directory where it is missing, readable for its owner only,
    /// and claims it.
    pub(super) fn claim(dir: &Path, claim: &Claim) -> Result<Self, StoreError> {
        create_dir(dir).map_err(|error| StoreError::at("creating", dir, error))?;
        let path = dir.join(FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| StoreError::at("opening", &path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse {
                    dir: dir.to_path_buf(),
                    by: owner(&file),
                });
            }
            Err(TryLockError::Error(error)) => {
                return Err(StoreError::at("locking", &path, error));
            }
        }
        // The lock holds without the owner's name: a full disk must not keep
        // the daemon from serving what it has.
        if let Err(error) = name_owner(&mut file, claim) {
            tracing::warn!(%error, path = %path.display(), "the lock file names no owner");
        }
        Ok(Self { _file: file })
    }
}

/// Creates a directory of state, readable for its owner only.
pub(crate) fn create_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Makes created, renamed and removed files of a directory last.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Moves a file to a name beside it that says when and why it was set aside,
/// and that no file has yet.
pub(super) fn set_aside(path: &Path, at_ms: u64) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stamp = timestamp(at_ms).strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut target = path.with_file_name(format!("{name}.damaged-{stamp}"));
    let mut number = 2;
    while target.try_exists()? {
        target = path.with_file_name(format!("{name}.damaged-{stamp}-{number}"));
        number += 1;
    }
    fs::rename(path, &target)?;
    if let Some(dir) = path.parent() {
        sync_dir(dir)?;
    }
    Ok(target)
}

fn timestamp(at_ms: u64) -> Timestamp {
    i64::try_from(at_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or(Timestamp::MAX)
}

fn name_owner(file: &mut File, claim: &Claim) -> io::Result<()> {
    file.set_len(0)?;
    let mut line = serde_json::to_vec(claim)?;
    line.push(b'\n');
    file.write_all(&line)
}

fn owner(file: &File) -> String {
    let mut text = String::new();
    match file.take(MAX_OWNER_BYTES).read_to_string(&mut text) {
        Ok(_) => serde_json::from_str::<Claim>(&text).map_or_else(
            |_| "a process that did not name itself".to_owned(),
            |claim| claim.to_string(),
        ),
        Err(error) => format!("another process (its name cannot be read: {error})"),
    }
}
