//! Replicas: daemons that do the same work at the same time, and what one of
//! them lets go of because another knows better.
//!
//! Replicas of one install register the same bytes over connections of their
//! own, so each instance shows once and stands while one of them lives. That
//! needs no election. It needs one rule, for a replica that is cut off from a
//! source: it still holds what has left meanwhile. So replicas tell each other
//! how long each has not seen its sources, and a hash of what it holds; and
//!
//! * a link that has not seen its source for a while **lets go** of what a
//!   replica that does see it does not hold, and of nothing else;
//! * what the replica holds with other content is let go of only where the
//!   target shows that other copy, so that the instance is never absent;
//! * a replica that cannot be reached, is itself cut off, is still busy with a
//!   service, or follows other rules proves nothing;
//! * nothing is ever added on a replica's word;
//! * a replica that starts takes nothing up again that another one, which sees
//!   the source, does not hold.
//!
//! Ages are told as lengths of time and counted on each side's own monotonic
//! clock, so that no wall clock decides anything.
//!
//! What an operator said of a hold travels with the same reports: holds are
//! named by their content, so the name means the same losses everywhere. Links
//! that froze at different moments have different names for it: then whatever
//! went at the replica where that was approved may go here.

mod agreement;
mod evacuations;
mod first_word;
mod letting_go;
mod rulings;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use syncline_model::guard::HoldId;
use syncline_model::{Instance, InstanceKey, LinkName, Moment, ServiceKey};
use xxhash_rust::xxh3::Xxh3;

use super::Core;
use super::aside::Evacuation;
use super::link::Link;
use super::reader::Known;

use agreement::Told;
pub use agreement::{PeerLinkStatus, PeerStatus};
use evacuations::Words;
use first_word::FirstWords;
pub(super) use letting_go::LetGo;
use rulings::Rulings;

/// A report older than this is not built upon, nor is a view.
const FRESH: Duration = Duration::from_secs(10);

/// A replica that did not take stock for so long was stopped, and may claim
/// nothing before it has listed its sources again.
const LONG_GAP: Duration = Duration::from_secs(10);

/// What a replica is called: its address, or whatever its operator knows it by.
pub type PeerName = Arc<str>;

/// How replicas are to be taken.
#[derive(Clone, Debug)]
pub struct PeerSettings {
    /// A link that has not seen its source for so long lets go of what a
    /// replica that sees it does not hold. Longer than the loss of a source can
    /// go unnoticed.
    let_go_after: Duration,
    /// How many are asked, ourselves perhaps among them.
    others: usize,
    /// What each link was told to do, as a hash: links of one name that were
    /// told different things prove nothing to each other.
    rules: BTreeMap<LinkName, u64>,
}

impl PeerSettings {
    /// Settings for so many replicas that are asked, ourselves perhaps among
    /// them, and for links that were told to do what these texts say.
    pub fn new(
        let_go_after: Duration,
        others: usize,
        rules: impl IntoIterator<Item = (LinkName, String)>,
    ) -> Self {
        let hashed = rules
            .into_iter()
            .map(|(link, text)| (link, xxhash_rust::xxh3::xxh3_64(text.as_bytes())));
        Self {
            let_go_after,
            others,
            rules: hashed.collect(),
        }
    }
}

/// What a replica tells of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerReport {
    /// Link by link.
    pub links: Vec<PeerLink>,
    /// What operators decided here lately.
    pub rulings: Vec<PeerRuling>,
    /// What operators took out of use or put back lately.
    pub evacuations: Vec<PeerEvacuation>,
}

/// What a replica tells of one link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerLink {
    /// Which link.
    pub link: LinkName,
    /// What it was told to do, as a hash.
    pub rules: u64,
    /// How long ago its source was last seen, with all that was seen planned;
    /// `None` where it speaks for nothing: not begun, paused, not following
    /// changes as they come.
    pub unseen_for: Option<Duration>,
    /// How many services it holds anything of.
    pub services: usize,
    /// A hash of all that it holds, whatever the order.
    pub digest: u64,
}

/// What an operator decided on a hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerRuling {
    /// Which hold.
    pub hold: HoldId,
    /// The link, where all its losses waited: replicas that froze at different
    /// moments have different holds of the same losses.
    pub frozen: Option<LinkName>,
    /// Whether its losses may go through.
    pub approve: bool,
    /// How long ago that was.
    pub ago: Duration,
}

/// What an operator took out of use, or put back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerEvacuation {
    /// Which copies.
    pub what: Evacuation,
    /// Whether they are out of use.
    pub on: bool,
    /// How long ago that was.
    pub ago: Duration,
}

/// What we hold of a link, for a replica to say where it differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerQuestion {
    /// Which link.
    pub link: LinkName,
    /// The services that we hold anything of, each with a hash of it.
    pub services: Vec<(ServiceKey, u64)>,
}

/// Where what a replica holds differs from what it was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerAnswer {
    /// As in its report, at the moment of the answer.
    pub rules: u64,
    /// As in its report, at the moment of the answer.
    pub unseen_for: Option<Duration>,
    /// The services that differ, in order.
    pub differences: Vec<PeerDifference>,
}

/// What a replica holds of a service that differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerDifference {
    /// The service at the target.
    pub service: ServiceKey,
    /// Whether nothing of it waits for a look, a plan or a write there.
    pub settled: bool,
    /// Whether what it does not hold is proved to be gone.
    pub whole: bool,
    /// What it holds, each instance with a hash of its content.
    pub instances: Vec<(InstanceKey, u64)>,
}

/// What is known of replicas, and what they are told.
#[derive(Debug, Default)]
pub(super) struct Peers {
    settings: Option<PeerSettings>,
    sights: BTreeMap<LinkName, Sight>,
    /// When stock was first and last taken.
    stock: Option<(Moment, Moment)>,
    told: BTreeMap<PeerName, Told>,
    rulings: Rulings,
    evacuations: Words,
    first_words: FirstWords,
}

/// How well a link sees its source.
#[derive(Clone, Copy, Debug, Default)]
struct Sight {
    /// When it last answered us.
    near: Option<Moment>,
    /// When it was last seen so well that what is not held is gone.
    seen: Option<Moment>,
    /// When it was last out of sight: a list from before says nothing.
    out: Option<Moment>,
}

impl Core {
    /// The same core, as one of several replicas.
    #[must_use]
    pub fn with_peers(mut self, settings: PeerSettings) -> Self {
        self.peers.settings = Some(settings);
        self
    }

    /// What to tell replicas now.
    pub fn peer_report(&self, now: Moment) -> PeerReport {
        let links = self.links.values();
        PeerReport {
            links: links.map(|link| self.peer_link(link, now)).collect(),
            rulings: self.peers.rulings.told(now),
            evacuations: self.peers.evacuations.told(now),
        }
    }

    fn peer_link(&self, link: &Link, now: Moment) -> PeerLink {
        let held = link.services().filter(|(_, state)| !state.held.is_empty());
        let (mut services, mut digest) = (0, 0_u64);
        for (service, state) in held {
            services += 1;
            // A sum does not depend on the order.
            digest = digest.wrapping_add(service_digest(service, state.held.fingerprint()));
        }
        PeerLink {
            link: link.rules.name.clone(),
            rules: self.peers.rules_of(&link.rules.name),
            unseen_for: self.speaks_after(link, now),
            services,
            digest,
        }
    }

    /// How long ago the link's source was last seen so well that what the link
    /// does not hold is gone; `None` where the link speaks for nothing.
    fn speaks_after(&self, link: &Link, now: Moment) -> Option<Duration> {
        let follows = link.settled && !link.paused && link.rules.realtime;
        let sight = self
            .peers
            .sights
            .get(&link.rules.name)
            .filter(|_| follows)?;
        Some(now.since(sight.seen?))
    }

    /// Says where what we hold differs from what a replica holds; `None` where
    /// there is no such link.
    pub fn peer_answer(&self, now: Moment, question: &PeerQuestion) -> Option<PeerAnswer> {
        let link = self.links.get(&question.link)?;
        let theirs: BTreeMap<&ServiceKey, u64> = question
            .services
            .iter()
            .map(|(service, digest)| (service, *digest))
            .collect();
        let held = link.services().filter(|(_, state)| !state.held.is_empty());
        let ours: BTreeMap<&ServiceKey, u64> = held
            .map(|(service, state)| (service, state.held.fingerprint()))
            .collect();
        let mut differing: Vec<&ServiceKey> = theirs
            .iter()
            .chain(&ours)
            .filter(|(service, _)| theirs.get(*service) != ours.get(*service))
            .map(|(service, _)| *service)
            .collect();
        differing.sort_unstable();
        differing.dedup();
        let differences = differing.into_iter().map(|service| PeerDifference {
            service: service.clone(),
            settled: self.is_settled(link, service),
            whole: self.is_seen_whole(link, service),
            instances: link.service(service).map_or_else(Vec::new, |state| {
                let held = state.held.instances().iter();
                held.map(|i| (i.key.clone(), content_digest(i))).collect()
            }),
        });
        Some(PeerAnswer {
            rules: self.peers.rules_of(&question.link),
            unseen_for: self.speaks_after(link, now),
            differences: differences.collect(),
        })
    }

    /// Whether what a link holds of a service is all that it should hold, as
    /// far as its source shows.
    fn is_settled(&self, link: &Link, service: &ServiceKey) -> bool {
        let Some(state) = link.service(service) else {
            return true;
        };
        let reader = &self.readers[&link.rules.from];
        let place = (link.rules.name.clone(), service.clone());
        let waits = self.dirty.contains(&place) || link.is_waiting(service);
        let idle = |source: &ServiceKey| {
            let known = reader.get(source);
            known.is_some_and(|known| !known.is_being_read())
        };
        !waits && state.is_settled() && state.let_go.is_empty() && state.from.iter().all(idle)
    }

    /// Whether it was proved of a service that its source has no more than is
    /// shown.
    fn is_seen_whole(&self, link: &Link, service: &ServiceKey) -> bool {
        let reader = &self.readers[&link.rules.from];
        let whole = |source: &ServiceKey| reader.get(source).is_some_and(Known::shows_all);
        let state = link.service(service);
        state.is_none_or(|state| state.from.iter().all(whole))
    }

    /// Looks how well each link sees its source, and at what operators decided
    /// elsewhere. Called every few seconds; a
    /// replica that was stopped for longer has to list its sources again before
    /// it may speak for them.
    pub(super) fn take_stock(&mut self, now: Moment) {
        self.meet_rulings();
        let gap = self
            .peers
            .stock
            .is_some_and(|(_, last)| now.since(last) > LONG_GAP);
        let (first, _) = self.peers.stock.unwrap_or((now, now));
        self.peers.stock = Some((first, now));
        for (name, link) in &self.links {
            let source = &self.readers[&link.rules.from];
            let whole_at = link.nothing_there().map(|(_, at)| at);
            let away = source.down.is_some() || !source.listed();
            let failing = source.failing().is_some() && whole_at.is_none();
            let sight = self.peers.sights.entry(name.clone()).or_default();
            if !away && !failing {
                sight.near = Some(now);
            }
            if gap || away || whole_at.is_none() {
                sight.out = Some(now);
            } else if sight.out.is_none() || whole_at > sight.out {
                sight.out = None;
                sight.seen = Some(now);
            }
        }
        if gap {
            let sources: Vec<_> = self.links.values().map(|l| l.rules.from.clone()).collect();
            for source in sources {
                self.want_list(now, &source);
            }
        }
    }
}

impl Peers {
    /// What a link was told to do, as a hash.
    fn rules_of(&self, link: &LinkName) -> u64 {
        let rules = self.settings.as_ref().and_then(|s| s.rules.get(link));
        rules.copied().unwrap_or_default()
    }
}

fn service_digest(service: &ServiceKey, fingerprint: u64) -> u64 {
    let mut hash = Xxh3::new();
    for part in [
        service.namespace.as_str(),
        service.group.as_str(),
        service.name.as_str(),
    ] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(&fingerprint.to_le_bytes());
    hash.digest()
}

/// A hash of what consumers are told of an instance, the same on every machine.
fn content_digest(instance: &Instance) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&instance.weight.get().to_bits().to_le_bytes());
    hash.update(&[
        u8::from(instance.healthy.or(true)),
        u8::from(instance.enabled),
    ]);
    for (key, value) in instance.metadata.iter() {
        for text in [key, value] {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
    }
    hash.digest()
}
