//! Each version as a target, with each way to keep registrations that it has.

use std::collections::BTreeSet;

use syncline_testkit::nacos::{RealNacos, Version};
use syncline_testkit::{eventually, run};

use super::{Places, copy};
use crate::daemon::PATIENCE;
use crate::daemon::application::Application;
use crate::daemon::process::{Setup, Syncline};
use crate::daemon::registry::{Embedded, Nacos};
use crate::daemon::seen::{Instance, Service, shows_once, sorted};
use crate::daemon::subscriber::Subscriber;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_1_3_0_is_written_by_beats() -> anyhow::Result<()> {
    is_written(Version::V1_3_0, "auto", "beat").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_2_0_3_is_written_by_beats() -> anyhow::Result<()> {
    is_written(Version::V2_0_3, "auto", "beat").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_2_1_1_is_written_by_beats() -> anyhow::Result<()> {
    is_written(Version::V2_1_1, "auto", "beat").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_2_2_4_is_written_by_beats() -> anyhow::Result<()> {
    is_written(Version::V2_2_4, "auto", "beat").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_2_1_1_is_written_by_connection() -> anyhow::Result<()> {
    is_written(Version::V2_1_1, "connection", "connection").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_2_2_4_is_written_by_connection() -> anyhow::Result<()> {
    is_written(Version::V2_2_4, "connection", "connection").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_1_3_0_is_written_for_good() -> anyhow::Result<()> {
    is_written(Version::V1_3_0, "persistent", "persistent").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_2_0_3_is_written_for_good() -> anyhow::Result<()> {
    is_written(Version::V2_0_3, "persistent", "persistent").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_2_1_1_is_written_for_good() -> anyhow::Result<()> {
    is_written(Version::V2_1_1, "persistent", "persistent").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_2_2_4_is_written_for_good() -> anyhow::Result<()> {
    is_written(Version::V2_2_4, "persistent", "persistent").await
}

/// A daemon that writes one real server, where others register too.
struct Writing {
    target: Nacos,
    places: Places,
    application: Application,
    syncline: Syncline,
    consumer: Subscriber,
    raw: Subscriber,
    /// What others registered at the target, before the daemon came.
    natives: BTreeSet<String>,
    _source: Embedded,
}

async fn is_written(version: Version, hold: &str, held: &str) -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let server = RealNacos::shared(version).await?;
    server.elected().await?;
    let mut writing = Writing::start(server, hold).await?;
    let status = writing.syncline.in_step().await?;
    let target = status.links[0].target.as_ref();
    assert_eq!(target.map(|target| target.hold.as_str()), Some(held));

    let before = writing.others().await?;
    writing.adds_and_updates().await?;
    writing.carries_health(held, version).await?;
    writing.removes().await?;
    let after = writing.others().await?;
    assert_eq!(after, before, "what others registered was touched");
    writing.syncline.stop().await
}

fn instance(n: usize) -> Instance {
    Instance::at(&format!("10.1.0.{n}:8080")).with("n", &n.to_string())
}

impl Writing {
    async fn start(server: &RealNacos, hold: &str) -> anyhow::Result<Self> {
        let target = Nacos::real(server);
        let source = Embedded::serve().await?;
        let mut application = Application::at(source.nacos).await?;
        let places = Places::fresh();
        let everywhere = places.everywhere("orders");
        for (n, service) in everywhere.iter().enumerate() {
            let set = [instance(n + 1), instance(n + 11), instance(n + 21)];
            application.put_all(service, &set).await?;
        }
        let natives = natives(target, &places, hold).await?;
        let setup = Setup::new()?;
        let syncline = setup.run(&copy(
            source.nacos.http,
            target.http,
            hold,
            &places.select(),
        ))?;
        let mut watched = everywhere.clone();
        watched.push(places.service(0, 1, "new"));
        Ok(Self {
            target,
            application,
            syncline,
            consumer: Subscriber::of(target, &watched)?,
            raw: Subscriber::of_raw(target, &watched),
            natives,
            places,
            _source: source,
        })
    }

    /// What others registered, in both namespaces. Their health is their own
    /// affair: the server probes persistent instances, and nobody answers.
    async fn others(&self) -> anyhow::Result<Vec<(Service, Vec<Instance>)>> {
        let mut others = Vec::new();
        for namespace in &self.places.namespaces {
            for (service, mut instances) in self.target.raw_namespace(namespace).await? {
                instances.retain(|i| self.natives.contains(&i.address));
                instances.iter_mut().for_each(|i| i.healthy = true);
                if !instances.is_empty() {
                    others.push((service, sorted(instances)));
                }
            }
        }
        others.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(others)
    }

    /// Waits until the target shows exactly what the application registered,
    /// besides what others did.
    async fn arrives(&self, service: &Service) -> anyhow::Result<()> {
        let wanted = sorted(self.application.all(service));
        let ours = |seen: &[Instance]| -> Vec<Instance> {
            let is_ours = |i: &&Instance| !self.natives.contains(&i.address);
            seen.iter().filter(is_ours).cloned().collect()
        };
        let seen = self.raw.sees(service, |seen| ours(seen) == wanted).await;
        seen.map_err(|error| error.context(format!("wanted {wanted:#?}")))?;
        let enabled: Vec<_> = wanted.iter().filter(|i| i.enabled).cloned().collect();
        let seen = self
            .consumer
            .sees(service, |seen| ours(seen) == enabled)
            .await;
        seen.map_err(|error| error.context(format!("consumers: wanted {enabled:#?}")))
    }

    async fn put(&mut self, service: &Service, it: &Instance) -> anyhow::Result<()> {
        self.application.put(service, it).await?;
        self.arrives(service).await
    }

    async fn adds_and_updates(&mut self) -> anyhow::Result<()> {
        let everywhere = self.places.everywhere("orders");
        for service in &everywhere {
            self.arrives(service).await?;
        }
        // Updates in place: at no moment is any of the three not there, neither
        // for consumers nor for operators.
        let orders = &everywhere[2];
        let (seen, raw) = (self.consumer.mark(), self.raw.mark());
        let one = instance(3);
        self.put(orders, &one.clone().weighing(2.5)).await?;
        self.put(orders, &one.clone().with("zone", "a").with("n", "three"))
            .await?;
        self.put(orders, &one.clone().weighing(0.0)).await?;
        self.put(orders, &one).await?;
        for it in self.application.all(orders) {
            self.consumer.always_saw(seen, orders, &it.address)?;
        }
        // Consumers are not shown what is disabled; operators are.
        self.put(orders, &one.clone().disabled()).await?;
        self.put(orders, &one).await?;
        for it in self.application.all(orders) {
            self.raw.always_saw(raw, orders, &it.address)?;
        }
        // A new instance, a new service.
        self.put(orders, &instance(33)).await?;
        let new = self.places.service(0, 1, "new");
        self.put(&new, &instance(41)).await
    }

    async fn carries_health(&mut self, held: &str, version: Version) -> anyhow::Result<()> {
        let orders = self.places.service(1, 0, "orders");
        let (seen, raw) = (self.consumer.mark(), self.raw.mark());
        let one = instance(3);
        self.application.put(&orders, &one.clone().sick()).await?;
        // 1.x takes the health of what lives by beats from the beats alone: it
        // falls ill when they stay away, after a minute.
        if !(held == "beat" && version == Version::V1_3_0) {
            self.arrives(&orders).await?;
        }
        self.put(&orders, &one).await?;
        self.consumer.always_saw(seen, &orders, &one.address)?;
        self.raw.always_saw(raw, &orders, &one.address)
    }

    async fn removes(&mut self) -> anyhow::Result<()> {
        let everywhere = self.places.everywhere("orders");
        let mark = self.consumer.mark();
        self.application
            .remove(&everywhere[3], &instance(14).address)
            .await?;
        self.arrives(&everywhere[3]).await?;
        // The rest of the service stood still.
        for n in [4, 24] {
            self.consumer
                .always_saw(mark, &everywhere[3], &instance(n).address)?;
        }
        self.application.leave(&everywhere[0]).await?;
        self.arrives(&everywhere[0]).await?;
        for service in &everywhere[1..] {
            self.arrives(service).await?;
        }
        Ok(())
    }
}

/// Registers what others have at the target: beside ours in the same services,
/// and in a service of their own. Their addresses.
///
/// A service of Nacos 2.x is ephemeral or persistent as a whole, and so are
/// these.
async fn natives(target: Nacos, places: &Places, hold: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut addresses = BTreeSet::new();
    let mut services = places.everywhere("orders");
    services.extend(places.everywhere("theirs"));
    for (n, service) in services.iter().enumerate() {
        let native = Instance::at(&format!("10.9.0.{n}:9090"))
            .weighing(3.5)
            .in_cluster("theirs")
            .with("owner", "somebody else");
        match hold {
            "persistent" => target.persist(service, &native).await?,
            _ => target.register(service, &native).await?,
        }
        addresses.insert(native.address.clone());
        eventually(PATIENCE, || async {
            let raw = target.raw(service).await;
            raw.is_ok_and(|raw| shows_once(&raw, &native.address))
        })
        .await;
    }
    Ok(addresses)
}
