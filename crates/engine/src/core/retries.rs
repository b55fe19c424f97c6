//! How often a link may try again what failed.
//!
//! Each service waits longer after each failure, but of ten thousand services
//! some are always due: a target that is dying would get nothing but retries.
//! So they have a budget. It grows by a tenth of every call that is no retry,
//! and by one retry a second; and each retry that goes well pays for two more,
//! so that a target that came back has all it missed within a few rounds.

use std::time::Duration;

use syncline_model::Moment;

/// What one retry costs, in the budget's units.
const RETRY: u32 = 10;
/// What a call that is no retry adds.
const CALL: u32 = 1;
/// What a retry that went well adds.
const WENT_WELL: u32 = 2 * RETRY;
/// The most that is saved.
const MOST: u32 = 64 * RETRY;
/// How often a retry is free, where nothing else is left.
pub(super) const FREE_EVERY: Duration = Duration::from_secs(1);

/// What is left of the budget, and whether the target asked for a rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Retries {
    left: u32,
    /// When the last free retry was given.
    free_at: Moment,
    /// The target asked not to be called before then.
    rests_until: Moment,
}

impl Retries {
    /// Enough for a blink.
    pub(super) fn new() -> Self {
        Self {
            left: 8 * RETRY,
            free_at: Moment::ORIGIN,
            rests_until: Moment::ORIGIN,
        }
    }

    /// A call began that is no retry.
    pub(super) fn called(&mut self) {
        self.add(CALL);
    }

    /// A retry began.
    pub(super) fn retried(&mut self, now: Moment) {
        if self.left < RETRY {
            self.free_at = now;
            self.left = 0;
        } else {
            self.left -= RETRY;
        }
    }

    /// A retry went well: the target is back.
    pub(super) fn went_well(&mut self) {
        self.add(WENT_WELL);
    }

    /// How many retries may begin now.
    pub(super) fn available(&self, now: Moment) -> usize {
        let paid = (self.left / RETRY) as usize;
        let free = now.since(self.free_at) >= FREE_EVERY;
        paid.max(usize::from(free))
    }

    /// When one is free again.
    pub(super) fn next(&self, now: Moment) -> Moment {
        (self.free_at + FREE_EVERY).max(now)
    }

    /// The target asked for so long a rest, from all of us.
    pub(super) fn rest(&mut self, now: Moment, wait: Duration) {
        self.rests_until = self.rests_until.max(now + wait);
    }

    /// Until when nothing is sent to the target, where it asked for a rest.
    pub(super) fn rests(&self, now: Moment) -> Option<Moment> {
        Some(self.rests_until).filter(|until| *until > now)
    }

    fn add(&mut self, units: u32) {
        self.left = self.left.saturating_add(units).min(MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::after_origin(Duration::from_secs(seconds))
    }

    /// Uses up what may be used now.
    fn use_up(retries: &mut Retries, now: Moment) -> usize {
        let mut used = 0;
        while retries.available(now) > 0 {
            retries.retried(now);
            used += 1;
        }
        used
    }

    #[test]
    fn a_dying_target_gets_a_tenth_and_one_a_second() {
        let mut retries = Retries::new();
        use_up(&mut retries, at(100));
        let mut used = 0;
        for second in 101..=160 {
            for _ in 0..50 {
                retries.called();
            }
            used += use_up(&mut retries, at(second));
        }
        let calls = 60 * 50;
        assert!(used <= calls / 10 + 60, "{used} retries for {calls} calls");
        assert!(used >= calls / 10, "{used}");
        // Nothing but retries is left.
        let alone = (161..=220).map(|second| use_up(&mut retries, at(second)));
        assert!(alone.sum::<usize>() <= 60);
    }

    #[test]
    fn a_target_that_is_back_has_all_it_missed_within_a_few_rounds() {
        let mut retries = Retries::new();
        use_up(&mut retries, at(100));
        let (mut left, mut rounds) = (10_000, 0);
        while left > 0 {
            let now = at(101 + rounds);
            let round = use_up(&mut retries, now).min(left);
            assert!(round > 0);
            (0..round).for_each(|_| retries.went_well());
            left -= round;
            rounds += 1;
        }
        assert!(rounds < 200, "{rounds} rounds");
    }

    #[test]
    fn the_longest_rest_that_was_asked_for_is_kept() {
        let mut retries = Retries::new();
        assert_eq!(retries.rests(at(10)), None);
        retries.rest(at(10), Duration::from_secs(5));
        retries.rest(at(11), Duration::from_secs(2));
        assert_eq!(retries.rests(at(12)), Some(at(15)));
        assert_eq!(retries.rests(at(15)), None);
    }
}
