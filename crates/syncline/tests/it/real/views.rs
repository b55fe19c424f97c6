//! Other ways to read a real server: through the consumer's eyes alone, and by
//! the list that only 2.0.2 to 2.1.2 have.

use syncline_testkit::nacos::{RealNacos, Version};
use syncline_testkit::run;

use super::Places;
use super::source::{Reading, instance};
use crate::daemon::registry::Nacos;

/// A link that never sees more than consumers do: disabled instances are hidden
/// from it, and all else works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_runs_on_the_consumers_view_alone() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let server = RealNacos::shared(Version::V2_1_1).await?;
    let nacos = Nacos::real(server);
    let places = Places::fresh();
    let everywhere = places.everywhere("orders");
    for (n, service) in everywhere.iter().enumerate() {
        nacos.register(service, &instance(n + 1)).await?;
        nacos.register(service, &instance(n + 11)).await?;
    }
    let new = places.service(0, 1, "new");
    let services = [&everywhere[..], std::slice::from_ref(&new)].concat();
    let mut reading = Reading::start(server, places, &services, ", view: consumer").await?;
    let status = reading.syncline.in_step().await?;
    for link in &status.links {
        assert_eq!(link.view.as_deref(), Some("consumer's view"), "{link:#?}");
    }
    for (n, service) in everywhere.iter().enumerate() {
        reading
            .shows(service, &[instance(n + 1), instance(n + 11)])
            .await?;
    }
    let orders = &everywhere[3];
    let others = [instance(14)];
    reading
        .changes(orders, &others, &instance(4).weighing(3.0))
        .await?;
    reading
        .changes(orders, &others, &instance(4).with("zone", "c"))
        .await?;
    nacos.register(&new, &instance(21)).await?;
    reading.shows(&new, &[instance(21)]).await?;
    nacos.deregister(orders, &instance(14)).await?;
    reading
        .shows(orders, &[instance(4).with("zone", "c")])
        .await?;
    for n in [1, 11] {
        nacos.deregister(&everywhere[0], &instance(n)).await?;
    }
    reading.shows(&everywhere[0], &[]).await?;
    // Disabled is gone, as far as consumers can tell.
    nacos.register(&new, &instance(22)).await?;
    nacos.register(&new, &instance(21).disabled()).await?;
    reading.shows(&new, &[instance(22)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_upgrade_list_of_2_1_1_is_read_page_by_page() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let server = RealNacos::shared(Version::V2_1_1).await?;
    let nacos = Nacos::real(server);
    let places = Places::fresh();
    // More than one page of the list, in each place.
    let mut services = Vec::new();
    for n in 0..110 {
        services.extend(places.everywhere(&format!("service-{n}")));
    }
    for service in &services {
        nacos.register(service, &instance(1)).await?;
    }
    let orders = places.everywhere("orders");
    let reading = Reading::start(server, places, &orders, ", list_api: upgrade-ops").await?;
    reading
        .file
        .sees(|document| document.len() == services.len())
        .await?;
    let listed = reading.file.now();
    for service in &services {
        assert_eq!(listed.get(service), Some(&vec![instance(1)]), "{service}");
    }
    for (n, service) in orders.iter().enumerate() {
        nacos.register(service, &instance(n + 1)).await?;
        reading.shows(service, &[instance(n + 1)]).await?;
    }
    nacos.deregister(&orders[1], &instance(2)).await?;
    reading.shows(&orders[1], &[]).await?;
    reading.file.was_always_whole()
}
