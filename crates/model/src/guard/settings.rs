//! What the guard of a link is told by its configuration.

use std::time::Duration;

/// The thresholds of a link's guard. The fields are named as in the
/// configuration, under `guard`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// What lets a service go to zero, and what lets a loss go that
    /// `service_share` holds.
    pub zero: Confirmation,
    /// How much of one service is too much at once.
    pub service_share: ServiceShare,
    /// How much of the link is too much at once.
    pub link_share: LinkShare,
    /// How many services to zero are too many at once.
    pub zero_services: ZeroServices,
}

/// Views that have to agree on a loss.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Confirmation {
    /// How many complete views have to show it. With 1 and no time, the first
    /// is believed.
    pub views: u32,
    /// How long at least from the first to the last of them.
    pub over: Duration,
}

/// `service_share`: more than a share of one service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServiceShare {
    /// More than this share of the most instances that were in use. With 100 %
    /// the rule never holds anything.
    pub above: Percent,
    /// Only where at least so many instances were in use.
    pub from: u32,
    /// Within this time.
    pub within: Duration,
}

/// `link_share`: more than a share of all instances of the link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkShare {
    /// More than this share of the instances in use. With 100 % the rule never
    /// holds anything.
    pub above: Percent,
    /// Only where at least so many instances are lost.
    pub at_least: u32,
    /// Within this time.
    pub within: Duration,
}

/// `zero_services`: many services without any instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ZeroServices {
    /// More services than this.
    pub more_than: u32,
    /// Within this time.
    pub within: Duration,
}

/// The defaults of the product.
impl Default for Settings {
    fn default() -> Self {
        Self {
            zero: Confirmation {
                views: 3,
                over: Duration::from_secs(30),
            },
            service_share: ServiceShare {
                above: Percent(50),
                from: 3,
                within: Duration::from_secs(60),
            },
            link_share: LinkShare {
                above: Percent(15),
                at_least: 20,
                within: Duration::from_secs(300),
            },
            zero_services: ZeroServices {
                more_than: 10,
                within: Duration::from_secs(300),
            },
        }
    }
}

/// A share in whole percent, so that thresholds are met exactly.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Percent(u8);

impl Percent {
    /// `None` for more than the whole.
    pub fn new(percent: u8) -> Option<Self> {
        (percent <= 100).then_some(Self(percent))
    }

    /// As a number from 0 to 100.
    pub fn get(self) -> u8 {
        self.0
    }

    /// Whether a part is more than this share of the whole.
    pub(super) fn is_exceeded(self, part: u64, whole: u64) -> bool {
        u128::from(part) * 100 > u128::from(whole) * u128::from(self.0)
    }
}

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} %", self.0)
    }
}
