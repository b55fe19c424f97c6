//! How many calls to one target are under way at once: as many as it answers
//! well and quickly.
//!
//! It begins with a few and adds one for each good answer, until the first bad
//! one; from then on it adds one for each round of good answers. An answer that
//! says "too much" (a refusal for load, a server that is not ready, none in
//! time) halves it, once for all calls that were under way then. Slow answers
//! add nothing: more calls would only wait in the server.

use std::num::NonZeroUsize;
use std::time::Duration;

/// With how many it begins.
const FIRST: usize = 8;

/// An answer within this time is quick, whatever others took.
const QUICK: Duration = Duration::from_millis(100);

/// So many times the time of the quickest answers is no longer quick.
const SLOW: u32 = 4;

/// By which part the quickest time grows with each answer, so that a target
/// that became slower for good is not taken for overloaded for ever.
const DRIFT: u32 = 64;

/// How a call went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// It was answered after this time, as it was wished or not.
    Answered(Duration),
    /// The target has too much to do, or nobody is there.
    Overloaded {
        /// How long it asks to be left alone, where it does.
        rest: Option<Duration>,
    },
}

/// The number, and what it follows from. Pure: what happened is passed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Limit {
    now: usize,
    most: usize,
    /// Good answers since the last step up.
    good: usize,
    /// Whether no answer was bad yet.
    fresh: bool,
    quickest: Option<Duration>,
    /// Calls are numbered; those up to this one were under way when it was
    /// halved.
    halved_at: u64,
}

impl Limit {
    /// Never more than `most`.
    pub(super) fn new(most: NonZeroUsize) -> Self {
        Self {
            now: FIRST.min(most.get()),
            most: most.get(),
            good: 0,
            fresh: true,
            quickest: None,
            halved_at: 0,
        }
    }

    /// How many may be under way.
    pub(super) fn get(&self) -> usize {
        self.now
    }

    /// The call of this number ended; `last` is the number of the youngest call
    /// that has begun.
    pub(super) fn ended(&mut self, call: u64, last: u64, outcome: Outcome) {
        match outcome {
            Outcome::Overloaded { .. } if call > self.halved_at => {
                self.now = (self.now / 2).max(1);
                self.fresh = false;
                self.good = 0;
                self.halved_at = last;
            }
            Outcome::Overloaded { .. } => {}
            Outcome::Answered(took) => {
                if self.is_quick(took) {
                    self.step_up();
                }
            }
        }
    }

    fn is_quick(&mut self, took: Duration) -> bool {
        let quickest = match self.quickest {
            Some(before) => took.min(before + before / DRIFT),
            None => took,
        };
        self.quickest = Some(quickest);
        took <= QUICK.max(quickest * SLOW)
    }

    fn step_up(&mut self) {
        self.good += 1;
        if self.fresh || self.good >= self.now {
            self.now = (self.now + 1).min(self.most);
            self.good = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit() -> Limit {
        Limit::new(NonZeroUsize::new(32).expect("not zero"))
    }

    const BAD: Outcome = Outcome::Overloaded { rest: None };
    const GOOD: Outcome = Outcome::Answered(Duration::from_millis(5));

    fn answers(limit: &mut Limit, from: u64, count: u64, outcome: Outcome) {
        for call in from..from + count {
            limit.ended(call, call, outcome);
        }
    }

    #[test]
    fn good_answers_lead_up_to_what_is_allowed_and_no_further() {
        let mut limit = limit();
        assert_eq!(limit.get(), 8);
        answers(&mut limit, 1, 24, GOOD);
        assert_eq!(limit.get(), 32);
        answers(&mut limit, 25, 1_000, GOOD);
        assert_eq!(limit.get(), 32);
        let one = Limit::new(NonZeroUsize::MIN);
        assert_eq!(one.get(), 1);
    }

    #[test]
    fn calls_that_were_under_way_together_halve_it_once() {
        let mut limit = limit();
        answers(&mut limit, 1, 24, GOOD);
        // Thirty-two were under way, and all are refused.
        for call in 25..57 {
            limit.ended(call, 56, BAD);
        }
        assert_eq!(limit.get(), 16);
        for round in 0..10 {
            limit.ended(57 + round, 57 + round, BAD);
        }
        assert_eq!(
            limit.get(),
            1,
            "one at least, or nobody would notice a recovery"
        );
    }

    #[test]
    fn after_a_bad_answer_it_grows_by_one_a_round() {
        let mut limit = limit();
        answers(&mut limit, 1, 24, GOOD);
        limit.ended(25, 25, BAD);
        assert_eq!(limit.get(), 16);
        answers(&mut limit, 26, 16, GOOD);
        assert_eq!(limit.get(), 17);
        answers(&mut limit, 42, 16, GOOD);
        assert_eq!(limit.get(), 17);
        answers(&mut limit, 58, 1, GOOD);
        assert_eq!(limit.get(), 18);
    }

    #[test]
    fn slow_answers_add_nothing_until_slow_is_what_it_always_is() {
        let mut limit = limit();
        answers(&mut limit, 1, 2, GOOD);
        let slow = Outcome::Answered(Duration::from_millis(400));
        answers(&mut limit, 3, 100, slow);
        assert_eq!(limit.get(), 10);
        answers(&mut limit, 103, 1_000, slow);
        assert_eq!(limit.get(), 32);
    }
}
