//! Two worlds as replicas of each other.

use std::time::Duration;

use syncline_contract::Write;
use syncline_engine::core::{Event, PeerAnswer, PeerReport, PeerSettings, PeerStatus};
use syncline_model::plan::{Change, Removal};
use syncline_model::{InstanceKey, LinkName};

use super::{LinkSetup, World, world};

/// Whether a write lets go of an instance on a replica's word. Whether it may
/// is what the tests of replicas ask.
pub(super) fn is_left(write: &Write, key: &InstanceKey) -> bool {
    let mut changes = write.changes.iter();
    changes.any(|change| {
        let because = match change {
            Change::Remove { instance, because } if instance.key == *key => because,
            _ => return false,
        };
        *because == Removal::LeftToReplica
    })
}

/// A world of one of several replicas, whose links were told what `rules` says.
pub(crate) fn replica(setup: LinkSetup, let_go_after: Duration, rules: &str) -> World {
    let told = [(setup.name.clone(), rules.to_owned())];
    let mut world = world([setup]);
    world.peers = Some(PeerSettings::new(let_go_after, 1, told));
    world.renew();
    world
}

impl World {
    /// What it tells replicas.
    pub(crate) fn report(&mut self) -> PeerReport {
        self.tell(Event::TakeStock);
        self.core.peer_report(self.now)
    }

    /// Asks a replica, as it does every few seconds; what it was answered.
    pub(crate) fn ask(&mut self, other: &mut Self) -> Vec<(LinkName, PeerAnswer)> {
        self.tell(Event::TakeStock);
        let (peer, report) = ("other".into(), other.report());
        self.tell(Event::PeerReported { peer, report });
        let questions = self.core.peer_questions(self.now, &"other".into());
        let answer = |question: &syncline_engine::core::PeerQuestion| {
            let answer = other.core.peer_answer(other.now, question);
            Some((question.link.clone(), answer?))
        };
        questions.iter().filter_map(answer).collect()
    }

    /// Takes what a replica answered, after so long.
    pub(crate) fn hear(&mut self, answers: Vec<(LinkName, PeerAnswer)>, took: Duration) {
        for (link, answer) in answers {
            self.tell(Event::PeerAnswered {
                peer: "other".into(),
                link,
                answer,
                took,
            });
        }
    }

    /// Asks a replica and takes what it answers.
    pub(crate) fn exchange(&mut self, other: &mut Self) {
        let answers = self.ask(other);
        self.hear(answers, Duration::ZERO);
    }

    /// What it says of replicas.
    pub(crate) fn peers(&self) -> Vec<PeerStatus> {
        self.core.status(self.now).peers
    }

    /// Whether nothing is planned now; what is held then.
    pub(crate) fn handed_over(&self) -> Option<usize> {
        let holdings = self.core.holdings(self.now)?;
        Some(holdings.iter().map(|holding| holding.set.len()).sum())
    }
}
