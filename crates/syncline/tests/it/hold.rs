//! What stands at a real target when Syncline ends, dies, and comes back: by
//! the way in which registrations are held.

mod crash;
mod endless;
mod removal;
mod replicas;
mod retired;

use syncline_testkit::nacos::{RealNacos, Version};
use syncline_testkit::run;

use crate::daemon::application::Application;
use crate::daemon::process::{Setup, Syncline};
use crate::daemon::registry::{Embedded, Nacos};
use crate::daemon::seen::{Instance, Service};
use crate::daemon::subscriber::Subscriber;
use crate::real::{Places, copy};

/// How many services are held.
const SERVICES: usize = 10;

/// A daemon that holds some services of an application at a real target.
struct Holding {
    target: Nacos,
    services: Vec<Service>,
    application: Application,
    source: Embedded,
    configuration: String,
    syncline: Syncline,
    consumer: Subscriber,
}

fn instance(n: usize) -> Instance {
    Instance::at(&format!("10.2.0.{n}:8080")).with("n", &n.to_string())
}

/// What somebody else registered in each of the services.
fn native() -> Instance {
    Instance::at("10.9.0.1:9090")
        .weighing(3.0)
        .with("owner", "somebody else")
}

impl Holding {
    async fn start(server: &RealNacos, hold: &str) -> anyhow::Result<Self> {
        let target = Nacos::real(server);
        let source = Embedded::serve().await?;
        let mut application = Application::at(source.nacos).await?;
        let places = Places::fresh();
        let services: Vec<_> = (0..SERVICES)
            .map(|n| places.service(n % 2, n / 2 % 2, &format!("service-{n}")))
            .collect();
        for service in &services {
            application
                .put_all(service, &[instance(1), instance(2), instance(3)])
                .await?;
            match hold {
                "persistent" => target.persist(service, &native()).await?,
                _ => target.register(service, &native()).await?,
            }
        }
        let configuration = copy(source.nacos.http, target.http, hold, &places.select());
        let syncline = Setup::new()?.run(&configuration)?;
        let mut holding = Self {
            consumer: Subscriber::of(target, &services)?,
            target,
            services,
            application,
            source,
            configuration,
            syncline,
        };
        holding.syncline.in_step().await?;
        holding.stands().await?;
        Ok(holding)
    }

    /// Waits until consumers see all that the application registered, and the
    /// native beside it.
    async fn stands(&self) -> anyhow::Result<()> {
        for service in &self.services {
            let wanted = self.application.all(service);
            let is_native = |i: &&Instance| i.address == native().address;
            let all = |seen: &[Instance]| {
                let ours = seen.iter().filter(|i| !is_native(i));
                let found = wanted.iter().all(|wanted| seen.contains(wanted));
                found && ours.count() == wanted.len() && seen.iter().any(|i| is_native(&i))
            };
            let seen = self.consumer.sees(service, all).await;
            seen.map_err(|error| error.context(format!("wanted {wanted:#?}")))?;
        }
        Ok(())
    }

    /// Waits until only the natives are left.
    async fn is_gone(&self) -> anyhow::Result<()> {
        for service in &self.services {
            let alone = |seen: &[Instance]| seen.len() == 1 && seen[0].address == native().address;
            self.consumer.sees(service, alone).await?;
        }
        Ok(())
    }

    /// Fails where any of these was gone for a moment since the beginning.
    fn never_missed(
        &self,
        since: crate::daemon::subscriber::Mark,
        addresses: &[&str],
    ) -> anyhow::Result<()> {
        for service in &self.services {
            for address in addresses {
                self.consumer.always_saw(since, service, address)?;
            }
        }
        Ok(())
    }
}

const THREE: [&str; 3] = ["10.2.0.1:8080", "10.2.0.2:8080", "10.2.0.3:8080"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_connection_holds_goes_with_a_crash_and_is_back_with_the_next_start()
-> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let server = RealNacos::shared(Version::V2_1_1).await?;
    let mut holding = Holding::start(server, "connection").await?;
    let start = holding.consumer.mark();

    holding.syncline.kill().await?;
    holding.is_gone().await?;
    // What changed meanwhile is as it is now.
    let changed = instance(1).weighing(5.0);
    let service = holding.services[0].clone();
    holding.application.put(&service, &changed).await?;
    holding
        .application
        .remove(&service, &instance(3).address)
        .await?;
    holding.syncline.restart()?;
    holding.syncline.in_step().await?;
    holding.stands().await?;
    holding.never_missed(start, &[&native().address])?;

    // With the source dead, what the ledger confirmed lately is taken up again.
    holding.syncline.stop().await?;
    holding.is_gone().await?;
    let Holding {
        source,
        mut syncline,
        consumer,
        services,
        application,
        ..
    } = holding;
    let wanted: Vec<_> = services.iter().map(|s| (s, application.all(s))).collect();
    source.die().await;
    syncline.restart()?;
    for (service, wanted) in wanted {
        let back = |seen: &[Instance]| wanted.iter().all(|i| seen.contains(i));
        consumer.sees(service, back).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lives_by_beats_outlives_a_crash_without_a_gap() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let server = RealNacos::shared(Version::V2_2_4).await?;
    let mut holding = Holding::start(server, "beat").await?;
    let start = holding.consumer.mark();

    holding.syncline.kill().await?;
    let service = holding.services[0].clone();
    let changed = instance(1).with("changed", "while it was dead");
    holding.application.put(&service, &changed).await?;
    holding.application.put(&service, &instance(4)).await?;
    holding.syncline.restart()?;
    holding.syncline.in_step().await?;
    holding.stands().await?;
    holding.never_missed(start, &THREE)?;
    holding.never_missed(start, &[&native().address])?;

    // An end in good order leaves them as well.
    holding.syncline.stop().await?;
    let start = holding.consumer.mark();
    holding
        .application
        .remove(&service, &instance(4).address)
        .await?;
    holding.syncline.restart()?;
    holding.syncline.in_step().await?;
    holding.stands().await?;
    holding.never_missed(start, &THREE)?;
    holding.never_missed(start, &[&native().address])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_persistent_does_not_notice_whether_syncline_runs() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let server = RealNacos::shared(Version::V2_1_1).await?;
    server.elected().await?;
    let mut holding = Holding::start(server, "persistent").await?;
    let start = holding.consumer.mark();

    holding.syncline.kill().await?;
    holding.syncline.restart()?;
    holding.syncline.in_step().await?;
    holding.syncline.stop().await?;
    holding.syncline.restart()?;
    holding.syncline.in_step().await?;
    let service = holding.services[0].clone();
    holding
        .application
        .put(&service, &instance(2).weighing(4.0))
        .await?;
    holding.stands().await?;
    holding.never_missed(start, &THREE)?;
    // Nothing but what changed was written again.
    for service in &holding.services[1..] {
        let seen = holding.consumer.since(start, service);
        let content = |sight: &crate::daemon::subscriber::Sight| {
            let ours = sight
                .instances
                .iter()
                .filter(|i| i.address != native().address);
            ours.cloned().collect::<Vec<_>>()
        };
        let first = seen.first().map(content);
        assert!(
            seen.iter().all(|sight| Some(content(sight)) == first),
            "{seen:#?}"
        );
    }

    // What went while it was off is found by the ledger.
    holding.syncline.stop().await?;
    holding
        .application
        .remove(&service, &instance(1).address)
        .await?;
    holding.syncline.restart()?;
    holding.stands().await?;
    assert!(
        holding
            .target
            .raw(&service)
            .await?
            .iter()
            .any(|i| i.address == native().address)
    );
    Ok(())
}
