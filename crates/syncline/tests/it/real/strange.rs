//! Instances that make no sense and that real servers take nevertheless.

use syncline_testkit::nacos::{RealNacos, Version};
use syncline_testkit::run;

use super::Places;
use super::source::{Reading, instance};
use crate::daemon::registry::Nacos;
use crate::daemon::seen::Instance;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_weight_that_is_no_number_at_1_3_0_spoils_nothing_else() -> anyhow::Result<()> {
    nonsense_spoils_nothing_at(Version::V1_3_0).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_weight_that_is_no_number_at_2_1_1_spoils_nothing_else() -> anyhow::Result<()> {
    nonsense_spoils_nothing_at(Version::V2_1_1).await
}

async fn nonsense_spoils_nothing_at(version: Version) -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let server = RealNacos::shared(version).await?;
    let nacos = Nacos::real(server);
    let places = Places::fresh();
    let orders = places.service(0, 1, "orders");
    for n in 1..=3 {
        nacos.register(&orders, &instance(n)).await?;
    }
    let services = std::slice::from_ref(&orders);
    let mut reading = Reading::start(server, places, services, "").await?;
    let three = [instance(1), instance(2), instance(3)];
    reading.shows(&orders, &three).await?;
    let listed = reading.file.mark();

    // One that was good becomes nonsense, another never was anything else.
    nacos
        .register(&orders, &instance(1).weighing(f64::NAN))
        .await?;
    // Servers differ in whether they take this one at all.
    let portless = Instance::at("10.0.0.9:0");
    let takes_portless = nacos.register(&orders, &portless).await.is_ok();
    nacos.register(&orders, &instance(4)).await?;
    let wanted = [instance(1), instance(2), instance(3), instance(4)];
    reading.shows(&orders, &wanted).await?;
    reading
        .syncline
        .is(|status| {
            let problems = || status.endpoints.iter().flat_map(|e| &e.problems);
            let says = |text: &str| problems().any(|problem| problem.what.contains(text));
            says("NaN")
                && (!takes_portless || says("10.0.0.9:0"))
                && status.links.iter().all(|link| link.state == "in step")
        })
        .await?;

    // It makes sense again.
    nacos.register(&orders, &instance(1).weighing(2.0)).await?;
    if takes_portless {
        nacos.deregister(&orders, &portless).await?;
    }
    let wanted = [
        instance(1).weighing(2.0),
        instance(2),
        instance(3),
        instance(4),
    ];
    reading.shows(&orders, &wanted).await?;
    let all = ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"];
    reading.file.always_listed(listed, &orders, &all)?;
    let quiet = reading
        .syncline
        .is(|status| status.endpoints.iter().all(|e| e.problems.is_empty()));
    quiet.await.map(|_| ())
}
