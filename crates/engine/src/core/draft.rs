//! What would be done for one service: what should be at the target, who else
//! stands there, and what the guard says.

use std::cell::Cell;

use syncline_model::desire::Finding;
use syncline_model::guard::{Guard, Hold, HoldId, Look, Offer, Verdict};
use syncline_model::plan::{self, Change, Inputs, Losses, Plan};
use syncline_model::{EndpointName, Identity, Instance, InstanceKey, Moment, ServiceKey, View};

use super::Core;
use super::link::{Link, LinkService};
use super::reader::Known;
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
    /// What the guard holds of the service.
    standing: Option<HoldId>,
    rechecks: Vec<Recheck>,
    keeps_marks: bool,
}

/// A service of a registry, and when a look at it will tell more.
type Recheck = ((EndpointName, ServiceKey), Moment);

/// What is done for a service.
pub(super) struct Decision {
    pub(super) plan: Plan,
    pub(super) left_out: Vec<Problem>,
    pub(super) verdict: Verdict,
    /// What the guard keeps back.
    pub(super) kept: Vec<Change>,
    /// What is to be looked at again, and when, because it is not clear who
    /// stands there.
    pub(super) rechecks: Vec<Recheck>,
    /// Whether the target was seen to keep our marks.
    pub(super) keeps_marks: bool,
}

impl Draft {
    /// When the complete view behind it was seen.
    pub(super) fn seen(&self) -> Option<Moment> {
        self.look.seen
    }

    /// Lets the guard judge. A view that is not whole says nothing of losses that
    /// wait: they go on waiting, and what an operator said of them stands.
    pub(super) fn judged(self, service: &ServiceKey, guard: &mut Guard) -> Decision {
        let stands = |hold: &Hold| !self.whole && Some(hold.id) == self.standing;
        let standing = guard.holds().find(stands);
        let verdict = match standing {
            Some(hold) => Verdict::Hold(hold),
            None => guard.judge(&self.look, service, &self.offer),
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
            verdict,
            kept,
            rechecks: self.rechecks,
            keeps_marks: self.keeps_marks,
        }
    }
}

impl Core {
    /// Plans one service; `None` while nothing is known of what should be there.
    pub(super) fn draft(&self, now: Moment, link: &Link, service: &ServiceKey) -> Option<Draft> {
        let state = link.service(service)?;
        let wanted = self.wanted(link, state, service)?;
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
                now,
            })
        };
        let passing = plan(Losses::Pass);
        let loses = passing.changes.iter().any(Change::loses_use);
        let has = u32::try_from(state.held.in_use()).unwrap_or(u32::MAX);
        let source = &self.readers[&link.rules.from];
        // Under a mapping the address at the target says nothing of the source.
        let comparable = link.rules.rules.mapping.is_identity();
        let moved = |key: &InstanceKey| comparable && source.moved(&state.from, key, now);
        // A push that changed an instance so that it left the scope, or that
        // took it from one of several services that make up this one, lacks
        // nothing at the source, so that nobody has asked for the proof yet.
        let proof_needed = lacks_something_new(&wanted.view, state, link.identity());
        let to_prove = wanted
            .unproved
            .into_iter()
            .filter(|_| proof_needed)
            .map(|source| ((link.rules.from.clone(), source), now));
        Some(Draft {
            offer: Offer::of_plan(has, &passing, moved),
            look: Look {
                now,
                seen: wanted.seen_at,
                link_in_use: link.in_use(),
            },
            held: loses.then(|| plan(Losses::Held)),
            whole: wanted.view.complete().is_some(),
            standing: state.hold,
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
            passing,
            left_out: wanted.left_out,
        })
    }

    fn target_is_being_read(&self, link: &Link, service: &ServiceKey) -> bool {
        self.readers[&link.rules.to]
            .get(service)
            .is_some_and(Known::is_being_read)
    }

    /// What should be at the target, in its terms.
    fn wanted(&self, link: &Link, state: &LinkService, service: &ServiceKey) -> Option<Wanted> {
        let reader = &self.readers[&link.rules.from];
        let rules = &link.rules.rules;
        if state.from.is_empty() {
            let (view, seen_at) = link.nothing_there()?;
            return Some(Wanted {
                view,
                seen_at: Some(seen_at),
                left_out: Vec::new(),
                recheck: Vec::new(),
                unproved: Vec::new(),
            });
        }
        let mut views = Vec::with_capacity(state.from.len());
        let mut left_out = Vec::new();
        let mut seen_at = None;
        let mut rechecks = Vec::new();
        let mut unproved = Vec::new();
        for source in &state.from {
            let known = reader.get(source)?;
            let recheck = Cell::new(None);
            let remembered = |shown: &Instance| self.remembered_path(link, source, shown, &recheck);
            let desired = rules.desire(source, &known.shown()?, remembered);
            let place = (link.rules.from.clone(), source.clone());
            rechecks.extend(recheck.get().map(|at| (place, at)));
            left_out.extend(desired.findings);
            views.push(desired.view);
            seen_at = Some(seen_at.map_or(known.seen_at, |at| known.seen_at.min(at)));
            unproved.extend(known.is_unproved().then(|| source.clone()));
        }
        let (view, collisions) = rules.merge(View::together(views)?, link.identity());
        left_out.extend(collisions);
        let seen_at = view.complete().and(seen_at.flatten());
        Some(Wanted {
            view: state.let_go.hide(view, seen_at, &state.held),
            seen_at,
            recheck: rechecks,
            unproved,
            left_out: left_out
                .into_iter()
                .map(|finding| problem(service, finding))
                .collect(),
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
    held.any(|held| !state.missing.contains_key(&held.key) && !is_shown(held))
}

/// What should be at a target for one service.
struct Wanted {
    view: View,
    /// When the complete view behind it was seen.
    seen_at: Option<Moment>,
    left_out: Vec<Problem>,
    recheck: Vec<Recheck>,
    /// Services of the source that a push changed and no read has proved since.
    unproved: Vec<ServiceKey>,
}

fn problem(service: &ServiceKey, finding: Finding) -> Problem {
    Problem {
        service: service.clone(),
        instance: finding.instance,
        what: finding.why,
    }
}
