//! When registries begin to be watched: after the first writes.
//!
//! To watch ten thousand services is as much work for a server as to register
//! them, so both at once would take twice as long until consumers have what they
//! wait for. Nothing is missed meanwhile: a watch begins by telling what is, and
//! what is not any more of all that was listed.

use std::time::Duration;

use syncline_model::{EndpointName, Moment};

use super::timers::Timer;
use super::{Core, Effect};

/// How long the first writes may keep a registry from being watched: a target
/// that hangs must not keep others from seeing changes at once.
const AT_THE_LATEST: Duration = Duration::from_secs(20);

/// How long a target that does not answer at all keeps registries from being
/// watched. One that was just started takes a second until it does.
const REACHED_WITHIN: Duration = Duration::from_secs(3);

impl Core {
    /// A registry is watched when nothing more important is to be done, or
    /// after a while.
    pub(super) fn watch_later(&mut self, now: Moment, endpoint: EndpointName) {
        let timer = Timer::Watch(endpoint);
        self.timers.set(timer, now + AT_THE_LATEST);
        self.timers.set(Timer::Unreached, now + REACHED_WITHIN);
    }

    /// Watches each registry of which the first list was written, as far as it
    /// could be.
    pub(super) fn watch_what_rests(&mut self) {
        if self.unwatched.is_empty() {
            return;
        }
        let rests: Vec<_> = self.unwatched.iter().filter(|e| self.rests(e)).collect();
        for endpoint in rests.into_iter().cloned().collect::<Vec<_>>() {
            self.watch(&endpoint);
        }
    }

    pub(super) fn watch(&mut self, endpoint: &EndpointName) {
        self.timers.clear(&Timer::Watch(endpoint.clone()));
        if self.unwatched.remove(endpoint)
            && let Some(reader) = self.readers.get(endpoint)
        {
            let listed = reader.services().map(|(service, _)| service.clone());
            self.effects.push(Effect::Watch {
                endpoint: endpoint.clone(),
                listed: listed.collect(),
            });
        }
    }

    /// Whether no link that reads or writes there is at its first writes, or
    /// waits for what they need: the lists, and an answer of its target, for
    /// some seconds.
    fn rests(&self, endpoint: &EndpointName) -> bool {
        let touches = |end: &EndpointName| end == endpoint;
        let mut links = self
            .links
            .values()
            .filter(|link| touches(&link.rules.from) || touches(&link.rules.to));
        links.all(|link| {
            let ends = [&link.rules.from, &link.rules.to];
            let mut readers = ends.into_iter().filter_map(|end| self.readers.get(end));
            let reached = link.report.is_some() || !self.unreached_are_awaited;
            reached && !link.is_writing() && readers.all(|reader| reader.was_listed_or_failed())
        })
    }
}
