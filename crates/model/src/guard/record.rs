//! What the guard knows of one service: nothing, unless its number of instances
//! in use changed lately.

use std::time::Duration;

use crate::bugs::Bug;
use crate::name::{LinkName, ServiceKey};
use crate::time::Moment;

use super::hold::{HoldId, Needs, Reason};
use super::offer::{LostDigest, Offer};
use super::samples::{Sample, Samples, rebased};
use super::settings::{Confirmation, Settings};
use super::{Look, Way};

/// What the guard knows of one service. Plain data, so that the edge can store
/// it and the windows survive a restart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// How many were in use until when, before losses that went through: for
    /// `service_share`.
    pub peaks: Samples,
    /// Net losses that went through: for `link_share`.
    pub losses: Samples,
    /// Net gains, which make up for losses to come: for `link_share`.
    pub gains: Samples,
    /// When the service was let go to zero, while it is there: for
    /// `zero_services`.
    pub emptied: Option<Moment>,
    /// A loss that waits.
    pub pending: Option<Pending>,
}

/// A loss that waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pending {
    /// Since when.
    pub since: Moment,
    /// How many were in use before. What is held adds to what the target has,
    /// so the target cannot be asked again while the loss waits.
    pub has: u32,
    /// The most that were in use in the window of `service_share` before.
    pub most: u32,
    /// How many the target would be given now.
    pub given: u32,
    /// How many of those that went moved to another service.
    pub moved: u32,
    /// Which ones are lost.
    pub lost: LostDigest,
    /// How much of the loss gains do not make up for.
    pub net: u32,
    /// How many complete views have shown it in a row.
    pub views: u32,
    /// When the first of them was seen.
    pub first_view: Option<Moment>,
    /// When the last of them was seen.
    pub last_view: Option<Moment>,
    /// The largest loss in these views; a larger one begins a new row.
    pub worst: u32,
    /// What an operator said.
    pub ruling: Option<Ruling>,
}

/// What an operator said of a loss that waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ruling {
    /// Exactly these instances may go.
    Approved(LostDigest),
    /// Nothing may go until the source has shown all again.
    Denied,
}

/// What one service contributes to the counts of the link, and their sum.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Share {
    /// Net losses that went through lately.
    pub(super) lost: u64,
    /// Net losses that wait.
    pub(super) waiting: u64,
    /// One if the service went to zero lately or would.
    pub(super) zero: u64,
    /// The id under which its losses wait, if they count for the link.
    pub(super) id: u64,
}

impl Share {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            lost: self.lost + other.lost,
            waiting: self.waiting + other.waiting,
            zero: self.zero + other.zero,
            id: self.id.wrapping_add(other.id),
        }
    }

    /// Without a share that was added before.
    pub(super) fn less(self, added: Self) -> Self {
        Self {
            lost: self.lost - added.lost,
            waiting: self.waiting - added.waiting,
            zero: self.zero - added.zero,
            id: self.id.wrapping_sub(added.id),
        }
    }
}

impl Record {
    pub(super) const fn new() -> Self {
        Self {
            peaks: Samples::new(),
            losses: Samples::new(),
            gains: Samples::new(),
            emptied: None,
            pending: None,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.peaks.is_empty()
            && self.losses.is_empty()
            && self.gains.is_empty()
            && self.emptied.is_none()
            && self.pending.is_none()
    }

    /// What the service contributes to the counts of its link.
    pub(super) fn share(&self, link: &LinkName, service: &ServiceKey) -> Share {
        let waiting = self.pending.as_ref().filter(|pending| pending.counts());
        let would_be_zero = waiting.is_some_and(|pending| pending.given == 0);
        Share {
            lost: self.losses.sum(),
            waiting: waiting.map_or(0, |pending| u64::from(pending.net)),
            zero: u64::from(self.emptied.is_some() || would_be_zero),
            id: waiting.map_or(0, |pending| {
                HoldId::of_service(link, service, pending.lost).get()
            }),
        }
    }

    /// The moment after which something in here has expired.
    pub(super) fn due(&self, settings: &Settings) -> Option<Moment> {
        let link = settings.link_share.within;
        [
            self.losses.oldest().map(|at| at + link),
            self.gains.oldest().map(|at| at + link),
            self.peaks
                .oldest()
                .map(|at| at + settings.service_share.within),
            self.emptied.map(|at| at + settings.zero_services.within),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Forgets what is older than its window.
    pub(super) fn expire(&mut self, now: Moment, settings: &Settings) {
        self.losses.expire(now, settings.link_share.within);
        self.gains.expire(now, settings.link_share.within);
        self.peaks.expire(now, settings.service_share.within);
        if self
            .emptied
            .is_some_and(|at| now.since(at) > settings.zero_services.within)
        {
            self.emptied = None;
        }
    }

    /// Takes an offer in: whether it is a loss, and how the one that waits
    /// changed.
    pub(super) fn weigh(&mut self, look: &Look, offer: &Offer, settings: &Settings) {
        if self.pending.is_none() {
            if offer.has.saturating_sub(offer.given) <= offer.moved {
                return;
            }
            let most = self.peaks.peak(look.now, settings.service_share.within);
            self.pending = Some(Pending::new(look.now, offer.has, most));
        }
        let gains = &mut self.gains;
        if let Some(pending) = &mut self.pending {
            gains.expire(look.now, settings.link_share.within);
            if offer.given == 0 && pending.given > 0 {
                // Views that showed a part of the service did not show it empty.
                pending.begin_again();
            }
            pending.given = offer.given;
            pending.moved = offer.moved;
            pending.lost = offer.lost;
            let gained = u32::try_from(gains.sum()).unwrap_or(u32::MAX);
            pending.net = pending.loss().saturating_sub(gained);
            pending.see(look);
        }
    }

    /// A look showed more in use than the loss that waits would leave: the views of
    /// that loss do not follow one another.
    pub(super) fn shows_more(&mut self, offer: &Offer) {
        if let Some(pending) = &mut self.pending
            && offer.given > pending.given
        {
            pending.begin_again();
        }
    }

    /// Takes over that an offer goes through.
    pub(super) fn pass(&mut self, now: Moment, offer: &Offer, way: Way) {
        let has = self.pending.take().map_or(offer.has, |pending| pending.has);
        let expected = has.saturating_sub(offer.moved);
        self.peaks.lower(offer.moved);
        if offer.given < expected {
            let count = expected - offer.given;
            self.lose(Sample { at: now, count }, expected, way);
            if offer.given == 0 && way != Way::Approved {
                self.emptied = Some(now);
            }
        } else if has > 0 && offer.given > expected {
            let count = offer.given - expected;
            self.gain(Sample { at: now, count });
        }
        if offer.given > 0 {
            self.emptied = None;
        }
    }

    /// Some of the losses that went through did not happen after all. The gains
    /// that made up for them are there again.
    pub(super) fn take_back(&mut self, now: Moment, count: u32) {
        let count = self.losses.take(count);
        if count > 0 {
            self.gains.push_gain(Sample { at: now, count });
        }
        self.emptied = None;
    }

    fn lose(&mut self, loss: Sample, before: u32, way: Way) {
        match way {
            Way::Open => self.peaks.push_peak(Sample {
                at: loss.at,
                count: before,
            }),
            // It was looked at closely enough to count from here on anew.
            Way::Confirmed | Way::Approved => self.peaks.clear(),
        }
        if way != Way::Approved {
            let count = self.gains.take(loss.count);
            if count > 0 && !Bug::GuardForgets.is_planted() {
                self.losses.push_loss(Sample { count, ..loss });
            }
        }
    }

    fn gain(&mut self, gain: Sample) {
        let count = self.losses.take(gain.count);
        if count > 0 {
            self.gains.push_gain(Sample { count, ..gain });
        }
    }

    /// The same on another clock: what was at `then` is at `now`.
    #[must_use]
    pub fn rebased(mut self, then: Moment, now: Moment) -> Self {
        for samples in [&mut self.peaks, &mut self.losses, &mut self.gains] {
            samples.rebase(then, now);
        }
        let move_one = |moment: Option<Moment>| moment.map(|m| rebased(m, then, now));
        self.emptied = move_one(self.emptied);
        if let Some(pending) = &mut self.pending {
            pending.since = rebased(pending.since, then, now);
            pending.first_view = move_one(pending.first_view);
            pending.last_view = move_one(pending.last_view);
        }
        self
    }
}

impl Pending {
    fn new(since: Moment, has: u32, most: u32) -> Self {
        Self {
            since,
            has,
            most: most.max(has),
            given: has,
            moved: 0,
            lost: LostDigest::NONE,
            net: 0,
            views: 0,
            first_view: None,
            last_view: None,
            worst: 0,
            ruling: None,
        }
    }

    /// How many instances in use would be lost, net.
    pub fn loss(&self) -> u32 {
        self.has
            .saturating_sub(self.given)
            .saturating_sub(self.moved)
    }

    /// Whether an operator approved exactly this loss.
    pub(super) fn is_approved(&self) -> bool {
        self.ruling == Some(Ruling::Approved(self.lost))
    }

    /// Whether the loss counts for the link: what gains do not make up for and
    /// nobody approved.
    pub(super) fn counts(&self) -> bool {
        self.net > 0 && !self.is_approved()
    }

    /// How many would have been lost within the window of `service_share`.
    fn loss_in_window(&self) -> u32 {
        self.most
            .saturating_sub(self.given)
            .saturating_sub(self.moved)
    }

    /// The views that showed the loss so far count no more.
    fn begin_again(&mut self) {
        self.views = 0;
        self.first_view = None;
    }

    /// Counts the view, if it is a complete one that was not counted yet.
    fn see(&mut self, look: &Look) {
        let loss = self.loss_in_window();
        if loss > self.worst {
            self.worst = loss;
            self.begin_again();
        }
        let Some(seen) = look.seen else { return };
        if self.last_view.is_none_or(|last| seen > last) {
            self.views += 1;
            self.first_view.get_or_insert(seen);
            self.last_view = Some(seen);
        }
    }

    /// Why the loss waits for more views, if it is for the service's own sake.
    pub(super) fn reason(&self, settings: &Settings) -> Option<Reason> {
        let loss = self.loss_in_window();
        let share = settings.service_share;
        if self.loss() == 0 {
            None
        } else if self.given == 0 {
            Some(Reason::Zero { had: self.has })
        } else if self.most >= share.from
            && share
                .above
                .is_exceeded(u64::from(loss), u64::from(self.most))
        {
            Some(Reason::ServiceShare {
                lost: loss,
                of: self.most,
                above: share.above,
                within: share.within,
            })
        } else {
            None
        }
    }

    /// How many more views are needed, and for how long; `None` when there were
    /// enough.
    pub(super) fn lacks(&self, needed: &Confirmation) -> Option<Needs> {
        if Bug::OneView.is_planted() {
            return None;
        }
        let seen_for = match (self.first_view, self.last_view) {
            (Some(first), Some(last)) => last.since(first),
            _ => Duration::ZERO,
        };
        let more = needed.views.saturating_sub(self.views);
        let over = needed.over.saturating_sub(seen_for);
        (more > 0 || !over.is_zero()).then(|| Needs::Views {
            // Where only time is missing, one more view has to tell that it is over.
            more: more.max(1),
            over,
        })
    }
}
