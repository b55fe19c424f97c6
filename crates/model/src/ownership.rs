//! Whose an instance is, and which way it came.
//!
//! Each copy carries a mark in its metadata, under [`MARK_KEY`]: the install
//! that wrote it and the registries it was in before, the first of which is its
//! origin. The mark is signed with the install's key together with the name
//! under which the copy stands, so that a mark that was copied to another
//! instance, or made up, is not taken for ours.
//!
//! A mark is a hint for finding copies again and for stopping loops between
//! installs. The ledger is what decides: registries lose marks, and bring back
//! old metadata for new instances (Nacos 2.x for 60 s). Deleting always needs
//! the ledger.
//!
//! The same copy always carries the same bytes. A mark names no process, time
//! or epoch, because replicas have to register equal bytes: Nacos shows unequal
//! ones twice.

mod text;

use std::fmt;

use ring::hmac;

use crate::bugs::Bug;
use crate::instance::{Instance, InstanceKey};
use crate::name::{EndpointName, InstallId, ServiceKey};

/// The metadata key under which marks travel.
pub const MARK_KEY: &str = "syncline";

/// How many registries a copy may have been in before. No sensible topology
/// comes near it; it stops what goes round between installs that do not know
/// each other's names.
pub const MAX_HOPS: usize = 8;

/// A registry on the way of an instance, as an install calls it. Two installs
/// may give one name to different registries, so the name alone says nothing.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Hop {
    /// Whose name for it this is.
    pub install: InstallId,
    /// The name.
    pub endpoint: EndpointName,
}

impl Hop {
    /// A registry as an install calls it.
    pub fn new(install: impl Into<InstallId>, endpoint: impl Into<EndpointName>) -> Self {
        Self {
            install: install.into(),
            endpoint: endpoint.into(),
        }
    }
}

/// `endpoint of install`, for people.
impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.endpoint, self.install)
    }
}

/// The registries an instance was in before it was copied to where it stands,
/// in order; the first is its origin.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Path {
    origin: Hop,
    then: Vec<Hop>,
}

impl Path {
    /// The way of an instance that was registered there by its application.
    pub fn from_origin(origin: Hop) -> Self {
        Self {
            origin,
            then: Vec::new(),
        }
    }

    /// Where it was registered by its application.
    pub fn origin(&self) -> &Hop {
        &self.origin
    }

    /// All registries, the origin first.
    pub fn hops(&self) -> impl Iterator<Item = &Hop> {
        std::iter::once(&self.origin).chain(&self.then)
    }

    /// How many registries there are; at least one.
    pub fn hop_count(&self) -> usize {
        1 + self.then.len()
    }

    /// Whether it was in that registry.
    pub fn visited(&self, hop: &Hop) -> bool {
        self.hops().any(|visited| visited == hop)
    }

    /// The way with one more registry at its end.
    pub fn extended(&self, hop: Hop) -> Self {
        let mut extended = self.clone();
        extended.then.push(hop);
        extended
    }
}

/// Whether an instance may be copied from one registry to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Carry {
    /// Yes; the copy has this path.
    Yes(Path),
    /// No: it was in that registry before.
    Loop(Hop),
    /// No: it was in [`MAX_HOPS`] registries before.
    TooFar,
}

/// Decides whether what stands in `from` may be copied to `to`.
///
/// `path` is what a mark or the ledger tells of the way to `from`; `None` says
/// that an application registered it there. An instance that came back to
/// `from` is not copied either: whoever copied it here copied a copy of what is
/// already known.
pub fn may_carry(path: Option<&Path>, from: &Hop, to: &Hop) -> Carry {
    if from == to {
        return Carry::Loop(to.clone());
    }
    let Some(path) = path else {
        return Carry::Yes(Path::from_origin(from.clone()));
    };
    let circles = |hop: &&Hop| path.visited(hop) && !Bug::NoPath.is_planted();
    if let Some(hop) = [to, from].into_iter().find(circles) {
        return Carry::Loop(hop.clone());
    }
    if path.hop_count() >= MAX_HOPS {
        return Carry::TooFar;
    }
    Carry::Yes(path.extended(from.clone()))
}

/// What a mark says.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Mark {
    /// Who wrote the copy.
    pub install: InstallId,
    /// Which way it came.
    pub path: Path,
}

impl Mark {
    /// Where its application registered it.
    pub fn origin(&self) -> &Hop {
        self.path.origin()
    }
}

/// What the mark of an instance is worth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MarkReading {
    /// This install wrote it, for exactly this instance.
    Ours(Mark),
    /// It says that another install wrote it, which nobody here can verify. It
    /// may keep us from copying the instance; it never makes it ours.
    OtherInstall(Mark),
    /// It says that this install wrote it, and that is not true of this
    /// instance; or it is no mark at all. The instance is taken as registered
    /// by its application.
    Forged,
    /// There is none.
    None,
}

impl MarkReading {
    /// The way that the instance came, as far as its mark tells.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Ours(mark) | Self::OtherInstall(mark) => Some(&mark.path),
            Self::Forged | Self::None => None,
        }
    }
}

/// The key is too short to be worth anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the install's key has {given} bytes; it needs {} or more",
    Signer::KEY_BYTES
)]
pub struct KeyTooShort {
    /// How many bytes there are.
    pub given: usize,
}

/// Signs and verifies marks for one install.
#[derive(Clone)]
pub struct Signer {
    install: InstallId,
    key: hmac::Key,
}

impl Signer {
    /// The least length of a key.
    pub const KEY_BYTES: usize = 16;

    /// 96 bits, which one can only try against a running install, and 16
    /// characters without padding.
    const SIGNATURE_BYTES: usize = 12;

    /// A signer with the install's key.
    ///
    /// # Errors
    /// The key has less than [`KEY_BYTES`](Self::KEY_BYTES).
    pub fn new(install: InstallId, key: &[u8]) -> Result<Self, KeyTooShort> {
        if key.len() < Self::KEY_BYTES {
            return Err(KeyTooShort { given: key.len() });
        }
        Ok(Self {
            install,
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
        })
    }

    /// Whose marks these are.
    pub fn install(&self) -> &InstallId {
        &self.install
    }

    /// A registry as this install calls it.
    pub fn hop(&self, endpoint: &EndpointName) -> Hop {
        Hop::new(self.install.clone(), endpoint.clone())
    }

    /// The mark of a copy that stands under that name at the target.
    pub fn sign(&self, service: &ServiceKey, instance: &InstanceKey, path: &Path) -> String {
        let body = text::body(&self.install, path);
        let signature = self.signature(&body, service, instance);
        text::signed(body, &signature)
    }

    /// The same copy with its mark.
    pub fn marked(&self, service: &ServiceKey, copy: &Instance, path: &Path) -> Instance {
        let mark = self.sign(service, &copy.key, path);
        Instance {
            metadata: copy.metadata.with(MARK_KEY, mark),
            ..copy.clone()
        }
    }

    /// Reads the mark of an instance that stands under that name.
    pub fn read(&self, service: &ServiceKey, instance: &Instance) -> MarkReading {
        self.verify(instance.metadata.get(MARK_KEY), service, &instance.key)
    }

    /// Reads a mark that stands at an instance.
    pub fn verify(
        &self,
        mark: Option<&str>,
        service: &ServiceKey,
        instance: &InstanceKey,
    ) -> MarkReading {
        let Some(mark) = mark else {
            return MarkReading::None;
        };
        let Some(parsed) = text::parse(mark) else {
            return MarkReading::Forged;
        };
        if parsed.mark.install != self.install {
            return MarkReading::OtherInstall(parsed.mark);
        }
        let expected = self.signature(parsed.body, service, instance);
        if equal(&expected, &parsed.signature) || Bug::ForgedMark.is_planted() {
            MarkReading::Ours(parsed.mark)
        } else {
            MarkReading::Forged
        }
    }

    fn signature(
        &self,
        body: &str,
        service: &ServiceKey,
        instance: &InstanceKey,
    ) -> [u8; Self::SIGNATURE_BYTES] {
        let mut hmac = hmac::Context::with_key(&self.key);
        let parts = [
            body,
            service.namespace.as_str(),
            service.group.as_str(),
            service.name.as_str(),
            instance.host.as_str(),
            instance.cluster.as_str(),
        ];
        for part in parts {
            // With its length, so that no two lists of parts read the same.
            hmac.update(&(part.len() as u64).to_be_bytes());
            hmac.update(part.as_bytes());
        }
        hmac.update(&instance.port.get().to_be_bytes());
        let mut signature = [0; Self::SIGNATURE_BYTES];
        signature.copy_from_slice(&hmac.sign().as_ref()[..Self::SIGNATURE_BYTES]);
        signature
    }
}

/// Compares without stopping at the first difference, so that the time it takes
/// does not tell how much of a signature was guessed.
fn equal(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0, |bits, (a, b)| bits | (a ^ b));
    a.len() == b.len() && differing == 0
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("install", &self.install)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
