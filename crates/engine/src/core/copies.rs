//! Telling our own copies in a registry from what applications register there.
//!
//! A mark tells. Where a registry loses marks, or is not given any, the ledger
//! does: what stands where a link wrote, with the content that it wrote, is a
//! copy. A look may be older than the last write, though, or a write may have
//! failed half way: what stands at such a place then is not taken for native
//! before a later look shows it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use syncline_model::bugs::Bug;
use syncline_model::desire::{Way, unmarked};
use syncline_model::ownership::{Carry, Path, may_carry};
use syncline_model::plan::{Change, Natives, Standing};
use syncline_model::{EndpointName, Instance, InstanceKey, MARK_KEY, Moment, ServiceKey};

use super::Core;
use super::link::Link;
use super::reader::Known;
use super::service::LinkService;

/// How far a look may lag behind a write. Members of a Nacos cluster lag each
/// other by up to 1.7 s (measured, 2.2.4).
const LAG: Duration = Duration::from_secs(5);

/// The most contents of one place that are remembered. Whoever changed more often
/// within the lag is taken for ours whatever it looks like.
const MOST_CONTENTS: usize = 8;

/// The places at a target whose content a link changed lately, with what it gave
/// there before.
#[derive(Debug, Default)]
pub(super) struct Former(BTreeMap<InstanceKey, Given>);

#[derive(Debug, Default)]
struct Given {
    /// The newest last.
    what: Vec<Instance>,
    /// Looks from before this moment may still show it; `None` while the write
    /// that changed it has not succeeded.
    until: Option<Moment>,
}

impl Former {
    /// A write succeeded.
    pub(super) fn confirmed(&mut self, changes: &[Change], now: Moment) {
        let until = Some(now + LAG);
        for given in self.0.values_mut() {
            given.until.get_or_insert(now + LAG);
        }
        for change in changes {
            match change {
                Change::Add(_) => {}
                Change::Update { from: what, .. }
                | Change::MarkUnavailable { from: what, .. }
                | Change::Remove { instance: what, .. } => self.put(what, until),
            }
        }
    }

    /// A write failed, and nobody knows how far it came.
    pub(super) fn failed(&mut self, changes: &[Change]) {
        for change in changes {
            if let Change::Update { from, .. } | Change::MarkUnavailable { from, .. } = change {
                self.put(from, None);
            }
        }
    }

    /// A write that was to change these was not confirmed.
    pub(super) fn may_stand(&mut self, what: &[Instance]) {
        what.iter().for_each(|what| self.put(what, None));
    }

    fn put(&mut self, what: &Instance, until: Option<Moment>) {
        let given = self.0.entry(what.key.clone()).or_default();
        given.until = until;
        given.what.retain(|before| !looks_alike(before, what));
        if given.what.len() <= MOST_CONTENTS {
            given.what.push(what.clone());
        }
    }

    /// Forgets what a look at its place does not show any more.
    pub(super) fn prune(&mut self, looked_at: impl Fn(&InstanceKey) -> Moment) {
        let shows =
            |key: &InstanceKey, given: &Given| given.until.is_none_or(|u| u > looked_at(key));
        self.0.retain(|key, given| shows(key, given));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was given before at the place of an instance, if a look from that
    /// moment may still show it, and until when one may.
    fn at(&self, shown: &Instance, looked_at: Moment) -> Option<(&Instance, Option<Moment>)> {
        let given = self.0.get(&shown.key)?;
        let shows = given.until.is_none_or(|until| looked_at < until);
        let mut alike = given.what.iter().filter(|what| looks_alike(what, shown));
        let what = match given.what.len() > MOST_CONTENTS {
            true => given.what.last(),
            false => alike.next(),
        };
        what.filter(|_| shows).map(|what| (what, given.until))
    }
}

/// Whether two are the same but for a mark that a registry may have lost.
pub(super) fn looks_alike(given: &Instance, shown: &Instance) -> bool {
    let bare = |i: &Instance| Instance {
        metadata: unmarked(&i.metadata),
        ..i.clone()
    };
    !bare(given).content_differs(&bare(shown))
}

/// What is known of who stands where at a target.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    pub(super) natives: Natives,
    /// When a later look will tell more.
    pub(super) recheck: Option<Moment>,
    /// Whether the registry was seen to keep our marks.
    pub(super) keeps_marks: bool,
}

/// A copy of ours.
struct Claim<'a> {
    link: &'a Link,
    /// What was given there.
    given: &'a Instance,
    /// Until when it may be somebody else's after all.
    until: Option<Moment>,
}

impl LinkService {
    /// What this link gave the target at the place of an instance that stands
    /// there, if it may be that.
    fn claim<'a>(&'a self, link: &'a Link, known: &Known, shown: &Instance) -> Option<Claim<'a>> {
        let certain = |given| Claim {
            link,
            given,
            until: None,
        };
        if let Some(given) = self.wrote(shown) {
            return Some(certain(given));
        }
        // Where no marks are written, an operator may have changed our copy;
        // another publisher's would stand beside it.
        let alone = known.last.get(&shown.key).len() == 1;
        if alone && !link.marks() {
            let given = self.held.get(&shown.key).first();
            if let Some(given) = given {
                return Some(certain(given));
            }
        }
        let looked_at = known.looked_at(&shown.key);
        let (given, until) = self.former.at(shown, looked_at)?;
        // Ours would be seen by its mark.
        if self.keeps_marks && mark_of(given).is_some() {
            return None;
        }
        Some(Claim { link, given, until })
    }
}

impl Core {
    /// The way of a copy whose own mark was stripped: what one of our links
    /// wrote there is never taken for native. Where several wrote the same, it
    /// came every one of their ways, and one on which it may go on is enough.
    /// Where only a later look can tell, that look's moment is noted.
    pub(super) fn remembered_path(
        &self,
        link: &Link,
        service: &ServiceKey,
        shown: &Instance,
        recheck: &Cell<Option<Moment>>,
    ) -> Option<Way> {
        let ways = self.claims(&link.rules.from, service, shown);
        let ways = ways.filter_map(|claim| {
            let marking = claim.link.rules.rules.marking.as_ref()?;
            let path = marking.path_of_written(service, claim.given);
            Some((claim.until, path))
        });
        let marking = link.rules.rules.marking.as_ref();
        let ends = |path: &Path| {
            let carried = marking.map(|m| may_carry(Some(path), &m.from, &m.to));
            !matches!(carried, Some(Carry::Yes(_)))
        };
        let (until, path) = ways.min_by_key(|(until, path)| (ends(path), until.is_some()))?;
        recheck.set(earlier(recheck.get(), until));
        Some(Way {
            path,
            may_be_over: until.is_some(),
        })
    }

    /// Who registers natively at the target: whatever stands there and is not
    /// ours, by its mark or by the ledger.
    pub(super) fn neighbours(&self, link: &Link, service: &ServiceKey) -> Neighbours {
        let mut neighbours = Neighbours::default();
        let known = self.readers.get(&link.rules.to);
        let sees = link.rules.target_is_read && !Bug::NativesDoubled.is_planted();
        let known = known.filter(|_| sees);
        let Some(known) = known.and_then(|reader| reader.get(service)) else {
            return neighbours;
        };
        let (mut mine, mut natives) = (Vec::new(), Vec::new());
        for instance in known.last.instances() {
            let marked = instance.metadata.get(MARK_KEY).is_some();
            match self.claim(&link.rules.to, service, instance) {
                Some(claim) => {
                    neighbours.keeps_marks |= marked && claim.until.is_none();
                    neighbours.recheck = earlier(neighbours.recheck, claim.until);
                    mine.push(instance);
                }
                None if link.is_marked_as_ours(service, instance) => mine.push(instance),
                None if link.took_over(service, instance) => {}
                None => natives.push(instance),
            }
        }
        for native in natives {
            let beside = mine.iter().any(|copy| copy.key.same_address(&native.key));
            let standing = match beside {
                true => Standing::Beside,
                false => Standing::Instead,
            };
            let address = (native.key.host.clone(), native.key.port);
            neighbours.natives.insert(address, standing);
        }
        if link.rules.retired {
            let theirs = self.given_by_others(link, service);
            neighbours.natives.extend(theirs);
        }
        neighbours
    }

    /// Whether an instance at a registry is a copy that one of our links wrote
    /// there, as far as the ledger tells.
    pub(super) fn is_claimed(
        &self,
        endpoint: &EndpointName,
        service: &ServiceKey,
        shown: &Instance,
    ) -> bool {
        self.claim(endpoint, service, shown).is_some()
    }

    fn claim(
        &self,
        endpoint: &EndpointName,
        service: &ServiceKey,
        shown: &Instance,
    ) -> Option<Claim<'_>> {
        let claims = self.claims(endpoint, service, shown);
        claims.min_by_key(|claim| claim.until.is_some())
    }

    /// All that may have written an instance at a registry.
    fn claims<'a>(
        &'a self,
        endpoint: &EndpointName,
        service: &ServiceKey,
        shown: &Instance,
    ) -> impl Iterator<Item = Claim<'a>> {
        let known = self.readers.get(endpoint).and_then(|r| r.get(service));
        let writers = self.links.values().filter(|l| l.rules.to == *endpoint);
        let writers = writers.filter(|_| !Bug::MarksOnly.is_planted());
        writers.filter_map(move |writer| {
            let known = known?;
            let claim = writer.service(service)?.claim(writer, known, shown)?;
            let (mark, shown_mark) = (mark_of(claim.given), mark_of(shown));
            // Our copy stands beside it with its mark, so this one is another's.
            let is_other = mark.is_some() && mark != shown_mark && {
                let mut others = known.last.get(&shown.key).iter();
                others.any(|other| mark_of(other) == mark)
            };
            (!is_other).then_some(claim)
        })
    }
}

fn mark_of(instance: &Instance) -> Option<&str> {
    instance.metadata.get(MARK_KEY)
}

fn earlier(one: Option<Moment>, other: Option<Moment>) -> Option<Moment> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
