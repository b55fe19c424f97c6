//! When a link looks: by the clock, by the calendar, or when told.

use std::time::Duration;

use croner::Cron;
use jiff::Zoned;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::LinkSpec;
use crate::core::Event;

/// When a link looks at its source.
#[derive(Clone, Debug)]
pub enum Strategy {
    /// As things happen.
    Realtime,
    /// Every so often.
    Interval(Duration),
    /// By the calendar, in the machine's time zone.
    Cron(Box<Cron>),
    /// When it is triggered.
    Event,
}

/// Starts what triggers a link by itself.
pub(super) fn spawn(
    link: &LinkSpec,
    events: &mpsc::Sender<Event>,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) {
    let strategy = match &link.strategy {
        // Pushes get lost: everything is read whole from time to time.
        Strategy::Realtime => Strategy::Interval(link.verify_every),
        Strategy::Event => return,
        timed => timed.clone(),
    };
    let (events, cancel) = (events.clone(), cancel.clone());
    let name = link.rules.name.clone();
    tasks.spawn(async move {
        let spread = spread(name.as_str());
        loop {
            let Some(wait) = next_wait(&strategy, spread) else {
                tracing::warn!(link = %name, "the schedule has no further date");
                return;
            };
            let trigger = Event::Trigger {
                link: Some(name.clone()),
            };
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            if events.send(trigger).await.is_err() {
                return;
            }
        }
    });
}

fn next_wait(strategy: &Strategy, spread: f64) -> Option<Duration> {
    match strategy {
        Strategy::Interval(every) => Some(every.mul_f64(spread)),
        Strategy::Cron(cron) => {
            let now = Zoned::now();
            let next = cron.find_next_occurrence(&now, false).ok()?;
            Some(Duration::try_from(next.duration_since(&now)).unwrap_or_default())
        }
        Strategy::Realtime | Strategy::Event => None,
    }
}

/// From 0.9 to 1.1 by the link's name, so that links that start together do
/// not look together for ever.
fn spread(name: &str) -> f64 {
    let hash = xxhash_rust::xxh3::xxh3_64(name.as_bytes());
    0.9 + 0.2 * ((hash >> 11) as f64 / (1u64 << 53) as f64)
}
