//! A scope that is narrowed takes copies away, so it is a plan like any other:
//! shown before, judged by the guard, told in the journal.

use super::application::Application;
use super::process::{Setup, Syncline, said};
use super::registry::{Embedded, Nacos};
use super::seen::{Instance, Service, instances};
use super::subscriber::{Mark, Subscriber};

/// One link between two registries, with lines of settings. What it writes
/// outlives the daemon.
fn configuration(source: Nacos, target: Nacos, settings: &str) -> String {
    let settings = settings.lines().map(|line| format!("    {line}\n"));
    format!(
        "endpoints:
  near: {{ kind: nacos, {} }}
  far: {{ kind: nacos, {}, hold: persistent }}
links:
  - name: l
    from: near
    to: far
{}",
        source.servers(),
        target.servers(),
        settings.collect::<String>()
    )
}

async fn says(daemon: &Syncline, arguments: &[&str]) -> anyhow::Result<(Option<i32>, String)> {
    let output = daemon.command(arguments).await?;
    Ok((output.status.code(), said(&output)))
}

fn never_lacked(
    consumer: &Subscriber,
    since: Mark,
    service: &Service,
    instances: &[Instance],
) -> anyhow::Result<()> {
    let mut instances = instances.iter();
    instances.try_for_each(|it| consumer.always_saw(since, service, &it.address))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_leaves_the_scope_is_planned_held_and_told() -> anyhow::Result<()> {
    let (source, target) = (Embedded::serve().await?, Embedded::serve().await?);
    let (orders, pay) = (Service::plain("orders"), Service::plain("pay"));
    let mut application = Application::at(source.nacos).await?;
    application.put_all(&orders, &instances(3)).await?;
    application.put_all(&pay, &instances(2)).await?;
    let of = |settings: &str| configuration(source.nacos, target.nacos, settings);
    let mut daemon = Setup::new()?.run(&of(""))?;
    daemon.in_step().await?;
    let consumer = Subscriber::of(target.nacos, &[orders.clone(), pay.clone()])?;
    consumer.sees_exactly(&orders, &instances(3)).await?;
    consumer.sees_exactly(&pay, &instances(2)).await?;
    daemon.stop().await?;
    let before = consumer.mark();

    // Before anything runs with it, the plan says what it would do.
    daemon.configure(&of("select: { services: [orders] }"))?;
    let (code, plan) = says(&daemon, &["plan"]).await?;
    assert_eq!(code, Some(5), "{plan}");
    assert!(plan.contains("public/DEFAULT_GROUP/pay"), "{plan}");
    assert!(plan.contains("held: left the scope of the link"), "{plan}");
    assert!(!plan.contains("/orders"), "{plan}");

    daemon.restart()?;
    let status = daemon
        .is(|status| !status.links[0].holds.is_empty())
        .await?;
    let (code, holds) = says(&daemon, &["holds"]).await?;
    assert_eq!(code, Some(5), "{holds}");
    let left = "10.0.0.1:80   left the scope of the link";
    assert!(holds.contains(left), "{holds}");
    consumer.sees_exactly(&pay, &instances(2)).await?;

    says(&daemon, &["approve", &status.links[0].holds[0].id]).await?;
    consumer.sees_exactly(&pay, &[]).await?;
    daemon.in_step().await?;
    let (_, why) = says(&daemon, &["why", "pay"]).await?;
    assert!(why.contains("left the scope of the link"), "{why}");
    assert!(why.contains("approved by an operator"), "{why}");
    never_lacked(&consumer, before, &orders, &instances(3))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scope_is_narrowed_with_the_source_dead() -> anyhow::Result<()> {
    let (source, target) = (Embedded::serve().await?, Embedded::serve().await?);
    let (orders, pay) = (Service::plain("orders"), Service::new("prod", "g", "pay"));
    let mut application = Application::at(source.nacos).await?;
    application.put_all(&orders, &instances(3)).await?;
    application.put_all(&pay, &instances(2)).await?;
    let place = source.nacos;
    let of = |settings: &str| configuration(place, target.nacos, settings);
    let mut daemon = Setup::new()?.run(&of(""))?;
    daemon.in_step().await?;
    let consumer = Subscriber::of(target.nacos, &[orders.clone(), pay.clone()])?;
    consumer.sees_exactly(&orders, &instances(3)).await?;
    consumer.sees_exactly(&pay, &instances(2)).await?;
    daemon.stop().await?;
    source.die().await;
    let before = consumer.mark();

    // The guard counts it: three looks at the configuration over a second.
    daemon.configure(&of("select: { namespaces: [public] }
guard: { zero: { views: 3, over: 1s } }"))?;
    daemon.restart()?;
    consumer.sees_exactly(&pay, &[]).await?;
    let status = daemon
        .is(|status| status.links[0].instances == 3 && status.links[0].holds.is_empty())
        .await?;
    assert_eq!(status.links[0].state, "source lost");
    let (_, why) = says(&daemon, &["why", "pay"]).await?;
    assert!(why.contains("left the scope of the link"), "{why}");
    assert!(why.contains("held by the guard"), "{why}");
    never_lacked(&consumer, before, &orders, &instances(3))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_a_new_condition_leaves_out_go_and_the_rest_stays() -> anyhow::Result<()> {
    let (source, target) = (Embedded::serve().await?, Embedded::serve().await?);
    let orders = Service::plain("orders");
    let zoned = |last: u8, zone| Instance::at(&format!("10.0.0.{last}:80")).with("zone", zone);
    let all = [zoned(1, "a"), zoned(2, "a"), zoned(3, "b")];
    let mut application = Application::at(source.nacos).await?;
    application.put_all(&orders, &all).await?;
    let of = |settings: &str| configuration(source.nacos, target.nacos, settings);
    let mut daemon = Setup::new()?.run(&of(""))?;
    daemon.in_step().await?;
    let consumer = Subscriber::of(target.nacos, std::slice::from_ref(&orders))?;
    consumer.sees_exactly(&orders, &all).await?;
    daemon.stop().await?;
    let before = consumer.mark();

    daemon.configure(&of("select: { where: 'metadata[\"zone\"] == \"a\"' }"))?;
    let (code, plan) = says(&daemon, &["plan"]).await?;
    assert_eq!(code, Some(3), "{plan}");
    let removed = "- public/DEFAULT_GROUP/orders   10.0.0.3:80   left the scope of the link";
    assert!(plan.contains(removed), "{plan}");
    assert!(plan.contains("1 to remove, 2 right"), "{plan}");
    consumer.sees_exactly(&orders, &all).await?;
    daemon.restart()?;
    consumer.sees_exactly(&orders, &all[..2]).await?;
    let (_, why) = says(&daemon, &["why", "10.0.0.3:80"]).await?;
    assert!(why.contains("left the scope of the link"), "{why}");
    never_lacked(&consumer, before, &orders, &all[..2])
}
