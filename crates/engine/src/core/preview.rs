//! What would be written now, by the same decisions by which it is written.

use std::sync::Arc;
use std::time::Duration;

use syncline_contract::Area;
use syncline_model::guard::{Hold, Verdict};
use syncline_model::plan::Change;
use syncline_model::{EndpointName, InstanceKey, LinkName, Moment, ServiceKey, Truth};

use super::Core;
use super::status::Problem;

/// What one link would write now.
#[derive(Clone, Debug)]
pub struct LinkPreview {
    /// Which link.
    pub link: LinkName,
    /// Where it reads.
    pub from: EndpointName,
    /// Where it writes.
    pub to: EndpointName,
    /// Whether all that a plan looks at has been seen; without that the
    /// services say nothing yet.
    pub ready: bool,
    /// Why the source does not answer, while it does not.
    pub down: Option<Arc<str>>,
    /// With whose eyes the whole scope was read; `None` where it was not.
    pub truth: Option<Truth>,
    /// How the list of the source ended, area by area.
    pub areas: Vec<Area>,
    /// How long ago the source was read whole.
    pub complete_ago: Option<Duration>,
    /// How many services the target is to hold of this link.
    pub services: usize,
    /// How many instances the target is to hold of this link.
    pub instances: usize,
    /// Services that are not right, in order.
    pub wrong: Vec<ServicePreview>,
}

/// What would be done for one service.
#[derive(Clone, Debug)]
pub struct ServicePreview {
    /// The service at the target.
    pub service: ServiceKey,
    /// What would change.
    pub changes: Vec<Change>,
    /// Instances that are not copied because a native stands there.
    pub shadowed: Vec<InstanceKey>,
    /// Instances that are left out, and why.
    pub left_out: Vec<Problem>,
    /// What the guard would hold.
    pub hold: Option<Hold>,
    /// What it would keep back.
    pub kept: Vec<Change>,
}

impl LinkPreview {
    /// Whether there is nothing to do.
    pub fn is_in_step(&self) -> bool {
        self.wrong.iter().all(|service| service.changes.is_empty())
    }
}

impl Core {
    /// What every link would write now.
    pub fn preview(&self, now: Moment) -> Vec<LinkPreview> {
        let names: Vec<LinkName> = self.links.keys().cloned().collect();
        names
            .iter()
            .map(|name| self.preview_link(now, name))
            .collect()
    }

    fn preview_link(&self, now: Moment, name: &LinkName) -> LinkPreview {
        let link = &self.links[name];
        let source = &self.readers[&link.rules.from];
        let mut preview = LinkPreview {
            link: name.clone(),
            from: link.rules.from.clone(),
            to: link.rules.to.clone(),
            ready: self.sees_all(link) && source.listed() && source.is_quiet(),
            down: source.down.clone().or_else(|| source.failing().cloned()),
            truth: link.truth,
            areas: source.areas.clone(),
            complete_ago: source.complete_at.map(|at| now.since(at)),
            services: 0,
            instances: 0,
            wrong: Vec::new(),
        };
        let mut guard = self.foreseeing(now, link);
        for (service, _) in link.services() {
            let Some(draft) = self.draft(now, link, service) else {
                continue;
            };
            let decision = draft.judged(service, &mut guard);
            let plan = decision.plan;
            preview.services += usize::from(!plan.accepted.is_empty());
            preview.instances += plan.accepted.len();
            let hold = match decision.verdict {
                Verdict::Hold(hold) => Some(hold),
                Verdict::Pass => None,
            };
            let right = plan.changes.is_empty()
                && plan.shadowed.is_empty()
                && decision.left_out.is_empty()
                && hold.is_none();
            if !right {
                preview.wrong.push(ServicePreview {
                    service: service.clone(),
                    changes: plan.changes,
                    shadowed: plan.shadowed,
                    left_out: decision.left_out,
                    hold,
                    kept: decision.kept,
                });
            }
        }
        preview
    }
}
