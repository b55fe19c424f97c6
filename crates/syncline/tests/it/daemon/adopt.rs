//! Taking over what others left at a target.

use syncline_testkit::eventually;
use syncline_testkit::nacos::fresh_name;

use super::PATIENCE;
use super::application::Application;
use super::process::{Setup, Syncline, said};
use super::registry::{Embedded, Nacos, unattended};
use super::seen::{Instance, Service};
use super::subscriber::{Mark, Subscriber};

/// As applications register it at the source. It brings the times that let what
/// is left behind outlive the test.
fn instance(n: usize) -> Instance {
    unattended(Instance::at(&format!("10.1.0.{n}:8080")).with("n", &n.to_string()))
}

/// What nacos-sync makes of an instance.
fn copied(it: Instance) -> Instance {
    it.with("destClusterId", "2")
        .with("syncSource", "NACOS")
        .with("sourceClusterId", "1")
}

async fn stands(at: Nacos, service: &Service, it: &Instance, hold: &str) -> anyhow::Result<()> {
    match hold {
        "persistent" => at.persist(service, it).await,
        _ => at.register_bare(service, it).await,
    }
}

fn run(
    source: &Embedded,
    target: Nacos,
    hold: &str,
    service: &Service,
) -> anyhow::Result<Syncline> {
    Setup::new()?.run(&format!(
        "endpoints:
  source: {{ kind: nacos, {} }}
  target: {{ kind: nacos, {}, hold: {hold} }}
links:
  - {{ name: copy, from: source, to: target, select: {{ services: [{}] }} }}
",
        source.nacos.servers(),
        target.servers(),
        service.name
    ))
}

fn shows(seen: &[Instance], wanted: &Instance) -> bool {
    seen.iter().filter(|i| i.address == wanted.address).count() == 1 && seen.contains(wanted)
}

/// At every moment since then there was at least one instance at an address.
fn was_always_there(consumer: &Subscriber, mark: Mark, service: &Service, address: &str) {
    for sight in consumer.since(mark, service) {
        let there = sight.instances.iter().any(|i| i.address == address);
        assert!(there, "{address} was not there: {sight:#?}");
    }
}

/// Of what nacos-sync left at a target: what the source still has is taken over
/// and follows it from then on; the rest stays as it is.
pub(crate) async fn is_taken_over(target: Nacos, hold: &str) -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let orders = Service::plain(&fresh_name("orders"));
    let mut application = Application::at(source.nacos).await?;
    let all: Vec<Instance> = (1..=4).map(instance).collect();
    application.put_all(&orders, &all).await?;
    let (native, gone) = (instance(4), copied(instance(9)));
    for n in 1..=3 {
        stands(target, &orders, &copied(instance(n)), hold).await?;
    }
    stands(target, &orders, &native, hold).await?;
    stands(target, &orders, &gone, hold).await?;
    let consumer = Subscriber::of(target, std::slice::from_ref(&orders))?;
    consumer.sees(&orders, |seen| seen.len() == 5).await?;
    let mark = consumer.mark();
    let mut daemon = run(&source, target, hold, &orders)?;
    daemon.is(|status| status.links[0].shadowed == 4).await?;

    // What is only shown changes nothing.
    let output = daemon.command(&["adopt"]).await?;
    let text = said(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert_eq!(text.matches("take over\n").count(), 3, "{text}");
    assert!(text.contains("leave: it bears no mark of a copy"), "{text}");
    assert!(
        text.contains("leave: the source does not show it"),
        "{text}"
    );
    assert_eq!(daemon.status().await?.links[0].shadowed, 4);

    let output = daemon.command(&["adopt", "copy", "--yes"]).await?;
    let text = said(&output);
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(
        text.ends_with("3 instances were taken over, 2 not\n"),
        "{text}"
    );
    let ours = |seen: &[Instance]| (1..=3).all(|n| shows(seen, &instance(n)));
    consumer.sees(&orders, ours).await?;
    daemon.is(|status| status.links[0].shadowed == 1).await?;

    // From now on they follow the source.
    let heavier = instance(1).weighing(5.0);
    application.put(&orders, &heavier).await?;
    consumer.sees(&orders, |seen| shows(seen, &heavier)).await?;
    let third = instance(3);
    application.remove(&orders, &third.address).await?;
    let left = |seen: &[Instance]| seen.iter().all(|i| i.address != third.address);
    consumer.sees(&orders, left).await?;
    for n in [1, 2] {
        was_always_there(&consumer, mark, &orders, &instance(n).address);
    }
    let others = target.raw(&orders).await?;
    for other in [&native, &gone] {
        let mut there = others.iter().filter(|i| i.address == other.address);
        let metadata = there.next().map(|i| &i.metadata);
        assert_eq!(metadata, Some(&other.metadata), "it was touched");
    }

    let told = said(&daemon.command(&["why", &third.address]).await?);
    assert!(
        told.contains("taken over at target by an operator"),
        "{told}"
    );
    let output = daemon.command(&["adopt", "-o", "json"]).await?;
    let found: serde_json::Value = serde_json::from_str(&said(&output))?;
    let candidates = found["links"][0]["candidates"].as_array();
    assert_eq!(candidates.map(Vec::len), Some(2), "{found:#}");
    daemon.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nacos_sync_left_is_taken_over_by_beats() -> anyhow::Result<()> {
    {
        let target = Embedded::serve().await?;
        is_taken_over(target.nacos, "beat").await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nacos_sync_left_is_taken_over_by_a_connection() -> anyhow::Result<()> {
    {
        let target = Embedded::serve().await?;
        is_taken_over(target.nacos, "connection").await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nacos_sync_left_is_taken_over_for_good() -> anyhow::Result<()> {
    {
        let target = Embedded::serve().await?;
        is_taken_over(target.nacos, "persistent").await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nacos_sync_that_still_runs_may_be_stopped_afterwards() -> anyhow::Result<()> {
    let (source, target) = (Embedded::serve().await?, Embedded::serve().await?);
    let orders = Service::plain("orders");
    let mut application = Application::at(source.nacos).await?;
    application.put(&orders, &instance(1)).await?;
    // As of 0.5 its copies live by a connection.
    let mut nacos_sync = Application::at(target.nacos).await?;
    nacos_sync.put(&orders, &copied(instance(1))).await?;
    let consumer = Subscriber::of(target.nacos, std::slice::from_ref(&orders))?;
    consumer.sees(&orders, |seen| seen.len() == 1).await?;
    let mark = consumer.mark();
    let mut daemon = run(&source, target.nacos, "connection", &orders)?;
    daemon.is(|status| status.links[0].shadowed == 1).await?;
    let output = daemon.command(&["adopt", "--yes"]).await?;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    consumer
        .sees(&orders, |seen| seen.contains(&instance(1)))
        .await?;
    // Both are there, and ours does not give way.
    daemon.command(&["trigger"]).await?;
    daemon.in_step().await?;
    assert_eq!(daemon.status().await?.links[0].shadowed, 0);
    nacos_sync.leave(&orders).await?;
    consumer.sees_exactly(&orders, &[instance(1)]).await?;
    was_always_there(&consumer, mark, &orders, &instance(1).address);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_was_taken_over_and_lives_takes_its_place_back() -> anyhow::Result<()> {
    let (source, target) = (Embedded::serve().await?, Embedded::serve().await?);
    let orders = Service::plain("orders");
    let mut application = Application::at(source.nacos).await?;
    application
        .put_all(&orders, &[instance(1), instance(2)])
        .await?;
    let mut alive = Application::at(target.nacos).await?;
    alive.put(&orders, &instance(1)).await?;
    target.nacos.register_bare(&orders, &instance(2)).await?;
    let consumer = Subscriber::of(target.nacos, std::slice::from_ref(&orders))?;
    consumer.sees(&orders, |seen| seen.len() == 2).await?;
    let mark = consumer.mark();
    let mut daemon = run(&source, target.nacos, "connection", &orders)?;
    daemon.is(|status| status.links[0].shadowed == 2).await?;
    let output = daemon.command(&["adopt", "--natives", "--yes"]).await?;
    let text = said(&output);
    assert!(text.contains("2 instances were taken over"), "{text}");
    daemon.is(|status| status.links[0].shadowed == 1).await?;
    daemon.in_step().await?;
    // What nobody keeps alive any more is ours now.
    application.remove(&orders, &instance(2).address).await?;
    consumer.sees_exactly(&orders, &[instance(1)]).await?;
    was_always_there(&consumer, mark, &orders, &instance(1).address);
    alive.leave(&orders).await?;
    let ours = || async {
        let shown = target.nacos.raw(&orders).await.unwrap_or_default();
        shows(&shown, &instance(1))
    };
    eventually(PATIENCE, ours).await;
    Ok(())
}
