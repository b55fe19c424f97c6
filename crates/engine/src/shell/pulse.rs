//! Noticing a standstill: a machine that slept, a process that was stopped.
//!
//! A pulse comes every few seconds. One that comes much later than it should
//! shows that nothing ran meanwhile. On Linux the clock of timers stands still
//! with a machine that sleeps, so the wall clock is looked at too: what it says
//! is never trusted for more than this, and a wall clock that was set forward
//! costs no more than another look at everything.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::storing::wall_ms;

/// The time between two pulses.
const EVERY: Duration = Duration::from_secs(5);

/// A pulse that comes so much later than it should shows a standstill.
const LATE: Duration = Duration::from_secs(10);

/// The pulses of one process.
pub(super) struct Pulse {
    interval: Interval,
    last: Beat,
}

/// When a pulse was felt, on both clocks.
#[derive(Clone, Copy)]
struct Beat {
    at: Instant,
    wall_ms: u64,
}

impl Beat {
    fn now() -> Self {
        Self {
            at: Instant::now(),
            wall_ms: wall_ms(),
        }
    }
}

impl Pulse {
    pub(super) fn start() -> Self {
        let mut interval = interval(EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            interval,
            last: Beat::now(),
        }
    }

    /// Waits until the next pulse is due.
    pub(super) async fn due(&mut self) {
        self.interval.tick().await;
    }

    /// Feels the pulse: whether nothing ran for a while before this.
    pub(super) fn stood_still(&mut self) -> bool {
        let (last, now) = (self.last, Beat::now());
        self.last = now;
        let wall = Duration::from_millis(now.wall_ms.saturating_sub(last.wall_ms));
        is_late(now.at.duration_since(last.at), wall)
    }
}

/// Whether so much time between two pulses, on either clock, is too much.
fn is_late(elapsed: Duration, wall: Duration) -> bool {
    elapsed.max(wall) > EVERY + LATE
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn either_clock_shows_a_standstill_and_one_that_goes_back_shows_none() {
        assert!(!is_late(5 * SECOND, 5 * SECOND));
        assert!(!is_late(9 * SECOND, 9 * SECOND), "a busy machine");
        assert!(is_late(600 * SECOND, 600 * SECOND), "a stopped process");
        assert!(is_late(5 * SECOND, 600 * SECOND), "a machine that slept");
        assert!(
            !is_late(5 * SECOND, Duration::ZERO),
            "a clock that was set back"
        );
    }
}
