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
use syncline_model::{EndpointName, Instance, InstanceKey, MARK_KEY, Moment, Seen, ServiceKey};

use super::Core;
use super::link::Link;
use super::reader::Known;
use super::service::LinkService;

/// How far a look may lag behind a write. Members of a Nacos cluster lag each
/// other by up to 1.7 s (measured, 2.2.4).
const LAG: Duration = Duration::from_secs(5);

/// How late a push may come.
const LATE: Duration = Duration::from_secs(30);

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
    before: Vec<Before>,
    /// Until when looks may show what there was no room for.
    crowded: Option<Until>,
}

/// Something that was given and is not any more.
#[derive(Debug)]
struct Before {
    what: Instance,
    until: Until,
}

/// Looks from before this moment may show it; `None` while the write that changed
/// it has not succeeded.
type Until = Option<Moment>;

impl Former {
    /// A write succeeded.
    pub(super) fn confirmed(&mut self, changes: &[Change], now: Moment) {
        let until = Some(now + LAG);
        for given in self.0.values_mut() {
            given.confirm(now);
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

    /// What may still stand there though it was to be changed: whoever dies before
    /// that is confirmed has to know of it.
    pub(super) fn unconfirmed(&self) -> impl Iterator<Item = &Instance> {
        let before = self.0.values().flat_map(|given| &given.before);
        let unconfirmed = before.filter(|before| before.until.is_none());
        unconfirmed.map(|before| &before.what)
    }

    fn put(&mut self, what: &Instance, until: Until) {
        let given = self.0.entry(what.key.clone()).or_default();
        given
            .before
            .retain(|before| !looks_alike(&before.what, what));
        given.before.push(Before {
            what: what.clone(),
            until,
        });
        if given.before.len() > MOST_CONTENTS {
            let until = given.before.remove(0).until;
            // What is not confirmed may be shown for ever.
            let later = |before: Until| before.zip(until).map(|(a, b)| a.max(b));
            given.crowded = Some(given.crowded.map_or(until, later));
        }
    }

    /// Forgets what a look at its place does not show any more, and no late push.
    pub(super) fn prune(&mut self, looked_at: impl Fn(&InstanceKey) -> Moment) {
        self.0.retain(|key, given| {
            let looked_at = looked_at(key);
            given.forget(|until| until.is_some_and(|until| until + LATE <= looked_at));
            !given.is_forgotten()
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was given before at the place of an instance, if a look from that
    /// moment may still show it, and until when one may.
    fn at(&self, shown: &Instance, looked_at: Moment) -> Option<(&Instance, Until)> {
        let given = self.0.get(&shown.key)?;
        let shows = |until: Until| until.is_none_or(|until| looked_at < until);
        let mut before = given.before.iter().rev();
        let alike = before.find(|before| looks_alike(&before.what, shown));
        let alike = alike.map(|before| (&before.what, before.until));
        let crowded = || Some((&given.before.last()?.what, given.crowded?));
        alike.or_else(crowded).filter(|(_, until)| shows(*until))
    }
}

impl Given {
    /// A write succeeded: what was changed before is gone.
    fn confirm(&mut self, now: Moment) {
        for before in &mut self.before {
            before.until.get_or_insert(now + LAG);
        }
        if let Some(until) = &mut self.crowded {
            until.get_or_insert(now + LAG);
        }
    }

    fn forget(&mut self, is_over: impl Fn(Until) -> bool) {
        self.before.retain(|before| !is_over(before.until));
        self.crowded = self.crowded.filter(|until| !is_over(*until));
    }

    fn is_forgotten(&self) -> bool {
        self.before.is_empty() && self.crowded.is_none()
    }
}

/// Whether two are the same but for a mark that a registry may have lost, and for
/// their health: a registry changes that by itself, and under a protect threshold
/// nobody tells it.
pub(super) fn looks_alike(given: &Instance, shown: &Instance) -> bool {
    let bare = |i: &Instance| Instance {
        metadata: unmarked(&i.metadata),
        healthy: Seen::Unknown,
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
        let alone = known.newest(&known.last).get(&shown.key).len() == 1;
        if alone && !link.marks() && !self.yields(&shown.key) {
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
        for instance in known.newest(&known.last).instances() {
            let marked = instance.metadata.get(MARK_KEY).is_some();
            match self.claim(&link.rules.to, service, instance) {
                Some(claim) => {
                    neighbours.keeps_marks |= marked && claim.until.is_none();
                    neighbours.recheck = earlier(neighbours.recheck, claim.until);
                    mine.push(instance.key.clone());
                }
                None if link.is_marked_as_ours(service, instance) => {
                    mine.push(instance.key.clone())
                }
                None if link.took_over(service, instance) => {}
                None => natives.push(instance.key.clone()),
            }
        }
        for native in natives {
            let beside = mine.iter().any(|copy| copy.same_address(&native));
            let standing = match beside {
                true => Standing::Beside,
                false => Standing::Instead,
            };
            let address = (native.host.clone(), native.port);
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

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_model::{Metadata, Port};

    fn at(seconds: u64) -> Moment {
        Moment::after_origin(Duration::from_secs(seconds))
    }

    fn content(revision: usize) -> Instance {
        let mut content = Instance::new("10.0.0.1", Port::new(80).expect("not zero"));
        content.metadata = Metadata::from_pairs([("rev", revision.to_string().as_str())]);
        content
    }

    fn update(revision: usize) -> [Change; 1] {
        let (from, to) = (content(revision), content(revision + 1));
        [Change::Update { from, to }]
    }

    #[test]
    fn health_that_a_registry_does_not_tell_makes_no_native() {
        let mut given = content(1);
        given.healthy = Seen::Known(false);
        assert!(looks_alike(&given, &content(1)));
        assert!(!looks_alike(&given, &content(2)));
    }

    #[test]
    fn each_content_is_remembered_for_its_own_time() {
        let mut former = Former::default();
        former.confirmed(&update(1), at(0));
        former.confirmed(&update(2), at(4));
        let claims = |revision, second| former.at(&content(revision), at(second)).is_some();
        assert!(claims(1, 4) && !claims(1, 5));
        assert!(claims(2, 8) && !claims(2, 9));
    }

    #[test]
    fn whoever_changed_too_often_is_ours_for_a_while_and_no_longer() {
        let mut former = Former::default();
        for revision in 0..=MOST_CONTENTS {
            former.confirmed(&update(revision), at(0));
        }
        let native = content(1_000);
        assert!(former.at(&native, at(4)).is_some());
        assert!(former.at(&native, at(5)).is_none());
        former.confirmed(&update(500), at(60));
        assert!(former.at(&native, at(60)).is_none());
    }

    #[test]
    fn a_late_push_still_finds_what_a_list_does_not_show_any_more() {
        let mut former = Former::default();
        former.confirmed(&update(1), at(0));
        former.prune(|_| at(34));
        assert!(former.at(&content(1), Moment::ORIGIN).is_some());
        former.prune(|_| at(35));
        assert!(former.is_empty());
    }

    #[test]
    fn what_was_not_confirmed_is_told_to_the_ledger() {
        let mut former = Former::default();
        former.failed(&update(1));
        former.failed(&update(2));
        let unconfirmed: Vec<_> = former.unconfirmed().cloned().collect();
        assert_eq!(unconfirmed, [content(1), content(2)]);
        former.confirmed(&[], at(0));
        assert_eq!(former.unconfirmed().count(), 0);
    }
}
