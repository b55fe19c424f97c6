//! The guard's rules at their thresholds, and the ways out of a hold.

mod link;
mod service;

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::instance::InstanceKey;

/// A link whose services have numbered instances, with what the source shows
/// and what the target has.
struct Link {
    guard: Guard,
    now: Moment,
    services: BTreeMap<ServiceKey, Service>,
}

#[derive(Clone, Default)]
struct Service {
    shown: BTreeSet<u32>,
    target: BTreeSet<u32>,
}

fn service(name: usize) -> ServiceKey {
    ServiceKey::new("public", "G", format!("s{name:05}"))
}

fn instance(number: u32) -> InstanceKey {
    InstanceKey {
        host: format!("10.0.{}.{}", number / 250, number % 250)
            .as_str()
            .into(),
        port: crate::instance::Port::new(80).expect("not zero"),
        cluster: "DEFAULT".into(),
    }
}

impl Link {
    /// Services of equal size, all in step, with the product's defaults.
    fn of(services: usize, size: u32) -> Self {
        let full = Service {
            shown: (0..size).collect(),
            target: (0..size).collect(),
        };
        Self {
            guard: Guard::new("hz".into(), Settings::default()),
            now: Moment::after_origin(Duration::from_secs(1_000_000)),
            services: (0..services).map(|n| (service(n), full.clone())).collect(),
        }
    }

    fn wait(&mut self, wait: Duration) -> &mut Self {
        self.now = self.now + wait;
        self
    }

    fn seconds(&mut self, seconds: u64) -> &mut Self {
        self.wait(Duration::from_secs(seconds))
    }

    fn show(&mut self, name: usize, shown: impl IntoIterator<Item = u32>) -> &mut Self {
        let service = self.services.entry(service(name)).or_default();
        service.shown = shown.into_iter().collect();
        self
    }

    fn target(&self, name: usize) -> usize {
        self.services[&service(name)].target.len()
    }

    fn look(&self) -> Look {
        let in_use = self.services.values().map(|s| s.target.len() as u64);
        Look {
            now: self.now,
            seen: Some(self.now),
            link_in_use: in_use.sum(),
        }
    }

    fn offer(&self, service: &ServiceKey, moved: u32) -> Offer {
        let Service { shown, target } = &self.services[service];
        let lost = target.difference(shown);
        Offer {
            has: target.len() as u32,
            given: shown.len() as u32,
            moved,
            lost: lost.fold(LostDigest::NONE, |lost, n| lost.with(&instance(*n))),
        }
    }

    /// One look at one service, judged and carried out.
    fn judge(&mut self, name: usize) -> Verdict {
        self.judge_with(name, self.look(), 0)
    }

    fn judge_with(&mut self, name: usize, look: Look, moved: u32) -> Verdict {
        let key = service(name);
        let offer = self.offer(&key, moved);
        let verdict = self.guard.judge(&look, &key, &offer);
        let service = self.services.get_mut(&key).expect("known");
        match verdict {
            Verdict::Pass => service.target = service.shown.clone(),
            Verdict::Hold(_) => service.target.extend(&service.shown),
        }
        verdict
    }

    /// One read of all services: announced, then judged. How many were held.
    fn read(&mut self) -> usize {
        let (look, names) = (self.look(), self.services.len());
        for key in self.services.keys() {
            let offer = self.offer(key, 0);
            self.guard.announce(&look, key, &offer);
        }
        (0..names)
            .filter(|name| self.judge(*name) != Verdict::Pass)
            .count()
    }

    fn hold(&mut self, name: usize) -> Hold {
        match self.judge(name) {
            Verdict::Hold(hold) => hold,
            Verdict::Pass => panic!("service {name} passed"),
        }
    }

    #[track_caller]
    fn passes(&mut self, name: usize) {
        assert_eq!(self.judge(name), Verdict::Pass);
    }

    /// A link without history forgets everything after a while.
    #[track_caller]
    fn ends_clean(&mut self) {
        self.seconds(3600);
        self.guard.expire(self.now);
        assert_eq!(self.guard.records().count(), 0);
        assert_eq!(self.guard.sums, Share::default());
        assert!(self.guard.agenda.is_empty());
        assert_eq!(self.guard.freeze(), None);
    }
}

const NANO: Duration = Duration::from_nanos(1);
