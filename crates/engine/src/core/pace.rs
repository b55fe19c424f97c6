//! How fast a link takes away.
//!
//! Even a mass removal that an operator approved goes gradually, so that there
//! is time to see what it does and to stop it. Ten seconds' worth may go at
//! once, which is more than any deploy takes away.

use std::num::NonZeroU32;
use std::time::Duration;

use syncline_model::Moment;

/// How much may be saved up while nothing is removed.
const SAVED: Duration = Duration::from_secs(10);

/// The least wait for a turn: those that wait go some at a time rather than one
/// by one, since a consumer may be given its whole list anew for each.
const TURN: Duration = Duration::from_millis(500);

/// A rate, and how much of it has been used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Pace {
    /// The time that one removal stands for.
    each: Duration,
    /// When all that was taken so far would be over at the even rate.
    used_until: Moment,
}

impl Pace {
    /// A rate of which nothing has been used.
    pub(super) fn new(per_second: NonZeroU32) -> Self {
        Self {
            each: Duration::from_secs(1) / per_second.get(),
            used_until: Moment::ORIGIN,
        }
    }

    /// Takes as many of the wanted as may go now.
    pub(super) fn take(&mut self, now: Moment, wanted: usize) -> usize {
        let taken = wanted.min(self.available(now));
        self.used_until = self.used_until.max(now) + self.times(taken);
        taken
    }

    /// So many that were taken did not go after all.
    pub(super) fn give_back(&mut self, count: usize) {
        let back = self.times(count);
        self.used_until = Moment::after_origin(self.used_until.since_origin().saturating_sub(back));
    }

    /// How many may go now.
    pub(super) fn available(&self, now: Moment) -> usize {
        let free = SAVED.saturating_sub(self.used_until.since(now));
        let count = free.as_nanos() / self.each.as_nanos().max(1);
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// When to come again for what could not go.
    pub(super) fn next(&self, now: Moment) -> Moment {
        let room = SAVED.saturating_sub(self.each);
        let wait = self.used_until.since(now).saturating_sub(room);
        now + wait.max(TURN)
    }

    fn times(&self, count: usize) -> Duration {
        self.each
            .saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(per_second: u32) -> Pace {
        Pace::new(NonZeroU32::new(per_second).expect("not zero"))
    }

    fn at(millis: u64) -> Moment {
        Moment::after_origin(Duration::from_millis(millis))
    }

    #[test]
    fn what_was_saved_goes_at_once_and_the_rest_at_the_rate() {
        let mut pace = pace(100);
        let begin = at(50_000);
        assert_eq!(pace.take(begin, 10), 10, "a deploy does not wait");
        assert_eq!(pace.take(begin, 100_000), 990);
        assert_eq!(pace.take(begin, 1), 0);
        let mut gone = 0;
        let mut now = begin;
        while now < at(60_000) {
            let next = pace.next(now);
            assert!(next >= now + TURN, "it does not spin");
            now = next;
            gone += pace.take(now, 100_000);
        }
        assert!((990..=1_010).contains(&gone), "{gone}");
    }

    #[test]
    fn no_more_is_saved_than_ten_seconds_worth() {
        let mut pace = pace(1);
        assert_eq!(pace.take(at(1_000_000), usize::MAX), 10);
        assert_eq!(pace.take(at(1_003_000), usize::MAX), 3);
        pace.give_back(2);
        assert_eq!(pace.take(at(1_003_000), usize::MAX), 2);
        // However far the clock jumps.
        assert_eq!(pace.take(at(900_000_000), usize::MAX), 10);
    }
}
