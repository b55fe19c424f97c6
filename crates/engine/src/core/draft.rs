//! What would be done for one service: what should be at the target, who else
//! stands there, and what the guard says.

use std::cell::Cell;
use std::sync::Arc;

use syncline_model::desire::Finding;
use syncline_model::guard::{Guard, Hold, HoldId, Look, LostDigest, Offer, Verdict};
use syncline_model::plan::{self, Change, Inputs, Losses, Plan, Removal};
use syncline_model::{
    Absence, EndpointName, Identity, Instance, InstanceKey, Moment, ServiceKey, ServiceSet, Truth,
    View,
};

use super::Core;
use super::link::Link;
use super::reader::Known;
use super::service::LinkService;
use super::status::Problem;

/// What would be done for a service, before the guard has judged it.
pub(super) struct Draft {
    passing: Plan,
    /// The same with losses held; none where there are none.
    held: Option<Plan>,
    left_out: Vec<Problem>,
    look: Look,
    offer: Offer,
    /// Whether the view behind it is complete.
    whole: bool,
    /// Whether a read has yet to tell what the last list lacks.
    to_be_proved: bool,
    /// What the guard holds of the service.
    standing: Option<HoldId>,
    /// What would be lost, each by its key.
    lost: Vec<InstanceKey>,
    /// Losses that were let through, and that no target has confirmed.
    let_through: Option<LetThrough>,
    /// How many of those did not happen, as far as anybody knows.
    held_again: u32,
    rechecks: Vec<Recheck>,
    keeps_marks: bool,
}

/// A service of a registry, and when a look at it will tell more.
type Recheck = ((EndpointName, ServiceKey), Moment);

/// What is done for a service.
pub(super) struct Decision {
    pub(super) plan: Plan,
    pub(super) left_out: Vec<Problem>,
    /// Whether the view behind it is complete.
    pub(super) whole: bool,
    pub(super) verdict: Verdict,
    /// What the guard keeps back.
    pub(super) kept: Vec<Change>,
    /// The losses that it lets through.
    pub(super) let_through: Option<LetThrough>,
    /// What is to be looked at again, and when, because it is not clear who
    /// stands there.
    pub(super) rechecks: Vec<Recheck>,
    /// Whether the target was seen to keep our marks.
    pub(super) keeps_marks: bool,
}

/// Losses that a guard let through, which count once, however often their write
/// is tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct LetThrough {
    lost: LostDigest,
    /// The same, each by its key.
    keys: Arc<[InstanceKey]>,
    /// How many they were, net.
    count: u32,
    /// How many were left.
    given: u32,
}

impl LetThrough {
    /// Losses that an offer is about, if there are any, each by its key.
    pub(super) fn of(offer: &Offer, lost: Vec<InstanceKey>) -> Option<Self> {
        let count = offer.has.saturating_sub(offer.given);
        (offer.lost != LostDigest::NONE).then(|| Self {
            lost: offer.lost,
            keys: lost.into(),
            count: count.saturating_sub(offer.moved),
            given: offer.given,
        })
    }

    /// How many of them are counted as held again, because the write failed and they
    /// may still be there.
    fn held_again(&self, held: &ServiceSet, identity: Identity) -> u32 {
        let is_held = |key: &&InstanceKey| held.matching(key, identity).any(Instance::in_use);
        let held = self.keys.iter().filter(is_held).count();
        u32::try_from(held).unwrap_or(u32::MAX).min(self.count)
    }
}

/// With which eyes a source is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Eyes {
    /// As far as things are proved.
    Proof,
    /// As if all were gone that the last list lacks.
    List,
    /// As if the source showed what the target was given, and nobody knew more.
    Ledger,
}

impl Draft {
    /// When the complete view behind it was seen.
    pub(super) fn seen(&self) -> Option<Moment> {
        self.look.seen
    }

    /// What would be in use, before the guard has judged.
    pub(super) fn offer(&self) -> Offer {
        self.offer
    }

    /// Whether anything would come to the target.
    pub(super) fn adds(&self) -> bool {
        let adds = |change: &Change| matches!(change, Change::Add(_));
        self.passing.changes.iter().any(adds)
    }

    /// Whether a copy is withdrawn because a native stands there.
    pub(super) fn yields(&self) -> bool {
        let yields = |change: &Change| {
            matches!(
                change,
                Change::Remove {
                    because: Removal::Shadowed(_),
                    ..
                }
            )
        };
        self.passing.changes.iter().any(yields)
    }

    /// What the guard is to count before it judges, where use would be lost.
    pub(super) fn loss(&self) -> Option<(Look, Offer)> {
        let waits = self.whole || self.standing.is_none();
        let counts = self.held.is_some() && waits && !self.was_let_through();
        counts.then_some((self.look, self.offer))
    }

    /// Whether the guard let exactly these losses through before: a write that
    /// failed is tried again, and no less is left than then.
    fn was_let_through(&self) -> bool {
        let offer = &self.offer;
        let same =
            |through: &LetThrough| through.lost == offer.lost && offer.given >= through.given;
        offer.lost != LostDigest::NONE && self.let_through.as_ref().is_some_and(same)
    }

    /// Lets the guard judge. A view that is not whole says nothing of losses that
    /// wait: they go on waiting, and what an operator said of them stands. So do
    /// losses that a list showed and no read has proved or denied.
    pub(super) fn judged(self, service: &ServiceKey, guard: &mut Guard) -> Decision {
        let stands = |hold: &Hold| !self.whole && Some(hold.id) == self.standing;
        let standing = guard.holds().find(stands);
        let verdict = match standing {
            Some(hold) => Verdict::Hold(hold),
            None if self.was_let_through() => Verdict::Pass,
            None if self.to_be_proved && self.held.is_none() => Verdict::Pass,
            None => {
                // Others are lost by now, or none: what may still be there of those is
                // lost once more if it is, and was not before.
                guard.take_back(self.look.now, service, self.held_again);
                guard.judge(&self.look, service, &self.offer)
            }
        };
        let let_through = match &verdict {
            Verdict::Pass => LetThrough::of(&self.offer, self.lost),
            Verdict::Hold(_) => None,
        };
        let (plan, kept) = match (&verdict, self.held) {
            (Verdict::Hold(_), Some(held)) => {
                let losses = self.passing.changes.into_iter();
                (held, losses.filter(Change::loses_use).collect())
            }
            _ => (self.passing, Vec::new()),
        };
        Decision {
            plan,
            left_out: self.left_out,
            whole: self.whole,
            verdict,
            kept,
            let_through,
            rechecks: self.rechecks,
            keeps_marks: self.keeps_marks,
        }
    }
}

impl Core {
    /// Plans one service; `None` while nothing is known of what should be there.
    pub(super) fn draft(&self, now: Moment, link: &Link, service: &ServiceKey) -> Option<Draft> {
        self.draft_with(now, link, service, Eyes::Proof)
    }

    /// The same, with certain eyes.
    pub(super) fn draft_with(
        &self,
        now: Moment,
        link: &Link,
        service: &ServiceKey,
        eyes: Eyes,
    ) -> Option<Draft> {
        let state = link.service(service)?;
        let wanted = match eyes {
            Eyes::Ledger => {
                let why = "the source is not asked".into();
                Some(Wanted::only(View::Partial(Arc::clone(&state.held), why)))
            }
            Eyes::Proof | Eyes::List => self.wanted(now, link, service, eyes),
        };
        let mut wanted = wanted.or_else(|| {
            let view = self.remembered_view(link, state, service)?;
            Some(Wanted::only(view))
        })?;
        let lacks = lacks_something_new(&wanted.view, state, link.identity());
        if lacks && wanted.untold {
            let why = "what it does not show was not read since".into();
            let set = wanted.view.seen().cloned();
            wanted.view = View::Partial(set.unwrap_or_else(ServiceSet::empty), why);
            wanted.seen_at = None;
        }
        let neighbours = self.neighbours(link, service);
        if !neighbours.natives.is_empty() && self.target_is_being_read(link, service) {
            // What stood there before may be shown until the read has ended.
            return None;
        }
        let plan = |losses| {
            plan::plan(&Inputs {
                desired: &wanted.view,
                held: &state.held,
                natives: &neighbours.natives,
                missing: &state.missing,
                identity: link.identity(),
                policy: link.rules.removal,
                unavailable: link.unavailable(),
                losses,
                flips: &state.flips,
                dwell: link.rules.health_dwell,
                now,
            })
            .explained(|gone, proof| self.why_gone(link, service, gone, proof))
        };
        let passing = plan(Losses::Pass);
        let loses = passing.changes.iter().any(Change::loses_use);
        let has = state.held.in_use_as(link.identity());
        let has = u32::try_from(has).unwrap_or(u32::MAX);
        let source = &self.readers[&link.rules.from];
        let moved = |key: &InstanceKey| self.has_moved(now, link, state, key);
        // A push that changed an instance so that it left the scope, or that
        // took it from one of several services that make up this one, lacks
        // nothing at the source, so that nobody has asked for the proof yet.
        let to_prove = wanted
            .unproved
            .into_iter()
            .filter(|_| lacks)
            .map(|source| ((link.rules.from.clone(), source), now));
        let lost = passing.changes.iter().filter(|change| change.loses_use());
        let lost = lost.map(|change| change.key().clone()).collect();
        let asides = self.asides(link);
        let aside = |copy: &Instance| asides.of(service, copy);
        let went = |key: &InstanceKey| state.leaving.contains(key);
        let mut offer = Offer::of_plan(has, &passing, moved, went);
        let given = |plan: Plan| match asides.is_empty() {
            true => plan,
            false => plan.given_as(&state.held, link.identity(), aside),
        };
        // What stands aside is not given to consumers, whatever the source says.
        let comes_aside = |change: &&Change| match change {
            Change::Add(to) | Change::Update { to, .. } => {
                change.gains_use() && aside(to).is_some()
            }
            Change::MarkUnavailable { .. } | Change::Remove { .. } => false,
        };
        let withheld = passing.changes.iter().filter(comes_aside).count();
        let withheld = u32::try_from(withheld).unwrap_or(u32::MAX);
        offer.given = offer.given.saturating_sub(withheld);
        // What makes no sense stays, and says nothing of what the source shows.
        let nonsense = self.nonsense(link, state);
        offer.has = offer.has.saturating_sub(nonsense);
        offer.given = offer.given.saturating_sub(nonsense);
        Some(Draft {
            offer,
            look: Look {
                now,
                seen: wanted.seen_at,
                link_in_use: link.in_use(),
            },
            held: loses.then(|| given(plan(Losses::Held))),
            to_be_proved: state.from.iter().any(|s| source.if_gone(s).is_some()),
            whole: wanted.view.complete().is_some(),
            standing: state.hold,
            lost,
            let_through: state.let_through.clone(),
            held_again: state.let_through.as_ref().map_or(0, |through| {
                through.held_again(&state.held, link.identity())
            }),
            rechecks: wanted
                .recheck
                .into_iter()
                .chain(neighbours.recheck.map(|at| {
                    let place = (link.rules.to.clone(), service.clone());
                    (place, at)
                }))
                .chain(to_prove)
                .collect(),
            keeps_marks: neighbours.keeps_marks,
            passing: given(passing),
            left_out: wanted.left_out,
        })
    }

    /// Whether the source now shows an instance under another service that did
    /// not show it before.
    pub(super) fn has_moved(
        &self,
        now: Moment,
        link: &Link,
        state: &LinkService,
        key: &InstanceKey,
    ) -> bool {
        // Under a mapping the address at the target says nothing of the source.
        let comparable = link.rules.rules.mapping.is_identity();
        comparable && self.readers[&link.rules.from].moved(&state.from, key, now)
    }

    /// What natives win of a service at once, also while its link waits for its
    /// time, or for a source that does not answer.
    pub(super) fn draft_of_yielding(
        &self,
        now: Moment,
        link: &Link,
        service: &ServiceKey,
    ) -> Option<Draft> {
        if link.paused || !self.sees_all(link) {
            return None;
        }
        let draft = self.draft_with(now, link, service, Eyes::Ledger)?;
        draft.yields().then_some(draft)
    }

    /// Whether what a service lacks may be gone, and its source is still being
    /// listed for the first time.
    pub(super) fn waits_for_list(&self, link: &Link, service: &ServiceKey) -> bool {
        let source = &self.readers[&link.rules.from];
        let Some(state) = link.service(service) else {
            return false;
        };
        state.gives() && !state.from.iter().all(|from| source.is_warm(from))
    }

    /// How many copies in use stay because what their source shows there makes no
    /// sense.
    fn nonsense(&self, link: &Link, state: &LinkService) -> u32 {
        let reader = &self.readers[&link.rules.from];
        let known = state.from.iter().filter_map(|source| reader.get(source));
        let rejected: Vec<_> = known.flat_map(|known| &known.rejected).collect();
        if rejected.is_empty() || !link.rules.rules.mapping.is_identity() {
            return 0;
        }
        let is_nonsense = |copy: &&Instance| {
            let address = copy.key.address();
            copy.in_use() && rejected.iter().any(|r| r.what == address)
        };
        let count = state.held.instances().iter().filter(is_nonsense).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    fn target_is_being_read(&self, link: &Link, service: &ServiceKey) -> bool {
        self.readers[&link.rules.to]
            .get(service)
            .is_some_and(Known::is_being_read)
    }

    /// What should be at the target, in its terms.
    fn wanted(&self, now: Moment, link: &Link, service: &ServiceKey, eyes: Eyes) -> Option<Wanted> {
        let state = link.service(service)?;
        let reader = &self.readers[&link.rules.from];
        let rules = &link.rules.rules;
        if link.is_unwanted(service) {
            // The configuration says so, and needs nobody's proof.
            let nothing = View::Complete(Truth::Raw, ServiceSet::empty());
            return Some(Wanted {
                seen_at: Some(now),
                ..Wanted::only(nothing)
            });
        }
        if state.from.is_empty() {
            let (view, seen_at) = link.nothing_there()?;
            return Some(Wanted {
                seen_at: Some(seen_at),
                ..Wanted::only(view)
            });
        }
        let mut views = Vec::with_capacity(state.from.len());
        let mut left_out = Vec::new();
        let mut seen_at = None;
        let mut rechecks = Vec::new();
        let mut unproved = Vec::new();
        let mut untold = false;
        for source in &state.from {
            let known = reader.get(source)?;
            let recheck = Cell::new(None);
            let remembered = |shown: &Instance| self.remembered_path(link, source, shown, &recheck);
            let as_if_gone = match eyes {
                Eyes::List => reader.if_gone(source),
                Eyes::Proof | Eyes::Ledger => None,
            };
            let shown = match as_if_gone.or_else(|| known.shown())? {
                View::Complete(_, set) if !reader.is_warm(source) => {
                    View::Partial(set, "the source is still being listed".into())
                }
                shown => shown,
            };
            let desired = rules.desire(source, &shown, remembered);
            let place = (link.rules.from.clone(), source.clone());
            rechecks.extend(recheck.get().map(|at| (place, at)));
            left_out.extend(desired.findings);
            views.push(match rules.mapping.is_identity() {
                true => with_nonsense(desired.view, known, &state.held),
                // Nobody knows what it would be called at the target.
                false => desired.view,
            });
            seen_at = Some(seen_at.map_or(known.seen_at, |at| known.seen_at.min(at)));
            let unread = reader.is_warm_but_for_a_read(source) && !known.is_being_read();
            // Who only looks reads nothing.
            let is_untold = eyes == Eyes::Proof && !self.dry && known.is_untold();
            untold |= is_untold;
            let asks = is_untold && !known.is_being_read();
            unproved.extend((known.is_unproved() || unread || asks).then(|| source.clone()));
        }
        let (view, collisions) = rules.merge(View::together(views)?, link.identity());
        left_out.extend(collisions);
        let seen_at = view.complete().and(seen_at.flatten());
        Some(Wanted {
            view: state.let_go.hide(view, seen_at, &state.held),
            seen_at,
            recheck: rechecks,
            unproved,
            untold,
            left_out: left_out
                .into_iter()
                .map(|finding| problem(service, finding))
                .collect(),
        })
    }
}

impl Core {
    /// What the source said last of what makes up a service, in the target's
    /// terms, however long ago that was.
    pub(super) fn last_desired(&self, link: &Link, state: &LinkService) -> Option<Arc<ServiceSet>> {
        let reader = &self.readers[&link.rules.from];
        let said = state.from.iter().filter_map(|source| {
            let last = Arc::clone(&reader.get(source)?.last);
            let view = View::Partial(last, "what was last seen".into());
            let recheck = Cell::new(None);
            let remembered = |shown: &Instance| self.remembered_path(link, source, shown, &recheck);
            Some(link.rules.rules.desire(source, &view, remembered).view)
        });
        let (view, _) = link
            .rules
            .rules
            .merge(View::together(said)?, link.identity());
        view.seen().cloned()
    }

    /// Why an instance that is not wanted any more goes.
    fn why_gone(
        &self,
        link: &Link,
        service: &ServiceKey,
        gone: &Instance,
        proof: Absence,
    ) -> Removal {
        if link.rules.retired {
            return Removal::LinkRemoved(proof);
        }
        if link.is_unwanted(service) || self.is_deselected(link, service, gone) {
            return Removal::LeftScope(proof);
        }
        Removal::Absent(proof)
    }

    /// Whether the source shows an instance that the link does not select.
    fn is_deselected(&self, link: &Link, service: &ServiceKey, gone: &Instance) -> bool {
        let reader = &self.readers[&link.rules.from];
        let rules = &link.rules.rules;
        let sources = link.service(service).map(|state| &state.from);
        let shown = sources.into_iter().flatten().filter_map(|source| {
            let known = reader.get(source)?;
            Some(known.last.instances().iter().map(move |i| (source, i)))
        });
        shown.flatten().any(|(source, shown)| {
            matches!(rules.scope.admits(source, shown), Ok(false))
                && (rules.mapping.map_instance(source, shown))
                    .is_ok_and(|mapped| mapped.key == gone.key)
        })
    }
}

/// Whether the target holds something that the sources do not show, and did
/// when they were last proved right.
fn lacks_something_new(view: &View, state: &LinkService, identity: Identity) -> bool {
    let Some(seen) = view.seen() else {
        return false;
    };
    let is_shown = |held: &Instance| seen.matching(&held.key, identity).next().is_some();
    let mut held = state.held.instances().iter();
    // What was to be removed before is asked for again.
    let is_new = |held: &Instance| {
        let since = state.missing.get(&held.key);
        since.is_none_or(|since| *since == Moment::ORIGIN)
    };
    held.any(|held| is_new(held) && !is_shown(held))
}

/// What makes no sense is no proof that it is gone: what the target was given there
/// stays as it is.
fn with_nonsense(view: View, known: &Known, held: &ServiceSet) -> View {
    if known.rejected.is_empty() {
        return view;
    }
    view.map(|set| {
        let is_nonsense = |given: &&Instance| {
            let address = given.key.address();
            let mut rejected = known.rejected.iter();
            rejected.any(|r| r.what == address) && set.get(&given.key).is_empty()
        };
        let stays = held.instances().iter().filter(is_nonsense);
        let both = set.instances().iter().chain(stays).cloned();
        Arc::new(ServiceSet::new(both.collect()))
    })
}

/// What should be at a target for one service.
struct Wanted {
    view: View,
    /// When the complete view behind it was seen.
    seen_at: Option<Moment>,
    left_out: Vec<Problem>,
    recheck: Vec<Recheck>,
    /// Services of the source that changed and no read has proved since.
    unproved: Vec<ServiceKey>,
    /// Whether the view is complete for no read's sake, so that what it does not
    /// show may be there.
    untold: bool,
}

impl Wanted {
    /// A view, and nothing else to say.
    fn only(view: View) -> Self {
        Self {
            view,
            seen_at: None,
            left_out: Vec::new(),
            recheck: Vec::new(),
            unproved: Vec::new(),
            untold: false,
        }
    }
}

fn problem(service: &ServiceKey, finding: Finding) -> Problem {
    Problem {
        service: service.clone(),
        instance: finding.instance,
        what: finding.why,
    }
}
