//! What a watch has seen so far, and what is new in what it sees.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use syncline_contract::source::{Coverage, ListEnd};
use syncline_model::merge::{merge, replace};
use syncline_model::plan;
use syncline_model::{GroupName, Instance, NamespaceId, ServiceKey, ServiceSet, Truth, View};

use super::super::reading::Whole;
use crate::output::change::{ChangeRow, Kind};
use crate::output::describe;

/// The services of a watch as they were last seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    services: BTreeMap<ServiceKey, Arc<ServiceSet>>,
    down: bool,
}

impl Seen {
    /// Takes the first list as what is there.
    pub(super) fn begin(&mut self, whole: &Whole) {
        for listed in &whole.services {
            if let Some(set) = listed.view.seen() {
                self.services
                    .insert(listed.service.clone(), Arc::clone(set));
            }
        }
    }

    /// How many services there are.
    pub(super) fn services(&self) -> usize {
        self.services.len()
    }

    /// How many instances there are.
    pub(super) fn instances(&self) -> usize {
        self.services.values().map(|set| set.len()).sum()
    }

    /// Whether the source did not answer when it was last heard of.
    pub(super) fn is_down(&self) -> bool {
        self.down
    }

    /// Whether the source answers.
    pub(super) fn set_down(&mut self, down: bool) {
        self.down = down;
    }

    /// Takes a push. What it adds and changes is believed; whether what it does
    /// not show is gone has to be looked up, which the second value says.
    pub(super) fn push(
        &mut self,
        service: &ServiceKey,
        view: &View,
        at: &str,
    ) -> (Vec<ChangeRow>, bool) {
        let Some(set) = view.seen() else {
            return (Vec::new(), false);
        };
        let truth = view.complete().map_or(Truth::Consumer, |(truth, _)| truth);
        let known = self.known(service);
        let merged = merge(&known, set, truth);
        let look = merged.missing && view.complete().is_some();
        (self.set(service, merged.set, truth, at), look)
    }

    /// Takes a look at one service.
    pub(super) fn look(&mut self, service: &ServiceKey, view: &View, at: &str) -> Vec<ChangeRow> {
        match view.complete() {
            Some((truth, set)) => {
                let set = replace(&self.known(service), set);
                self.set(service, set, truth, at)
            }
            None => self.push(service, view, at).0,
        }
    }

    /// Takes a look at everything. A service that is not in the list is gone
    /// only where the list was complete.
    pub(super) fn list(&mut self, whole: &Whole, at: &str) -> Vec<ChangeRow> {
        let mut rows = Vec::new();
        let mut listed = BTreeSet::new();
        for service in &whole.services {
            listed.insert(&service.service);
            rows.extend(self.look(&service.service, &service.view, at));
        }
        let gone: Vec<_> = self
            .services
            .keys()
            .filter(|service| !listed.contains(service))
            .filter_map(|service| Some((service.clone(), complete(&whole.end, service)?)))
            .collect();
        for (service, truth) in gone {
            rows.extend(self.set(&service, ServiceSet::empty(), truth, at));
            self.services.remove(&service);
        }
        rows
    }

    fn known(&self, service: &ServiceKey) -> Arc<ServiceSet> {
        let known = self.services.get(service).cloned();
        known.unwrap_or_else(ServiceSet::empty)
    }

    fn set(
        &mut self,
        service: &ServiceKey,
        set: Arc<ServiceSet>,
        truth: Truth,
        at: &str,
    ) -> Vec<ChangeRow> {
        let before = self.known(service);
        let rows = rows(service, &before, &set, truth, at);
        self.services.insert(service.clone(), set);
        rows
    }
}

/// With whose eyes the area of a service was read whole; `None` where it was
/// not.
fn complete(end: &ListEnd, service: &ServiceKey) -> Option<Truth> {
    let mut truths = end
        .areas
        .iter()
        .filter(|area| area.holds(service))
        .map(|area| match area.coverage {
            Coverage::Complete(truth) => Some(truth),
            Coverage::Partial(_) | Coverage::Suspect(_) | Coverage::Failed(_) => None,
        });
    let first = truths.next()??;
    truths.all(|truth| truth.is_some()).then_some(first)
}

fn rows(
    service: &ServiceKey,
    before: &ServiceSet,
    after: &ServiceSet,
    truth: Truth,
    at: &str,
) -> Vec<ChangeRow> {
    let row = |kind, instance: &Instance, detail: String| ChangeRow {
        at: Some(at.to_owned()),
        kind,
        service: short(service),
        address: instance.key.address(),
        detail,
    };
    let mut rows = Vec::new();
    for instance in after.instances() {
        match before.get(&instance.key).first() {
            None => rows.push(row(Kind::Add, instance, describe::content(instance))),
            Some(old) => {
                let difference = plan::difference(old, instance);
                if !difference.is_empty() {
                    rows.push(row(Kind::Update, instance, difference));
                }
            }
        }
    }
    let gone = match truth {
        Truth::Raw => "deregistered",
        Truth::Consumer => "deregistered or disabled",
    };
    for instance in before.instances() {
        if after.get(&instance.key).is_empty() {
            rows.push(row(Kind::Remove, instance, gone.to_owned()));
        }
    }
    rows
}

/// The service without what goes without saying.
fn short(service: &ServiceKey) -> String {
    let ServiceKey {
        namespace,
        group,
        name,
    } = service;
    match (namespace.as_str(), group.as_str()) {
        (NamespaceId::PUBLIC, GroupName::DEFAULT) => name.to_string(),
        (NamespaceId::PUBLIC, group) => format!("{group}/{name}"),
        _ => service.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_contract::source::{Area, Listed};
    use syncline_model::{Port, Seen as Told, Weight};

    fn service() -> ServiceKey {
        ServiceKey::new("public", "DEFAULT_GROUP", "payment")
    }

    fn instance(last: u8) -> Instance {
        let host = format!("10.2.0.{last}");
        Instance::new(host.as_str(), Port::new(8080).expect("not zero"))
    }

    fn view(truth: Truth, instances: Vec<Instance>) -> View {
        View::Complete(truth, Arc::new(ServiceSet::new(instances)))
    }

    fn whole(services: Vec<(ServiceKey, View)>, coverage: Coverage) -> Whole {
        let listed = |(service, view)| Listed {
            service,
            view,
            rejected: Vec::new(),
        };
        Whole {
            services: services.into_iter().map(listed).collect(),
            end: ListEnd::of(vec![Area {
                namespace: Some("public".into()),
                group: None,
                coverage,
            }]),
        }
    }

    fn seen(instances: Vec<Instance>) -> Seen {
        let mut seen = Seen::default();
        let services = vec![(service(), view(Truth::Raw, instances))];
        seen.begin(&whole(services, Coverage::Complete(Truth::Raw)));
        seen
    }

    fn said(rows: &[ChangeRow]) -> Vec<String> {
        let line = |row: &ChangeRow| {
            let (sign, detail) = (row.kind.sign(), &row.detail);
            format!("{sign} {} {} {detail}", row.service, row.address)
        };
        rows.iter().map(line).collect()
    }

    #[test]
    fn a_push_adds_and_changes_at_once_and_removes_after_a_look() {
        let mut seen = seen(vec![instance(1), instance(2)]);
        let mut heavy = instance(1);
        heavy.weight = Weight::new(5.0).expect("legal");
        let pushed = view(Truth::Consumer, vec![heavy.clone(), instance(3)]);
        let (rows, look) = seen.push(&service(), &pushed, "t");
        assert_eq!(
            said(&rows),
            [
                "~ payment 10.2.0.1:8080 weight 1 → 5",
                "+ payment 10.2.0.3:8080 weight 1"
            ]
        );
        assert!(look);
        let raw = view(Truth::Raw, vec![heavy, instance(3)]);
        let rows = seen.look(&service(), &raw, "t");
        assert_eq!(said(&rows), ["- payment 10.2.0.2:8080 deregistered"]);
        assert!(seen.look(&service(), &raw, "t").is_empty());
    }

    #[test]
    fn health_that_a_push_cannot_tell_is_no_change() {
        let mut seen = seen(vec![instance(1)]);
        let mut protected = instance(1);
        protected.healthy = Told::Unknown;
        let (rows, look) = seen.push(&service(), &view(Truth::Consumer, vec![protected]), "t");
        assert!(rows.is_empty() && !look);
        let mut sick = instance(1);
        sick.healthy = Told::Known(false);
        let rows = seen.look(&service(), &view(Truth::Raw, vec![sick]), "t");
        assert_eq!(said(&rows), ["~ payment 10.2.0.1:8080 healthy → unhealthy"]);
    }

    #[test]
    fn a_failed_look_says_nothing() {
        let mut seen = seen(vec![instance(1)]);
        let failed = View::Failed("timed out".into());
        assert!(seen.look(&service(), &failed, "t").is_empty());
        let partial = View::Partial(ServiceSet::empty(), "403".into());
        assert!(seen.look(&service(), &partial, "t").is_empty());
        assert_eq!(seen.instances(), 1);
    }

    #[test]
    fn a_service_is_gone_only_from_a_complete_list() {
        let mut seen = seen(vec![instance(1)]);
        let doubtful = whole(vec![], Coverage::Partial("403".into()));
        assert!(seen.list(&doubtful, "t").is_empty());
        let complete = whole(vec![], Coverage::Complete(Truth::Raw));
        let rows = seen.list(&complete, "t");
        assert_eq!(said(&rows), ["- payment 10.2.0.1:8080 deregistered"]);
        assert_eq!(seen.services(), 0);
    }

    #[test]
    fn names_are_as_short_as_they_can_be() {
        let short = |n: &str, g: &str| short(&ServiceKey::new(n, g, "s"));
        assert_eq!(short("public", "DEFAULT_GROUP"), "s");
        assert_eq!(short("public", "G"), "G/s");
        assert_eq!(short("prod", "DEFAULT_GROUP"), "prod/DEFAULT_GROUP/s");
    }
}
