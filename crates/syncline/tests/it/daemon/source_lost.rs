//! What happens to copies while their source stays lost, as configured.

use super::application::Application;
use super::process::{Setup, said};
use super::reader::Reader;
use super::registry::{Embedded, Nacos};
use super::seen::{Instance, Service};
use super::subscriber::Subscriber;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_stand_aside_after_the_time_and_come_back_with_their_source() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let orders = Service::plain("orders");
    let given = [
        Instance::at("10.0.0.1:80").weighing(5.0),
        Instance::at("10.0.0.2:80"),
    ];
    let mut application = Application::at(source.nacos).await?;
    application.put_all(&orders, &given).await?;
    let mut setup = Setup::new()?;
    let replica = setup.address()?;
    let [kept, last] = ["kept.json", "last.json"].map(|name| Reader::of(&setup.file(name)));
    let mut daemon = setup.run(&format!(
        "endpoints:
  source: {{ kind: nacos, {} }}
  kept: {{ kind: file, path: kept.json }}
  last: {{ kind: file, path: last.json }}
  replica: {{ kind: embedded, listen: \"{replica}\" }}
links:
  - {{ name: keeps, from: source, to: kept }}
  - {{ name: prefers, from: source, to: last, source_lost: {{ policy: deprioritize, after: 2s }} }}
  - {{ name: marks, from: source, to: replica, source_lost: {{ policy: mark-unavailable, after: 2s }} }}
",
        source.nacos.servers()
    ))?;
    daemon.in_step().await?;
    let consumer = Subscriber::of(Nacos::at(replica), std::slice::from_ref(&orders))?;
    consumer.sees_exactly(&orders, &given).await?;
    let before = kept.mark();

    let place = source.die().await;
    let least = given.clone().map(|instance| instance.weighing(0.01));
    let none = given.clone().map(|instance| instance.weighing(0.0).sick());
    last.sees_exactly(&orders, &least).await?;
    consumer.sees_exactly(&orders, &none).await?;
    let status = daemon.status().await?;
    let asides: Vec<_> = status
        .links
        .iter()
        .map(|link| link.aside.as_deref())
        .collect();
    assert_eq!(
        asides,
        [None, Some("out of use"), Some("at the least weight")]
    );
    let text = said(&daemon.command(&["status"]).await?);
    assert!(
        text.contains("! marks: all its copies at replica are out of use"),
        "{text}"
    );
    let why = said(
        &daemon
            .command(&["why", "10.0.0.1:80", "--link", "marks"])
            .await?,
    );
    assert!(
        why.contains("rule: source_lost: mark-unavailable after 2s"),
        "{why}"
    );
    assert!(
        why.contains("which removes nothing: silent for 2 s"),
        "{why}"
    );

    // A daemon that starts with its source dead bears it as long.
    daemon.stop().await?;
    daemon.restart()?;
    daemon
        .is(|status| status.links.iter().any(|link| link.aside.is_some()))
        .await?;
    let consumer = Subscriber::of(Nacos::at(replica), std::slice::from_ref(&orders))?;
    consumer.sees_exactly(&orders, &none).await?;

    let back = Embedded::come_back(place).await?;
    daemon.in_step().await?;
    consumer.sees_exactly(&orders, &given).await?;
    last.sees_exactly(&orders, &given).await?;
    let status = daemon.status().await?;
    assert!(
        status.links.iter().all(|link| link.aside.is_none()),
        "{status:?}"
    );
    kept.always_listed(before, &orders, &["10.0.0.1:80", "10.0.0.2:80"])?;
    kept.sees_exactly(&orders, &given).await?;
    drop(back);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_lost_for_less_than_the_time_changes_nothing() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let orders = Service::plain("orders");
    let given = [Instance::at("10.0.0.1:80").weighing(5.0)];
    let mut application = Application::at(source.nacos).await?;
    application.put_all(&orders, &given).await?;
    let lost = "source_lost: { policy: mark-unavailable, after: 1h }";
    let (mut daemon, file) = super::feed::start(&source.nacos.servers(), lost)?;
    daemon.in_step().await?;
    let before = file.mark();
    let place = source.die().await;
    daemon
        .is(|status| status.links[0].state == "source lost")
        .await?;
    let back = Embedded::come_back(place).await?;
    daemon.in_step().await?;
    file.sees_exactly(&orders, &given).await?;
    assert_eq!(file.mark(), before, "the file was never written again");
    drop(back);
    Ok(())
}
