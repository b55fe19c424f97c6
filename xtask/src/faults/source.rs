//! Faults of the source, and of the network before it.

use std::time::Duration;

use syncline_nacos::grpc::ServiceRef;
use syncline_nacos::message::Instance;
use syncline_testkit::fault::{Direction, Fault, Reply, Rule};
use xtask_stage::bare;
use xtask_stage::fleet::{GROUP, NAMESPACE};

use crate::signal::{CONNECTION_LOST, HELD, PROBLEMS, SOURCE_LOST, SUSPECT};
use crate::trial::{Trial, not_run};

/// How long a source stays away.
const AWAY: u64 = 30;

/// How long a change may take where a network is slow or only lists are left: a list every 10 s, and what it takes.
const LATE: Duration = Duration::from_secs(30);

/// The network does something to everything.
pub(crate) async fn network(trial: &mut Trial, fault: Fault) -> anyhow::Result<()> {
    trial.scene.to_source.set(fault);
    trial.signal(SOURCE_LOST).await?;
    trial.lasts(AWAY).await;
    trial.heal();
    Ok(())
}

/// One byte a second.
pub(crate) async fn drip(trial: &mut Trial) -> anyhow::Result<()> {
    let fault = Fault::Drip(Direction::ToClient, Duration::from_secs(1));
    network(trial, fault).await
}

/// A network that is slow is no fault: changes go on, a little later.
pub(crate) async fn slow(trial: &mut Trial) -> anyhow::Result<()> {
    let fault = Fault::Delay(Duration::from_millis(300));
    trial.scene.to_source.set(fault);
    tokio::time::sleep(Duration::from_secs(5)).await;
    trial.passes(&trial.scene.reader.witness, LATE).await?;
    trial.lasts(AWAY).await;
    trial.heal();
    Ok(())
}

/// Pushes end without a word, and lists go on.
pub(crate) async fn stream(trial: &mut Trial) -> anyhow::Result<()> {
    trial.scene.to_source.set_stream(Fault::BlackHole);
    trial.signal(CONNECTION_LOST).await?;
    trial.passes(trial.scene.consumer(), LATE).await?;
    trial.lasts(AWAY).await;
    trial.heal();
    Ok(())
}

/// Every request is answered something else.
pub(crate) async fn answers(trial: &mut Trial, reply: Reply) -> anyhow::Result<()> {
    trial.scene.to_source.answer([Rule::new("", reply)]);
    trial.scene.to_source.set_stream(Fault::Reset);
    trial.signal(SOURCE_LOST).await?;
    trial.lasts(AWAY).await;
    trial.heal();
    Ok(())
}

/// An answer that ends before it said how long it is.
pub(crate) async fn wrong_length(trial: &mut Trial) -> anyhow::Result<()> {
    let headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", "9999"),
    ];
    answers(trial, Reply::new(200, &headers, "[]")).await
}

/// Everything is fine, and there is nothing. It is not believed at first, and then the guard holds it.
pub(crate) async fn empty(trial: &mut Trial) -> anyhow::Result<()> {
    let list =
        |path: &str, body: &str| Rule::new(format!("/nacos/v1/ns/{path}"), Reply::json(body));
    trial.scene.to_source.answer([
        list("catalog/services", "[]").with_query("withInstances=true"),
        list("catalog/services", r#"{"count":0,"serviceList":[]}"#),
        list("catalog/instances", r#"{"list":[],"count":0}"#),
        list("service/list", r#"{"count":0,"doms":[]}"#),
        list("service/names", "{}"),
        list(
            "instance/list",
            r#"{"hosts":[],"clusters":"","cacheMillis":10000}"#,
        ),
    ]);
    trial.scene.to_source.set_stream(Fault::Reset);
    trial.signal(SUSPECT).await?;
    // Three lists over thirty seconds, and then the reads of every service.
    trial.until(HELD.name, 3 * LATE, HELD.is_told).await?;
    trial.lasts(2 * AWAY).await;
    trial.heal();
    Ok(())
}

/// The server dies and starts again with nothing, and its applications take their time.
pub(crate) async fn killed(trial: &mut Trial) -> anyhow::Result<()> {
    trial.scene.load.stay_away(true);
    trial.scene.source.first()?.kill().await?;
    trial.signal(SOURCE_LOST).await?;
    trial.scene.source.first()?.restart().await?;
    tokio::time::sleep(Duration::from_secs(AWAY)).await;
    trial.scene.load.stay_away(false);
    trial.scene.load.until_told().await?;
    trial.heal();
    Ok(())
}

/// The server hangs, and its connections stay.
pub(crate) async fn frozen(trial: &mut Trial) -> anyhow::Result<()> {
    trial.scene.source.first()?.freeze().await?;
    let signalled = trial.signal(SOURCE_LOST).await;
    trial.lasts(AWAY).await;
    trial.scene.source.first()?.thaw().await?;
    trial.heal();
    signalled
}

/// The second page of a list fails, and the first does not.
pub(crate) async fn second_page(trial: &mut Trial) -> anyhow::Result<()> {
    let services = trial.scene.load.fleet().services();
    if services < 1_000 {
        return Err(not_run(
            "one page holds up to 1,000 services: --services 1000",
        ));
    }
    let failing = Rule::new("/nacos/v1/ns/catalog/services", Reply::status(500));
    trial
        .scene
        .to_source
        .answer([failing.with_query("pageNo=2")]);
    trial.signal(SOURCE_LOST).await?;
    trial.lasts(AWAY).await;
    trial.heal();
    Ok(())
}

/// An application registers what makes no sense, beside an instance that does.
pub(crate) async fn poison(trial: &mut Trial) -> anyhow::Result<()> {
    let connection = bare::connect(trial.scene.source.first()?.grpc_addr()).await?;
    let service = ServiceRef::new(NAMESPACE, GROUP, "poison");
    let instance = |ip: &str, port, weight| Instance {
        ip: ip.to_owned(),
        port,
        weight,
        cluster_name: "DEFAULT".to_owned(),
        ..Instance::default()
    };
    trial.inject();
    let poison = [
        instance("10.66.0.1", 0, 1.0),
        instance("10.66.0.2", 70_000, 1.0),
        instance("10.66.0.3", 80, -5.0),
        instance("", 80, 1.0),
        instance("10.66.0.4", 80, 1.0),
    ];
    connection.batch_register(&service, &poison).await?;
    trial.signal(PROBLEMS).await?;
    trial.passes(trial.scene.consumer(), LATE).await?;
    let shown = trial
        .scene
        .target
        .first()?
        .call("GET", "/nacos/v1/ns/instance/list?serviceName=poison")
        .await?;
    anyhow::ensure!(
        shown.body.contains("10.66.0.4"),
        "the one that makes sense is not copied: {}",
        shown.body
    );
    connection.close().await;
    trial.heal();
    Ok(())
}

/// One service changes as often as the server takes it.
pub(crate) async fn storm(trial: &mut Trial) -> anyhow::Result<()> {
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while std::time::Instant::now() < end {
        trial.scene.load.mark(1);
        trial.scene.load.until_told().await?;
    }
    trial.passes(trial.scene.consumer(), LATE).await?;
    trial.heal();
    Ok(())
}
