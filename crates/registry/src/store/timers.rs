//! What is due when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::ClientId;
use super::services::ServiceId;
use crate::moment::Moment;

/// Something to look at when its moment comes.
///
/// Timers are never taken back: whoever handles one compares the moment with
/// what it last planned, and ignores a timer that was overtaken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Timer {
    /// A registration that lives by beats.
    Beat(ServiceId, ClientId),
    /// A persistent registration that is looked at.
    Check(ServiceId, ClientId),
    /// A service that nobody publishes.
    Empty(ServiceId),
    /// Overrides of instances that have gone.
    Overrides(ServiceId),
    /// A change that subscribers should hear of.
    Push(ServiceId),
    /// A subscriber that is to hear of a service for the first time.
    Welcome(ServiceId, ClientId),
    /// Names that came or went, of which watchers should hear.
    Names,
}

#[derive(Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(Moment, Timer)>>);

impl Timers {
    pub(super) fn add(&mut self, at: Moment, timer: Timer) {
        self.0.push(Reverse((at, timer)));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn next_due(&self) -> Option<Moment> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    pub(super) fn pop_due(&mut self, now: Moment) -> Option<(Moment, Timer)> {
        if self.next_due()? > now {
            return None;
        }
        self.0.pop().map(|Reverse(due)| due)
    }
}
