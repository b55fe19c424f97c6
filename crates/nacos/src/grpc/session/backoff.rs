//! How long to wait before the next try.

use std::time::Duration;

/// Exponential backoff with full jitter: a time between nothing and a bound
/// that doubles with each try, so that clients that lost the same server do
/// not return together.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    first: Duration,
    random: u64,
}

impl Backoff {
    pub(super) fn new(first: Duration, seed: u64) -> Self {
        Self {
            first,
            random: seed,
        }
    }

    /// The time to wait after `failures` failures in a row, below `cap`.
    pub(super) fn after(&mut self, failures: u32, cap: Duration) -> Duration {
        let doubled = 2_u32.checked_pow(failures.saturating_sub(1));
        let bound = doubled.and_then(|factor| self.first.checked_mul(factor));
        let bound = bound.map_or(cap, |bound| bound.min(cap));
        bound.mul_f64(self.fraction())
    }

    /// A number below `bound`; 0 if there is none.
    pub(super) fn pick(&mut self, bound: usize) -> usize {
        (self.fraction() * bound as f64) as usize
    }

    /// A number from 0 to below 1, by the splitmix64 generator.
    fn fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // 53 bits are what a double holds exactly.
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(100);
    const CAP: Duration = Duration::from_secs(5);

    #[test]
    fn waits_grow_to_the_cap_and_differ() {
        let mut backoff = Backoff::new(FIRST, 7);
        let mut longest = Duration::ZERO;
        for failures in 1..200 {
            let wait = backoff.after(failures, CAP);
            let bound = FIRST.saturating_mul(1 << (failures - 1).min(20)).min(CAP);
            assert!(wait < bound, "{wait:?} after {failures}");
            longest = longest.max(wait);
        }
        assert!(longest > CAP * 9 / 10);
    }

    #[test]
    fn picks_are_within_bounds() {
        let mut backoff = Backoff::new(FIRST, 7);
        let picks: std::collections::BTreeSet<_> = (0..100).map(|_| backoff.pick(3)).collect();
        assert!(picks.into_iter().eq(0..3));
    }
}
