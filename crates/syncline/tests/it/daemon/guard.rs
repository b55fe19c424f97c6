//! What takes too much away waits, says why, and can be told to go on.

use anyhow::Context as _;
use syncline_admin::api;

use super::application::Application;
use super::feed;
use super::registry::{Embedded, http};
use super::seen::{Service, instances};

fn holds(status: &api::Status) -> &[api::Hold] {
    status.links.first().map_or(&[], |link| &link.holds)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loss_of_a_service_waits_for_three_views_and_then_passes_by_itself()
-> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let (orders, pay) = (Service::plain("orders"), Service::plain("pay"));
    let mut application = Application::at(source.nacos).await?;
    application.put_all(&orders, &instances(2)).await?;
    let (mut daemon, file) = feed::start(&source.nacos.servers(), "")?;
    daemon.in_step().await?;
    file.sees_exactly(&orders, &instances(2)).await?;
    let before = file.mark();

    application.leave(&orders).await?;
    let status = daemon.is(|status| !holds(status).is_empty()).await?;
    assert_eq!(status.links[0].state, "held");
    let hold = &holds(&status)[0];
    let service = hold.service.as_ref().context("a hold of one service")?;
    assert_eq!(service.service, "orders");
    assert!(
        hold.setting.as_deref().is_some_and(|s| s.contains("zero")),
        "{hold:?}"
    );
    assert!(
        !hold.needs.is_empty() && !hold.reason.is_empty(),
        "{hold:?}"
    );

    // What is added meanwhile is not held.
    application.put_all(&pay, &instances(1)).await?;
    file.sees_exactly(&pay, &instances(1)).await?;
    file.always_listed(before, &orders, &["10.0.0.1:80", "10.0.0.2:80"])?;

    // A true decommission gets through, with nobody's help.
    file.sees_exactly(&orders, &[]).await?;
    daemon.in_step().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_back_while_it_is_held_never_went() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let orders = Service::plain("orders");
    let mut application = Application::at(source.nacos).await?;
    application.put_all(&orders, &instances(4)).await?;
    let (mut daemon, file) = feed::start(&source.nacos.servers(), "")?;
    daemon.in_step().await?;
    file.sees_exactly(&orders, &instances(4)).await?;
    let before = file.mark();

    // Three of four is more than half.
    application.put_all(&orders, &instances(1)).await?;
    daemon.is(|status| !holds(status).is_empty()).await?;
    application.put_all(&orders, &instances(4)).await?;
    daemon.in_step().await?;
    let all = instances(4);
    let all: Vec<_> = all.iter().map(|i| i.address.as_str()).collect();
    file.always_listed(before, &orders, &all)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loss_of_many_freezes_until_somebody_approves() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let mut application = Application::at(source.nacos).await?;
    let services: Vec<_> = (0..30)
        .map(|n| Service::plain(&format!("service-{n}")))
        .collect();
    for service in &services {
        application.put_all(service, &instances(2)).await?;
    }
    // One service alone would pass at once.
    let guard = "guard: { zero: { views: 1, over: 0s } }";
    let (mut daemon, file) = feed::start(&source.nacos.servers(), guard)?;
    daemon.in_step().await?;
    file.sees(|document| document.len() == 30).await?;

    for service in &services[..25] {
        application.leave(service).await?;
    }
    // All have gone at the source, and what the hold is about is settled.
    let frozen = |status: &api::Status| {
        status.endpoints[0].instances == 10 && holds(status).iter().any(|h| h.service.is_none())
    };
    let status = daemon.is(frozen).await?;
    let kept = file.now().len();
    assert!(kept >= 30 - 11, "only {kept} of 30 services are left");

    let hold = holds(&status).iter().find(|hold| hold.service.is_none());
    let id = &hold.context("a hold of the link")?.id;
    let admin = daemon.admin();
    let (status, body) = http(admin, "POST", &format!("/api/v1/holds/{id}/approve")).await?;
    assert_eq!(status, 200, "{body}");
    file.sees(|document| document.len() == 5).await?;
    daemon.in_step().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_dies_and_comes_back_empty_takes_nothing_away_at_once() -> anyhow::Result<()>
{
    let source = Embedded::serve().await?;
    let orders = Service::plain("orders");
    let application = {
        let mut application = Application::at(source.nacos).await?;
        application.put_all(&orders, &instances(3)).await?;
        application
    };
    let (mut daemon, file) = feed::start(&source.nacos.servers(), "")?;
    daemon.in_step().await?;
    file.sees_exactly(&orders, &instances(3)).await?;
    let before = file.mark();

    let place = source.die().await;
    daemon
        .is(|status| status.endpoints[0].down.is_some() && status.links[0].state == "source lost")
        .await?;
    // The application registers again as soon as it can; until then the server
    // is empty and says so.
    let back = Embedded::come_back(place).await?;
    daemon.in_step().await?;
    file.sees_exactly(&orders, &application.all(&orders))
        .await?;
    let all = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"];
    file.always_listed(before, &orders, &all)?;
    drop(back);
    Ok(())
}
