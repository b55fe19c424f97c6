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

use syncline_model::ownership::Path;
use syncline_model::plan::{Change, Natives, Removal, Standing};
use syncline_model::{EndpointName, Instance, InstanceKey, MARK_KEY, Moment, ServiceKey};

use super::Core;
use super::link::{Link, LinkService};
use super::reader::Known;

/// How far a look may lag behind a write. Members of a Nacos cluster lag each
/// other by up to 1.7 s (measured, 2.2.4).
const LAG: Duration = Duration::from_secs(5);

/// The places at a target whose content a link changed lately, with what it gave
/// there before.
#[derive(Debug, Default)]
pub(super) struct Former(BTreeMap<InstanceKey, Given>);

#[derive(Debug)]
struct Given {
    what: Instance,
    /// Looks from before this moment may still show it; `None` while the write
    /// that changed it has not succeeded.
    until: Option<Moment>,
}

impl Former {
    /// A write succeeded.
    pub(super) fn confirmed(&mut self, changes: &[Change], marks: bool, now: Moment) {
        let until = Some(now + LAG);
        for given in self.0.values_mut() {
            given.until.get_or_insert(now + LAG);
        }
        for change in changes {
            match change {
                Change::Add(_) => {}
                // What stands there without a mark is why ours was removed.
                Change::Remove { because, .. } if marks && is_shadow(because) => {}
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

    fn put(&mut self, what: &Instance, until: Option<Moment>) {
        let what = what.clone();
        self.0.insert(what.key.clone(), Given { what, until });
    }

    /// Forgets what a look from that moment does not show any more.
    pub(super) fn prune(&mut self, looked_at: Moment) {
        self.0
            .retain(|_, given| given.until.is_none_or(|until| until > looked_at));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn at(&self, key: &InstanceKey, looked_at: Moment) -> Option<&Given> {
        let given = self.0.get(key)?;
        let shows = given.until.is_none_or(|until| looked_at < until);
        shows.then_some(given)
    }
}

fn is_shadow(because: &Removal) -> bool {
    matches!(because, Removal::Shadowed(_))
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
        if self.keeps_marks {
            return None;
        }
        let looked_at = known.seen_at.unwrap_or(Moment::ORIGIN);
        let given = self.former.at(&shown.key, looked_at)?;
        Some(Claim {
            link,
            given: &given.what,
            until: given.until,
        })
    }
}

impl Core {
    /// The way of a copy whose own mark was stripped: what one of our links
    /// wrote there is never taken for native. Where only a later look can tell,
    /// that look's moment is noted.
    pub(super) fn remembered_path(
        &self,
        link: &Link,
        service: &ServiceKey,
        shown: &Instance,
        recheck: &Cell<Option<Moment>>,
    ) -> Option<Path> {
        let from = &link.rules.from;
        let claim = self.claim(from, service, shown)?;
        let marking = claim.link.rules.rules.marking.as_ref()?;
        recheck.set(earlier(recheck.get(), claim.until));
        Some(marking.path_of_written(service, claim.given))
    }

    /// Who registers natively at the target: whatever stands there and is not
    /// ours, by its mark or by the ledger.
    pub(super) fn neighbours(&self, link: &Link, service: &ServiceKey) -> Neighbours {
        let mut neighbours = Neighbours::default();
        let known = self.readers.get(&link.rules.to);
        let known = known.filter(|_| link.rules.target_is_read);
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
    fn claim(
        &self,
        endpoint: &EndpointName,
        service: &ServiceKey,
        shown: &Instance,
    ) -> Option<Claim<'_>> {
        let known = self.readers.get(endpoint)?.get(service)?;
        let mut writers = self.links.values().filter(|l| l.rules.to == *endpoint);
        writers.find_map(|writer| {
            let claim = writer.service(service)?.claim(writer, known, shown)?;
            // Our copy stands beside it with its mark, so this one is another's.
            let beside = known
                .last
                .get(&shown.key)
                .iter()
                .any(|other| other != shown && writer.is_marked_as_ours(service, other));
            let is_other = beside && !writer.is_marked_as_ours(service, shown);
            (!is_other).then_some(claim)
        })
    }
}

fn earlier(one: Option<Moment>, other: Option<Moment>) -> Option<Moment> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
