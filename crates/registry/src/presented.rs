//! The Nacos version that the registry presents.

use std::fmt;
use std::str::FromStr;

use syncline_nacos::version::{ServerVersion, Versions};

/// The Nacos version whose HTTP answers the registry gives, and which it
/// states where clients ask for it.
///
/// What differs between versions follows from it: which paths there are, the
/// shapes of lists, and how refusals are worded. Everywhere v1 is complete, as
/// on a 3.x server with its compatibility switched on: clients of 1.x are
/// served by any of these.
///
/// Over gRPC the registry is the same whatever it presents: it negotiates
/// abilities and takes persistent instances, as 2.3 and later do. Fuzzy watch
/// alone is offered only where a 3.x is presented. Its port is
/// open also where a 1.x is presented, which has none: whoever asks there
/// wants more than that version, and gets it.
///
/// ```
/// use syncline_registry::PresentedVersion;
///
/// let version: PresentedVersion = "3.0.3".parse()?;
/// assert_eq!(version.to_string(), "3.0.3");
/// assert!("1.2.1".parse::<PresentedVersion>().is_err());
/// # Ok::<(), syncline_registry::NotPresented>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct PresentedVersion(ServerVersion);

/// Why a version is not presented.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("\"{0}\" is no Nacos version from 1.3.0 up to and including 3.1")]
pub struct NotPresented(String);

/// The answers of 1.3.0 are the oldest that are known; 3.2 has no v1.
const PRESENTED: Versions = Versions::since(1, 3, 0).until(3, 2, 0);

impl PresentedVersion {
    /// Whether it is of the first generation, whose lists and details have
    /// shapes of their own.
    pub(crate) fn is_first_generation(self) -> bool {
        !self.is_since(2, 0, 0)
    }

    /// Whether refusals of v1 are wrapped in `caused: …;`, and often come with
    /// status 500 (1.4).
    pub(crate) fn wraps_refusals(self) -> bool {
        self.is_first_generation() && self.is_since(1, 4, 0)
    }

    /// Whether metadata of many instances can be changed at once, and pages of
    /// services past the end are empty and no error.
    pub(crate) fn is_since_1_4(self) -> bool {
        self.is_since(1, 4, 0)
    }

    /// Whether pages of subscribers past the end still say how many there are.
    pub(crate) fn counts_past_the_end(self) -> bool {
        self.is_since(2, 1, 0)
    }

    /// Whether there are the calls with which 2.0 servers were upgraded.
    pub(crate) fn has_upgrade_ops(self) -> bool {
        self.is_since(2, 0, 2) && !self.has_v2()
    }

    /// Whether there is v2. What 2.0.4 to 2.1 have by that name is something
    /// else, which no client uses.
    pub(crate) fn has_v2(self) -> bool {
        self.is_since(2, 2, 0)
    }

    /// Whether the names of services stand under a key of their own making.
    pub(crate) fn names_oddly(self) -> bool {
        self.is_since(2, 2, 1)
    }

    /// Whether lists of namespaces have their descriptions.
    pub(crate) fn describes_namespaces(self) -> bool {
        self.is_since(2, 1, 0)
    }

    /// Whether public is described as others are, and not by words of its own.
    pub(crate) fn describes_public(self) -> bool {
        self.is_since(2, 5, 0)
    }

    /// Whether clusters' names are checked. 2.0 forgot to.
    pub(crate) fn checks_clusters(self) -> bool {
        self.is_first_generation() || self.is_since(2, 1, 0)
    }

    /// Whether the times of beats are checked.
    pub(crate) fn checks_beat_times(self) -> bool {
        self.is_since(2, 1, 0)
    }

    /// Whether there is v3, and the console of v1 and v2 is elsewhere.
    pub(crate) fn has_v3(self) -> bool {
        self.is_since(3, 0, 0)
    }

    /// Whether names of services can be watched by patterns.
    pub(crate) fn has_fuzzy_watch(self) -> bool {
        self.is_since(3, 0, 0)
    }

    /// Whether names and numbers are checked before anything is done (2.3).
    pub(crate) fn checks_parameters(self) -> bool {
        self.is_since(2, 3, 0)
    }

    /// Whether tokens are signed and told apart by Nacos's own code (2.2.1),
    /// which words refusals otherwise than the library before it.
    pub(crate) fn signs_tokens_itself(self) -> bool {
        self.is_since(2, 2, 1)
    }

    fn is_since(self, major: u16, minor: u16, patch: u16) -> bool {
        self.0 >= ServerVersion::new(major, minor, patch)
    }
}

/// 2.2.4: every client there is knows how to talk to it.
impl Default for PresentedVersion {
    fn default() -> Self {
        Self(ServerVersion::new(2, 2, 4))
    }
}

impl FromStr for PresentedVersion {
    type Err = NotPresented;

    fn from_str(text: &str) -> Result<Self, NotPresented> {
        let version = ServerVersion::parse(text);
        let version = version.filter(|version| PRESENTED.contains(*version));
        version.map(Self).ok_or_else(|| NotPresented(text.into()))
    }
}

impl TryFrom<String> for PresentedVersion {
    type Error = NotPresented;

    fn try_from(text: String) -> Result<Self, NotPresented> {
        text.parse()
    }
}

impl fmt::Display for PresentedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_versions_whose_answers_are_known_are_presented() {
        for (text, presented) in [
            ("2.2.0", true),
            ("v2.5.1", true),
            ("3.1.0-SNAPSHOT", true),
            ("1.3.0", true),
            ("1.4.8", true),
            ("2.1.2", true),
            ("1.2.1", false),
            ("3.2.0", false),
            ("latest", false),
        ] {
            let parsed = text.parse::<PresentedVersion>();
            assert_eq!(parsed.is_ok(), presented, "{text}");
        }
    }
}
