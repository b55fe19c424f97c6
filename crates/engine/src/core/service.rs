//! What a link gives its target for one service, and the write of it that is
//! under way.

use std::collections::BTreeSet;
use std::sync::Arc;

use syncline_model::guard::HoldId;
use syncline_model::plan::{Change, Flips, Missing, Removal};
use syncline_model::{Instance, InstanceKey, Moment, ServiceKey, ServiceSet};

use super::copies::{Former, looks_alike};
use super::draft::LetThrough;
use super::peers::LetGo;
use super::status::Problem;

/// What a link gives its target for one service.
#[derive(Debug)]
pub(super) struct LinkService {
    /// The source services that make it up.
    pub(super) from: BTreeSet<ServiceKey>,
    /// What the target was given, as far as it confirmed.
    pub(super) held: Arc<ServiceSet>,
    /// Whether that is held by this run, and not only remembered.
    pub(super) live: bool,
    /// Whether it was confirmed so lately that it is taken up again unseen.
    pub(super) fresh: bool,
    /// Whether the ledger says just that, as confirmed before the start.
    pub(super) on_record: bool,
    /// What was let go of before the start and may stand there still, until a
    /// whole view says otherwise.
    pub(super) leaving: BTreeSet<InstanceKey>,
    /// Since when parts of it have been gone from the source.
    pub(super) missing: Missing,
    /// Since when the source has told another health of parts of it.
    pub(super) flips: Flips,
    /// The flips that the journal was told of, and when.
    pub(super) told_flips: Flips,
    /// The write under way; [`Link::begin`](super::link::Link::begin) and
    /// [`Link::end_if`](super::link::Link::end_if) count them.
    pub(super) writing: Option<Writing>,
    /// What is on disk of a write that was planned anew before it began.
    pub(super) on_disk: BTreeSet<InstanceKey>,
    /// Writes that failed one after another.
    pub(super) failures: u32,
    /// Why the last write failed.
    pub(super) failure: Option<Arc<str>>,
    /// Whether that has nothing to do with how the target is doing.
    pub(super) hopeless: bool,
    /// No write before this moment.
    pub(super) not_before: Option<Moment>,
    /// A wait that a plan began is over: it is planned again, also where the
    /// link waits for a trigger.
    pub(super) due: bool,
    /// Instances that are not copied because a native stands there.
    pub(super) shadowed: Vec<InstanceKey>,
    /// Instances that are left out, and why.
    pub(super) left_out: Vec<Problem>,
    /// What the guard holds of it.
    pub(super) hold: Option<HoldId>,
    /// Losses that the guard let through, until the target confirms them.
    pub(super) let_through: Option<LetThrough>,
    /// Those of them that wait for their turn while the others are written.
    pub(super) let_through_later: Option<LetThrough>,
    /// Whether it is watched at the target by name.
    pub(super) followed: bool,
    /// What was given before the last writes, which old looks still show.
    pub(super) former: Former,
    /// Whether the target was seen to keep our marks.
    pub(super) keeps_marks: bool,
    /// Where something of another publisher stood that was taken over.
    pub(super) taken_over: BTreeSet<InstanceKey>,
    /// What stood there, until it is written as ours.
    pub(super) taking_over: Vec<Instance>,
    /// What was let go of because a replica knew better.
    pub(super) let_go: LetGo,
}

/// A write under way.
#[derive(Debug)]
pub(super) struct Writing {
    /// Its number, unique within the run.
    pub(super) effect: u64,
    /// What the target is being given.
    pub(super) accepted: Arc<ServiceSet>,
    /// How that differs from what it was given before.
    pub(super) changes: Arc<[Change]>,
    /// Whether it still waits for the store.
    pub(super) stored: bool,
    /// Something happened meanwhile: plan again afterwards.
    pub(super) again: bool,
}

impl LinkService {
    pub(super) fn new() -> Self {
        Self {
            from: BTreeSet::new(),
            held: ServiceSet::empty(),
            live: true,
            fresh: false,
            on_record: false,
            leaving: BTreeSet::new(),
            missing: Missing::new(),
            flips: Flips::new(),
            told_flips: Flips::new(),
            writing: None,
            on_disk: BTreeSet::new(),
            failures: 0,
            failure: None,
            hopeless: false,
            not_before: None,
            due: false,
            shadowed: Vec::new(),
            left_out: Vec::new(),
            hold: None,
            let_through: None,
            let_through_later: None,
            followed: false,
            former: Former::default(),
            keeps_marks: false,
            taken_over: BTreeSet::new(),
            taking_over: Vec::new(),
            let_go: LetGo::default(),
        }
    }

    /// The target confirmed that it holds this set.
    pub(super) fn confirm(&mut self, held: Arc<ServiceSet>) {
        self.held = held;
        self.live = true;
        self.fresh = false;
        self.on_record = false;
        self.let_through = self.let_through_later.take();
        self.failures = 0;
        self.failure = None;
        self.taking_over.clear();
        let held = &self.held;
        self.taken_over.retain(|key| !held.get(key).is_empty());
    }

    /// A whole view says what goes: only that of what was let go of before is
    /// still on its way.
    pub(super) fn still_leaves<'a>(&mut self, changes: impl Iterator<Item = &'a Change>) {
        let removals = changes.filter(|change| matches!(change, Change::Remove { .. }));
        let removed: BTreeSet<&InstanceKey> = removals.map(Change::key).collect();
        self.leaving.retain(|key| removed.contains(key));
    }

    /// What was to be removed and was not had been gone for long enough: its grace
    /// does not begin again.
    pub(super) fn stays_missing(&mut self, changes: &[Change]) {
        for change in changes {
            if let Change::Remove { instance, .. } = change {
                let key = instance.key.clone();
                self.missing.entry(key).or_insert(Moment::ORIGIN);
            }
        }
    }

    /// Whether a write of it would try again what the target did not manage.
    pub(super) fn is_retried(&self) -> bool {
        self.failures > 0 && !self.hopeless
    }

    /// What this link gave the target at the place of an instance that stands
    /// there with the same content, whether or not the registry kept the mark.
    pub(super) fn wrote(&self, shown: &Instance) -> Option<&Instance> {
        let writing = self.writing.as_ref().map(|writing| &writing.accepted);
        let same = |given: &&Instance| looks_alike(given, shown);
        [Some(&self.held), writing]
            .into_iter()
            .flatten()
            .flat_map(|set| set.get(&shown.key))
            .find(same)
    }

    /// Whether a native was seen in the place of our copy, which goes for it: what
    /// stands there alone, and looks different, is the native.
    pub(super) fn yields(&self, key: &InstanceKey) -> bool {
        let goes = |change: &Change| {
            matches!(
                change,
                Change::Remove {
                    instance,
                    because: Removal::Shadowed(_),
                } if instance.key == *key
            )
        };
        let writing = self.writing.as_ref();
        self.shadowed.contains(key)
            || writing.is_some_and(|writing| writing.changes.iter().any(goes))
    }

    pub(super) fn problems(&self, service: &ServiceKey) -> Vec<Problem> {
        let failing = self.failure.iter().map(|what| Problem {
            service: service.clone(),
            instance: None,
            what: format!("cannot be written ({} tries): {what}", self.failures),
        });
        failing.chain(self.left_out.iter().cloned()).collect()
    }

    /// Whether the target has anything of it, or is about to.
    pub(super) fn gives(&self) -> bool {
        !self.held.is_empty() || self.writing.is_some()
    }

    /// Whether nothing waits to be written, or to be seen at the target.
    pub(super) fn is_settled(&self) -> bool {
        let held = self.live || self.held.is_empty();
        let waits = self.writing.is_some() || self.failure.is_some() || self.not_before.is_some();
        held && !waits && self.shadowed.is_empty()
    }

    /// Whether nothing is left to remember.
    pub(super) fn is_idle(&self) -> bool {
        self.from.is_empty() && !self.gives() && !self.followed && self.former.is_empty()
    }
}
