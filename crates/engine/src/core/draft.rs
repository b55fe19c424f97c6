//! What would be done for one service: what should be at the target, who else
//! stands there, and what the guard says.

use syncline_model::desire::Finding;
use syncline_model::guard::{Guard, Hold, HoldId, Look, Offer, Verdict};
use syncline_model::ownership::Path;
use syncline_model::plan::{self, Change, Inputs, Losses, Natives, Plan, Standing};
use syncline_model::{Instance, InstanceKey, MARK_KEY, Moment, ServiceKey, View};

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
}

/// What is done for a service.
pub(super) struct Decision {
    pub(super) plan: Plan,
    pub(super) left_out: Vec<Problem>,
    pub(super) verdict: Verdict,
}

impl Draft {
    /// Lets the guard judge. A view that is not whole says nothing of losses that
    /// wait: they go on waiting, and what an operator said of them stands.
    pub(super) fn judged(self, service: &ServiceKey, guard: &mut Guard) -> Decision {
        let stands = |hold: &Hold| !self.whole && Some(hold.id) == self.standing;
        let standing = guard.holds().find(stands);
        let verdict = match standing {
            Some(hold) => Verdict::Hold(hold),
            None => guard.judge(&self.look, service, &self.offer),
        };
        let plan = match (&verdict, self.held) {
            (Verdict::Hold(_), Some(held)) => held,
            _ => self.passing,
        };
        Decision {
            plan,
            left_out: self.left_out,
            verdict,
        }
    }
}

impl Core {
    /// Plans one service; `None` while nothing is known of what should be there.
    pub(super) fn draft(&self, now: Moment, link: &Link, service: &ServiceKey) -> Option<Draft> {
        let state = link.service(service)?;
        let wanted = self.wanted(link, state, service)?;
        let natives = self.natives(link, service);
        if !natives.is_empty() && self.target_is_being_read(link, service) {
            // What stood there before may be shown until the read has ended.
            return None;
        }
        let plan = |losses| {
            plan::plan(&Inputs {
                desired: &wanted.view,
                held: &state.held,
                natives: &natives,
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
            });
        }
        let mut views = Vec::with_capacity(state.from.len());
        let mut left_out = Vec::new();
        let mut seen_at = None;
        for source in &state.from {
            let known = reader.get(source)?;
            let remembered = |shown: &Instance| self.remembered_path(link, source, shown);
            let desired = rules.desire(source, &known.shown()?, remembered);
            left_out.extend(desired.findings);
            views.push(desired.view);
            seen_at = Some(seen_at.map_or(known.seen_at, |at| known.seen_at.min(at)));
        }
        let (view, collisions) = rules.merge(View::together(views)?, link.identity());
        left_out.extend(collisions);
        Some(Wanted {
            seen_at: view.complete().and(seen_at.flatten()),
            view,
            left_out: left_out
                .into_iter()
                .map(|finding| problem(service, finding))
                .collect(),
        })
    }

    /// The way of a copy whose own mark was stripped: what one of our links
    /// wrote there is never taken for native, unless it is shown there with its
    /// mark as well.
    fn remembered_path(&self, link: &Link, service: &ServiceKey, shown: &Instance) -> Option<Path> {
        let known = self.readers[&link.rules.from].get(service)?;
        self.links
            .values()
            .filter(|other| other.rules.to == link.rules.from)
            .find_map(|other| {
                let written = other.service(service)?.wrote(shown)?;
                let marking = other.rules.rules.marking.as_ref()?;
                let mut beside = known.last.get(&shown.key).iter();
                let marked = beside.any(|copy| marking.is_ours(service, copy));
                (!marked).then(|| marking.path_of_written(service, written))
            })
    }

    /// Who registers natively at the target: whatever stands there and is not
    /// ours, by its mark or by the ledger.
    fn natives(&self, link: &Link, service: &ServiceKey) -> Natives {
        if !link.rules.target_is_read {
            return Natives::new();
        }
        let Some(known) = self.readers[&link.rules.to].get(service) else {
            return Natives::new();
        };
        let marking = link.rules.rules.marking.as_ref();
        let marked =
            |instance: &Instance| marking.is_some_and(|marking| marking.is_ours(service, instance));
        let written = |instance: &Instance| {
            self.links
                .values()
                .filter(|other| other.rules.to == link.rules.to)
                .filter_map(|other| other.service(service))
                .any(|state| state.wrote(instance).is_some())
        };
        // A copy whose mark was stripped is known by its content. An application
        // may register the very same; then our copy stands beside it, marked.
        let ours = |instance: &Instance| match written(instance) {
            true if instance.metadata.get(MARK_KEY).is_some() => true,
            true => !known.last.get(&instance.key).iter().any(marked),
            false => marked(instance),
        };
        let (mine, natives): (Vec<&Instance>, Vec<&Instance>) =
            known.last.instances().iter().partition(|i| ours(i));
        let standing = |native: &Instance| {
            let beside = mine.iter().any(|copy| copy.key.same_address(&native.key));
            match beside {
                true => Standing::Beside,
                false => Standing::Instead,
            }
        };
        natives
            .into_iter()
            .map(|native| {
                let address = (native.key.host.clone(), native.key.port);
                (address, standing(native))
            })
            .collect()
    }
}

/// What should be at a target for one service.
struct Wanted {
    view: View,
    /// When the complete view behind it was seen.
    seen_at: Option<Moment>,
    left_out: Vec<Problem>,
}

fn problem(service: &ServiceKey, finding: Finding) -> Problem {
    Problem {
        service: service.clone(),
        instance: finding.instance,
        what: finding.why,
    }
}
