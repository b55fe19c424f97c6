//! Clients on their way back after a start.
//!
//! What clients hold by connections and beats ends with the process, and they
//! register it again by themselves, some within a second and some at their next
//! beat. Until they had the time, what is not there has not left.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::registry::Registry;

/// When clients could begin to come back.
#[derive(Debug)]
pub(crate) struct Returning {
    /// Whether an earlier process may have had clients.
    expected: bool,
    /// Since when they find us.
    served_since: OnceLock<Instant>,
}

impl Returning {
    pub(crate) fn new(expected: bool) -> Self {
        Self {
            expected,
            served_since: OnceLock::new(),
        }
    }

    /// From now on clients find us.
    pub(crate) fn is_served(&self) {
        self.served_since.get_or_init(Instant::now);
    }
}

impl Registry {
    /// For how much longer clients of an earlier process may be on their way
    /// back, so that absence says nothing of them; `None` once they had their
    /// time ([`return_within`](crate::LifeSettings::return_within)), and where
    /// there was no earlier process. A registry that is not served yet has all
    /// of it before it.
    pub fn returning_for(&self) -> Option<Duration> {
        let returning = &self.inner.returning;
        let within = self.settings().life.return_within;
        let since = returning.served_since.get();
        let left = since.map_or(within, |since| within.saturating_sub(since.elapsed()));
        (returning.expected && !left.is_zero()).then_some(left)
    }

    /// Waits until clients of an earlier process had their time to come back.
    pub async fn all_returned(&self) {
        while let Some(left) = self.returning_for() {
            sleep_until(Instant::now() + left).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[tokio::test(start_paused = true)]
    async fn clients_have_their_time_from_when_they_find_us() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().join("registry");
        let open = || Registry::open(Settings::default(), None, &folder).expect("opens");
        let first = open();
        assert_eq!(first.returning_for(), None, "nobody was here before");
        drop(first);

        let again = open();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(again.returning_for(), Some(Duration::from_secs(30)));
        again.inner.returning.is_served();
        tokio::time::advance(Duration::from_secs(29)).await;
        assert_eq!(again.returning_for(), Some(Duration::from_secs(1)));
        again.all_returned().await;
        assert_eq!(again.returning_for(), None);
    }
}
