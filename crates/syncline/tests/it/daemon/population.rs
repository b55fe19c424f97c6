//! Applications whose instances come, change and leave all the time, and what a
//! consumer may see of them meanwhile.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::application::Application;
use super::registry::Nacos;
use super::seen::{Instance, Service};
use super::subscriber::{Mark, Sight, Subscriber};

/// How much time lies between two changes: fifty a second.
const PACE: Duration = Duration::from_millis(20);

/// Services, and all that is and was registered in them. No address is ever
/// used twice.
pub(crate) struct Population {
    application: Application,
    services: Vec<Service>,
    lives: BTreeMap<String, Life>,
    changes: usize,
}

/// One instance, from its coming to its leaving.
struct Life {
    service: Service,
    until: Option<Instant>,
}

impl Population {
    /// Registers so many instances in each service.
    pub(crate) async fn at(
        nacos: Nacos,
        services: Vec<Service>,
        each: usize,
    ) -> anyhow::Result<Self> {
        let mut population = Self {
            application: Application::at(nacos).await?,
            services: services.clone(),
            lives: BTreeMap::new(),
            changes: 0,
        };
        for service in &services {
            let all: Vec<_> = (0..each).map(|_| population.newborn(service)).collect();
            population.application.put_all(service, &all).await?;
        }
        Ok(population)
    }

    fn newborn(&mut self, service: &Service) -> Instance {
        let n = self.lives.len() + 1;
        let address = format!("10.{}.{}.{}:8080", 16 + n / 65_536, n / 256 % 256, n % 256);
        let life = Life {
            service: service.clone(),
            until: None,
        };
        self.lives.insert(address.clone(), life);
        Instance::at(&address).with("born", &n.to_string())
    }

    pub(crate) fn services(&self) -> &[Service] {
        &self.services
    }

    /// What is registered of a service now.
    pub(crate) fn all(&self, service: &Service) -> Vec<Instance> {
        self.application.all(service)
    }

    /// How many changes there were.
    pub(crate) fn changes(&self) -> usize {
        self.changes
    }

    /// One more instance.
    pub(crate) async fn add(&mut self, service: &Service) -> anyhow::Result<()> {
        self.changes += 1;
        let newborn = self.newborn(service);
        self.application.put(service, &newborn).await
    }

    /// Other content for one of the instances.
    pub(crate) async fn change(&mut self, service: &Service) -> anyhow::Result<()> {
        self.changes += 1;
        let all = self.application.all(service);
        let Some(one) = all.get(all.len() / 2) else {
            return Ok(());
        };
        let weight = 1.0 + (self.changes % 7) as f64;
        let changed = one.clone().weighing(weight);
        let changed = changed.with("change", &self.changes.to_string());
        self.application.put(service, &changed).await
    }

    /// The instance leaves that has been left alone for longest.
    pub(crate) async fn remove(&mut self, service: &Service) -> anyhow::Result<()> {
        self.changes += 1;
        let all = self.application.all(service);
        let Some(one) = all.first() else {
            return Ok(());
        };
        if let Some(life) = self.lives.get_mut(&one.address) {
            life.until = Some(Instant::now());
        }
        self.application.remove(service, &one.address).await
    }

    /// So many changes at a steady pace, service by service: of five in a row one
    /// adds an instance and one removes one.
    pub(crate) async fn live(&mut self, changes: usize) -> anyhow::Result<()> {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for _ in 0..changes {
            pace.tick().await;
            let n = self.changes;
            let service = self.services[n / 5 % self.services.len()].clone();
            match n % 5 {
                1 => self.add(&service).await?,
                3 => self.remove(&service).await?,
                _ => self.change(&service).await?,
            }
        }
        Ok(())
    }

    /// Waits until a consumer sees exactly what is registered.
    pub(crate) async fn stands_at(&self, consumer: &Subscriber) -> anyhow::Result<()> {
        for service in &self.services {
            consumer.sees_exactly(service, &self.all(service)).await?;
        }
        Ok(())
    }

    /// Compares all that a consumer saw since then with what was true.
    pub(crate) fn judge(&self, consumer: &Subscriber, since: Mark) -> Judgement {
        let mut judgement = Judgement::default();
        for service in &self.services {
            let sights = consumer.since(since, service);
            judgement.lists += sights.len();
            for (address, life) in &self.lives {
                if life.service == *service {
                    judgement.follow(address, life, &sights);
                }
            }
        }
        judgement.doubles.sort_unstable();
        judgement
    }
}

/// What a consumer saw, beside what was true.
#[derive(Default)]
pub(crate) struct Judgement {
    lists: usize,
    /// Lists without an instance that had been shown and had not left.
    absences: Vec<String>,
    /// Lists with an instance that had left and had been gone before.
    ghosts: Vec<String>,
    /// The longest that such an instance stood there.
    longest_ghost: Duration,
    /// How long instances were shown more than once, the shortest first.
    doubles: Vec<Duration>,
}

impl Judgement {
    fn follow(&mut self, address: &str, life: &Life, sights: &[Sight]) {
        let (mut shown, mut gone) = (false, false);
        let (mut double_since, mut ghost_since) = (None, None);
        for sight in sights {
            let entries = sight.instances.iter().filter(|i| i.address == *address);
            let used = entries.clone().any(|i| i.healthy && i.enabled);
            let entries = entries.count();
            let left = life.until.is_some_and(|until| until <= sight.at);
            if shown && !left && !used {
                self.absences.push(format!("{address} in {sight:?}"));
            }
            if left && gone && entries > 0 {
                self.ghosts.push(format!("{address} in {sight:?}"));
                ghost_since.get_or_insert(sight.at);
            } else if let Some(since) = ghost_since.take() {
                self.longest_ghost = self.longest_ghost.max(sight.at - since);
            }
            shown |= used;
            gone |= left && entries == 0;
            match (entries > 1, double_since) {
                (true, None) => double_since = Some(sight.at),
                (false, Some(since)) => {
                    self.doubles.push(sight.at - since);
                    double_since = None;
                }
                (true, Some(_)) | (false, None) => {}
            }
        }
    }

    /// How many doubles there were.
    pub(crate) fn doubles(&self) -> usize {
        self.doubles.len()
    }

    /// Fails where an instance was absent while it should have been there, or
    /// came back after it had gone.
    pub(crate) fn is_fair(&self) -> anyhow::Result<()> {
        self.has_no_gap()?;
        none("ghosts", &self.ghosts)
    }

    /// Fails where an instance was absent while it should have been there.
    pub(crate) fn has_no_gap(&self) -> anyhow::Result<()> {
        none("times absent", &self.absences)
    }
}

fn none(what: &str, seen: &[String]) -> anyhow::Result<()> {
    match seen.first() {
        None => Ok(()),
        Some(first) => bail!("{} {what}, first {first}", seen.len()),
    }
}

/// The figures, for people.
impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |share: f64| {
            let last = self.doubles.len().saturating_sub(1);
            let nth = (last as f64 * share).round() as usize;
            self.doubles.get(nth).map_or(0, Duration::as_millis)
        };
        write!(
            f,
            "{} lists, {} absences, {} ghosts (longest {} ms), {} doubles: median {} ms, p99 {} ms, longest {} ms",
            self.lists,
            self.absences.len(),
            self.ghosts.len(),
            self.longest_ghost.as_millis(),
            self.doubles.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        )
    }
}
