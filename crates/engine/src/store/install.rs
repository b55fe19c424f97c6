//! Who this install is: an id that its marks bear, and the key that signs them.

use std::fmt;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use syncline_model::InstallId;
use thiserror::Error;

use super::lock::{create_dir, sync_dir};

const FILE: &str = "install.json";
const ID_BYTES: usize = 8;
const KEY_BYTES: usize = 32;
const MODE: u32 = 0o600;

/// The key that an install signs its marks with. It is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct InstallKey([u8; KEY_BYTES]);

impl InstallKey {
    /// The key from its 64 hexadecimal digits, as configuration gives it.
    pub fn from_hex(digits: &str) -> Option<Self> {
        from_hex(digits).map(Self)
    }

    /// The key itself, to sign with.
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for InstallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InstallKey(…)")
    }
}

/// One installation of Syncline, shared by its replicas.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Install {
    /// The name that its marks bear.
    pub id: InstallId,
    /// What its marks are signed with.
    pub key: InstallKey,
}

/// Why an install's identity could not be had.
#[derive(Debug, Error)]
pub enum InstallError {
    /// The file could not be read or written.
    #[error("{doing} {} failed", path.display())]
    Io {
        /// What was being attempted.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is there and is no identity. It is left as it is: a new one
    /// would no longer own what the old one wrote.
    #[error(
        "{} does not hold an install's id and key: restore it from a backup or from a replica; \
         without it nothing that was written before can be removed",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The system has no random numbers.
    #[error("the system gave no random numbers for a new install key")]
    NoRandomness,
}

/// The file's content.
#[derive(Serialize, Deserialize)]
struct Stored {
    id: String,
    key: String,
}

impl Install {
    /// Reads the identity from the state directory, or makes one where there is
    /// none. Of two processes that make one at the same time, both get the same.
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds something else.
    pub fn load_or_create(dir: &Path) -> Result<Self, InstallError> {
        let path = dir.join(FILE);
        let failed = |doing| {
            let path = path.clone();
            move |source| InstallError::Io {
                doing,
                path,
                source,
            }
        };
        match fs::read(&path) {
            Ok(bytes) => {
                keep_private(&path).map_err(failed("protecting"))?;
                return Self::parse(&bytes).ok_or(InstallError::Malformed { path });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("reading")(error)),
        }
        let install = Self::generate()?;
        create_dir(dir).map_err(failed("creating the directory of"))?;
        install.create(&path).map_err(failed("writing"))?;
        // Another process may have been faster; the file says who we are.
        let bytes = fs::read(&path).map_err(failed("reading"))?;
        Self::parse(&bytes).ok_or(InstallError::Malformed { path })
    }

    /// An identity that nothing remembers, for a run that writes nothing or
    /// leaves nothing behind.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, InstallError> {
        let random = SystemRandom::new();
        let (mut id, mut key) = ([0; ID_BYTES], [0; KEY_BYTES]);
        random
            .fill(&mut id)
            .and_then(|()| random.fill(&mut key))
            .map_err(|_| InstallError::NoRandomness)?;
        Ok(Self {
            id: InstallId::from(to_hex(&id)),
            key: InstallKey(key),
        })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(bytes).ok()?;
        let key = InstallKey::from_hex(&stored.key)?;
        (!stored.id.is_empty()).then(|| Self {
            id: InstallId::from(stored.id),
            key,
        })
    }

    /// Puts the file in place whole or not at all, and never over another.
    fn create(&self, path: &Path) -> io::Result<()> {
        // The id is random, so no other process or thread writes this file.
        let temporary = path.with_extension(format!("new-{}", self.id));
        let written = self
            .write(&temporary)
            .and_then(|()| match fs::hard_link(&temporary, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                linked => linked,
            });
        let removed = fs::remove_file(&temporary);
        written.and(removed)?;
        path.parent().map_or(Ok(()), sync_dir)
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let stored = Stored {
            id: self.id.as_str().to_owned(),
            key: to_hex(&self.key.0),
        };
        let mut line = serde_json::to_vec(&stored)?;
        line.push(b'\n');
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(MODE)
            .open(path)?;
        file.write_all(&line)?;
        file.sync_all()
    }
}

/// Takes the key out of the sight of others, where a copy or a restore left it
/// there.
fn keep_private(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    tracing::warn!(path = %path.display(), "others could read the install key; now they cannot");
    fs::set_permissions(path, Permissions::from_mode(MODE))
}

/// Two digits a byte.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let digits = digits.trim().as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_install_is_made_once_and_kept() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let state = dir.path().join("state");
        let made = Install::load_or_create(&state).expect("makes one");
        assert_eq!(Install::load_or_create(&state).expect("reads it"), made);
        assert_eq!(made.id.as_str().len(), 2 * ID_BYTES);
        let files: Vec<_> = fs::read_dir(&state).expect("is there").collect();
        assert_eq!(files.len(), 1, "no temporary file stays behind");

        let other = Install::load_or_create(&dir.path().join("other")).expect("makes one");
        assert_ne!(other.id, made.id);
        assert_ne!(other.key, made.key);
    }

    #[test]
    fn the_key_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let made = Install::load_or_create(dir.path()).expect("makes one");
        let path = dir.path().join(FILE);
        let mode = || fs::metadata(&path).expect("is there").permissions().mode() & 0o777;
        assert_eq!(mode(), MODE);

        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("is ours");
        Install::load_or_create(dir.path()).expect("reads it");
        assert_eq!(mode(), MODE);
        assert!(!format!("{made:?}").contains(&to_hex(&made.key.0)));
    }

    #[test]
    fn a_damaged_identity_is_never_replaced_by_a_new_one() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join(FILE);
        for damaged in [
            "",
            "{}",
            r#"{"id":"","key":""}"#,
            r#"{"id":"a","key":"zz"}"#,
        ] {
            fs::write(&path, damaged).expect("writes");
            let error = Install::load_or_create(dir.path()).expect_err("is damaged");
            assert!(matches!(error, InstallError::Malformed { .. }), "{error}");
            assert_eq!(fs::read_to_string(&path).expect("is there"), damaged);
        }
    }

    #[test]
    fn those_who_come_at_once_agree_on_one_identity() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let installs: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| Install::load_or_create(dir.path())))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("does not panic").expect("gets one"))
                .collect()
        });
        assert!(installs.iter().all(|install| *install == installs[0]));
    }
}
