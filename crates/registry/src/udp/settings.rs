//! What can be set about pushes over UDP.

use std::time::Duration;

/// How pushes over UDP behave. The defaults suit 1.x clients as they are.
#[derive(Clone, PartialEq, Debug)]
pub struct UdpSettings {
    /// How many subscriptions there may be. Each of them has at most one push
    /// under way that waits for its acknowledgement.
    pub subscriptions: usize,
    /// How long a subscription lives that is not renewed. Nacos 1.x forgets it
    /// after 10 s, 2.x after 30 s; but a Java client whose service is empty
    /// renews only every 60 s, and would not hear of the first instance.
    pub kept: Duration,
    /// How long after an unacknowledged push it is sent again, once. After
    /// twice this time the address counts as out of reach.
    pub retry_after: Duration,
    /// How long an address that was out of reach gets no new subscription.
    pub unreachable_for: Duration,
}

impl Default for UdpSettings {
    fn default() -> Self {
        Self {
            subscriptions: 20_000,
            kept: Duration::from_secs(70),
            retry_after: Duration::from_secs(10),
            unreachable_for: Duration::from_secs(60),
        }
    }
}
