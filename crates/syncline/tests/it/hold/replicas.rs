//! Two daemons with one identity: what they hold by connection shows once, and
//! either may die.

use std::path::Path;

use syncline_testkit::nacos::{RealNacos, Version};
use syncline_testkit::run;

use super::instance;
use crate::daemon::application::Application;
use crate::daemon::process::{Setup, Syncline};
use crate::daemon::registry::{Embedded, Nacos};
use crate::daemon::subscriber::Subscriber;
use crate::real::Places;

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn replica(source: Nacos, target: Nacos, places: &Places) -> anyhow::Result<Syncline> {
    let setup = Setup::new()?;
    let key: &Path = &setup.file("key");
    std::fs::write(key, KEY)?;
    setup.run(&format!(
        "install: {{ id: pair, key: \"${{file:{}}}\", replicas: 2 }}
endpoints:
  source: {{ kind: nacos, servers: [\"{}\"] }}
  target: {{ kind: nacos, servers: [\"{}\"] }}
links:
  - {{ name: copy, from: source, to: target, {} }}
",
        key.display(),
        source.http,
        target.http,
        places.select()
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_instance_shows_once_and_stands_while_one_replica_lives() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let server = RealNacos::shared(Version::V2_1_1).await?;
    let target = Nacos::real(server);
    let source = Embedded::serve().await?;
    let mut application = Application::at(source.nacos).await?;
    let places = Places::fresh();
    let orders = places.service(0, 1, "orders");
    application
        .put_all(&orders, &[instance(1), instance(2), instance(3)])
        .await?;
    let consumer = Subscriber::of(target, std::slice::from_ref(&orders))?;

    let mut first = replica(source.nacos, target, &places)?;
    first.in_step().await?;
    consumer
        .sees_exactly(&orders, &application.all(&orders))
        .await?;
    let start = consumer.mark();
    let mut second = replica(source.nacos, target, &places)?;
    let status = second.in_step().await?;
    let hold = status.links[0]
        .target
        .as_ref()
        .map(|target| target.hold.as_str());
    assert_eq!(hold, Some("connection"), "two replicas need no beats");
    assert_eq!(
        (status.links[0].instances, status.links[0].shadowed),
        (3, 0)
    );

    // Either goes, crashing, and nobody sees a gap.
    first.kill().await?;
    first.restart()?;
    first.in_step().await?;
    second.kill().await?;
    // A look at something else, so that whatever was going to be pushed was.
    application.put(&orders, &instance(4)).await?;
    consumer
        .sees_exactly(&orders, &application.all(&orders))
        .await?;
    for n in 1..=3 {
        consumer.always_saw(start, &orders, &instance(n).address)?;
    }
    Ok(())
}
