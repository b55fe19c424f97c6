//! What is there at once after a start, with everything else dead.

use super::application::Application;
use super::process::Setup;
use super::reader::Reader;
use super::registry::{Embedded, Nacos};
use super::seen::{Instance, Service};
use super::subscriber::Subscriber;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_applications_registered_to_stay_outlives_a_daemon_that_is_killed()
-> anyhow::Result<()> {
    let orders = Service::plain("orders");
    let mut setup = Setup::new()?;
    let (here, there) = (setup.address()?, setup.address()?);
    let mut daemon = setup.run(&format!(
        "endpoints:
  here: {{ kind: embedded, listen: \"{here}\" }}
  there: {{ kind: embedded, listen: \"{there}\" }}
links:
  - {{ name: over, from: here, to: there }}
"
    ))?;
    daemon.in_step().await?;
    let stays = [Instance::at("10.0.0.1:80").with("zone", "a").weighing(2.0)];
    Nacos::at(here).persist(&orders, &stays[0]).await?;
    daemon.kill().await?;
    daemon.restart()?;
    daemon.in_step().await?;
    assert_eq!(Nacos::at(here).raw(&orders).await?, stays);
    let consumer = Subscriber::of(Nacos::at(there), std::slice::from_ref(&orders))?;
    consumer.sees_exactly(&orders, &stays).await?;
    daemon.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_known_good_is_served_with_every_source_dead() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let orders = Service::plain("orders");
    let mut application = Application::at(source.nacos).await?;
    let two = [
        Instance::at("10.0.0.1:80").with("zone", "a"),
        Instance::at("10.0.0.2:80").weighing(2.0),
    ];
    application.put_all(&orders, &two).await?;
    let mut setup = Setup::new()?;
    let replica = setup.address()?;
    let file = Reader::of(&setup.file("services.json"));
    let mut daemon = setup.run(&format!(
        "endpoints:
  source: {{ kind: nacos, servers: [\"{}\"] }}
  replica: {{ kind: embedded, listen: \"{replica}\" }}
  file: {{ kind: file, path: services.json }}
links:
  - {{ name: to-replica, from: source, to: replica }}
  - {{ name: to-file, from: source, to: file }}
",
        source.nacos.http
    ))?;
    daemon.in_step().await?;
    file.sees_exactly(&orders, &two).await?;

    // In order, since a crash may forget what was registered within the last
    // second: additions over a connection are put on disk in groups.
    daemon.stop().await?;
    drop(application);
    source.die().await;
    daemon.restart()?;
    let consumer = Subscriber::of(Nacos::at(replica), std::slice::from_ref(&orders))?;
    consumer.sees_exactly(&orders, &two).await?;
    daemon
        .is(|status| status.links.iter().all(|link| link.state == "source lost"))
        .await?;
    assert_eq!(file.now()[&orders], two);
    file.was_always_whole()
}
