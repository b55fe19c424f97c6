//! What operators decided on holds, here and at replicas.

use std::collections::BTreeMap;
use std::time::Duration;

use syncline_model::Moment;
use syncline_model::guard::HoldId;

use super::PeerRuling;
use crate::core::Core;

/// How long a decision is told, and waits for a hold of its name to appear
/// where the same losses are noticed later.
const TOLD_FOR: Duration = Duration::from_secs(10 * 60);

/// Two decisions on one hold that are closer than this are the same one, told
/// twice: ages grow a little on their way.
const SAME: Duration = Duration::from_secs(2);

/// Decisions of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Rulings(BTreeMap<HoldId, Ruling>);

#[derive(Clone, Copy, Debug)]
struct Ruling {
    approve: bool,
    at: Moment,
    /// Whether a hold of that name has met it here.
    met: bool,
}

impl Rulings {
    pub(super) fn told(&self, now: Moment) -> Vec<PeerRuling> {
        let recent = self.0.iter().filter(|(_, r)| now.since(r.at) < TOLD_FOR);
        recent
            .map(|(hold, ruling)| PeerRuling {
                hold: *hold,
                approve: ruling.approve,
                ago: now.since(ruling.at),
            })
            .collect()
    }

    /// Takes note of a decision that is news.
    fn note(&mut self, hold: HoldId, approve: bool, at: Moment, now: Moment) {
        self.0.retain(|_, ruling| now.since(ruling.at) < TOLD_FOR);
        let known = |known: &Ruling| {
            let same = known.approve == approve && at <= known.at + SAME;
            same || at <= known.at
        };
        if now.since(at) < TOLD_FOR && !self.0.get(&hold).is_some_and(known) {
            let met = false;
            self.0.insert(hold, Ruling { approve, at, met });
        }
    }

    /// Decisions that no hold has met here yet.
    fn unmet(&self) -> Vec<(HoldId, bool)> {
        let unmet = self.0.iter().filter(|(_, ruling)| !ruling.met);
        unmet
            .map(|(hold, ruling)| (*hold, ruling.approve))
            .collect()
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
            self.peers.rulings.note(hold, approve, now, now);
            let there = self.waits(hold);
            self.peers.rulings.meet(hold, there);
        }
    }

    /// An operator decided at a replica.
    pub(super) fn peer_ruled(&mut self, now: Moment, ruling: &PeerRuling) {
        let at = Moment::after_origin(now.since_origin().saturating_sub(ruling.ago));
        let rulings = &mut self.peers.rulings;
        rulings.note(ruling.hold, ruling.approve, at, now);
    }

    /// Decides on holds as operators did at replicas, where the same losses may
    /// have been noticed before they were here.
    pub(super) fn meet_rulings(&mut self) {
        for (hold, approve) in self.peers.rulings.unmet() {
            let there = self.waits(hold);
            self.peers.rulings.meet(hold, there);
            if there {
                self.decide(hold, approve);
            }
        }
    }

    /// Whether there is such a hold now.
    fn waits(&self, hold: HoldId) -> bool {
        let mut holds = self.links.values().flat_map(|link| link.guard.holds());
        holds.any(|held| held.id == hold)
    }
}
