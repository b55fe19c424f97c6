//! Each version as a source: what changes there arrives in an embedded replica
//! and in a file.

use std::time::Duration;

use syncline_testkit::nacos::{RealNacos, Version};
use syncline_testkit::run;

use super::{Places, QUICK_GUARD};
use crate::daemon::process::{Setup, Syncline};
use crate::daemon::reader::Reader;
use crate::daemon::registry::{Nacos, unattended};
use crate::daemon::seen::{Instance, Service};
use crate::daemon::subscriber::Subscriber;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_at_a_real_1_3_0_arrive() -> anyhow::Result<()> {
    changes_arrive_from(Version::V1_3_0).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_at_a_real_2_0_3_arrive() -> anyhow::Result<()> {
    changes_arrive_from(Version::V2_0_3).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_at_a_real_2_1_1_arrive() -> anyhow::Result<()> {
    changes_arrive_from(Version::V2_1_1).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_at_a_real_2_2_4_arrive() -> anyhow::Result<()> {
    changes_arrive_from(Version::V2_2_4).await
}

/// A daemon that reads one real server.
pub(super) struct Reading {
    pub(super) nacos: Nacos,
    pub(super) places: Places,
    pub(super) syncline: Syncline,
    pub(super) file: Reader,
    pub(super) consumer: Subscriber,
}

impl Reading {
    /// Starts the daemon. `extra` are further settings of the source.
    pub(super) async fn start(
        server: &RealNacos,
        places: Places,
        services: &[Service],
        extra: &str,
    ) -> anyhow::Result<Self> {
        let mut setup = Setup::new()?;
        let replica = setup.address()?;
        let file = Reader::of(&setup.file("services.json"));
        let (nacos, select) = (Nacos::real(server), places.select());
        let mut syncline = setup.run(&format!(
            "endpoints:
  source: {{ kind: nacos, servers: [\"{}\"]{extra} }}
  replica: {{ kind: embedded, listen: \"{replica}\" }}
  file: {{ kind: file, path: services.json }}
links:
  - {{ name: to-replica, from: source, to: replica, {select}, {QUICK_GUARD} }}
  - {{ name: to-file, from: source, to: file, {select}, {QUICK_GUARD} }}
",
            nacos.http
        ))?;
        syncline.in_step().await?;
        Ok(Self {
            consumer: Subscriber::of(Nacos::at(replica), services)?,
            nacos,
            places,
            syncline,
            file,
        })
    }

    /// Waits until replica and file show exactly this.
    pub(super) async fn shows(&self, service: &Service, wanted: &[Instance]) -> anyhow::Result<()> {
        self.file.sees_exactly(service, wanted).await?;
        let enabled: Vec<_> = wanted.iter().filter(|i| i.enabled).cloned().collect();
        self.consumer.sees_exactly(service, &enabled).await
    }

    /// Gives an instance other content and waits until it arrives.
    pub(super) async fn changes(
        &self,
        service: &Service,
        others: &[Instance],
        changed: &Instance,
    ) -> anyhow::Result<()> {
        self.nacos.register(service, changed).await?;
        let wanted = [others, &[unattended(changed.clone())]].concat();
        self.shows(service, &wanted).await
    }
}

pub(super) fn instance(n: usize) -> Instance {
    unattended(Instance::at(&format!("10.0.0.{n}:8080")).with("n", &n.to_string()))
}

async fn changes_arrive_from(version: Version) -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let server = RealNacos::shared(version).await?;
    let nacos = Nacos::real(server);
    let places = Places::fresh();
    let everywhere = places.everywhere("orders");
    for (n, service) in everywhere.iter().enumerate() {
        nacos.register(service, &instance(n + 1)).await?;
        nacos.register(service, &instance(n + 11)).await?;
    }
    let new = places.service(1, 0, "new");
    let services = [&everywhere[..], std::slice::from_ref(&new)].concat();
    let reading = Reading::start(server, places, &services, "").await?;

    // What was there.
    for (n, service) in everywhere.iter().enumerate() {
        reading
            .shows(service, &[instance(n + 1), instance(n + 11)])
            .await?;
    }

    // What changes, field by field, and is never gone meanwhile.
    let orders = &everywhere[1];
    let (one, other) = (instance(2), instance(12));
    let (seen, listed) = (reading.consumer.mark(), reading.file.mark());
    let others = std::slice::from_ref(&other);
    reading
        .changes(orders, others, &one.clone().weighing(2.5))
        .await?;
    reading
        .changes(orders, others, &one.clone().with("zone", "b"))
        .await?;
    reading.consumer.always_saw(seen, orders, &one.address)?;
    reading
        .changes(orders, others, &one.clone().disabled())
        .await?;
    reading.changes(orders, others, &one).await?;
    let both = [one.address.as_str(), other.address.as_str()];
    reading.file.always_listed(listed, orders, &both)?;

    // What comes, goes, and goes altogether.
    reading.nacos.register(&new, &instance(21)).await?;
    reading.shows(&new, &[instance(21)]).await?;
    reading.nacos.deregister(orders, &other).await?;
    reading.shows(orders, std::slice::from_ref(&one)).await?;
    for n in [3, 13] {
        reading
            .nacos
            .deregister(&everywhere[2], &instance(n))
            .await?;
    }
    reading.shows(&everywhere[2], &[]).await?;

    // All the rest is as it was, and the file says what the server says.
    reading
        .shows(&everywhere[0], &[instance(1), instance(11)])
        .await?;
    reading
        .shows(&everywhere[3], &[instance(4), instance(14)])
        .await?;
    health_arrives(&reading).await?;
    for service in &services {
        reading
            .file
            .sees_exactly(service, &nacos.raw(service).await?)
            .await?;
    }
    reading.file.was_always_whole()
}

/// An instance that does not beat falls ill, and recovers with a beat.
async fn health_arrives(reading: &Reading) -> anyhow::Result<()> {
    let service = reading.places.service(0, 0, "frail");
    let well = instance(31);
    let frail = Instance::at("10.0.0.32:8080")
        .with("preserved.heart.beat.interval", "1000")
        .with("preserved.heart.beat.timeout", "3000")
        .with("preserved.ip.delete.timeout", "170000");
    reading.nacos.register(&service, &well).await?;
    reading.nacos.register_bare(&service, &frail).await?;
    let both = [well.clone(), frail.clone()];
    while_beating(reading, &service, &frail, &both).await?;
    let listed = reading.file.mark();
    reading
        .file
        .sees_exactly(&service, &[well, frail.clone().sick()])
        .await?;
    while_beating(reading, &service, &frail, &both).await?;
    let addresses = ["10.0.0.31:8080", "10.0.0.32:8080"];
    reading.file.always_listed(listed, &service, &addresses)
}

/// Waits until the file shows exactly this, while an instance beats.
async fn while_beating(
    reading: &Reading,
    service: &Service,
    beats: &Instance,
    wanted: &[Instance],
) -> anyhow::Result<()> {
    let beating = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if let Err(error) = reading.nacos.beat(service, beats).await {
                return error;
            }
        }
    };
    tokio::select! {
        seen = reading.file.sees_exactly(service, wanted) => seen,
        error = beating => Err(error),
    }
}
