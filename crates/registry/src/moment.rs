//! Time as the store sees it: a number that somebody hands in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// A point in time, in milliseconds since the Unix epoch.
///
/// It is read off the wall clock once, when a registry is made, and then moves
/// with the monotonic clock: it never steps, and still means something to a
/// client that finds it in an answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(crate) struct Moment(u64);

impl Moment {
    /// The moment that many milliseconds after the Unix epoch.
    pub(crate) const fn from_unix_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub(crate) const fn unix_millis(self) -> u64 {
        self.0
    }

    /// This moment and so much later.
    pub(crate) fn after(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// This moment and so much earlier.
    pub(crate) fn before(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(millis))
    }

    /// How long after `earlier` this moment is; zero if it is not.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The next moment that can be told apart from this one.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Where a running registry's moments come from.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    began: Moment,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            started: Instant::now(),
            began: Moment::default().after(unix),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        self.began.after(self.started.elapsed())
    }

    /// The runtime's instant at which this clock will have passed a moment.
    pub(crate) fn instant(&self, moment: Moment) -> Instant {
        // Moments are cut to milliseconds: one more, so that nobody wakes up
        // just before the moment and finds nothing due.
        self.started + moment.next().since(self.began)
    }
}
