//! What replicas said last, and whether they hold what we hold.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use syncline_model::{InstanceKey, LinkName, Moment, ServiceKey};

use super::{
    FRESH, PeerAnswer, PeerDifference, PeerLink, PeerName, PeerQuestion, PeerReport, content_digest,
};
use crate::core::Core;
use crate::core::link::Link;

/// Replicas differ for a moment with every change. After this time it is asked
/// where.
const DIFFER_FOR: Duration = Duration::from_secs(6);

/// How often that is asked while nothing depends on it.
const ASK_EVERY: Duration = Duration::from_secs(30);

/// How many services are named that differ.
const NAMED: usize = 10;

/// What a replica said last.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// When it was last heard.
    at: Option<Moment>,
    /// Why it cannot be reached, while it cannot.
    lost: Option<Arc<str>>,
    links: BTreeMap<LinkName, ToldOfLink>,
}

#[derive(Debug)]
struct ToldOfLink {
    said: PeerLink,
    /// Since when it holds something else than we do.
    differs_since: Option<Moment>,
    asked_at: Option<Moment>,
    /// The services that differ, as far as it was asked.
    differing: Vec<ServiceKey>,
}

/// How a replica is doing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerStatus {
    /// Which one.
    pub peer: PeerName,
    /// How long ago it was last heard; `None` before the first time.
    pub heard_ago: Option<Duration>,
    /// Why it cannot be reached, while it cannot.
    pub lost: Option<Arc<str>>,
    /// The links that both of us have.
    pub links: Vec<PeerLinkStatus>,
}

/// How a replica's link compares with ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerLinkStatus {
    /// Which link.
    pub link: LinkName,
    /// How long ago it last saw its source; `None` where it speaks for nothing.
    pub unseen_for: Option<Duration>,
    /// Whether it was told to do what ours was.
    pub same_rules: bool,
    /// For how long it has held something else than we do; `None` while it
    /// holds the same.
    pub differs_for: Option<Duration>,
    /// The first services that differ, where that was asked.
    pub differing: Vec<ServiceKey>,
}

impl Core {
    /// A replica told of itself.
    pub(in crate::core) fn peer_reported(
        &mut self,
        now: Moment,
        peer: PeerName,
        report: PeerReport,
    ) {
        for ruling in &report.rulings {
            self.peer_ruled(now, ruling);
        }
        for said in &report.evacuations {
            self.peer_evacuated(now, said);
        }
        let mut said: Vec<(PeerLink, bool)> = Vec::new();
        for theirs in report.links {
            if let Some(link) = self.links.get(&theirs.link) {
                let ours = self.peer_link(link, now);
                let same = (ours.services, ours.digest) == (theirs.services, theirs.digest);
                said.push((theirs, same));
            }
        }
        let told = self.peers.told.entry(peer.clone()).or_default();
        told.at = Some(now);
        told.lost = None;
        told.links
            .retain(|name, _| said.iter().any(|(link, _)| link.link == *name));
        for (link, same) in said {
            told.hear(link, same, now);
        }
        self.first_report_from(&peer);
    }

    /// A replica cannot be reached, which says nothing of what it holds.
    pub(in crate::core) fn peer_lost(&mut self, peer: PeerName, why: Arc<str>) {
        self.no_word_from(&peer);
        self.peers.told.entry(peer).or_default().lost = Some(why);
    }

    /// What was taken for a replica is this process.
    pub(in crate::core) fn peer_is_us(&mut self, peer: &PeerName) {
        self.no_word_from(peer);
        self.peers.told.remove(peer);
    }

    /// What to ask a replica now, after it told of itself.
    pub fn peer_questions(&self, now: Moment, peer: &PeerName) -> Vec<PeerQuestion> {
        let Some(told) = self.peers.told.get(peer) else {
            return Vec::new();
        };
        let asks = |(name, told): &(&LinkName, &ToldOfLink)| {
            let link = self.links.get(*name);
            link.is_some_and(|link| self.asks(now, link, told))
        };
        let links = told.links.iter().filter(asks);
        links.filter_map(|(name, _)| self.question(name)).collect()
    }

    fn asks(&self, now: Moment, link: &Link, told: &ToldOfLink) -> bool {
        let Some(since) = told.differs_since else {
            return false;
        };
        let knows = told.said.unseen_for.is_some_and(|unseen| unseen <= FRESH);
        let lately = told.asked_at.is_some_and(|at| now.since(at) < ASK_EVERY);
        let matters = self.is_cut_off(now, link)
            || self.awaits_first_word(&link.rules.name)
            || self.froze_otherwise(link);
        (knows && matters) || (now.since(since) >= DIFFER_FOR && !lately)
    }

    fn question(&self, name: &LinkName) -> Option<PeerQuestion> {
        let link = self.links.get(name)?;
        let held = link.services().filter(|(_, state)| !state.held.is_empty());
        Some(PeerQuestion {
            link: name.clone(),
            services: held
                .map(|(service, state)| (service.clone(), state.held.fingerprint()))
                .collect(),
        })
    }

    /// A replica said where it differs, which took so long.
    pub(in crate::core) fn peer_answered(
        &mut self,
        now: Moment,
        peer: &PeerName,
        name: &LinkName,
        answer: &PeerAnswer,
        took: Duration,
    ) {
        let differing = self.differing(name, answer);
        let told = self.peers.told.get_mut(peer);
        if let Some(told) = told.and_then(|told| told.links.get_mut(name)) {
            told.asked_at = Some(now);
            told.differing = differing;
        }
        self.first_answer(now, name, answer, took);
        self.approve_what_went(name, answer, took);
        self.let_go_of_differences(now, name, answer, took);
    }

    /// The services whose consumers would be told something else.
    fn differing(&self, name: &LinkName, answer: &PeerAnswer) -> Vec<ServiceKey> {
        let Some(link) = self.links.get(name) else {
            return Vec::new();
        };
        let differs = |difference: &&PeerDifference| {
            let ours: BTreeMap<&InstanceKey, u64> = link
                .service(&difference.service)
                .map(|state| state.held.instances())
                .unwrap_or_default()
                .iter()
                .map(|i| (&i.key, content_digest(i)))
                .collect();
            let theirs = difference.instances.iter();
            let theirs: BTreeMap<&InstanceKey, u64> = theirs.map(|(k, d)| (k, *d)).collect();
            ours != theirs
        };
        let differing = answer.differences.iter().filter(differs);
        let named = differing.map(|difference| difference.service.clone());
        named.take(NAMED).collect()
    }

    /// How replicas are doing.
    pub(in crate::core) fn peer_status(&self, now: Moment) -> Vec<PeerStatus> {
        let status = |(peer, told): (&PeerName, &Told)| PeerStatus {
            peer: Arc::clone(peer),
            heard_ago: told.at.map(|at| now.since(at)),
            lost: told.lost.clone(),
            links: told
                .links
                .iter()
                .map(|(name, of_link)| PeerLinkStatus {
                    link: name.clone(),
                    unseen_for: of_link.said.unseen_for,
                    same_rules: of_link.said.rules == self.peers.rules_of(name),
                    differs_for: of_link.differs_for(now),
                    differing: of_link.differing.clone(),
                })
                .collect(),
        };
        self.peers.told.iter().map(status).collect()
    }
}

impl ToldOfLink {
    fn differs_for(&self, now: Moment) -> Option<Duration> {
        // A hash also tells apart what makes no difference to consumers.
        let matters = self.asked_at.is_none() || !self.differing.is_empty();
        self.differs_since
            .filter(|_| matters)
            .map(|since| now.since(since))
    }
}

impl Told {
    /// What it said of a link last, and whether it holds something else than we
    /// do.
    pub(super) fn of_link(&self, link: &LinkName) -> Option<(&PeerLink, bool)> {
        let told = self.links.get(link)?;
        Some((&told.said, told.differs_since.is_some()))
    }

    fn hear(&mut self, said: PeerLink, same: bool, now: Moment) {
        let name = said.link.clone();
        let of_link = self.links.entry(name).or_insert_with(|| ToldOfLink {
            said: said.clone(),
            differs_since: None,
            asked_at: None,
            differing: Vec::new(),
        });
        of_link.said = said;
        if same {
            of_link.differs_since = None;
            of_link.differing.clear();
        } else {
            of_link.differs_since.get_or_insert(now);
        }
    }
}
