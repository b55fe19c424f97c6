//! How often to ask.

use std::time::Duration;

/// A question takes at most this share of the time, whatever its interval. One
/// slow answer is none: a server that collects its garbage is no slow server.
const SHARE: u32 = 20;

/// The wait after a first failure, doubled with each further one.
const FIRST_RETRY: Duration = Duration::from_millis(500);

/// The longest wait of all.
const LONGEST: Duration = Duration::from_secs(30);

/// What an answer said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// Something else than before.
    Changed,
    /// The same as before.
    Same,
    /// Nothing: there was no answer.
    None,
}

/// Waits between equal questions: short while answers change, longer while
/// they do not, and never so short that asking becomes a load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    lively: Duration,
    calm: Duration,
    wait: Duration,
    /// How long the question before took.
    took: Duration,
    failures: u32,
}

impl Pace {
    /// From `lively`, while something changes, to `calm`.
    pub(super) const fn new(lively: Duration, calm: Duration) -> Self {
        Self {
            lively,
            calm,
            wait: lively,
            took: Duration::ZERO,
            failures: 0,
        }
    }

    /// How long to wait after a question that took so long.
    pub(super) fn after(&mut self, took: Duration, answer: Answer) -> Duration {
        match answer {
            Answer::Changed => self.wait = self.lively,
            Answer::Same => self.wait = (self.wait + self.wait / 4).min(self.calm),
            Answer::None => {
                let wait = FIRST_RETRY.saturating_mul(1 << self.failures.min(6));
                self.failures = self.failures.saturating_add(1);
                return wait.min(LONGEST);
            }
        }
        self.failures = 0;
        let costs = took.min(std::mem::replace(&mut self.took, took));
        self.wait.max(costs.saturating_mul(SHARE)).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn calm_sets_in_slowly_and_ends_at_once() {
        let mut pace = Pace::new(S, 5 * S);
        assert_eq!(pace.after(Duration::ZERO, Answer::Changed), S);
        let waits: Vec<_> = (0..10)
            .map(|_| pace.after(Duration::ZERO, Answer::Same))
            .collect();
        assert!(waits.is_sorted());
        assert_eq!(waits.last(), Some(&(5 * S)));
        assert_eq!(pace.after(Duration::ZERO, Answer::Changed), S);
    }

    #[test]
    fn asking_never_becomes_a_load() {
        let mut pace = Pace::new(S, 5 * S);
        assert_eq!(pace.after(S, Answer::Changed), S, "once is chance");
        assert_eq!(pace.after(S, Answer::Changed), 20 * S);
        pace.after(10 * S, Answer::Same);
        assert_eq!(pace.after(10 * S, Answer::Same), LONGEST);
        pace.after(Duration::ZERO, Answer::Changed);
        assert_eq!(pace.after(10 * S, Answer::Changed), S);
    }

    #[test]
    fn failures_back_off_and_are_forgotten() {
        let mut pace = Pace::new(S, 5 * S);
        let fail = |pace: &mut Pace| pace.after(S, Answer::None);
        assert_eq!(fail(&mut pace), FIRST_RETRY);
        assert_eq!(fail(&mut pace), 2 * FIRST_RETRY);
        for _ in 0..40 {
            fail(&mut pace);
        }
        assert_eq!(fail(&mut pace), LONGEST);
        pace.after(Duration::ZERO, Answer::Same);
        assert_eq!(fail(&mut pace), FIRST_RETRY);
    }
}
