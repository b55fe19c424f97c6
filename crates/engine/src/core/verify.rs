//! What the source, the ledger and the target say of each instance, side by
//! side, and why they differ. It decides nothing of its own: what would be
//! written is asked of the same plan and the same guard as everywhere else.

mod strays;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use syncline_model::desire::unmarked;
use syncline_model::guard::{Guard, HoldId, Verdict};
use syncline_model::plan::{Change, RemovalPolicy, UnavailableAs};
use syncline_model::{
    EndpointName, Identity, Instance, InstanceKey, LinkName, Moment, ServiceKey, ServiceSet,
};

use super::Core;
use super::draft::Decision;
use super::link::Link;
use super::reader::Reader;
use super::service::LinkService;

/// What a comparison of one link's sides found.
#[derive(Clone, Debug)]
pub struct LinkVerification {
    /// Which link.
    pub link: LinkName,
    /// Where it reads.
    pub from: EndpointName,
    /// Where it writes.
    pub to: EndpointName,
    /// Whether something is being read right now.
    pub reading: bool,
    /// Why the source was not read whole, where it was not: what it said last is
    /// compared all the same.
    pub doubt: Option<Arc<str>>,
    /// How long ago the source was read whole.
    pub source_ago: Option<Duration>,
    /// Whether the target can be read; where it cannot, as a file, the ledger
    /// stands for it.
    pub target_is_read: bool,
    /// How long ago the target was read whole.
    pub target_ago: Option<Duration>,
    /// How many instances are the same on all sides.
    pub same: usize,
    /// What differs, service by service.
    pub differences: Vec<Difference>,
}

/// An instance that is not the same on all sides, in the target's terms.
#[derive(Clone, PartialEq, Debug)]
pub struct Difference {
    /// The service at the target.
    pub service: ServiceKey,
    /// The instance.
    pub instance: InstanceKey,
    /// What the source said last.
    pub source: Option<Instance>,
    /// What the ledger says the target was given.
    pub ledger: Option<Instance>,
    /// What the target shows of it, where it can be read.
    pub target: Option<Instance>,
    /// Why.
    pub why: Why,
}

/// Why the sides differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// An application registers it at the target itself.
    Shadowed,
    /// It stands aside: evacuated, or its source stays lost.
    Aside(String),
    /// The guard holds its loss.
    Held(HoldId),
    /// An operator paused the link.
    Paused,
    /// The link waits for its next look.
    Waits,
    /// The target does not take it.
    Failing(Arc<str>),
    /// It is about to be written.
    Pending,
    /// It cannot be taken over.
    LeftOut(String),
    /// It is kept though the source does not show it, or is no longer as the
    /// source shows it.
    Kept(String),
    /// The target does not show what it was given.
    Lost,
    /// The target shows something else than it was given.
    Drift,
    /// The target shows a copy with our mark that the ledger does not know.
    Stray,
}

/// What becomes of a difference by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Outlook {
    /// It is as it should be.
    Right,
    /// It will be written.
    Passes,
    /// It stays until somebody or something else changes.
    Stays,
    /// The guard waits for more views or an approval.
    Held,
}

impl Why {
    /// The same as one word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Shadowed => "shadowed",
            Self::Aside(_) => "aside",
            Self::Held(_) => "held",
            Self::Paused => "paused",
            Self::Waits => "waits",
            Self::Failing(_) => "failing",
            Self::Pending => "pending",
            Self::LeftOut(_) => "left-out",
            Self::Kept(_) => "kept",
            Self::Lost => "lost",
            Self::Drift => "drift",
            Self::Stray => "stray",
        }
    }

    /// What becomes of it.
    pub fn outlook(&self) -> Outlook {
        match self {
            Self::Shadowed => Outlook::Right,
            Self::Pending | Self::Waits => Outlook::Passes,
            Self::Held(_) => Outlook::Held,
            Self::Aside(_)
            | Self::Paused
            | Self::Failing(_)
            | Self::LeftOut(_)
            | Self::Kept(_)
            | Self::Lost
            | Self::Drift
            | Self::Stray => Outlook::Stays,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shadowed => f.write_str("shadowed: an application registers it at the target"),
            Self::Aside(rule) => write!(f, "stands aside ({rule})"),
            Self::Held(hold) => write!(f, "held by the guard: hold {hold}"),
            Self::Paused => f.write_str("the link is paused"),
            Self::Waits => f.write_str("the link waits for its next look"),
            Self::Failing(why) => write!(f, "cannot be written: {why}"),
            Self::Pending => f.write_str("about to be written"),
            Self::LeftOut(why) => write!(f, "left out: {why}"),
            Self::Kept(why) => write!(f, "kept: {why}"),
            Self::Lost => f.write_str("drift: the target does not show it"),
            Self::Drift => f.write_str("drift: changed at the target by another"),
            Self::Stray => f.write_str("bears our mark, and the ledger does not know it"),
        }
    }
}

impl Core {
    /// Compares the sides of every link, as far as they have been read.
    pub fn verify(&self, now: Moment) -> Vec<LinkVerification> {
        let links = self.links.values();
        links.map(|link| self.verify_link(now, link)).collect()
    }

    fn verify_link(&self, now: Moment, link: &Link) -> LinkVerification {
        let source = &self.readers[&link.rules.from];
        let target = self.readers.get(&link.rules.to);
        let target = target.filter(|_| link.rules.target_is_read);
        let quiet = source.is_quiet() && target.is_none_or(Reader::is_quiet);
        let mut found = LinkVerification {
            link: link.rules.name.clone(),
            from: link.rules.from.clone(),
            to: link.rules.to.clone(),
            reading: !quiet,
            doubt: doubt(source),
            source_ago: source.complete_at.map(|at| now.since(at)),
            target_is_read: target.is_some(),
            target_ago: target.and_then(|reader| Some(now.since(reader.complete_at?))),
            same: 0,
            differences: Vec::new(),
        };
        let mut guard = self.foreseeing(now, link);
        for (service, state) in link.services() {
            let sides = Sides {
                link,
                service,
                state,
                source: self
                    .last_desired(link, state)
                    .unwrap_or_else(ServiceSet::empty),
                target: target.map(|reader| {
                    reader
                        .get(service)
                        .map_or_else(ServiceSet::empty, |known| Arc::clone(&known.last))
                }),
                doubt: found.doubt.clone(),
            };
            let decision = self.decided(now, link, service, &mut guard);
            self.compare(&sides, decision.as_ref(), &mut found);
        }
        let told: BTreeSet<(ServiceKey, InstanceKey)> = (found.differences.iter())
            .map(|it| (it.service.clone(), it.instance.clone()))
            .collect();
        let strays = target.into_iter().flat_map(|t| self.strays(link, t));
        let new = strays.filter(|it| !told.contains(&(it.service.clone(), it.instance.clone())));
        found.differences.extend(new);
        found
    }

    fn decided(
        &self,
        now: Moment,
        link: &Link,
        service: &ServiceKey,
        guard: &mut Guard,
    ) -> Option<Decision> {
        let draft = self.draft(now, link, service)?;
        Some(draft.judged(service, guard))
    }

    fn compare(
        &self,
        sides: &Sides<'_>,
        decision: Option<&Decision>,
        found: &mut LinkVerification,
    ) {
        for key in sides.keys() {
            let (source, ledger) = (
                sides.at(&sides.source, &key),
                sides.at(&sides.state.held, &key),
            );
            let target = match &sides.target {
                Some(_) => sides.copy_at(&key),
                // What cannot be read is what it was given.
                None => ledger,
            };
            let same = !differ(source, ledger) && !sides.drifted(ledger, target);
            if same {
                found.same += 1;
                continue;
            }
            found.differences.push(Difference {
                service: sides.service.clone(),
                why: self.why(sides, decision, &key, (source, ledger, target)),
                instance: key.clone(),
                source: source.cloned(),
                ledger: ledger.cloned(),
                target: target.filter(|_| sides.target.is_some()).cloned(),
            });
        }
        for problem in decision.iter().flat_map(|decision| &decision.left_out) {
            if let Some(instance) = &problem.instance {
                found.differences.push(Difference {
                    service: sides.service.clone(),
                    instance: instance.clone(),
                    source: None,
                    ledger: None,
                    target: None,
                    why: Why::LeftOut(problem.what.clone()),
                });
            }
        }
    }

    fn why(
        &self,
        sides: &Sides<'_>,
        decision: Option<&Decision>,
        key: &InstanceKey,
        (source, ledger, target): (Option<&Instance>, Option<&Instance>, Option<&Instance>),
    ) -> Why {
        let (link, state) = (sides.link, sides.state);
        let about = |change: &&Change| change.key().same(key, link.identity());
        if let Some(decision) = decision {
            if decision.plan.shadowed.iter().any(|native| native == key) {
                return Why::Shadowed;
            }
            if let Verdict::Hold(hold) = &decision.verdict
                && decision.kept.iter().any(|change| about(&change))
            {
                return Why::Held(hold.id);
            }
            if decision.plan.changes.iter().any(|change| about(&change)) {
                return match &state.failure {
                    _ if link.paused => Why::Paused,
                    Some(why) => Why::Failing(Arc::clone(why)),
                    None if !link.is_open() => Why::Waits,
                    None => Why::Pending,
                };
            }
        }
        match (ledger, target) {
            (Some(_), None) => return Why::Lost,
            (Some(_), Some(_)) if sides.drifted(ledger, target) => return Why::Drift,
            _ => {}
        }
        let aside = ledger.and_then(|given| self.asides(link).rule(sides.service, given));
        match aside {
            Some(rule) => Why::Aside(rule),
            None => sides.kept(key, source.is_some()),
        }
    }
}

/// What the sides of a link show of one service.
struct Sides<'a> {
    link: &'a Link,
    service: &'a ServiceKey,
    state: &'a LinkService,
    /// In the target's terms.
    source: Arc<ServiceSet>,
    /// All that stands there, also of others; `None` where it cannot be read.
    target: Option<Arc<ServiceSet>>,
    doubt: Option<Arc<str>>,
}

impl Sides<'_> {
    /// Every instance that the source or the ledger has, once.
    fn keys(&self) -> Vec<InstanceKey> {
        let identity = self.link.identity();
        let known = self.source.instances().iter();
        let known = known.chain(self.state.held.instances());
        let mut seen = BTreeSet::new();
        let new = |key: &&InstanceKey| {
            let cluster = match identity {
                Identity::AddressAndCluster => Some(key.cluster.clone()),
                Identity::Address => None,
            };
            seen.insert((key.host.clone(), key.port, cluster))
        };
        known
            .map(|instance| &instance.key)
            .filter(new)
            .cloned()
            .collect()
    }

    fn at<'s>(&self, set: &'s ServiceSet, key: &'s InstanceKey) -> Option<&'s Instance> {
        set.matching(key, self.link.identity()).next()
    }

    /// What the target shows at the place of an instance, where that is ours.
    fn copy_at<'s>(&'s self, key: &'s InstanceKey) -> Option<&'s Instance> {
        let set = self.target.as_ref()?;
        let there = || set.matching(key, self.link.identity());
        let marked = |shown: &&Instance| self.link.is_marked_as_ours(self.service, shown);
        // Without a mark the ledger tells, as long as nobody else is said to
        // stand there.
        there().find(marked).or_else(|| {
            let native = self.state.shadowed.iter().any(|shadowed| shadowed == key);
            there().next().filter(|_| !native)
        })
    }

    /// Whether the target shows something else than it was given. Where
    /// registrations live by beats, health is not ours to give.
    fn drifted(&self, ledger: Option<&Instance>, target: Option<&Instance>) -> bool {
        let gives_health = self.link.unavailable() == UnavailableAs::WeightAndHealth;
        let (Some(given), Some(shown), false) = (ledger, target, gives_health) else {
            return differ(ledger, target);
        };
        let healthy = given.healthy;
        let shown = Instance {
            healthy,
            ..shown.clone()
        };
        differ(Some(given), Some(&shown))
    }

    /// Why the target has something else than the source shows though nothing
    /// is to be written.
    fn kept(&self, key: &InstanceKey, shown: bool) -> Why {
        let missing = self.state.missing.contains_key(key);
        Why::Kept(match self.link.rules.removal {
            _ if self.state.flips.contains_key(key) => format!(
                "its health changed less than health_dwell ago: {:?}",
                self.link.rules.health_dwell
            ),
            _ if shown => "a look has yet to prove what the source shows".to_owned(),
            RemovalPolicy::Keep if missing => "removal.policy: keep".to_owned(),
            RemovalPolicy::MarkUnavailable { .. } if missing => {
                "removal.policy: mark-unavailable".to_owned()
            }
            RemovalPolicy::Delete { grace } if missing && !grace.is_zero() => {
                format!("gone for less than removal.grace: {grace:?}")
            }
            _ => match &self.doubt {
                Some(why) => format!("the source was not read whole: {why}"),
                None => "a look has yet to prove that it is gone".to_owned(),
            },
        })
    }
}

/// Whether two sides say something else of an instance, as far as both know;
/// the mark of a copy says nothing of the instance.
fn differ(one: Option<&Instance>, other: Option<&Instance>) -> bool {
    let plain = |instance: &Instance| Instance {
        metadata: unmarked(&instance.metadata),
        ..instance.clone()
    };
    match (one, other) {
        (None, None) => false,
        (Some(one), Some(other)) => {
            one.key != other.key || plain(one).content_differs(&plain(other))
        }
        _ => true,
    }
}

/// Why the last list of a source was not whole.
fn doubt(source: &Reader) -> Option<Arc<str>> {
    let of_areas = || {
        let mut doubts = source.areas.iter().filter_map(|area| area.coverage.doubt());
        doubts.next().map(|why| why.to_string().into())
    };
    source.down.clone().or_else(of_areas)
}
