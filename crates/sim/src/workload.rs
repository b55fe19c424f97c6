//! What applications, operators and faults do in a seed's world.

use std::collections::BTreeMap;
use std::time::Duration;

use syncline_model::ownership::MARK_KEY;
use syncline_model::{Instance, InstanceKey, Moment, Port, Seen, ServiceKey, Weight};

use crate::chance::Chance;
use crate::deed::{Deed, Timed};
use crate::fault::Fault;
use crate::setup::Setup;

/// When worlds begin: late enough that nothing is before the clock's origin.
pub const BEGINNING: Moment = Moment::after_origin(Duration::from_secs(10_000));

/// A mark of this install, made up by somebody who does not have its key.
const FORGED: &str = "1~install~b~AAAAAAAAAAAAAAAA";

/// Draws all deeds of a world, in order.
pub fn draw(setup: &Setup) -> Vec<Timed> {
    let mut drawing = Drawing {
        setup,
        chance: Chance::of(setup.seed, "workload"),
        now: BEGINNING,
        natives: BTreeMap::new(),
        revisions: 0,
        deeds: Vec::new(),
    };
    drawing.begin();
    // Most deeds take some twenty steps until all is done that follows from them.
    let deeds = 20 + (setup.steps / 25) as usize;
    while drawing.deeds.len() < deeds {
        drawing.go_on();
    }
    drawing.deeds
}

type Place = (usize, ServiceKey);

struct Drawing<'a> {
    setup: &'a Setup,
    chance: Chance,
    now: Moment,
    natives: BTreeMap<Place, BTreeMap<InstanceKey, Instance>>,
    revisions: u64,
    deeds: Vec<Timed>,
}

impl Drawing<'_> {
    /// What is there before the process starts.
    fn begin(&mut self) {
        let most = 2 + self.chance.below(5);
        for registry in self.registries() {
            if self.chance.percent(30) && registry > 0 {
                continue;
            }
            for service in self.setup.services.clone() {
                for last in 0..self.chance.below(most) {
                    let instance = self.fresh(registry, last);
                    self.register(registry, &service, instance);
                }
            }
        }
    }

    fn go_on(&mut self) {
        let wait = match self.chance.below(10) {
            0..=3 => self.chance.millis(0, 300),
            4..=6 => self.chance.millis(300, 4_000),
            7..=8 => self.chance.millis(4_000, 30_000),
            _ => self.chance.millis(30_000, 120_000),
        };
        self.now = self.now + wait;
        if self.chance.percent(self.setup.fault_share) && !self.setup.faults.is_empty() {
            return self.go_wrong();
        }
        match self.chance.below(20) {
            0..=5 => self.come_or_change(),
            6..=9 => self.lose(),
            10 => self.roll(),
            11 => self.storm(),
            12 => self.lose_much(),
            13 => self.move_between_services(),
            14 => self.come_and_go(),
            15 => self.twin(),
            16 => self.change_cluster(),
            17 => self.push(Deed::Trigger),
            18 => {
                let approve = self.chance.percent(60);
                self.push(Deed::Decide { approve });
            }
            _ => {
                let link = self.chance.index(self.setup.links.len());
                let lasts = self.chance.millis(1_000, 60_000);
                self.push(Deed::Pause { link, lasts });
            }
        }
    }

    fn go_wrong(&mut self) {
        let fault = self.chance.pick(&self.setup.faults);
        let registry = self.chance.index(self.setup.endpoints.len());
        if self.chance.percent(4)
            && let Some((place, key)) = self.any_native()
        {
            let (registry, service) = place;
            return self.push(Deed::Poison {
                registry,
                service,
                key,
            });
        }
        let lasts = match fault {
            // As long as a Nacos server takes to load what its peers know; the
            // guard looks for 30 s.
            Fault::Amnesia => self.chance.millis(500, 18_000),
            Fault::Freeze => self.chance.pick(&[
                Duration::from_secs(2),
                Duration::from_secs(20),
                Duration::from_secs(600),
            ]),
            Fault::Crash => self.chance.millis(0, 100_000),
            _ => match self.chance.below(3) {
                0 => self.chance.millis(100, 2_000),
                1 => self.chance.millis(2_000, 30_000),
                _ => self.chance.millis(30_000, 400_000),
            },
        };
        self.push(Deed::Fault {
            fault,
            registry,
            lasts,
        });
    }

    /// An instance comes, or one that is there says something else of itself.
    fn come_or_change(&mut self) {
        let (registry, service) = self.any_place();
        let last = self.chance.below(7);
        let mut instance = self.fresh(registry, last);
        let place = (registry, service.clone());
        let known = self.natives.get(&place).and_then(|n| {
            let mut at = n.values().filter(|i| i.key.same_address(&instance.key));
            at.next().cloned()
        });
        if let Some(known) = known {
            instance.key = known.key;
            self.vary(&mut instance);
        }
        self.register(registry, &service, instance);
    }

    fn vary(&mut self, instance: &mut Instance) {
        let weight = self.chance.pick(&[2.0, 5.0]);
        match self.chance.below(6) {
            0 | 1 => instance.weight = Weight::new(weight).unwrap_or(Weight::ONE),
            2 if self.setup.losses => instance.healthy = Seen::Known(false),
            3 if self.setup.losses => instance.enabled = false,
            4 if self.setup.losses => instance.weight = Weight::ZERO,
            _ => instance.metadata = instance.metadata.with("zone", "east"),
        }
    }

    fn lose(&mut self) {
        if let Some(((registry, service), key)) = self.any_native() {
            self.deregister(registry, &service, &key);
        }
    }

    /// A rolling deploy: one comes, one goes, until all are others.
    fn roll(&mut self) {
        let (registry, service) = self.any_place();
        let place = (registry, service.clone());
        let old = self.natives.get(&place).cloned().unwrap_or_default();
        let new_first = self.chance.percent(80);
        let shift = 10 + self.chance.below(3) * 10;
        for (number, key) in old.into_keys().enumerate().take(4) {
            let instance = self.fresh(registry, shift + number as u64);
            if !new_first {
                self.deregister(registry, &service, &key);
                self.wait(50, 3_000);
            }
            self.register(registry, &service, instance);
            self.wait(50, 5_000);
            if new_first {
                self.deregister(registry, &service, &key);
            }
        }
    }

    /// Many changes of one instance in a short time.
    fn storm(&mut self) {
        let Some(((registry, service), key)) = self.any_native() else {
            return;
        };
        for _ in 0..6 {
            self.revisions += 1;
            let place = (registry, service.clone());
            let Some(known) = self.natives.get(&place).and_then(|n| n.get(&key)) else {
                return;
            };
            let mut instance = known.clone();
            instance.metadata = instance.metadata.with("rev", self.revisions.to_string());
            self.vary(&mut instance);
            self.register(registry, &service, instance);
            self.wait(0, 200);
        }
    }

    /// A service goes, or one instance of every service.
    fn lose_much(&mut self) {
        let (registry, only) = self.any_place();
        let whole_service = self.chance.percent(50);
        let slowly = self.chance.percent(50);
        for service in self.setup.services.clone() {
            let place = (registry, service.clone());
            let keys = self.natives.get(&place).into_iter().flat_map(|n| n.keys());
            let keys: Vec<InstanceKey> = keys.cloned().collect();
            let going = match (whole_service, service == only) {
                (true, true) => keys.len(),
                (true, false) => 0,
                (false, _) => 1,
            };
            for key in keys.iter().take(going) {
                self.deregister(registry, &service, key);
                if slowly {
                    self.wait(500, 20_000);
                }
            }
        }
    }

    /// An instance leaves a service and comes to another one.
    fn move_between_services(&mut self) {
        let Some(((registry, service), key)) = self.any_native() else {
            return;
        };
        let other = self.chance.pick(&self.setup.services);
        let mut instance = Instance::new(key.host.clone(), key.port);
        instance.key = key.clone();
        self.revisions += 1;
        instance.metadata = instance.metadata.with("rev", self.revisions.to_string());
        if self.setup.losses {
            self.deregister(registry, &service, &key);
            self.register(registry, &other, instance);
        }
    }

    /// An instance flaps.
    fn come_and_go(&mut self) {
        let Some((place, key)) = self.any_native() else {
            return;
        };
        let Some(known) = self.natives.get(&place).and_then(|n| n.get(&key)) else {
            return;
        };
        let (known, (registry, service)) = (known.clone(), place);
        for _ in 0..3 {
            self.deregister(registry, &service, &key);
            self.wait(20, 3_000);
            let mut instance = known.clone();
            self.revisions += 1;
            instance.metadata = instance.metadata.with("rev", self.revisions.to_string());
            self.register(registry, &service, instance);
            self.wait(20, 3_000);
        }
    }

    /// An application registers at another registry what is copied there, or
    /// with a mark that is none of its own.
    fn twin(&mut self) {
        let Some(((_, service), key)) = self.any_native() else {
            return;
        };
        let registry = self.chance.pick(&self.registries());
        let mut instance = Instance::new(key.host.clone(), key.port);
        instance.key = key;
        self.revisions += 1;
        instance.metadata = instance.metadata.with("rev", self.revisions.to_string());
        if self.chance.percent(40) {
            instance.metadata = instance.metadata.with(MARK_KEY, FORGED);
        }
        self.register(registry, &service, instance);
    }

    /// An instance says that it is in another cluster.
    fn change_cluster(&mut self) {
        let Some((place, key)) = self.any_native() else {
            return;
        };
        let Some(known) = self.natives.get(&place).and_then(|n| n.get(&key)) else {
            return;
        };
        let (mut instance, (registry, service)) = (known.clone(), place);
        self.revisions += 1;
        instance.metadata = instance.metadata.with("rev", self.revisions.to_string());
        instance.key.cluster = match key.cluster.as_str() {
            "east" => "DEFAULT".into(),
            _ => "east".into(),
        };
        self.push(Deed::Deregister {
            registry,
            service: service.clone(),
            key: key.clone(),
        });
        if let Some(natives) = self.natives.get_mut(&(registry, service.clone())) {
            natives.remove(&key);
        }
        self.register(registry, &service, instance);
    }
}

/// Small parts of deeds.
impl Drawing<'_> {
    fn registries(&self) -> Vec<usize> {
        let endpoints = self.setup.endpoints.iter().enumerate();
        let registries = endpoints.filter(|(_, endpoint)| !endpoint.is_file);
        registries.map(|(place, _)| place).collect()
    }

    fn any_place(&mut self) -> Place {
        let registry = self.chance.pick(&self.registries());
        (registry, self.chance.pick(&self.setup.services))
    }

    fn any_native(&mut self) -> Option<(Place, InstanceKey)> {
        let all = self.natives.iter();
        let all = all.flat_map(|(place, n)| n.keys().map(move |key| (place, key)));
        let all: Vec<_> = all.collect();
        if all.is_empty() {
            return None;
        }
        let (place, key) = all[self.chance.index(all.len())];
        Some((place.clone(), key.clone()))
    }

    /// An instance of a registry with content that nobody had before.
    fn fresh(&mut self, registry: usize, last: u64) -> Instance {
        let mut instance = Instance::new(format!("10.{registry}.0.{last}").as_str(), PORT);
        self.revisions += 1;
        instance.metadata = instance.metadata.with("rev", self.revisions.to_string());
        instance
    }

    fn register(&mut self, registry: usize, service: &ServiceKey, instance: Instance) {
        let natives = self.natives.entry((registry, service.clone())).or_default();
        natives.insert(instance.key.clone(), instance.clone());
        self.push(Deed::Register {
            registry,
            service: service.clone(),
            instance,
        });
    }

    fn deregister(&mut self, registry: usize, service: &ServiceKey, key: &InstanceKey) {
        if !self.setup.losses {
            return;
        }
        if let Some(natives) = self.natives.get_mut(&(registry, service.clone())) {
            natives.remove(key);
        }
        self.push(Deed::Deregister {
            registry,
            service: service.clone(),
            key: key.clone(),
        });
    }

    fn wait(&mut self, least: u64, most: u64) {
        self.now = self.now + self.chance.millis(least, most);
    }

    fn push(&mut self, deed: Deed) {
        let at = self.now;
        self.deeds.push(Timed { at, deed });
    }
}

const PORT: Port = match Port::new(80) {
    Some(port) => port,
    None => unreachable!(),
};
