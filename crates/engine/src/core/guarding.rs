//! What the guard is told before it judges, and what of it is put on disk.
//!
//! A guard that saw one service after another would let the first parts of a
//! loss through before the rest of it made it too much. So what a list lacks is
//! counted before any of it is proved, and so are all services that are planned
//! in one step.

use std::collections::BTreeSet;

use syncline_model::guard::{Freeze, Guard, Look, Offer, Record};
use syncline_model::{LinkName, Moment, ServiceKey};

use super::draft::Eyes;
use super::link::Link;
use super::{Core, Effect, Persist};

impl Core {
    /// Counts what the last list of a link's source lacks, before the first of
    /// it is proved gone and judged.
    pub(super) fn announce_lacking(&mut self, now: Moment, name: &LinkName) {
        let Some(link) = self.links.get(name).filter(|link| self.plans(link)) else {
            return;
        };
        let lacking = self.readers[&link.rules.from].lacking();
        let targets: BTreeSet<&ServiceKey> = lacking.map(|s| link.target_of(s)).collect();
        let offers = targets.into_iter().filter_map(|service| {
            let draft = self.draft_with(now, link, service, Eyes::List)?;
            let (look, offer) = draft.loss()?;
            // A list is no proof, so it counts as no view of the loss.
            Some((service.clone(), Look { seen: None, ..look }, offer))
        });
        let offers: Vec<_> = offers.collect();
        self.announce(name, &offers);
    }

    /// Counts what all services that are to be planned would lose, before the
    /// first of them is judged.
    pub(super) fn announce_dirty(&mut self, now: Moment) {
        if self.dirty.len() < 2 {
            return;
        }
        let offers = |link: &Link| {
            let losses = self.losses(now, link, self.dirty_of(&link.rules.name));
            (link.rules.name.clone(), losses.collect::<Vec<_>>())
        };
        let planned = self.links.values().filter(|link| self.plans(link));
        let offers: Vec<_> = planned.map(offers).collect();
        for (name, offers) in offers {
            self.announce(&name, &offers);
        }
    }

    /// What services of a link would lose if they were planned now.
    fn losses<'a>(
        &'a self,
        now: Moment,
        link: &'a Link,
        services: impl Iterator<Item = &'a ServiceKey> + 'a,
    ) -> impl Iterator<Item = (ServiceKey, Look, Offer)> + 'a {
        services.filter_map(move |service| {
            let state = link.service(service)?;
            let may_lose = state.held.in_use() > 0 && state.writing.is_none();
            let draft = may_lose.then(|| self.draft(now, link, service)).flatten()?;
            let (look, offer) = draft.loss()?;
            Some((service.clone(), look, offer))
        })
    }

    /// A link's guard as it would be if all services were planned now: a copy,
    /// since a guard counts what it is asked about, that has been told of all
    /// losses before the first is judged.
    pub(super) fn foreseeing(&self, now: Moment, link: &Link) -> Guard {
        let mut guard = link.guard.clone();
        let services = link.services().map(|(service, _)| service);
        for (service, look, offer) in self.losses(now, link, services) {
            guard.announce(&look, &service, &offer);
        }
        guard
    }

    /// Something happened to a service that cannot be planned now: the guard has to
    /// know where a loss that waits came back meanwhile.
    pub(super) fn overlook(&mut self, now: Moment, name: &LinkName, service: &ServiceKey) {
        let waits = |link: &&Link| {
            let record = link.guard.record(service);
            record.is_some_and(|record| record.pending.is_some()) && self.plans(link)
        };
        let link = self.links.get(name).filter(waits);
        let offer = link.and_then(|link| Some(self.draft(now, link, service)?.offer()));
        if let Some(offer) = offer
            && let Some(link) = self.links.get_mut(name)
        {
            link.guard.overlook(service, &offer);
        }
    }

    fn announce(&mut self, name: &LinkName, offers: &[(ServiceKey, Look, Offer)]) {
        if let Some(link) = self.links.get_mut(name) {
            for (service, look, offer) in offers {
                link.guard.announce(look, service, offer);
            }
        }
    }

    /// Whether services of a link are planned when their turn comes.
    fn plans(&self, link: &Link) -> bool {
        link.is_open() && self.sees_all(link)
    }

    /// Services of a link that are to be planned.
    pub(super) fn dirty_of(&self, name: &LinkName) -> impl Iterator<Item = &ServiceKey> {
        let first = (name.clone(), ServiceKey::new("", "", ""));
        let range = self.dirty.range(first..);
        range
            .take_while(move |(of, _)| of == name)
            .map(|(_, service)| service)
    }

    /// Puts on disk what the guards know now and did not before.
    pub(super) fn store_guards(&mut self, now: Moment) {
        for (name, link) in &mut self.links {
            let changes = link.guard.take_changes();
            let freeze = changes.freeze.map(|freeze| Persist::Freeze {
                link: name.clone(),
                freeze,
                at: now,
            });
            let windows = changes
                .records
                .into_iter()
                .map(|(service, record)| Persist::Window {
                    link: name.clone(),
                    service,
                    record: record.map(Box::new),
                    at: now,
                });
            let persisted = freeze.into_iter().chain(windows);
            self.effects.extend(persisted.map(Effect::Persist));
        }
    }

    /// What a link's guard knew before the start.
    pub(super) fn guarded(
        &mut self,
        name: &LinkName,
        freeze: Option<Freeze>,
        records: Vec<(ServiceKey, Record)>,
    ) {
        if let Some(link) = self.links.get_mut(name) {
            link.restore_guard(freeze, records);
        }
    }
}
