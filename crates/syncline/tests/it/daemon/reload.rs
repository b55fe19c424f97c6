//! SIGHUP: another configuration for a running daemon.

use syncline_testkit::eventually;

use super::PATIENCE;
use super::application::Application;
use super::process::{Setup, Syncline, said};
use super::reader::Reader;
use super::registry::Embedded;
use super::seen::{Instance, Service, instances};
use super::subscriber::Subscriber;

/// A daemon that holds three instances at a target by a connection.
struct Running {
    source: Embedded,
    application: Application,
    daemon: Syncline,
    consumer: Subscriber,
    file: Reader,
    endpoints: String,
}

const TO_TARGET: &str = "  - { name: to-target, from: source, to: target }\n";
const TO_FILE: &str = "  - { name: to-file, from: source, to: file }\n";

fn orders() -> Service {
    Service::plain("orders")
}

impl Running {
    async fn start() -> anyhow::Result<(Self, Embedded)> {
        let (source, target) = (Embedded::serve().await?, Embedded::serve().await?);
        let mut application = Application::at(source.nacos).await?;
        application.put_all(&orders(), &instances(3)).await?;
        let endpoints = format!(
            "endpoints:
  source: {{ kind: nacos, {} }}
  target: {{ kind: nacos, {}, hold: connection }}
  file: {{ kind: file, path: services.json }}
links:
",
            source.nacos.servers(),
            target.nacos.servers()
        );
        let setup = Setup::new()?;
        let file = Reader::of(&setup.file("services.json"));
        let mut daemon = setup.run(&format!("{endpoints}{TO_TARGET}"))?;
        daemon.in_step().await?;
        let consumer = Subscriber::of(target.nacos, &[orders()])?;
        consumer.sees_exactly(&orders(), &instances(3)).await?;
        let running = Self {
            source,
            application,
            daemon,
            consumer,
            file,
            endpoints,
        };
        Ok((running, target))
    }

    /// Reads another configuration, and waits until the log tells what came of
    /// it.
    async fn reload(&self, configuration: &str, told: &str) -> anyhow::Result<()> {
        self.daemon.configure(configuration)?;
        self.daemon.signal("HUP").await?;
        let log = || async { self.daemon.log().contains(told) };
        eventually(PATIENCE, log).await;
        Ok(())
    }
}

const READ_AGAIN: &str = "the configuration was read again";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_more_changes_nothing_for_the_consumers_of_the_others() -> anyhow::Result<()> {
    let (mut running, _target) = Running::start().await?;
    let start = running.consumer.mark();
    let both = format!("{}{TO_TARGET}{TO_FILE}", running.endpoints);
    running.reload(&both, READ_AGAIN).await?;
    running.file.sees_exactly(&orders(), &instances(3)).await?;
    running.daemon.in_step().await?;

    let changed = Instance::at("10.0.0.1:80").weighing(5.0);
    running.application.put(&orders(), &changed).await?;
    let wanted = running.application.all(&orders());
    running.consumer.sees_exactly(&orders(), &wanted).await?;
    running.file.sees_exactly(&orders(), &wanted).await?;
    for instance in instances(3) {
        let address = &instance.address;
        running.consumer.always_saw(start, &orders(), address)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_gone_keeps_its_connection_until_somebody_approves() -> anyhow::Result<()> {
    let (mut running, _target) = Running::start().await?;
    let start = running.consumer.mark();
    let other = format!("{}{TO_FILE}", running.endpoints);
    running.reload(&other, READ_AGAIN).await?;
    let is_held = |status: &syncline_admin::api::Status| {
        let mut links = status.links.iter();
        links.any(|link| link.name == "to-target" && !link.holds.is_empty())
    };
    let status = running.daemon.is(is_held).await?;
    for instance in instances(3) {
        let address = &instance.address;
        running.consumer.always_saw(start, &orders(), address)?;
    }
    let holds = status.links.iter().flat_map(|link| &link.holds);
    for hold in holds {
        let approved = running.daemon.command(&["approve", &hold.id]).await?;
        assert!(approved.status.success(), "{}", said(&approved));
    }
    running.consumer.sees_exactly(&orders(), &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_taken_is_told_and_changes_nothing() -> anyhow::Result<()> {
    let (mut running, _target) = Running::start().await?;
    let pid = running.daemon.pid()?;
    let wrong = format!(
        "{}  - {{ name: x, from: sorce, to: file }}\n",
        running.endpoints
    );
    running.reload(&wrong, "sorce").await?;
    let logged = format!("{}{TO_TARGET}log: {{ format: json }}\n", running.endpoints);
    running.reload(&logged, "`log` changed").await?;
    assert!(!running.daemon.log().contains(READ_AGAIN));
    assert_eq!(running.daemon.pid()?, pid);

    running.application.remove(&orders(), "10.0.0.3:80").await?;
    running
        .consumer
        .sees_exactly(&orders(), &instances(2))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_an_operator_stopped_stands_still_afterwards() -> anyhow::Result<()> {
    let (mut running, _target) = Running::start().await?;
    let paused = running.daemon.command(&["pause", "to-target"]).await?;
    assert!(paused.status.success(), "{}", said(&paused));
    let both = format!("{}{TO_TARGET}{TO_FILE}", running.endpoints);
    running.reload(&both, READ_AGAIN).await?;
    running.file.sees_exactly(&orders(), &instances(3)).await?;
    running.application.remove(&orders(), "10.0.0.3:80").await?;
    running.file.sees_exactly(&orders(), &instances(2)).await?;
    let stands = |status: &syncline_admin::api::Status| {
        let states: Vec<_> = status.links.iter().map(|link| &*link.state).collect();
        states == ["in step", "paused"]
    };
    running.daemon.is(stands).await?;
    drop(running.source);
    Ok(())
}
