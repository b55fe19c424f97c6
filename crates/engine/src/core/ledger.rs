//! What the ledger has to know, and what it tells after a start.

use std::sync::Arc;

use syncline_model::bugs::Bug;
use syncline_model::{EndpointName, Instance, LinkName, ServiceKey, ServiceSet};

use super::service::LinkService;
use super::{Core, Effect, Persist};

impl Core {
    /// The store forgot an unknown part of what was put there: all is put again.
    pub(super) fn persist_all(&mut self) {
        self.effects.push(Effect::Persist(Persist::Evacuated {
            what: self.evacuated.iter().cloned().collect(),
        }));
        for link in self.links.values_mut() {
            self.effects.push(Effect::Persist(Persist::Restart {
                link: link.rules.name.clone(),
            }));
            link.guard.store_again();
            let remembered = link.services().filter_map(|(service, state)| {
                let (link, target) = (link.rules.name.clone(), link.rules.to.clone());
                remembered(link, target, service.clone(), state)
            });
            self.effects.extend(remembered.map(Effect::Persist));
        }
        self.cache_all();
    }

    /// What is known of sources is put again, as far as links make use of it.
    fn cache_all(&mut self) {
        for (endpoint, reader) in &self.readers {
            let is_used = |service: &ServiceKey| {
                let mut links = self.links.values().filter(|l| l.rules.from == *endpoint);
                links.any(|link| link.is_made_of(service))
            };
            for (service, known) in reader.services().filter(|(service, _)| is_used(service)) {
                if let Some((truth, set)) = known.view.complete() {
                    self.effects.push(Effect::Persist(Persist::Cache {
                        endpoint: endpoint.clone(),
                        service: service.clone(),
                        truth,
                        set: Arc::clone(set),
                    }));
                }
            }
        }
    }

    /// The ledger learns that a target confirmed what it was given.
    pub(super) fn note_confirmed(
        &mut self,
        link: &LinkName,
        target: EndpointName,
        service: &ServiceKey,
        held: Arc<ServiceSet>,
    ) {
        self.effects.push(Effect::Persist(Persist::Confirm {
            link: link.clone(),
            target,
            service: service.clone(),
            held,
        }));
    }

    /// What the ledger says a link gave its target before the start.
    pub(super) fn held(
        &mut self,
        name: &LinkName,
        service: ServiceKey,
        set: Arc<ServiceSet>,
        going: Vec<Instance>,
        (fresh, confirmed): (bool, bool),
    ) {
        let Some(link) = self.links.get_mut(name) else {
            return;
        };
        if Bug::NoLedger.is_planted() {
            return;
        }
        let is_all = going.is_empty();
        link.remember(service.clone(), set, going, fresh);
        if let Some(state) = link.service_mut(&service) {
            state.on_record = confirmed && is_all;
        }
    }
}

/// What the ledger has to know of a service: what the target was given, and what
/// it is being given.
fn remembered(
    link: LinkName,
    target: EndpointName,
    service: ServiceKey,
    state: &LinkService,
) -> Option<Persist> {
    let held = &state.held;
    let accepted = state.writing.as_ref().map_or(held, |w| &w.accepted);
    if held.is_empty() && accepted.is_empty() {
        return None;
    }
    if state.live && state.writing.is_none() {
        return Some(Persist::Confirm {
            link,
            target,
            service,
            held: Arc::clone(held),
        });
    }
    Some(Persist::Intend {
        link,
        target,
        service,
        accepted: Arc::clone(accepted),
        going: going(state, accepted),
        before_write: false,
    })
}

/// What the target was given before and is not any more, or not with this content:
/// whoever dies before it is written finds that there. Where writes failed one after
/// another, all contents may stand there that any of them was to change.
pub(super) fn going(state: &LinkService, accepted: &ServiceSet) -> Vec<Instance> {
    let stays = |given: &Instance| {
        let mut there = accepted.get(&given.key).iter();
        there.any(|accepted| !accepted.content_differs(given))
    };
    let held = state.held.instances().iter();
    let changing = |before: &&Instance| !accepted.get(&before.key).is_empty();
    let unconfirmed = state.former.unconfirmed().filter(changing);
    let unconfirmed = unconfirmed.filter(|before| !state.held.get(&before.key).contains(before));
    let goes = |given: &&Instance| !stays(given);
    held.chain(unconfirmed).filter(goes).cloned().collect()
}
