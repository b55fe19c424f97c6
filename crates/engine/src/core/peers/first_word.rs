//! What a replica that starts takes up again, while another one lives.
//!
//! What our connections held went with the process before, and the ledger
//! remembers it. Another replica that sees the source holds it still, so nobody
//! misses anything; and what that one does not hold any more has left, and would
//! come back for a while if it were taken up. So nothing is taken up, nor
//! planned, before the other replicas were heard. They have a second for that:
//! where none lives, nobody waits in vain for long.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use syncline_contract::Hold;
use syncline_model::{Instance, LinkName, Moment, ServiceKey};

use super::letting_go::unlike;
use super::{FRESH, PeerAnswer, PeerName};
use crate::core::Core;
use crate::core::link::Link;
use crate::core::timers::Timer;

/// How long replicas may take to say their first word.
const WITHIN: Duration = Duration::from_secs(1);

/// The links that wait for a replica's first word.
#[derive(Debug, Default)]
pub(super) struct FirstWords(BTreeMap<LinkName, Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// The replicas that prove nothing.
    useless: BTreeSet<PeerName>,
    /// What one said that knows better, when, and how long that took.
    word: Option<(PeerAnswer, Moment, Duration)>,
}

impl Core {
    /// All that was remembered is known: what there is of it waits.
    pub(in crate::core) fn await_first_words(&mut self, now: Moment) {
        let others = self.peers.settings.as_ref().map_or(0, |s| s.others);
        if others == 0 || self.dry {
            return;
        }
        let remembers = |link: &&Link| link.services().any(|(_, state)| state.gives());
        let waiting = self.links.values().filter(remembers);
        let waiting = waiting.map(|link| (link.rules.name.clone(), Waiting::default()));
        self.peers.first_words.0 = waiting.collect();
        self.timers.set(Timer::FirstWord, now + WITHIN);
    }

    /// Whether a link waits for a replica's first word.
    pub(in crate::core) fn awaits_first_word(&self, link: &LinkName) -> bool {
        self.peers.first_words.0.contains_key(link)
    }

    /// A replica is no help with any link.
    pub(super) fn no_word_from(&mut self, peer: &PeerName) {
        for link in self.peers.first_words.links() {
            self.no_word(peer, &link);
        }
    }

    /// A replica told of itself: nothing of a link it holds too, or that it
    /// holds the very same. Where it holds something else it is asked.
    pub(super) fn first_report_from(&mut self, peer: &PeerName) {
        for link in self.peers.first_words.links() {
            let told = self.peers.told.get(peer);
            let told = told.and_then(|told| told.of_link(&link));
            let knows = told.is_some_and(|(said, _)| {
                let fresh = said.unseen_for.is_some_and(|unseen| unseen <= FRESH);
                fresh && said.rules == self.peers.rules_of(&link)
            });
            match told {
                Some((_, differs)) if knows && differs => {}
                Some(_) if knows => self.go_on_with(&link),
                _ => self.no_word(peer, &link),
            }
        }
    }

    fn no_word(&mut self, peer: &PeerName, link: &LinkName) {
        let others = self.peers.settings.as_ref().map_or(0, |s| s.others);
        if let Some(waiting) = self.peers.first_words.0.get_mut(link) {
            waiting.useless.insert(peer.clone());
            if waiting.useless.len() >= others && waiting.word.is_none() {
                self.go_on_with(link);
            }
        }
    }

    /// A replica said where it differs, which took so long.
    pub(super) fn first_answer(
        &mut self,
        now: Moment,
        link: &LinkName,
        answer: &PeerAnswer,
        took: Duration,
    ) {
        if let Some(waiting) = self.peers.first_words.0.get_mut(link) {
            waiting.word = Some((answer.clone(), now, took));
            self.heed_first_word(now, link);
        }
    }

    /// Acts on a replica's first word as soon as it is known how the target
    /// holds things.
    pub(in crate::core) fn heed_first_word(&mut self, now: Moment, name: &LinkName) {
        let waiting = self.peers.first_words.0.get(name);
        let Some((link, waiting)) = self.links.get(name).zip(waiting) else {
            return;
        };
        let Some(hold) = link.report.as_ref().map(|report| report.hold) else {
            return;
        };
        // What outlived us stands there, whatever others hold.
        if hold != Hold::Connection {
            return self.go_on_with(name);
        }
        let Some((answer, at, took)) = &waiting.word else {
            return;
        };
        if self.knows_better(link, answer, *took + now.since(*at)) {
            let differences = answer.differences.iter();
            let leave: Vec<(ServiceKey, Vec<Instance>)> = differences
                .map(|difference| {
                    let unlike = unlike(link, difference).cloned().collect();
                    (difference.service.clone(), unlike)
                })
                .filter(|(_, unlike): &(_, Vec<_>)| !unlike.is_empty())
                .collect();
            for (service, instances) in leave {
                self.forget(now, name, &service, instances);
            }
        }
        self.go_on_with(name);
    }

    /// The replicas have had their time. What one has said is heeded once the
    /// target answers.
    pub(in crate::core) fn first_words_are_over(&mut self) {
        for link in self.peers.first_words.links() {
            let waiting = &self.peers.first_words.0[&link];
            if waiting.word.is_none() {
                self.go_on_with(&link);
            }
        }
    }

    fn go_on_with(&mut self, link: &LinkName) {
        if self.peers.first_words.0.remove(link).is_some() {
            self.mark_all_dirty(link);
        }
    }
}

impl FirstWords {
    fn links(&self) -> Vec<LinkName> {
        self.0.keys().cloned().collect()
    }
}
