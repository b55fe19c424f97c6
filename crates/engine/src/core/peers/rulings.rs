//! What operators decided on holds, here and at replicas.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use syncline_model::guard::{HoldId, LostDigest};
use syncline_model::{LinkName, Moment};

use super::letting_go::unlike;
use super::{PeerAnswer, PeerRuling};
use crate::core::Core;
use crate::core::link::Link;

/// How long a decision is told, and waits for a hold of its name to appear
/// where the same losses are noticed later.
const TOLD_FOR: Duration = Duration::from_secs(10 * 60);

/// Two decisions on one hold that are closer than this are the same one, told
/// twice: ages grow a little on their way.
const SAME: Duration = Duration::from_secs(2);

/// Decisions of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Rulings(BTreeMap<HoldId, Ruling>);

#[derive(Clone, Debug)]
struct Ruling {
    approve: bool,
    at: Moment,
    /// The link, where all its losses waited.
    frozen: Option<LinkName>,
    /// Whether a hold of that name has met it here.
    met: bool,
}

impl Rulings {
    pub(super) fn told(&self, now: Moment) -> Vec<PeerRuling> {
        let recent = self.0.iter().filter(|(_, r)| now.since(r.at) < TOLD_FOR);
        recent
            .map(|(hold, ruling)| PeerRuling {
                hold: *hold,
                frozen: ruling.frozen.clone(),
                approve: ruling.approve,
                ago: now.since(ruling.at),
            })
            .collect()
    }

    /// Takes note of a decision that is news.
    fn note(&mut self, now: Moment, at: Moment, ruling: &PeerRuling) {
        let (hold, approve) = (ruling.hold, ruling.approve);
        self.0.retain(|_, ruling| now.since(ruling.at) < TOLD_FOR);
        let known = |known: &Ruling| {
            let same = known.approve == approve && at <= known.at + SAME;
            same || at <= known.at
        };
        if now.since(at) < TOLD_FOR && !self.0.get(&hold).is_some_and(known) {
            let ruling = Ruling {
                approve,
                at,
                frozen: ruling.frozen.clone(),
                met: false,
            };
            self.0.insert(hold, ruling);
        }
    }

    /// Decisions that no hold has met here yet.
    fn unmet(&self) -> Vec<(HoldId, Ruling)> {
        let unmet = self.0.iter().filter(|(_, ruling)| !ruling.met);
        unmet
            .map(|(hold, ruling)| (*hold, ruling.clone()))
            .collect()
    }

    /// The freezes of a link that were approved elsewhere and are not met here.
    fn approvals_of(&self, link: &LinkName) -> impl Iterator<Item = HoldId> {
        let of_link = |ruling: &Ruling| ruling.frozen.as_ref() == Some(link);
        let unmet = self.0.iter().filter(|(_, ruling)| !ruling.met);
        let approved = unmet.filter(move |(_, r)| r.approve && of_link(r));
        approved.map(|(hold, _)| *hold)
    }

    fn meet(&mut self, hold: HoldId, there: bool) {
        if let Some(ruling) = self.0.get_mut(&hold) {
            ruling.met |= there;
        }
    }
}

impl Core {
    /// An operator decided here.
    pub(in crate::core) fn note_ruling(&mut self, now: Moment, hold: HoldId, approve: bool) {
        if self.peers.settings.is_some() {
            let mut links = self.links.values();
            let frozen = links.find(|link| link.guard.freeze_id() == Some(hold));
            let ruling = PeerRuling {
                hold,
                frozen: frozen.map(|link| link.rules.name.clone()),
                approve,
                ago: Duration::ZERO,
            };
            self.peers.rulings.note(now, now, &ruling);
            let there = self.waits(hold);
            self.peers.rulings.meet(hold, there);
        }
    }

    /// An operator decided at a replica.
    pub(super) fn peer_ruled(&mut self, now: Moment, ruling: &PeerRuling) {
        let at = Moment::after_origin(now.since_origin().saturating_sub(ruling.ago));
        self.peers.rulings.note(now, at, ruling);
    }

    /// Decides on holds as operators did at replicas, where the same losses may
    /// have been noticed before they were here.
    pub(super) fn meet_rulings(&mut self) {
        for (hold, ruling) in self.peers.rulings.unmet() {
            let there = self.waits(hold);
            self.peers.rulings.meet(hold, there);
            let frozen = ruling.frozen.and_then(|link| self.links.get(&link));
            let freeze = frozen.and_then(|link| link.guard.freeze_id());
            if there {
                self.decide(hold, ruling.approve);
            } else if let Some(freeze) = freeze.filter(|_| !ruling.approve) {
                // Whatever waits here goes on waiting.
                self.peers.rulings.meet(hold, true);
                self.decide(freeze, false);
            }
        }
    }

    /// Whether a link is frozen, and a replica that was frozen otherwise was told
    /// to go on: then it is asked what went there.
    pub(super) fn froze_otherwise(&self, link: &Link) -> bool {
        let mut approvals = self.peers.rulings.approvals_of(&link.rules.name);
        link.guard.freeze().is_some() && approvals.next().is_some()
    }

    /// A replica said where it differs, which took so long: what went there with
    /// an approval may go here.
    pub(super) fn approve_what_went(
        &mut self,
        name: &LinkName,
        answer: &PeerAnswer,
        took: Duration,
    ) {
        let Some(link) = self.links.get(name) else {
            return;
        };
        if !self.froze_otherwise(link) || !self.knows_better(link, answer, took) {
            return;
        }
        let settled = answer.differences.iter().filter(|d| d.settled && d.whole);
        let gone: BTreeSet<HoldId> = settled
            .map(|difference| {
                let keys = unlike(link, difference).map(|instance| &instance.key);
                let lost = keys.fold(LostDigest::NONE, LostDigest::with);
                link.guard.name_of(&difference.service, lost)
            })
            .collect();
        let approved: Vec<HoldId> = self.peers.rulings.approvals_of(name).collect();
        let link = self.links.get_mut(name);
        let services = link.map_or_else(Vec::new, |link| link.guard.approve_alike(&gone));
        if services.is_empty() {
            return;
        }
        for hold in &approved {
            self.peers.rulings.meet(*hold, true);
        }
        if let Some(hold) = approved.first() {
            self.heed_decisions(vec![(name.clone(), services)], *hold, true);
        }
    }

    /// Whether there is such a hold now.
    fn waits(&self, hold: HoldId) -> bool {
        let mut holds = self.links.values().flat_map(|link| link.guard.holds());
        holds.any(|held| held.id == hold)
    }
}
