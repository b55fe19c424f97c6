//! Watching: by subscription over gRPC where the server has it, else by asking
//! again and again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use syncline_contract::{Interest, Observation, ObservationSink};
use syncline_nacos::version::Generation;
use tokio::time::sleep;

use super::pace::{Answer, Pace};
use super::{Reader, poll, subscribe};

/// How subscriptions are described. Finding new names takes at most 30 requests
/// a minute for each namespace (for each group, where up to four are named).
pub(super) const DESCRIPTION: &str = "gRPC subscription, new names every 2 s";

/// The same where the server tells names: one request a minute is left.
pub(super) const TOLD_NAMES: &str = "gRPC subscription, new names by fuzzy watch";

/// Watches for ever. It returns to the beginning when the servers turn out to
/// be of another generation than before.
pub(super) async fn run(reader: Arc<Reader>, interest: &Interest, sink: &ObservationSink) {
    let mut pace = Pace::new(Duration::ZERO, Duration::ZERO);
    loop {
        match reader.cluster.negotiated().await {
            Ok(server) if server.generation == Generation::V1 => {
                poll::run(&reader, interest, sink).await;
            }
            Ok(server) => subscribe::run(&reader, &server, interest, sink).await,
            Err(failure) => {
                sink.put(Observation::Down(failure.chain().into()));
                sleep(pace.after(Duration::ZERO, Answer::None)).await;
            }
        }
    }
}

/// Whether the registry answers, put together from all ways of asking it.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// What does not answer, by the way of asking, and why.
    down: BTreeMap<Way, Arc<str>>,
    /// What was said last.
    told: Option<bool>,
}

/// A way of asking the registry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Way {
    /// Over HTTP.
    Lists,
    /// Over that connection.
    Lane(usize),
}

impl Pulse {
    /// A way answers.
    pub(super) fn up(&mut self, way: Way, sink: &ObservationSink) {
        self.down.remove(&way);
        if self.down.is_empty() && self.told != Some(true) {
            self.told = Some(true);
            sink.put(Observation::Up);
        }
    }

    /// A way does not answer.
    pub(super) fn down(&mut self, way: Way, why: Arc<str>, sink: &ObservationSink) {
        let news = self.down.insert(way, Arc::clone(&why)).is_none();
        if news || self.told != Some(false) {
            self.told = Some(false);
            sink.put(Observation::Down(why));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_contract::observations;

    #[test]
    fn the_registry_is_up_when_every_way_answers() {
        let (sink, seen) = observations();
        let mut pulse = Pulse::default();
        pulse.up(Way::Lists, &sink);
        assert!(matches!(seen.try_next(), Some(Observation::Up)));
        pulse.down(Way::Lane(0), "reset".into(), &sink);
        assert!(matches!(seen.try_next(), Some(Observation::Down(why)) if &*why == "reset"));
        pulse.down(Way::Lane(0), "refused".into(), &sink);
        pulse.up(Way::Lists, &sink);
        assert!(seen.try_next().is_none(), "nothing new was learnt");
        pulse.up(Way::Lane(0), &sink);
        assert!(matches!(seen.try_next(), Some(Observation::Up)));
    }
}
