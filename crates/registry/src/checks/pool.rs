//! Doing the looks that are due: so many at once, and so many in a second.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::probe::Prober;
use super::settings::CheckSettings;
use crate::registry::Registry;

/// How finely the looks of a second are spread.
const TICK: Duration = Duration::from_millis(50);

/// Looks at persistent instances until cancelled. All looks share one task: an
/// instance that nobody looks at just now costs an entry in the store's timers.
pub(crate) async fn run(registry: &Registry, cancel: &CancellationToken) {
    let settings = &registry.settings().checks;
    if !settings.enabled {
        cancel.cancelled().await;
        return;
    }
    registry.act(|store, now| store.start_checks(now));
    tokio::select! {
        () = look(registry, settings) => {}
        () = cancel.cancelled() => {}
    }
    registry.act(|store, _| store.stop_checks());
}

/// Never ends.
async fn look(registry: &Registry, settings: &CheckSettings) {
    let prober = Prober::new(settings.timeout);
    let (every, share) = shares(settings.per_second);
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut left = share;
    let mut under_way = FuturesUnordered::new();
    loop {
        let room = settings.at_once.max(1).saturating_sub(under_way.len());
        if room > 0 && left > 0 {
            let due = registry.act(|store, _| store.take_checks(room.min(left)));
            left -= due.len();
            for probe in due {
                let prober = &prober;
                under_way.push(async move {
                    let began = Instant::now();
                    let outcome = prober.look(&probe).await;
                    (probe, outcome, began.elapsed())
                });
            }
        }
        tokio::select! {
            Some((probe, outcome, took)) = under_way.next(), if !under_way.is_empty() => {
                registry.act(|store, now| store.checked(&probe, outcome, took, now));
            }
            () = registry.checks_due(), if left > 0 && under_way.len() < settings.at_once => {}
            _ = ticks.tick(), if left < share => left = share,
        }
    }
}

/// How the looks of a second are shared out: how often, and how many at once.
fn shares(per_second: u32) -> (Duration, usize) {
    let per_second = f64::from(per_second.max(1));
    let every = TICK.max(Duration::from_secs_f64(1.0 / per_second));
    let share = (per_second * every.as_secs_f64()).round().max(1.0);
    (every, share as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_as_many_looks_as_it_may() {
        for per_second in [1, 3, 20, 100, 1000, 20_000] {
            let (every, share) = shares(per_second);
            let made = share as f64 / every.as_secs_f64();
            let wanted = f64::from(per_second);
            assert!((made / wanted - 1.0).abs() < 0.05, "{per_second}: {made}");
        }
        let (every, share) = shares(0);
        assert_eq!((every, share), (Duration::from_secs(1), 1));
    }
}
