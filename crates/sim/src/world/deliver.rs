//! What comes of things, told to the core.

use std::sync::Arc;
use std::time::Duration;

use syncline_contract::{Area, Coverage, ListEnd, Observation};
use syncline_contract::{Hold, TargetReport, Unavailable, Write};
use syncline_engine::core::{Event, WriteError};
use syncline_model::{Instance, InstanceKey, Moment, ServiceKey, ServiceSet, View};

use super::{Fate, Item, Lies, Queued, World};
use crate::deed::Content;
use crate::fault::Fault;
use crate::oracle::Oracle;
use crate::registry::Sight;

/// Calls that take longer have failed.
const DEADLINE: Duration = Duration::from_secs(60);

impl World<'_> {
    pub(super) fn deliver(&mut self, queued: Queued) {
        if queued
            .process
            .is_some_and(|process| process != self.process)
        {
            return;
        }
        if let Some(until) = self.frozen
            && queued.process.is_some()
        {
            return self.wait_for_thaw(queued.item, until);
        }
        match queued.item {
            Item::Start => self.start(),
            Item::Described(link) => self.described(link),
            Item::Tell(event) => self.step(event),
            Item::Look {
                event,
                endpoint,
                service,
                sight,
                truth,
            } => {
                if let Some(truth) = truth {
                    self.watch.proofs.listed(endpoint, &service, &truth);
                }
                self.watch.proofs.look(endpoint, &service, &sight);
                let view = view_of(&event);
                self.note_lies(view, |lies, used| {
                    lies.told.look(endpoint, &service, &sight);
                    lies.used.look(endpoint, &service, &used(&sight));
                });
                self.note_told(endpoint, &service, view);
                self.tell_look(&event);
                self.step(event);
            }
            Item::Push { endpoint, service } => {
                let item = self.pushed_now(endpoint, &service);
                let process = queued.process;
                self.deliver(Queued { process, item });
            }
            Item::ListEnds {
                endpoint,
                end,
                truth,
            } => {
                let complete = |area: &Area| matches!(area.coverage, Coverage::Complete(_));
                let whole = end.areas.iter().all(complete);
                let lies = |area: &Area| {
                    matches!(area.coverage, Coverage::Failed(_) | Coverage::Suspect(_))
                };
                let answers = !end.areas.iter().any(lies);
                let how = if whole { "whole" } else { "and is not whole" };
                self.tell_seen(endpoint, || format!("the list ends, {how}"));
                let proofs = &mut self.watch.proofs;
                proofs.list_ends(endpoint, (answers, whole), &truth);
                if let Some(lies) = &mut self.watch.lies {
                    lies.told.list_ends(endpoint, (answers, whole), &[]);
                    lies.used.list_ends(endpoint, (answers, whole), &[]);
                }
                let endpoint = self.setup.endpoints[endpoint].name.clone();
                self.step(Event::ListEnded { endpoint, end });
            }
            Item::ReadEnds {
                endpoint,
                service,
                view,
                rejected,
                sight,
                in_use,
            } => {
                let complete = view.complete().is_some();
                let proofs = &mut self.watch.proofs;
                let shown: Sight = match view.seen() {
                    Some(set) => sight
                        .iter()
                        .filter(|(key, _)| !set.get(key).is_empty())
                        .cloned()
                        .collect(),
                    None => Arc::from([]),
                };
                proofs.read_ends(endpoint, &service, (&sight, &shown), complete);
                self.note_lies(Some(&view), |lies, used| {
                    let told = (&shown, &shown);
                    lies.told.read_ends(endpoint, &service, told, complete);
                    let used = (&in_use, &used(&shown));
                    lies.used.read_ends(endpoint, &service, used, complete);
                });
                self.note_told(endpoint, &service, Some(&view));
                self.tell_seen(endpoint, || {
                    format!("read of {}: {}", service.name, seen(&view))
                });
                let endpoint = self.setup.endpoints[endpoint].name.clone();
                self.step(Event::Read {
                    endpoint,
                    service,
                    view,
                    rejected,
                });
            }
            Item::Lands {
                link,
                write,
                fate,
                forgotten,
            } => {
                self.arrives(link, &write, fate);
                if forgotten {
                    let link = &self.setup.links[link].name;
                    self.watch.order.forget(|of| of == link);
                }
            }
            Item::Applied {
                link,
                service,
                result,
            } => self.applied(link, service, result),
            Item::Heals { registry, fault } => self.heals(registry, fault),
            Item::Resumes(link) => self.resumes(link),
            Item::Repairs { link, service } => self.repairs(link, &service),
            Item::BeatsEnd { link, process } => self.beats_end(link, process),
        }
    }

    /// Tells what the core is shown.
    fn tell_look(&mut self, event: &Event) {
        match event {
            Event::Listed { endpoint, listed } => {
                let (place, name) = (self.setup.endpoint(endpoint), &listed.service.name);
                self.tell_seen(place, || format!("list of {name}: {}", seen(&listed.view)));
            }
            Event::Observed {
                endpoint,
                observation: Observation::Content { service, view, .. },
            } => {
                let place = self.setup.endpoint(endpoint);
                self.tell_seen(place, || {
                    format!("push of {}: {}", service.name, seen(view))
                });
            }
            _ => {}
        }
    }

    /// Notes a look where registries lie; it is told which of what is shown is shown
    /// in use.
    fn note_lies(
        &mut self,
        view: Option<&View>,
        note: impl FnOnce(&mut Lies, &dyn Fn(&Sight) -> Sight),
    ) {
        let set = view.and_then(View::seen);
        let is_used =
            |key: &InstanceKey| set.is_some_and(|set| set.get(key).iter().any(Instance::in_use));
        let used = |sight: &Sight| {
            let used = sight.iter().filter(|(key, _)| is_used(key));
            used.cloned().collect()
        };
        if let Some(lies) = &mut self.watch.lies {
            note(lies, &used);
        }
    }

    /// What the core is shown, as far as it may be what was there before.
    fn note_told(&mut self, endpoint: usize, service: &ServiceKey, view: Option<&View>) {
        if self.setup.shows_the_past()
            && let Some(seen) = view.and_then(View::seen)
        {
            self.watch.order.told(endpoint, service, seen, self.now);
        }
    }

    fn tell_seen(&mut self, endpoint: usize, what: impl FnOnce() -> String) {
        let setup = self.setup;
        self.tell(|| format!("        {}: {}", setup.endpoints[endpoint].name, what()));
    }

    fn wait_for_thaw(&mut self, item: Item, until: Moment) {
        let too_late = until.since(self.now) > DEADLINE;
        let item = match item {
            Item::Look {
                event: Event::Listed { .. },
                ..
            } if too_late => return,
            Item::ListEnds {
                endpoint, truth, ..
            } if too_late => Item::ListEnds {
                endpoint,
                truth,
                end: ListEnd::of(vec![Area {
                    namespace: None,
                    group: None,
                    coverage: Coverage::Failed("no answer in time".into()),
                }]),
            },
            Item::ReadEnds {
                endpoint,
                service,
                sight,
                in_use,
                ..
            } if too_late => Item::ReadEnds {
                endpoint,
                service,
                sight,
                in_use,
                view: View::Failed("no answer in time".into()),
                rejected: Vec::new(),
            },
            item => item,
        };
        self.queue_at(until, item);
    }

    /// A push with what a service is at this moment.
    pub(super) fn pushed_now(&self, endpoint: usize, service: &ServiceKey) -> Item {
        let (view, sight, rejected) = self.registries[endpoint].push(service);
        let content = Observation::Content {
            service: service.clone(),
            view,
            rejected,
        };
        Item::Look {
            event: Event::Observed {
                endpoint: self.setup.endpoints[endpoint].name.clone(),
                observation: content,
            },
            endpoint,
            service: service.clone(),
            sight,
            truth: None,
        }
    }

    fn described(&mut self, link: usize) {
        let setup = &self.setup.links[link];
        if self.registries[setup.to].has(Fault::Down) {
            return self.queue_in(Duration::from_secs(3), Item::Described(link));
        }
        let report = TargetReport {
            product: "a registry".to_owned(),
            identity: setup.identity,
            hold: setup.hold,
            unavailable: Unavailable::WeightAndHealth,
            advice: Vec::new(),
        };
        self.step(Event::Described {
            link: setup.name.clone(),
            report,
        });
    }

    fn arrives(&mut self, link: usize, write: &Write, fate: Fate) {
        self.land(link, write, fate);
        let result = match fate {
            Fate::Lands => Ok(()),
            Fate::Refused | Fate::Unheard | Fate::Halved => Err(WriteError {
                what: "timed out".into(),
                retry_after: None,
                hopeless: false,
            }),
        };
        self.ends(link, write.service.clone(), result);
    }

    fn applied(&mut self, link: usize, service: ServiceKey, result: Result<(), WriteError>) {
        let setup = &self.setup.links[link];
        if result.is_ok() {
            let there = self.registries[setup.to].shown(&service).sight;
            let proofs = &mut self.watch.proofs;
            proofs.written(setup.to, &service, setup.from, &there);
        }
        let link = setup.name.clone();
        // What ends now, and not what may begin because of that.
        let ended = self.watch.audit.under_way(&link, &service);
        self.step(Event::Applied {
            link: link.clone(),
            service: service.clone(),
            result,
        });
        if self.running
            && let Some(ended) = ended
            && let Some(wrong) = self.watch.audit.ended(&link, &service, ended)
        {
            self.violates(Oracle::Journal, wrong);
        }
    }

    fn heals(&mut self, registry: usize, fault: Fault) {
        let now = self.now;
        let over = |until: &mut Moment| *until <= now;
        if fault.is_of_process() {
            if self.process_faults.get_mut(&fault).is_some_and(over) {
                self.process_faults.remove(&fault);
                if fault == Fault::DiskFails {
                    self.store_reopens();
                }
            }
        } else if self.registries[registry]
            .faults
            .get_mut(&fault)
            .is_some_and(over)
        {
            self.registries[registry].faults.remove(&fault);
            if fault == Fault::Amnesia {
                self.note_emptiness_of_all(registry);
                self.push_all(registry);
            }
            if fault == Fault::Down {
                self.observe(registry, Observation::Up);
            }
        }
    }

    /// A registry knows again what it has, and tells its subscribers.
    pub(super) fn push_all(&mut self, registry: usize) {
        for service in &self.setup.services {
            self.push(registry, service);
        }
    }

    pub(super) fn store_reopens(&mut self) {
        self.disk.heal();
        if self.running {
            self.step(Event::StoreReopened);
        }
    }

    pub(super) fn resumes(&mut self, link: usize) {
        if self.paused.remove(&link) && self.running {
            let link = self.setup.links[link].name.clone();
            self.step(Event::Pause {
                link,
                paused: false,
            });
        }
    }

    /// The connection that holds a set puts all of it there again.
    fn repairs(&mut self, link: usize, service: &ServiceKey) {
        let Some(accepted) = self.watch.accepted.get(&(link, service.clone())) else {
            return;
        };
        let write = Write {
            service: service.clone(),
            accepted: accepted.clone(),
            changes: std::sync::Arc::from([]),
            taken_over: std::sync::Arc::from([]),
        };
        self.land(link, &write, Fate::Lands);
    }

    /// What no process has kept alive since one died is gone.
    fn beats_end(&mut self, link: usize, process: u64) {
        let setup = &self.setup.links[link];
        debug_assert_eq!(setup.hold, Hold::Beat);
        for service in self.setup.services.clone() {
            let place = (link, service.clone());
            let kept = self.kept_alive.get(&place).is_some_and(|by| *by >= process);
            let accepted = self.watch.accepted.get(&place).filter(|_| kept).cloned();
            let now = self.now;
            self.registries[setup.to].write(&service, link, now, |copies| {
                copies.retain(|key, _| accepted.as_ref().is_some_and(|a| !a.get(key).is_empty()));
            });
            self.changed(setup.to, &service);
        }
    }
}

/// What a look shows.
fn view_of(event: &Event) -> Option<&View> {
    match event {
        Event::Listed { listed, .. } => Some(&listed.view),
        Event::Observed {
            observation: Observation::Content { view, .. },
            ..
        } => Some(view),
        _ => None,
    }
}

/// A view in a few words.
fn seen(view: &View) -> String {
    let shown = |set: &ServiceSet| {
        let shown = set.instances().iter().map(|i| Content(i).to_string());
        let shown: Vec<String> = shown.collect();
        match shown.is_empty() {
            true => "nothing".to_owned(),
            false => shown.join(", "),
        }
    };
    match view {
        View::Complete(_, set) => shown(set),
        View::Partial(set, why) | View::Suspect(set, why) => format!("{} ({why})", shown(set)),
        View::Failed(why) => why.to_string(),
    }
}
