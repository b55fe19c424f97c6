//! `syncline run --takeover`.

use syncline_testkit::nacos::{RealNacos, Version};
use syncline_testkit::{eventually, patience, run};

use tokio::time::Instant;

use super::{instance, say};
use crate::daemon::PATIENCE;
use crate::daemon::application::Application;
use crate::daemon::process::{Setup, Syncline};
use crate::daemon::registry::{Embedded, Nacos};
use crate::daemon::seen::Service;
use crate::daemon::subscriber::{Mark, Subscriber};
use crate::real::Places;

/// How many services of how many instances are taken over.
#[derive(Clone, Copy)]
struct Size {
    services: usize,
    instances: usize,
}

const SOME: Size = Size {
    services: 50,
    instances: 5,
};

/// With `--all`.
const MANY: Size = Size {
    services: 1_000,
    instances: 10,
};

/// A daemon that holds services by connection, and a consumer of them.
struct Running {
    size: Size,
    services: Vec<Service>,
    application: Application,
    syncline: Syncline,
    consumer: Subscriber,
    _source: Embedded,
}

impl Running {
    async fn start(size: Size) -> anyhow::Result<Self> {
        let server = RealNacos::shared(Version::V2_1_1).await?;
        let target = Nacos::real(server);
        let source = Embedded::serve().await?;
        let mut application = Application::at(source.nacos).await?;
        let places = Places::fresh();
        let service = |n| places.service(n % 2, n / 2 % 2, &format!("service-{n}"));
        let services: Vec<Service> = (0..size.services).map(service).collect();
        let all: Vec<_> = (1..=size.instances).map(instance).collect();
        for service in &services {
            application.put_all(service, &all).await?;
        }
        let mut syncline = Setup::new()?.run(&format!(
            "endpoints:
  source: {{ kind: nacos, servers: [\"{}\"] }}
  target: {{ kind: nacos, servers: [\"{}\"], hold: connection }}
links:
  - {{ name: copy, from: source, to: target, {} }}
",
            source.nacos.http,
            target.http,
            places.select()
        ))?;
        syncline.in_step().await?;
        let running = Self {
            size,
            consumer: Subscriber::of(target, &services)?,
            services,
            application,
            syncline,
            _source: source,
        };
        running.stands().await?;
        Ok(running)
    }

    async fn stands(&self) -> anyhow::Result<()> {
        for service in &self.services {
            let all = self.application.all(service);
            self.consumer.sees_exactly(service, &all).await?;
        }
        Ok(())
    }

    /// Fails where any instance was gone or doubled for a moment since then.
    fn never_missed(&self, since: Mark) -> anyhow::Result<()> {
        for service in &self.services {
            for n in 1..=self.size.instances {
                let address = instance(n).address;
                self.consumer.always_saw(since, service, &address)?;
            }
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_is_replaced_and_no_subscriber_notices() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    replaced(SOME).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_of_a_thousand_services_is_replaced_and_no_subscriber_notices()
-> anyhow::Result<()> {
    if !run::in_tier(run::Tier::All) || !run::require_real_servers() {
        return Ok(());
    }
    replaced(MANY).await
}

async fn replaced(size: Size) -> anyhow::Result<()> {
    let mut running = Running::start(size).await?;
    let before = running.syncline.pid()?;
    let since = running.consumer.mark();
    let begun = Instant::now();

    let ended = running.syncline.take_over().await?;
    assert!(ended.success(), "the old one ends in good order: {ended}");
    let old_ended = begun.elapsed();
    let status = running.syncline.in_step().await?;
    assert_ne!(status.pid, before);
    assert_eq!(status.links[0].instances, size.services * size.instances);
    say(&format!(
        "{} × {} taken over: the old one had ended after {} ms, the new one was in step after {} ms",
        size.services,
        size.instances,
        old_ended.as_millis(),
        begun.elapsed().as_millis()
    ));

    // The new one does the work of the old one.
    let service = running.services[0].clone();
    running.application.put(&service, &instance(9)).await?;
    running.stands().await?;
    running.never_missed(since)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_that_dies_on_the_way_leaves_the_old_one_running() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let mut running = Running::start(SOME).await?;
    let before = running.syncline.pid()?;
    let since = running.consumer.mark();

    let mut successor = running.syncline.start_takeover()?;
    // Something of it stands now: the daemon has stood still for it.
    let connected = || async {
        let log = running.syncline.log();
        log.matches("server=").count() > 0 && log.contains("holds all that the running daemon")
    };
    eventually(patience(PATIENCE), connected).await;
    successor.kill().await?;

    let service = running.services[0].clone();
    running.application.put(&service, &instance(9)).await?;
    running.stands().await?;
    assert_eq!(running.syncline.in_step().await?.pid, before);
    running.never_missed(since)
}
