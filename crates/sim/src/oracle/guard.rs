//! The guard's rules, counted a second time: by what was to be given, write by
//! write, where the guard goes by what it was offered. What trips here the guard
//! may not let through.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use syncline_contract::Write;
use syncline_model::guard::Settings;
use syncline_model::plan::{Change, Removal};
use syncline_model::{Identity, Instance, InstanceKey, LinkName, Moment, ServiceKey, ServiceSet};

/// How long what happened is remembered.
const MEMORY: Duration = Duration::from_secs(900);

/// From when to when, so far, nothing was in use.
type Spell = (Moment, Option<Moment>);

/// When services of links had nothing in use at their source.
#[derive(Debug, Default)]
pub(crate) struct Emptiness {
    by_place: BTreeMap<(usize, ServiceKey), VecDeque<Spell>>,
}

impl Emptiness {
    /// A service has so much in use at the source of a link from now on.
    pub(crate) fn note(&mut self, link: usize, service: &ServiceKey, in_use: usize, now: Moment) {
        let spells = self.by_place.entry((link, service.clone())).or_default();
        let open = spells.back().is_some_and(|(_, until)| until.is_none());
        match (in_use, open) {
            (0, false) => spells.push_back((now, None)),
            (1.., true) => {
                if let Some((_, until)) = spells.back_mut() {
                    *until = Some(now);
                }
            }
            _ => {}
        }
        let is_old = |(_, until): &Spell| until.is_some_and(|u| now.since(u) > MEMORY);
        while spells.front().is_some_and(is_old) {
            spells.pop_front();
        }
    }

    /// Whether it was empty at some moment since then.
    pub(crate) fn since(&self, link: usize, service: &ServiceKey, since: Moment) -> bool {
        let mut spells = self.spells(link, service);
        spells.any(|(_, until)| until.is_none_or(|until| until >= since))
    }

    /// Whether it was already empty at some moment before then.
    pub(crate) fn before(&self, link: usize, service: &ServiceKey, before: Moment) -> bool {
        self.spells(link, service).any(|(from, _)| from <= before)
    }

    fn spells(&self, link: usize, service: &ServiceKey) -> impl Iterator<Item = Spell> {
        let spells = self.by_place.get(&(link, service.clone()));
        spells.into_iter().flatten().copied()
    }
}

/// What a write does to what is in use of a service.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub(crate) before: usize,
    pub(crate) after: usize,
    lost: Vec<InstanceKey>,
    gained: Vec<InstanceKey>,
}

impl Use {
    /// Counts what a write gives against what was to be given before it, whether or
    /// not that arrived: who tries again loses nothing anew. What moved to another
    /// service nobody loses, and what yields to a native is not ours any more.
    pub(crate) fn of(
        write: &Write,
        before: &ServiceSet,
        identity: Identity,
        moved: impl Fn(&InstanceKey) -> bool,
    ) -> Self {
        let (now, changes) = (&write.accepted, &write.changes);
        let uses = |set: &ServiceSet, key: &InstanceKey| {
            let mut at = set.matching(key, identity);
            at.any(Instance::in_use)
        };
        let yields = |key: &InstanceKey| {
            changes.iter().any(|change| {
                matches!(change, Change::Remove { instance, because: Removal::Shadowed(_) } if instance.key.same(key, identity))
            })
        };
        let keys = |set: &ServiceSet| {
            let used = set.instances().iter().filter(|i| i.in_use());
            used.map(|i| i.key.clone()).collect::<Vec<_>>()
        };
        let mut ours = keys(before);
        ours.retain(|key| !yields(key));
        let gone = ours.iter().filter(|key| !uses(now, key));
        let has_moved = |key: &InstanceKey| {
            let stays = now.matching(key, identity).next().is_some();
            !stays && moved(key)
        };
        let lost = gone.filter(|key| !has_moved(key)).cloned().collect();
        let mut gained = keys(now);
        gained.retain(|key| !uses(before, key));
        Self {
            before: ours.len(),
            after: now.in_use(),
            lost,
            gained,
        }
    }

    /// Whether anything in use is lost that did not move.
    pub(crate) fn loses(&self) -> bool {
        !self.lost.is_empty()
    }
}

/// The losses of each link within its window.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    by_link: BTreeMap<LinkName, Window>,
}

#[derive(Debug, Default)]
struct Window {
    /// Each once, however often its write was tried.
    lost: BTreeMap<(ServiceKey, InstanceKey), Moment>,
    gained: BTreeMap<(ServiceKey, InstanceKey), Moment>,
}

impl Window {
    /// What comes to a service makes up for what leaves it, whatever comes first.
    fn take(&mut self, service: &ServiceKey, used: &Use, now: Moment) {
        for key in &used.gained {
            // A service that was just seen for the first time has gained nothing.
            if !make_up(&mut self.lost, service, key) && used.before > 0 {
                self.gained.insert((service.clone(), key.clone()), now);
            }
        }
        for key in &used.lost {
            let place = (service.clone(), key.clone());
            if !self.lost.contains_key(&place) && !make_up(&mut self.gained, service, key) {
                self.lost.insert(place, now);
            }
        }
    }

    fn expire(&mut self, within: Duration, now: Moment) {
        let recent = |at: &Moment| now.since(*at) < within;
        self.lost.retain(|_, at| recent(at));
        self.gained.retain(|_, at| recent(at));
    }
}

/// Takes out one of a service, rather the same instance than another.
fn make_up(
    counted: &mut BTreeMap<(ServiceKey, InstanceKey), Moment>,
    service: &ServiceKey,
    key: &InstanceKey,
) -> bool {
    let place = (service.clone(), key.clone());
    let other = || counted.keys().find(|(of, _)| of == service).cloned();
    let taken = match counted.contains_key(&place) {
        true => Some(place),
        false => other(),
    };
    taken.is_some_and(|place| counted.remove(&place).is_some())
}

impl Losses {
    /// A write begins; what is wrong with how much its link loses.
    pub(crate) fn applies(
        &mut self,
        link: &LinkName,
        settings: &Settings,
        (service, used): (&ServiceKey, &Use),
        in_use: u64,
        now: Moment,
    ) -> Option<String> {
        let window = self.by_link.entry(link.clone()).or_default();
        let share = settings.link_share;
        window.take(service, used, now);
        window.expire(share.within, now);
        let (lost, gained) = (window.lost.len() as u64, window.gained.len() as u64);
        let net = lost.saturating_sub(gained);
        // Before the first loss of the window there were at most so many.
        let of = in_use + lost;
        let too_much =
            net >= u64::from(share.at_least) && net * 100 > of * u64::from(share.above.get());
        (too_much && used.loses()).then(|| {
            format!(
                "{link} loses {net} of {of} within {:?}, which its guard holds",
                share.within
            )
        })
    }

    /// An operator answers for what was lost.
    pub(crate) fn forget(&mut self, link: &LinkName) {
        self.by_link.remove(link);
    }

    /// The process died, and what it counted since then was not on disk. What it
    /// gained counts on: who does not know of it holds rather too much.
    pub(crate) fn forget_losses_since(&mut self, since: Moment) {
        for window in self.by_link.values_mut() {
            window.lost.retain(|_, at| *at < since);
        }
    }
}
