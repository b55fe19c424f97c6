//! What can be set about health checks.

use std::time::Duration;

/// How persistent instances are looked at. The defaults are those of Nacos,
/// but for [`per_second`](Self::per_second), which it does not limit.
#[derive(Clone, PartialEq, Debug)]
pub struct CheckSettings {
    /// Whether they are. Where not, they stay as healthy as they are said to
    /// be.
    pub enabled: bool,
    /// So many equal results in a row change what an instance's health is
    /// taken for (`checkTimes`).
    pub times: u32,
    /// How long after a registration it is looked at for the first time, at
    /// least; spread over a while more ([`Pace::most`] of TCP).
    pub first_after: Duration,
    /// How often at most a connection is tried.
    pub tcp: Pace,
    /// How often at most a page is asked for.
    pub http: Pace,
    /// How long a connection may take to stand, and an answer to come.
    pub timeout: Duration,
    /// How many instances are looked at at the same time.
    pub at_once: usize,
    /// How many are looked at in a second. Where there are more, each is
    /// looked at less often.
    pub per_second: u32,
}

/// How long to wait between two looks at the same instance. The wait follows
/// how long the answers take.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pace {
    /// At least so long.
    pub least: Duration,
    /// At most so long.
    pub most: Duration,
    /// How much of the wait before stays, from 0 to 1; the rest is what was
    /// measured.
    pub inertia: f64,
}

impl Default for CheckSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            times: 3,
            first_after: Duration::from_secs(2),
            tcp: Pace {
                least: Duration::from_secs(1),
                most: Duration::from_secs(5),
                inertia: 0.75,
            },
            http: Pace {
                least: Duration::from_millis(500),
                most: Duration::from_secs(5),
                inertia: 0.85,
            },
            timeout: Duration::from_millis(500),
            at_once: 128,
            per_second: 1000,
        }
    }
}
