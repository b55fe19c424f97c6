//! A loss that waits, as people and programs are told of it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::name::{LinkName, ServiceKey};
use crate::time::Moment;

use super::offer::{LostDigest, stable_hash};
use super::settings::Percent;

/// Whether the losses of a plan go through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The plan goes through as it is.
    Pass,
    /// Its losses wait; all else goes through.
    Hold(Hold),
}

/// Losses that wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hold {
    /// By which operators call it.
    pub id: HoldId,
    /// The service; `None` for a hold of all losses of the link.
    pub service: Option<ServiceKey>,
    /// Why it waits.
    pub reason: Reason,
    /// Since when.
    pub since: Moment,
    /// What has to happen for the losses to go through. Where the source shows
    /// the instances again, the hold ends as well, and nothing is lost.
    pub needs: Needs,
}

/// Names a hold by its content: replicas that hold the same losses name them
/// alike, and when other instances are lost the name is another, so nobody
/// approves what they did not see.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct HoldId(u64);

impl HoldId {
    pub(super) fn of_service(link: &LinkName, service: &ServiceKey, lost: LostDigest) -> Self {
        Self(stable_hash(&[
            b"service",
            link.as_str().as_bytes(),
            service.namespace.as_str().as_bytes(),
            service.group.as_str().as_bytes(),
            service.name.as_str().as_bytes(),
            &lost.get().to_le_bytes(),
        ]))
    }

    /// `services` is the sum of the ids of the services that wait.
    pub(super) fn of_link(link: &LinkName, services: u64) -> Self {
        Self(stable_hash(&[
            b"link",
            link.as_str().as_bytes(),
            &services.to_le_bytes(),
        ]))
    }

    pub(super) fn get(self) -> u64 {
        self.0
    }
}

/// 16 hexadecimal digits.
impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:016x}", self.0))
    }
}

/// Text that names no hold.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` names no hold; expected 16 hexadecimal digits")]
pub struct NotAHoldId(String);

impl FromStr for HoldId {
    type Err = NotAHoldId;

    fn from_str(text: &str) -> Result<Self, NotAHoldId> {
        let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        digits
            .then(|| u64::from_str_radix(text, 16).ok())
            .flatten()
            .map(Self)
            .ok_or_else(|| NotAHoldId(text.to_owned()))
    }
}

/// Why losses wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The service would have no instance in use any more.
    Zero {
        /// How many it has.
        had: u32,
    },
    /// The service would lose too much at once.
    ServiceShare {
        /// Net, within the window.
        lost: u32,
        /// The most that were in use within the window.
        of: u32,
        /// The setting.
        above: Percent,
        /// The setting.
        within: Duration,
    },
    /// The link would lose too much at once, so all its losses wait.
    LinkShare {
        /// Net, within the window, those that wait included.
        lost: u64,
        /// How many were in use.
        of: u64,
        /// The setting.
        above: Percent,
        /// The setting.
        within: Duration,
    },
    /// Too many services of the link would have no instance any more, so all
    /// its losses wait.
    ZeroServices {
        /// How many services, those that wait included.
        services: u64,
        /// The setting.
        more_than: u32,
        /// The setting.
        within: Duration,
    },
    /// An operator denied the loss.
    Denied {
        /// How many instances.
        lost: u32,
    },
}

impl Reason {
    /// One word, for metrics and records.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Zero { .. } => "zero",
            Self::ServiceShare { .. } => "service_share",
            Self::LinkShare { .. } => "link_share",
            Self::ZeroServices { .. } => "zero_services",
            Self::Denied { .. } => "denied",
        }
    }

    /// The setting that decides it, under the link's `guard`; `None` where an
    /// operator did.
    pub fn setting(&self) -> Option<&'static str> {
        match self {
            Self::Denied { .. } => None,
            decided => Some(decided.as_str()),
        }
    }
}

/// As a sentence without its end.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero { had } => write!(
                f,
                "the service would have no instance in use any more (of {had})"
            ),
            Self::ServiceShare {
                lost,
                of,
                above,
                within,
            } => write!(
                f,
                "the service would have lost {lost} of {of} instances within {within:?}, which is more than {above}"
            ),
            Self::LinkShare {
                lost,
                of,
                above,
                within,
            } => write!(
                f,
                "the link would have lost {lost} of {of} instances within {within:?}, which is more than {above}"
            ),
            Self::ZeroServices {
                services,
                more_than,
                within,
            } => write!(
                f,
                "{services} services of the link would have gone to zero within {within:?}, which is more than {more_than}"
            ),
            Self::Denied { lost } => {
                write!(f, "an operator denied the loss of {lost} instances")
            }
        }
    }
}

/// What has to happen for losses to go through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Needs {
    /// More complete views have to show the loss.
    Views {
        /// How many more.
        more: u32,
        /// How long after the last one the last of them has to be.
        over: Duration,
    },
    /// An operator has to approve it.
    Approval,
    /// Nothing, unless the operator who denied it approves it after all.
    Reversal,
}

impl Needs {
    /// How long to wait from the last view to the next; `None` where views do
    /// not help.
    pub fn next_view_after(&self) -> Option<Duration> {
        match *self {
            Self::Views { more, over } => Some(over / more.max(1)),
            Self::Approval | Self::Reversal => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_they_are_read() {
        let service = ServiceKey::new("public", "G", "order");
        let id = HoldId::of_service(&"hz".into(), &service, LostDigest::new(7));
        let text = id.to_string();
        assert_eq!(text.len(), 16);
        assert_eq!(text.parse(), Ok(id));
        for bad in ["", "1", "+00000000000000f", "000000000000000g"] {
            assert!(bad.parse::<HoldId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_name_link_service_and_losses() {
        let id = |link: &str, name: &str, lost| {
            let service = ServiceKey::new("public", "G", name);
            HoldId::of_service(&link.into(), &service, LostDigest::new(lost))
        };
        let ids = [
            id("a", "s", 1),
            id("b", "s", 1),
            id("a", "t", 1),
            id("a", "s", 2),
            HoldId::of_link(&"a".into(), 1),
        ];
        for (at, one) in ids.iter().enumerate() {
            assert!(ids[at + 1..].iter().all(|other| other != one));
        }
        // Written down: replicas of two releases have to name holds alike.
        assert_eq!(id("a", "s", 1).to_string(), "7dc6be97af626149");
    }

    #[test]
    fn views_are_asked_for_evenly() {
        let needs = |more, seconds| Needs::Views {
            more,
            over: Duration::from_secs(seconds),
        };
        let ten = Some(Duration::from_secs(10));
        assert_eq!(needs(2, 20).next_view_after(), ten);
        assert_eq!(needs(0, 10).next_view_after(), ten);
        assert_eq!(Needs::Approval.next_view_after(), None);
    }
}
