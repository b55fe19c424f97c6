//! What operators took out of use and put back, here and at replicas: copies
//! that stand aside at one and not at the other are shown twice.

use std::collections::BTreeMap;
use std::time::Duration;

use syncline_model::Moment;

use super::PeerEvacuation;
use crate::core::{Core, Evacuation};

/// How long an operator's word is told: a replica that was away for longer has
/// to be told by the operator.
const TOLD_FOR: Duration = Duration::from_secs(10 * 60);

/// Two words on one thing that are closer than this are the same one, told
/// twice: ages grow a little on their way.
const SAME: Duration = Duration::from_secs(2);

/// The operators' last words of the last minutes, and when they were said.
#[derive(Debug, Default)]
pub(super) struct Words(BTreeMap<Evacuation, (bool, Moment)>);

impl Words {
    pub(super) fn told(&self, now: Moment) -> Vec<PeerEvacuation> {
        let recent = self
            .0
            .iter()
            .filter(|(_, (_, at))| now.since(*at) < TOLD_FOR);
        recent
            .map(|(what, (on, at))| PeerEvacuation {
                what: what.clone(),
                on: *on,
                ago: now.since(*at),
            })
            .collect()
    }

    /// Takes note of a word; whether it is news.
    fn note(&mut self, what: &Evacuation, on: bool, at: Moment, now: Moment) -> bool {
        self.0.retain(|_, (_, at)| now.since(*at) < TOLD_FOR);
        let known = self.0.get(what).is_some_and(|(known_on, known_at)| {
            let same = *known_on == on && at <= *known_at + SAME;
            same || at <= *known_at
        });
        let news = now.since(at) < TOLD_FOR && !known;
        if news {
            self.0.insert(what.clone(), (on, at));
        }
        news
    }
}

impl Core {
    /// An operator said so here.
    pub(in crate::core) fn note_evacuation(&mut self, now: Moment, what: &Evacuation, on: bool) {
        // What is remembered from before the start was told then.
        if self.started && self.peers.settings.is_some() {
            self.peers.evacuations.note(what, on, now, now);
        }
    }

    /// An operator said so at a replica.
    pub(super) fn peer_evacuated(&mut self, now: Moment, said: &PeerEvacuation) {
        let at = Moment::after_origin(now.since_origin().saturating_sub(said.ago));
        if self.peers.evacuations.note(&said.what, said.on, at, now) {
            self.evacuate(said.what.clone(), said.on);
        }
    }
}
