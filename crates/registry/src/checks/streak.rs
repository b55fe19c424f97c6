//! What follows from a look at an instance: whether it counts as healthy from
//! now on, and when it is looked at next.

use std::time::Duration;

use super::Checker;
use super::settings::{CheckSettings, Pace};

/// How a look at an instance ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It is there.
    Passed,
    /// It did not answer in time, or says itself that it is busy.
    Busy,
    /// Something else went wrong on the way.
    Failed,
    /// It is certain that it is not there: nobody listens at the port, or the
    /// page is gone.
    Down,
    /// It was not looked at, and never will be at this address.
    Spared,
}

/// How often in a row an instance seemed otherwise than it counts.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Streak {
    passed: u32,
    failed: u32,
}

impl Streak {
    /// Takes note of a look at an instance that counts as healthy or not, and
    /// tells what it counts as from now on, where that is something else.
    pub(crate) fn note(&mut self, outcome: Outcome, healthy: bool, times: u32) -> Option<bool> {
        match outcome {
            Outcome::Spared => None,
            Outcome::Passed => {
                self.failed = 0;
                self.passed = self.passed.saturating_add(u32::from(!healthy));
                (!healthy && self.passed >= times).then_some(true)
            }
            Outcome::Busy | Outcome::Failed => {
                self.passed = 0;
                self.failed = self.failed.saturating_add(u32::from(healthy));
                (healthy && self.failed >= times).then_some(false)
            }
            Outcome::Down => {
                self.passed = 0;
                healthy.then_some(false)
            }
        }
    }
}

impl Pace {
    /// The wait after one that ended so.
    fn next(&self, wait: Duration, outcome: Outcome, took: Duration) -> Duration {
        let measured = match outcome {
            Outcome::Passed => took,
            Outcome::Busy => 2 * wait,
            Outcome::Failed | Outcome::Down | Outcome::Spared => self.most,
        };
        let inertia = self.inertia.clamp(0.0, 1.0);
        let next = wait.mul_f64(inertia) + measured.mul_f64(1.0 - inertia);
        next.min(self.most).max(self.least)
    }
}

impl CheckSettings {
    /// How long to wait before a first look. The seed spreads those who came
    /// at the same moment, more of them early than late.
    pub(crate) fn first_wait(&self, seed: u64) -> Duration {
        let (one, other) = (fraction(seed), fraction(!seed));
        self.first_after + self.tcp.most.mul_f64(one * other)
    }

    /// How long to wait before the next look.
    pub(crate) fn next_wait(
        &self,
        checker: &Checker,
        wait: Duration,
        outcome: Outcome,
        took: Duration,
    ) -> Duration {
        match checker {
            Checker::Http(_) => self.http.next(wait, outcome, took),
            // Nacos measures from when the look was planned, so that a wait
            // never gets shorter (2.x, as 1.x).
            _ => self.tcp.next(wait, outcome, wait + took),
        }
    }
}

/// A number from 0 to 1, evenly spread over the seeds (SplitMix64).
fn fraction(seed: u64) -> f64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    bits as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use Outcome::{Busy, Down, Failed, Passed, Spared};

    /// What an instance counts as after each of some looks.
    fn health(mut healthy: bool, outcomes: &[Outcome]) -> Vec<bool> {
        let mut streak = Streak::default();
        let counts = outcomes.iter().map(|outcome| {
            if let Some(turned) = streak.note(*outcome, healthy, 3) {
                assert_ne!(turned, healthy);
                healthy = turned;
            }
            healthy
        });
        counts.collect()
    }

    #[test]
    fn health_changes_with_the_third_equal_result() {
        assert_eq!(health(true, &[Busy, Failed, Busy]), [true, true, false]);
        assert_eq!(health(false, &[Passed; 3]), [false, false, true]);
    }

    #[test]
    fn another_result_in_between_starts_anew() {
        let outcomes = [Busy, Busy, Passed, Busy, Busy, Busy];
        assert_eq!(
            health(true, &outcomes),
            [true, true, true, true, true, false]
        );
        let outcomes = [Passed, Passed, Failed, Passed, Passed, Passed];
        assert_eq!(
            health(false, &outcomes),
            [false, false, false, false, false, true]
        );
    }

    #[test]
    fn certainty_counts_at_once_and_only_downwards() {
        assert_eq!(
            health(true, &[Down, Passed, Passed, Down, Passed]),
            [false; 5]
        );
    }

    #[test]
    fn what_is_spared_stays_as_it_is() {
        assert_eq!(health(true, &[Spared; 9]), [true; 9]);
        assert_eq!(health(false, &[Spared; 9]), [false; 9]);
    }

    #[test]
    fn waits_follow_the_answers() {
        let settings = CheckSettings::default();
        let http = Checker::parse(r#"{"type":"HTTP"}"#).expect("an object");
        let seconds = Duration::from_secs;
        let quick = Duration::from_millis(2);
        let after = |checker, outcome, mut wait, took| {
            for _ in 0..100 {
                wait = settings.next_wait(checker, wait, outcome, took);
            }
            wait
        };
        let is_about = |wait: Duration, wanted: Duration| {
            assert!(wait.abs_diff(wanted) < quick, "{wait:?} for {wanted:?}");
        };
        is_about(after(&http, Passed, seconds(3), quick), settings.http.least);
        is_about(after(&http, Busy, seconds(1), quick), settings.http.most);
        is_about(after(&http, Down, seconds(1), quick), settings.http.most);
        is_about(
            after(&Checker::Tcp, Failed, seconds(1), quick),
            settings.tcp.most,
        );
        let tcp = after(&Checker::Tcp, Passed, seconds(3), quick);
        assert!(tcp >= seconds(3) && tcp < seconds(4), "{tcp:?}");
    }

    #[test]
    fn first_looks_are_spread() {
        let settings = CheckSettings::default();
        let mut waits: Vec<Duration> = (0..1000).map(|seed| settings.first_wait(seed)).collect();
        waits.sort();
        waits.dedup();
        assert_eq!(waits.len(), 1000);
        let (first, last) = (waits[0], waits[999]);
        assert!(first >= Duration::from_secs(2) && last <= Duration::from_secs(7));
        assert!(last - first > Duration::from_secs(3), "{first:?} {last:?}");
    }

    proptest! {
        #[test]
        fn a_wait_is_never_out_of_bounds(
            wait in 0_u64..100_000,
            took in 0_u64..100_000,
            outcome in prop::sample::select(vec![Passed, Busy, Failed, Down, Spared]),
        ) {
            let settings = CheckSettings::default();
            let (wait, took) = (Duration::from_millis(wait), Duration::from_millis(took));
            let next = settings.next_wait(&Checker::Tcp, wait, outcome, took);
            prop_assert!(next >= settings.tcp.least && next <= settings.tcp.most);
        }
    }
}
