//! What the guard holds, with the very instances that would go.

use syncline_model::plan::Change;
use syncline_model::{EndpointName, LinkName, Moment, ServiceKey};

use super::Core;
use super::link::Link;
use super::status::HoldStatus;

/// One hold, and what it keeps back.
#[derive(Clone, Debug)]
pub struct HeldBack {
    /// The link.
    pub link: LinkName,
    /// Where it reads.
    pub from: EndpointName,
    /// Where it writes, and where the instances still are.
    pub to: EndpointName,
    /// The hold.
    pub status: HoldStatus,
    /// What would go, service by service.
    pub services: Vec<HeldService>,
}

/// What a hold keeps back of one service.
#[derive(Clone, Debug)]
pub struct HeldService {
    /// The service at the target.
    pub service: ServiceKey,
    /// What would be written if it were let through, as far as consumers would
    /// lose an instance by it.
    pub changes: Vec<Change>,
}

impl Core {
    /// All that the guard holds, as of now.
    pub fn held_back(&self, now: Moment) -> Vec<HeldBack> {
        let links = self.links.values();
        links
            .flat_map(|link| self.link_held_back(now, link))
            .collect()
    }

    fn link_held_back(&self, now: Moment, link: &Link) -> Vec<HeldBack> {
        let holds = link.holds(now);
        if holds.is_empty() {
            return Vec::new();
        }
        let kept = self.kept_back(now, link);
        let held = |status: HoldStatus| {
            let of = status.hold.service.clone();
            let services = kept
                .iter()
                .filter(|held| of.as_ref().is_none_or(|of| held.service == *of))
                .cloned()
                .collect();
            HeldBack {
                link: link.rules.name.clone(),
                from: link.rules.from.clone(),
                to: link.rules.to.clone(),
                status,
                services,
            }
        };
        holds.into_iter().map(held).collect()
    }

    /// The services of which something is held, with that.
    fn kept_back(&self, now: Moment, link: &Link) -> Vec<HeldService> {
        // The guard counts what it is asked about, so a copy of it is asked.
        let mut guard = link.guard.clone();
        let held = link.services().filter(|(_, state)| state.hold.is_some());
        held.filter_map(|(service, _)| {
            let decision = self.draft(now, link, service)?.judged(service, &mut guard);
            Some(HeldService {
                service: service.clone(),
                changes: decision.kept,
            })
        })
        .collect()
    }
}
