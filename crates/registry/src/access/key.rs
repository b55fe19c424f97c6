//! The key of tokens, where no operator sets it.

use std::io::{self, Read as _, Write as _};
use std::path::Path;

use ring::rand::{SecureRandom as _, SystemRandom};

use super::settings::TokenKey;

/// Its name in the folder.
const FILE: &str = "token-key";

/// A key for as long as the process lives. Without randomness there can be none.
pub(super) fn random() -> io::Result<TokenKey> {
    let mut bytes = [0; TokenKey::SHORTEST_BYTES];
    let filled = SystemRandom::new().fill(&mut bytes);
    let key = filled.ok().and_then(|()| TokenKey::new(bytes));
    key.ok_or_else(|| io::Error::other("the system gives no random numbers"))
}

/// The key that is kept in a folder, made where there is none: Java clients
/// before 2.5 do not log in again when their token is refused, so a restart
/// must not end tokens. Only the owner may read it.
pub(super) fn kept(folder: &Path) -> io::Result<TokenKey> {
    let path = folder.join(FILE);
    match std::fs::File::open(&path) {
        Ok(file) => {
            let mut bytes = Vec::new();
            file.take(1024).read_to_end(&mut bytes)?;
            TokenKey::new(bytes)
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is too short"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(folder, &path),
        Err(error) => Err(error),
    }
}

/// Complete or not there at all, whenever the process ends.
fn make(folder: &Path, path: &Path) -> io::Result<TokenKey> {
    let key = random()?;
    let unfinished = folder.join(format!("{FILE}.new"));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(key.bytes())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let made = kept(folder.path())?;
        assert_eq!(kept(folder.path())?, made);
        assert_ne!(random()?, made);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let file = std::fs::metadata(folder.path().join(FILE))?;
            assert_eq!(file.permissions().mode() & 0o077, 0);
        }
        Ok(())
    }

    #[test]
    fn a_damaged_key_is_told() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join(FILE), b"short")?;
        assert!(kept(folder.path()).is_err());
        Ok(())
    }
}
