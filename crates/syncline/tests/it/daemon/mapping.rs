//! What a link selects, and what it makes of it: names, addresses, weights and
//! metadata; and where several become one.

use super::application::Application;
use super::feed;
use super::registry::Embedded;
use super::seen::{Instance, Service};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_carries_what_it_selects_and_nothing_else() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let mut application = Application::at(source.nacos).await?;
    let one = Instance::at("10.0.0.1:80").with("zone", "a");
    let other = Instance::at("10.0.0.2:80").with("zone", "b");
    for service in [
        Service::new("prod", "G_TRADE", "order-service"),
        Service::new("prod", "G_TRADE", "order-canary"),
        Service::new("prod", "G_TRADE", "pay-1"),
        Service::new("prod", "G_TRADE", "pay-x"),
        Service::new("prod", "G_TRADE", "consumers:order"),
        Service::new("prod", "G_OTHER", "order-service"),
        Service::new("test", "G_TRADE", "order-service"),
    ] {
        application
            .put_all(&service, &[one.clone(), other.clone()])
            .await?;
    }
    let (mut daemon, file) = feed::start(
        &source.nacos.servers(),
        "select:
  namespaces: [\"pr*\"]
  groups: [G_TRADE]
  services: [\"order*\", \"re:^pay-[0-9]$\"]
  exclude: [\"*-canary\"]
  where: 'metadata[\"zone\"] == \"a\" and weight > 0'
",
    )?;
    daemon.in_step().await?;
    let orders = Service::new("prod", "G_TRADE", "order-service");
    let pay = Service::new("prod", "G_TRADE", "pay-1");
    file.sees(|document| document.keys().eq([&orders, &pay]))
        .await?;
    file.sees_exactly(&orders, std::slice::from_ref(&one))
        .await?;

    // An instance that leaves the condition leaves the target, and comes back.
    let both = [one.clone(), other.clone().with("zone", "a")];
    application.put_all(&orders, &both).await?;
    file.sees_exactly(&orders, &both).await?;
    application.put_all(&orders, &[one.clone(), other]).await?;
    file.sees_exactly(&orders, &[one]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_addresses_weights_and_metadata_are_translated() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let mut application = Application::at(source.nacos).await?;
    let orders = Service::new("prod", "G_TRADE", "orders");
    let all = [
        Instance::at("10.0.3.4:80")
            .weighing(2.0)
            .with("url", "http://10.0.3.4:80/x"),
        Instance::at("10.9.0.5:80").in_cluster("east"),
        Instance::at("10.8.0.1:80").with("external", "203.0.113.9:8443"),
        Instance::at("10.7.0.1:80")
            .with("secret-key", "x")
            .with("zone", "a"),
    ];
    application.put_all(&orders, &all).await?;
    let (mut daemon, file) = feed::start(
        &source.nacos.servers(),
        "map:
  namespace: \"copy-of-{namespace}\"
  group: \"{source}_{group}\"
  service: \"{service}.{group}\"
  cluster: \"hz-{cluster}\"
  address:
    - { metadata: external }
    - { from: 10.0.0.0/16, to: 172.16.0.0/16 }
    - { from: \"10.9.0.5:80\", to: \"203.0.113.5:31080\" }
  address_metadata: [url]
  weight: 0.5
  metadata: { set: { from: \"{source}/{cluster}\" }, drop: [\"secret-*\"] }
",
    )?;
    daemon.in_step().await?;
    let mapped = |address: &str, cluster: &str| {
        let from = format!("source/{cluster}");
        let at = Instance::at(address).in_cluster(&format!("hz-{cluster}"));
        at.weighing(0.5).with("from", &from)
    };
    let wanted = [
        mapped("172.16.3.4:80", "DEFAULT")
            .weighing(1.0)
            .with("url", "http://172.16.3.4:80/x"),
        mapped("203.0.113.5:31080", "east"),
        mapped("203.0.113.9:8443", "DEFAULT").with("external", "203.0.113.9:8443"),
        mapped("10.7.0.1:80", "DEFAULT").with("zone", "a"),
    ];
    let target = Service::new("copy-of-prod", "source_G_TRADE", "orders.G_TRADE");
    file.sees_exactly(&target, &wanted).await?;

    // Changes and removals find their way by the same names.
    application
        .put(&orders, &all[1].clone().in_cluster("east").weighing(8.0))
        .await?;
    application.remove(&orders, "10.7.0.1:80").await?;
    let wanted = [
        wanted[0].clone(),
        wanted[1].clone().weighing(4.0),
        wanted[2].clone(),
    ];
    file.sees_exactly(&target, &wanted).await?;
    assert_eq!(file.now().len(), 1);
    file.was_always_whole()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_and_instances_that_become_one_are_merged_or_reported() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let mut application = Application::at(source.nacos).await?;
    let (a, b) = (
        Service::new("prod", "G_A", "orders"),
        Service::new("prod", "G_B", "orders"),
    );
    let one = Instance::at("10.0.0.1:80");
    application
        .put_all(&a, &[one.clone(), Instance::at("10.0.0.2:80")])
        .await?;
    application
        .put_all(
            &b,
            &[one.clone().weighing(3.0), Instance::at("10.0.0.3:80")],
        )
        .await?;
    let (mut daemon, file) = feed::start(&source.nacos.servers(), "map: { group: ALL }")?;
    let status = daemon.in_step().await?;
    let merged = Service::new("prod", "ALL", "orders");
    file.sees(|document| document.get(&merged).is_some_and(|all| all.len() == 3))
        .await?;
    let problems = &status.links[0].problems;
    assert!(
        problems.iter().any(|p| p
            .instance
            .as_deref()
            .is_some_and(|i| i.contains("10.0.0.1:80"))),
        "the collision is told: {problems:#?}"
    );
    // When one of the two goes, the other stands.
    application.leave(&a).await?;
    let rest = [one.weighing(3.0), Instance::at("10.0.0.3:80")];
    file.sees_exactly(&merged, &rest).await?;
    daemon
        .is(|status| status.links[0].problems.is_empty())
        .await?;

    // Behind a gateway, weights add up.
    let (mut daemon, file) = feed::start(
        &source.nacos.servers(),
        "map: { address: [{ to: \"gateway.example:8080\" }] }",
    )?;
    daemon.in_step().await?;
    let gateway = Instance::at("gateway.example:8080").weighing(4.0);
    file.sees_exactly(&b, &[gateway]).await
}
