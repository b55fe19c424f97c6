//! Links that write elsewhere than before, or that are gone with their target.

use super::application::Application;
use super::process::{Setup, Syncline, said};
use super::registry::{Embedded, Nacos};
use super::seen::{Service, instances};
use super::subscriber::Subscriber;

fn configuration(source: Nacos, targets: &[(&str, Nacos)], to: &str) -> String {
    let endpoint =
        |(name, at): &(&str, Nacos)| format!("  {name}: {{ kind: nacos, {} }}\n", at.servers());
    let targets: String = targets.iter().map(endpoint).collect();
    format!(
        "endpoints:
  source: {{ kind: nacos, {} }}
{targets}links:
  - {{ name: copy, from: source, to: {to} }}
",
        source.servers()
    )
}

async fn restart(daemon: &mut Syncline, configuration: &str) -> anyhow::Result<()> {
    daemon.stop().await?;
    daemon.configure(configuration)?;
    daemon.restart()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_writes_elsewhere_leaves_its_former_target_through_the_guard()
-> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let (one, two) = (Embedded::serve().await?, Embedded::serve().await?);
    let orders = Service::plain("orders");
    let all = instances(3);
    let mut application = Application::at(source.nacos).await?;
    application.put_all(&orders, &all).await?;
    let targets = [("one", one.nacos), ("two", two.nacos)];
    let setup = Setup::new()?;
    let mut daemon = setup.run(&configuration(source.nacos, &targets, "one"))?;
    daemon.in_step().await?;
    let at_one = Subscriber::of(one.nacos, std::slice::from_ref(&orders))?;
    let at_two = Subscriber::of(two.nacos, std::slice::from_ref(&orders))?;
    at_one.sees_exactly(&orders, &all).await?;

    let elsewhere = configuration(source.nacos, &targets, "two");
    restart(&mut daemon, &elsewhere).await?;
    at_two.sees_exactly(&orders, &all).await?;
    at_one.sees_exactly(&orders, &all).await?;
    let status = daemon.is(|status| status.links.len() == 2).await?;
    assert_eq!(status.links[1].name, "copy@one");
    let status = daemon
        .is(|status| !status.links[1].holds.is_empty())
        .await?;

    // The ledger knows it by that name from now on.
    daemon.stop().await?;
    daemon.restart()?;
    at_one.sees_exactly(&orders, &all).await?;
    daemon
        .is(|status| status.links.len() == 2 && !status.links[1].holds.is_empty())
        .await?;
    let approved = daemon
        .command(&["approve", &status.links[1].holds[0].id])
        .await?;
    assert!(approved.status.success(), "{}", said(&approved));
    at_one.sees_exactly(&orders, &[]).await?;
    daemon.is(|status| status.links.len() == 1).await?;
    at_two.sees_exactly(&orders, &all).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_at_an_endpoint_that_is_configured_no_more_are_told_at_the_start()
-> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let (one, two) = (Embedded::serve().await?, Embedded::serve().await?);
    let orders = Service::plain("orders");
    let mut application = Application::at(source.nacos).await?;
    application.put_all(&orders, &instances(3)).await?;
    let setup = Setup::new()?;
    let first = configuration(source.nacos, &[("one", one.nacos)], "one");
    let mut daemon = setup.run(&first)?;
    daemon.in_step().await?;

    let elsewhere = configuration(source.nacos, &[("two", two.nacos)], "two");
    restart(&mut daemon, &elsewhere).await?;
    let status = daemon.in_step().await?;
    assert_eq!(status.links.len(), 1);
    let told = "its copies stay there as they are";
    assert!(daemon.log().contains(told), "{}", daemon.log());
    Ok(())
}
