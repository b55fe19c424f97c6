//! Networks that reset, swallow and delay, between the daemon and either side.

use std::time::Duration;

use syncline_testkit::fault::{Fault, NacosProxy};
use syncline_testkit::ports::PortBlock;

use super::application::Application;
use super::feed;
use super::process::{Setup, Syncline};
use super::reader::Reader;
use super::registry::{Embedded, Nacos};
use super::seen::{Instance, Service};
use super::subscriber::Subscriber;

fn instance(n: usize) -> Instance {
    Instance::at(&format!("10.0.0.{n}:80"))
}

const THREE: [&str; 3] = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"];

fn start(servers: &str) -> anyhow::Result<(Syncline, Reader)> {
    feed::start(
        &format!("servers: [{servers}], timeouts: {{ request: 2s }}"),
        "guard: { zero: { views: 1, over: 0s } }",
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_fails_takes_nothing_away_and_loses_no_change() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let mut application = Application::at(source.nacos).await?;
    let orders = Service::plain("orders");
    let all = [instance(1), instance(2), instance(3)];
    application.put_all(&orders, &all).await?;
    let network = NacosProxy::start(source.nacos.http).await?;
    let (mut daemon, file) = start(&format!("\"{}\"", network.addr()))?;
    file.sees_exactly(&orders, &all).await?;
    let before = file.mark();

    for (round, fault) in [
        Fault::Reset,
        Fault::BlackHole,
        Fault::Delay(Duration::from_millis(300)),
    ]
    .into_iter()
    .enumerate()
    {
        network.set(fault);
        if !matches!(fault, Fault::Delay(_)) {
            daemon
                .is(|status| status.links[0].state == "source lost")
                .await?;
        }
        // What changes meanwhile is made good.
        let changed = instance(1).with("round", &round.to_string());
        application.put(&orders, &changed).await?;
        application.put(&orders, &instance(4 + round)).await?;
        if !matches!(fault, Fault::Delay(_)) {
            network.set(Fault::None);
        }
        file.sees_exactly(&orders, &application.all(&orders))
            .await?;
        network.set(Fault::None);
        application
            .remove(&orders, &instance(4 + round).address)
            .await?;
        file.sees_exactly(&orders, &application.all(&orders))
            .await?;
    }
    daemon.in_step().await?;
    file.always_listed(before, &orders, &THREE)?;
    file.was_always_whole()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_is_asked_where_one_does_not_answer() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let mut application = Application::at(source.nacos).await?;
    let orders = Service::plain("orders");
    let all = [instance(1), instance(2), instance(3)];
    application.put_all(&orders, &all).await?;
    let nobody = PortBlock::reserve()?;
    let (first, second) = (
        NacosProxy::start(source.nacos.http).await?,
        NacosProxy::start(source.nacos.http).await?,
    );
    let (mut daemon, file) = start(&format!(
        "\"{}\", \"{}\", \"{}\"",
        nobody.http(),
        first.addr(),
        second.addr()
    ))?;
    file.sees_exactly(&orders, &all).await?;
    let before = file.mark();
    for (dead, alive) in [(&first, &second), (&second, &first), (&first, &second)] {
        alive.set(Fault::None);
        daemon.in_step().await?;
        dead.set(Fault::Reset);
        application.put(&orders, &instance(4)).await?;
        file.sees_exactly(&orders, &application.all(&orders))
            .await?;
        application.remove(&orders, &instance(4).address).await?;
        file.sees_exactly(&orders, &application.all(&orders))
            .await?;
    }
    file.always_listed(before, &orders, &THREE)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_hangs_delays_only_itself() -> anyhow::Result<()> {
    let (source, target) = (Embedded::serve().await?, Embedded::serve().await?);
    let mut application = Application::at(source.nacos).await?;
    let orders = Service::plain("orders");
    application
        .put_all(&orders, &[instance(1), instance(2)])
        .await?;
    let network = NacosProxy::start(target.nacos.http).await?;
    let setup = Setup::new()?;
    let file = Reader::of(&setup.file("services.json"));
    let mut daemon = setup.run(&format!(
        "endpoints:
  source: {{ kind: nacos, servers: [\"{}\"] }}
  target: {{ kind: nacos, servers: [\"{}\"], hold: connection, timeouts: {{ request: 2s }} }}
  file: {{ kind: file, path: services.json }}
links:
  - {{ name: to-target, from: source, to: target }}
  - {{ name: to-file, from: source, to: file }}
",
        source.nacos.http,
        network.addr()
    ))?;
    daemon.in_step().await?;
    let consumer = Subscriber::of(target.nacos, std::slice::from_ref(&orders))?;
    consumer
        .sees_exactly(&orders, &application.all(&orders))
        .await?;

    for fault in [Fault::BlackHole, Fault::Reset] {
        network.set(fault);
        application.put(&orders, &instance(3)).await?;
        application.put(&orders, &instance(1).weighing(2.0)).await?;
        file.sees_exactly(&orders, &application.all(&orders))
            .await?;
        network.set(Fault::None);
        consumer
            .sees_exactly(&orders, &application.all(&orders))
            .await?;
        daemon.in_step().await?;
        application.put(&orders, &instance(1)).await?;
        application.remove(&orders, &instance(3).address).await?;
        consumer
            .sees_exactly(&orders, &application.all(&orders))
            .await?;
    }
    Ok(())
}

/// The source is another registry than before, empty, at the same address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_server_in_the_place_of_a_full_one_is_not_believed_at_once() -> anyhow::Result<()>
{
    let source = Embedded::serve().await?;
    let orders = Service::plain("orders");
    let mut application = Application::at(source.nacos).await?;
    let all = [instance(1), instance(2), instance(3)];
    application.put_all(&orders, &all).await?;
    let (mut daemon, file) = feed::start(&source.nacos.servers(), "")?;
    file.sees_exactly(&orders, &all).await?;
    let before = file.mark();
    drop(application);
    let place: Nacos = source.die().await;
    let _empty = Embedded::come_back(place).await?;
    let status = daemon.is(|status| status.links[0].state == "held").await?;
    assert!(!status.links[0].holds.is_empty());
    file.always_listed(before, &orders, &THREE)
}
