//! What happens to what went away at the source: removed, marked, or kept.

use super::application::Application;
use super::process::Setup;
use super::reader::Reader;
use super::registry::{Embedded, Nacos};
use super::seen::{Instance, Service};
use super::subscriber::{Mark, Subscriber};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_went_are_deleted_marked_or_kept_as_each_link_says() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let orders = Service::plain("orders");
    let mut application = Application::at(source.nacos).await?;
    let stays = Instance::at("10.0.0.1:80");
    let goes = Instance::at("10.0.0.2:80").with("zone", "a");
    application
        .put_all(&orders, &[stays.clone(), goes.clone()])
        .await?;

    let mut setup = Setup::new()?;
    let replica = setup.address()?;
    let marked = Reader::of(&setup.file("marked.json"));
    let mut daemon = setup.run(&format!(
        "endpoints:
  source: {{ kind: nacos, servers: [\"{}\"] }}
  replica: {{ kind: embedded, listen: \"{replica}\" }}
  file: {{ kind: file, path: marked.json }}
links:
  - name: deleted
    from: source
    to: replica
    map: {{ group: deleted }}
    removal: {{ policy: delete, grace: 1s }}
  - name: marked
    from: source
    to: replica
    map: {{ group: marked }}
    removal: {{ policy: mark-unavailable }}
  - name: expired
    from: source
    to: replica
    map: {{ group: expired }}
    removal: {{ policy: mark-unavailable, expire_after: 2s }}
  - name: kept
    from: source
    to: replica
    map: {{ group: kept }}
    removal: {{ policy: keep }}
  - name: file
    from: source
    to: file
    removal: {{ policy: mark-unavailable }}
",
        source.nacos.http
    ))?;
    daemon.in_step().await?;
    let policies = ["deleted", "marked", "expired", "kept"];
    let service = |policy: &&str| Service::new("public", policy, "orders");
    let services: Vec<Service> = policies.iter().map(service).collect();
    let consumer = Subscriber::of(Nacos::at(replica), &services)?;
    for service in &services {
        consumer
            .sees_exactly(service, &[stays.clone(), goes.clone()])
            .await?;
    }

    application.remove(&orders, &goes.address).await?;
    let gone = std::slice::from_ref(&stays);
    let dimmed = [stays.clone(), goes.clone().weighing(0.0).sick()];
    let [deleted, marks, expired, kept] = &services[..] else {
        anyhow::bail!("there are four policies")
    };
    consumer.sees_exactly(marks, &dimmed).await?;
    consumer.sees_exactly(deleted, gone).await?;
    consumer.sees_exactly(expired, gone).await?;
    marked.sees_exactly(&orders, &dimmed).await?;
    let history = consumer.since(Mark::START, expired);
    assert!(
        history.iter().any(|sight| sight.instances == dimmed),
        "it was marked before it went: {history:#?}"
    );
    // By now every link has seen that it went.
    consumer
        .sees_exactly(kept, &[stays.clone(), goes.clone()])
        .await?;

    // It comes back as it was.
    application.put(&orders, &goes).await?;
    for service in &services {
        consumer
            .sees_exactly(service, &[stays.clone(), goes.clone()])
            .await?;
    }
    marked.sees_exactly(&orders, &[stays, goes]).await?;
    marked.was_always_whole()?;
    daemon.in_step().await?;
    Ok(())
}
