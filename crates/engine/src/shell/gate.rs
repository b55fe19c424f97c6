//! The gate before one target: lets in as many calls as the target bears, in
//! the order in which they came, and none while it asks for a rest.

use std::num::NonZeroUsize;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use super::limit::{Limit, Outcome};

/// Calls to one target.
pub(super) struct Gate {
    /// One permit for each call that may be under way.
    permits: Semaphore,
    state: Mutex<State>,
}

struct State {
    limit: Limit,
    /// Permits that there are, taken or not.
    given: usize,
    /// The number of the youngest call.
    last: u64,
    /// Until when the target asked to be left alone.
    rests_until: Option<Instant>,
}

impl Gate {
    /// Lets in no more than `most` at once.
    pub(super) fn new(most: NonZeroUsize) -> Self {
        let limit = Limit::new(most);
        Self {
            permits: Semaphore::new(limit.get()),
            state: Mutex::new(State {
                given: limit.get(),
                limit,
                last: 0,
                rests_until: None,
            }),
        }
    }

    /// Makes a call when it is its turn; `outcome` tells what its end, after so
    /// long, says of how the target is doing.
    pub(super) async fn pass<T>(
        &self,
        call: impl Future<Output = T>,
        outcome: impl FnOnce(&T, Duration) -> Outcome,
    ) -> T {
        // It is never closed, and without a permit the call is made all the same.
        let permit = self.permits.acquire().await;
        while let Some(until) = self.rests_until() {
            sleep_until(until).await;
        }
        let number = self.begin();
        let began = Instant::now();
        let result = call.await;
        let keep = self.end(number, outcome(&result, began.elapsed()));
        if !keep && let Ok(permit) = permit {
            permit.forget();
        }
        result
    }

    fn rests_until(&self) -> Option<Instant> {
        let until = self.state.lock().rests_until;
        until.filter(|until| *until > Instant::now())
    }

    fn begin(&self) -> u64 {
        let mut state = self.state.lock();
        state.last += 1;
        state.last
    }

    /// Takes the end of a call in; whether its permit is still needed.
    fn end(&self, number: u64, outcome: Outcome) -> bool {
        let mut state = self.state.lock();
        let last = state.last;
        if let Outcome::Overloaded { rest: Some(rest) } = outcome {
            let until = Instant::now() + rest;
            state.rests_until = Some(state.rests_until.map_or(until, |set| set.max(until)));
        }
        state.limit.ended(number, last, outcome);
        let limit = state.limit.get();
        if limit > state.given {
            self.permits.add_permits(limit - state.given);
            state.given = limit;
        }
        let too_many = state.given.saturating_sub(limit);
        let free = self.permits.forget_permits(too_many);
        state.given -= free;
        let keep = state.given <= limit;
        if !keep {
            state.given -= 1;
        }
        keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const QUICK: Duration = Duration::from_millis(10);

    /// Calls that end when they are told, and how many are under way.
    #[derive(Default)]
    struct Calls {
        under_way: AtomicUsize,
        most: AtomicUsize,
        done: AtomicUsize,
    }

    async fn call(gate: Arc<Gate>, calls: Arc<Calls>, outcome: Outcome) {
        let work = async {
            let now = calls.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            calls.most.fetch_max(now, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
            calls.under_way.fetch_sub(1, Ordering::SeqCst);
        };
        gate.pass(work, |(), _| outcome).await;
        calls.done.fetch_add(1, Ordering::SeqCst);
    }

    async fn many(gate: &Arc<Gate>, count: usize, outcome: Outcome) -> Arc<Calls> {
        let calls = Arc::<Calls>::default();
        let all = (0..count).map(|_| call(Arc::clone(gate), Arc::clone(&calls), outcome));
        futures_util::future::join_all(all).await;
        assert_eq!(
            calls.done.load(Ordering::SeqCst),
            count,
            "each has its turn"
        );
        calls
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_follows_what_the_target_bears() {
        let gate = Arc::new(Gate::new(NonZeroUsize::new(32).expect("not zero")));
        let good = Outcome::Answered(QUICK);
        let grown = many(&gate, 200, good).await;
        assert_eq!(grown.most.load(Ordering::SeqCst), 32);
        // Refused for load, again and again.
        let bad = Outcome::Overloaded { rest: None };
        many(&gate, 200, bad).await;
        let refused = many(&gate, 5, bad).await;
        assert_eq!(refused.most.load(Ordering::SeqCst), 1);
        // And it comes back.
        let back = many(&gate, 600, good).await;
        assert_eq!(back.most.load(Ordering::SeqCst), 32);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_given_up_makes_room() {
        let gate = Arc::new(Gate::new(NonZeroUsize::MIN));
        let never = gate.pass(std::future::pending::<()>(), |(), _| {
            Outcome::Answered(QUICK)
        });
        let given_up = tokio::time::timeout(Duration::from_secs(1), never).await;
        assert!(given_up.is_err());
        many(&gate, 3, Outcome::Answered(QUICK)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_passes_while_the_target_asks_for_a_rest() {
        let gate = Arc::new(Gate::new(NonZeroUsize::MIN));
        let rest = Some(Duration::from_secs(20));
        let began = Instant::now();
        many(&gate, 1, Outcome::Overloaded { rest }).await;
        many(&gate, 3, Outcome::Answered(QUICK)).await;
        assert!(began.elapsed() >= Duration::from_secs(20));
    }
}
