//! What holds a plan that takes too much away.
//!
//! To a consumer it is all the same whether an instance is removed, becomes
//! unhealthy, is disabled, loses its weight or leaves the scope: it cannot be
//! used any more. The guard of a link counts such losses of use, *net*: what
//! joins a service makes up for what leaves it, so a rolling deploy, however
//! large, is no loss, and an address that the source newly shows under another
//! service has moved.
//!
//! | setting | holds | until |
//! |---|---|---|
//! | `zero` | a service that goes to zero | enough complete views show it |
//! | `service_share` | a service that loses too much within its window | the same |
//! | `link_share` | all losses of the link, when it loses too much | an operator approves |
//! | `zero_services` | all losses of the link, when too many services go to zero | an operator approves |
//!
//! Every hold also ends when the source shows the instances again, and with an
//! operator's approval; a loss that an operator denied waits until then.
//! Additions are never held.
//!
//! ```text
//!          announce (all services of one list)        judge (each service)
//!  quiet ──────────────────────────────────▶ pending ─────────────┬──▶ pass
//!    ▲                                          ▲                 └──▶ hold ─┐
//!    └── windows expire ── passed               └── the next look ───────────┘
//! ```
//!
//! `service_share` counts from the most instances that were in use in its
//! window. `link_share` counts the window's losses less its gains, in whatever
//! order they come, because a deploy may well start the new before it stops the
//! old; a service that was just seen for the first time has gained nothing.
//! Losses that wait count as well, or a wiped source would be let through one
//! confirmed service after another.
//!
//! The guard is state and pure functions: it is told the time, and it knows
//! only services whose number of instances in use changed within the windows.

mod hold;
mod offer;
mod record;
mod samples;
mod settings;

use std::collections::{BTreeMap, BTreeSet};

use crate::bugs::Bug;
use crate::name::{LinkName, ServiceKey};
use crate::time::Moment;

pub use hold::{Hold, HoldId, Needs, NotAHoldId, Reason, Verdict};
pub use offer::{LostDigest, Offer};
pub use record::{Pending, Record, Ruling};
pub use samples::{Sample, Samples};
pub use settings::{Confirmation, LinkShare, Percent, ServiceShare, Settings, ZeroServices};

use record::Share;
use samples::rebased;

/// What an offer is judged by, besides itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look {
    /// Now.
    pub now: Moment,
    /// When the complete view behind the offer was seen; `None` where it rests
    /// on less. One view counts once, however often it is judged.
    pub seen: Option<Moment>,
    /// How many instances of all services of the link are in use at the target.
    pub link_in_use: u64,
}

/// How losses came to go through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// No rule holds them.
    Open,
    /// Enough views showed them.
    Confirmed,
    /// An operator approved them.
    Approved,
}

/// All losses of the link wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Freeze {
    /// Since when.
    pub since: Moment,
    /// How many instances were in use then, before the losses.
    pub of: u64,
    /// Whether an operator denied them.
    pub denied: bool,
}

impl Freeze {
    /// The same on another clock: what was at `then` is at `now`.
    #[must_use]
    pub fn rebased(self, then: Moment, now: Moment) -> Self {
        Self {
            since: rebased(self.since, then, now),
            ..self
        }
    }
}

/// No such losses wait: they went through, came back, or are others by now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no hold {0}: it has ended, or other instances are lost by now")]
pub struct NoSuchHold(pub HoldId);

/// The guard of one link.
#[derive(Clone, Debug)]
pub struct Guard {
    link: LinkName,
    settings: Settings,
    freeze: Option<Freeze>,
    records: BTreeMap<ServiceKey, Record>,
    /// The sums of all records' shares.
    sums: Share,
    /// When which record has something to forget.
    agenda: BTreeSet<(Moment, ServiceKey)>,
    /// What is not as it was last stored.
    unstored: Unstored,
}

/// What of a guard changed since that was asked last.
#[derive(Clone, Default, Debug)]
struct Unstored {
    freeze: bool,
    records: BTreeSet<ServiceKey>,
}

/// What of a guard is to be stored anew, so that it survives a restart.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Changes {
    /// Whether all losses of the link wait now, where that changed.
    pub freeze: Option<Option<Freeze>>,
    /// Services of which something else is known now; `None` where nothing is
    /// left to know.
    pub records: Vec<(ServiceKey, Option<Record>)>,
}

impl Guard {
    /// The guard of a link of which nothing is known yet.
    pub fn new(link: LinkName, settings: Settings) -> Self {
        Self::restored(link, settings, None, [])
    }

    /// A guard with what [`freeze`](Self::freeze) and
    /// [`records`](Self::records) gave, for after a restart (with moments
    /// rebased on the new clock) or with other settings.
    pub fn restored(
        link: LinkName,
        settings: Settings,
        freeze: Option<Freeze>,
        records: impl IntoIterator<Item = (ServiceKey, Record)>,
    ) -> Self {
        let mut guard = Self {
            link,
            settings,
            freeze,
            records: BTreeMap::new(),
            sums: Share::default(),
            agenda: BTreeSet::new(),
            unstored: Unstored::default(),
        };
        for (service, record) in records {
            guard.alter(&service, |fresh, _| *fresh = record);
        }
        guard.unstored = Unstored::default();
        guard
    }

    /// What changed since this was asked last, to be stored.
    pub fn take_changes(&mut self) -> Changes {
        let unstored = std::mem::take(&mut self.unstored);
        let record = |service: ServiceKey| {
            let record = self.records.get(&service).cloned();
            (service, record)
        };
        Changes {
            freeze: unstored.freeze.then_some(self.freeze),
            records: unstored.records.into_iter().map(record).collect(),
        }
    }

    /// Everything is to be stored again: what was stored may be gone.
    pub fn store_again(&mut self) {
        self.unstored.freeze = true;
        self.unstored.records.extend(self.records.keys().cloned());
    }

    /// Tells of an offer before any is judged.
    ///
    /// When one read shows many services, announcing all of them first lets the
    /// guard see a loss that is spread thinly before the first part of it goes
    /// through. Every announced offer has to be judged then.
    pub fn announce(&mut self, look: &Look, service: &ServiceKey, offer: &Offer) {
        self.expire(look.now);
        self.alter(service, |record, settings| {
            record.weigh(look, offer, settings);
        });
    }

    /// Tells of an offer that is not judged now, such as while the last one is
    /// still being written: where it would lose less than the loss that waits, that
    /// one's views begin anew.
    pub fn overlook(&mut self, service: &ServiceKey, offer: &Offer) {
        if self.records.contains_key(service) {
            self.alter(service, |record, _| record.shows_more(offer));
        }
    }

    /// Decides whether the losses of an offer go through.
    ///
    /// When it passes, what was offered is what the target has from now on.
    /// When it is held, the losses are left out of what the target is given,
    /// and the service is offered again with every new look.
    pub fn judge(&mut self, look: &Look, service: &ServiceKey, offer: &Offer) -> Verdict {
        self.announce(look, service, offer);
        self.review_freeze(look);
        match self.decide(service) {
            Ok(way) => {
                self.alter(service, |record, _| record.pass(look.now, offer, way));
                // The last of what was lost may have come back.
                self.review_freeze(look);
                Verdict::Pass
            }
            Err(hold) => Verdict::Hold(*hold),
        }
    }

    /// So many losses of a service that passed did not happen after all: what
    /// the target has is known to be as before.
    pub fn take_back(&mut self, now: Moment, service: &ServiceKey, count: u32) {
        if count > 0 {
            self.alter(service, |record, _| record.take_back(now, count));
        }
    }

    /// Lets exactly these losses through when they are judged next; gives the
    /// services to look at again.
    ///
    /// # Errors
    /// No such losses wait.
    pub fn approve(&mut self, id: HoldId) -> Result<Vec<ServiceKey>, NoSuchHold> {
        let services = self.named(id)?;
        let whole_link = self.freeze_id() == Some(id);
        for service in &services {
            self.alter(service, |record, _| {
                if let Some(pending) = &mut record.pending {
                    pending.ruling = Some(Ruling::Approved(pending.lost));
                }
            });
        }
        if whole_link {
            self.set_freeze(None);
            self.forget_losses();
        }
        Ok(services)
    }

    /// Keeps these losses back until the source shows the instances again;
    /// gives the services that are kept as they are.
    ///
    /// # Errors
    /// No such losses wait.
    pub fn deny(&mut self, id: HoldId) -> Result<Vec<ServiceKey>, NoSuchHold> {
        if Bug::DenialApproves.is_planted() {
            return self.approve(id);
        }
        let services = self.named(id)?;
        if self.freeze_id() == Some(id)
            && let Some(freeze) = self.freeze
        {
            self.set_freeze(Some(Freeze {
                denied: true,
                ..freeze
            }));
        }
        for service in &services {
            self.alter(service, |record, _| {
                if let Some(pending) = &mut record.pending {
                    pending.ruling = Some(Ruling::Denied);
                }
            });
        }
        Ok(services)
    }

    /// Lets those losses of a frozen link through that went at a replica when its
    /// own freeze was approved, each named by the id that it has by itself; gives
    /// the services to look at again.
    ///
    /// Other losses may have gone before the freeze there than here, so that the
    /// two freezes have different names, and what waits under them differs. This
    /// one ends, as that did: what else waits is weighed anew, and freezes the
    /// link again where it is too much by itself.
    pub fn approve_alike(&mut self, gone: &BTreeSet<HoldId>) -> Vec<ServiceKey> {
        let frozen = self.waiting().filter(|(_, pending)| pending.counts());
        let waiting: Vec<(ServiceKey, LostDigest)> = frozen
            .map(|(service, pending)| (service.clone(), pending.lost))
            .collect();
        let alike = |(service, lost): &&(ServiceKey, LostDigest)| {
            gone.contains(&HoldId::of_service(&self.link, service, *lost))
        };
        let alike: Vec<_> = waiting.iter().filter(alike).cloned().collect();
        if self.freeze.is_none() || alike.is_empty() {
            return Vec::new();
        }
        for (service, lost) in alike {
            self.alter(&service, |record, _| {
                if let Some(pending) = &mut record.pending {
                    pending.ruling = Some(Ruling::Approved(lost));
                }
            });
        }
        self.set_freeze(None);
        self.forget_losses();
        waiting.into_iter().map(|(service, _)| service).collect()
    }

    /// The name of a loss that waits, or would.
    pub fn name_of(&self, service: &ServiceKey, lost: LostDigest) -> HoldId {
        HoldId::of_service(&self.link, service, lost)
    }

    /// All that waits: the hold of the whole link first, then those of its
    /// services in the order of their names.
    pub fn holds(&self) -> impl Iterator<Item = Hold> {
        let services = self
            .records
            .iter()
            .filter_map(|(service, record)| Some((service, record.pending.as_ref()?)))
            .filter_map(|(service, pending)| self.service_hold(service, pending));
        self.freeze_hold().into_iter().chain(services)
    }

    /// Whether all losses of the link wait, and since when.
    pub fn freeze(&self) -> Option<&Freeze> {
        self.freeze.as_ref()
    }

    /// What is known of a service; `None` where nothing changed lately.
    pub fn record(&self, service: &ServiceKey) -> Option<&Record> {
        self.records.get(service)
    }

    /// All that is known, to be stored.
    pub fn records(&self) -> impl ExactSizeIterator<Item = (&ServiceKey, &Record)> {
        self.records.iter()
    }

    /// The thresholds.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Forgets what is older than its window. Judging does it as well; a link
    /// on which nothing happens may call it now and then.
    pub fn expire(&mut self, now: Moment) {
        // While the link is frozen, what froze it does not become less by
        // waiting.
        while self.freeze.is_none()
            && let Some((due, service)) = self.agenda.first().cloned()
            && due < now
        {
            self.alter(&service, |record, settings| record.expire(now, settings));
        }
    }

    /// Why the losses of a service may go through, or what holds them.
    fn decide(&self, service: &ServiceKey) -> Result<Way, Box<Hold>> {
        let record = self.records.get(service);
        let Some(pending) = record.and_then(|record| record.pending.as_ref()) else {
            return Ok(Way::Open);
        };
        if pending.loss() == 0 {
            return Ok(Way::Open);
        }
        if pending.is_approved() {
            return Ok(Way::Approved);
        }
        if pending.counts()
            && pending.ruling != Some(Ruling::Denied)
            && let Some(hold) = self.freeze_hold()
        {
            return Err(Box::new(hold));
        }
        match self.service_hold(service, pending) {
            Some(hold) => Err(Box::new(hold)),
            None if pending.reason(&self.settings).is_some() => Ok(Way::Confirmed),
            None => Ok(Way::Open),
        }
    }

    /// The hold of a service's own losses, if they wait.
    fn service_hold(&self, service: &ServiceKey, pending: &Pending) -> Option<Hold> {
        let lost = pending.loss();
        let (reason, needs) = if lost == 0 || pending.is_approved() {
            return None;
        } else if pending.ruling == Some(Ruling::Denied) {
            (Reason::Denied { lost }, Needs::Reversal)
        } else if let Some(reason) = pending.reason(&self.settings)
            && let Some(needs) = pending.lacks(&self.settings.zero)
        {
            (reason, needs)
        } else if let Some(freeze) = self.freeze
            && pending.counts()
        {
            (self.freeze_reason(&freeze), Needs::Approval)
        } else {
            return None;
        };
        Some(Hold {
            id: HoldId::of_service(&self.link, service, pending.lost),
            service: Some(service.clone()),
            reason,
            since: pending.since,
            needs,
        })
    }

    fn freeze_hold(&self) -> Option<Hold> {
        let freeze = self.freeze?;
        let needs = if freeze.denied {
            Needs::Reversal
        } else {
            Needs::Approval
        };
        Some(Hold {
            id: self.freeze_id()?,
            service: None,
            reason: self.freeze_reason(&freeze),
            since: freeze.since,
            needs,
        })
    }

    fn freeze_reason(&self, freeze: &Freeze) -> Reason {
        let (link, zero) = (self.settings.link_share, self.settings.zero_services);
        if self.loses_too_much(freeze.of) {
            Reason::LinkShare {
                lost: self.sums.lost + self.sums.waiting,
                of: freeze.of,
                above: link.above,
                within: link.within,
            }
        } else {
            Reason::ZeroServices {
                services: self.sums.zero,
                more_than: zero.more_than,
                within: zero.within,
            }
        }
    }

    /// Freezes the link when it loses too much, and ends that when so much has
    /// come back that it does not any more.
    fn review_freeze(&mut self, look: &Look) {
        let of = match self.freeze {
            Some(freeze) => freeze.of,
            None => look.link_in_use.saturating_add(self.sums.lost),
        };
        let too_many_zero = self.sums.zero > u64::from(self.settings.zero_services.more_than);
        let freezes = self.sums.waiting > 0 && (self.loses_too_much(of) || too_many_zero);
        if !freezes {
            self.set_freeze(None);
        } else if self.freeze.is_none() {
            self.set_freeze(Some(Freeze {
                since: look.now,
                of,
                denied: false,
            }));
        }
    }

    fn set_freeze(&mut self, freeze: Option<Freeze>) {
        self.unstored.freeze |= self.freeze != freeze;
        self.freeze = freeze;
    }

    fn loses_too_much(&self, of: u64) -> bool {
        let lost = self.sums.lost.saturating_add(self.sums.waiting);
        let link = self.settings.link_share;
        lost >= u64::from(link.at_least) && link.above.is_exceeded(lost, of)
    }
}

/// Keeping sums and agenda in step with the records.
impl Guard {
    /// The only way in which a record changes.
    fn alter(&mut self, service: &ServiceKey, change: impl FnOnce(&mut Record, &Settings)) {
        let before = self.records.remove(service);
        let mut record = before.clone().unwrap_or_else(Record::new);
        let share = record.share(&self.link, service);
        let due = record.due(&self.settings);
        change(&mut record, &self.settings);
        let share_now = record.share(&self.link, service);
        self.sums = self.sums.less(share).plus(share_now);
        let due_now = record.due(&self.settings);
        if due != due_now {
            if let Some(due) = due {
                self.agenda.remove(&(due, service.clone()));
            }
            if let Some(due) = due_now {
                self.agenda.insert((due, service.clone()));
            }
        }
        let record = Some(record).filter(|record| !record.is_idle());
        if record != before {
            self.unstored.records.insert(service.clone());
        }
        if let Some(record) = record {
            self.records.insert(service.clone(), record);
        }
    }

    /// The services whose losses a hold is about.
    fn named(&self, id: HoldId) -> Result<Vec<ServiceKey>, NoSuchHold> {
        let whole_link = self.freeze_id() == Some(id);
        let services: Vec<ServiceKey> = self
            .waiting()
            .filter(|(service, pending)| {
                (whole_link && pending.counts())
                    || HoldId::of_service(&self.link, service, pending.lost) == id
            })
            .map(|(service, _)| service.clone())
            .collect();
        if services.is_empty() {
            Err(NoSuchHold(id))
        } else {
            Ok(services)
        }
    }

    fn waiting(&self) -> impl Iterator<Item = (&ServiceKey, &Pending)> {
        self.records
            .iter()
            .filter_map(|(service, record)| Some((service, record.pending.as_ref()?)))
            .filter(|(_, pending)| pending.loss() > 0)
    }

    /// The hold of all losses of the link, while they wait.
    pub fn freeze_id(&self) -> Option<HoldId> {
        self.freeze
            .map(|_| HoldId::of_link(&self.link, self.sums.id))
    }

    /// After an operator has answered for them, losses do not count any more.
    fn forget_losses(&mut self) {
        let services: Vec<ServiceKey> = self.records.keys().cloned().collect();
        for service in services {
            self.alter(&service, |record, _| {
                record.losses.clear();
                record.emptied = None;
            });
        }
    }
}

#[cfg(test)]
mod tests;
