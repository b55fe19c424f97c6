//! The last known good, from disk: what an embedded registry answers after a
//! crash, with every source dead.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use syncline_testkit::patience;
use tokio::time::sleep;

use super::PATIENCE;
use super::application::Application;
use super::process::{Setup, said};
use super::registry::{Embedded, Nacos, exchange, http};
use super::seen::{Instance, Service};
use super::subscriber::Subscriber;

const SERVICES: usize = 2_000;

fn service(n: usize) -> Service {
    Service::plain(&format!("service-{n:04}"))
}

fn two(n: usize) -> [Instance; 2] {
    let (high, low) = (n / 250, n % 250);
    let at = |port: u16| Instance::at(&format!("10.0.{high}.{low}:{port}"));
    [at(80).with("zone", "a"), at(81).weighing(2.0)]
}

/// A registry that stands in for another one.
fn replica_of(source: Nacos, replica: SocketAddr) -> String {
    let servers = source.servers();
    format!(
        "endpoints:
  source: {{ kind: nacos, {servers} }}
  replica: {{ kind: embedded, listen: \"{replica}\" }}
links:
  - {{ name: to-replica, from: source, to: replica }}
"
    )
}

/// How many instances each service has that a raw list shows.
async fn counts(nacos: Nacos) -> anyhow::Result<Vec<u64>> {
    let path = "/nacos/v1/ns/catalog/services?namespaceId=public&pageNo=1&pageSize=5000";
    let (_, body) = http(nacos.http, "GET", path).await?;
    let list: Value = serde_json::from_str(&body)?;
    let services = list["serviceList"].as_array().into_iter().flatten();
    Ok(services.filter_map(|it| it["ipCount"].as_u64()).collect())
}

/// The age that is said beside the list of a service.
async fn age_of(nacos: Nacos, service: &Service) -> anyhow::Result<Option<u64>> {
    let path = format!("/nacos/v1/ns/instance/list?serviceName={}", service.name);
    let (head, _) = exchange(nacos.http, "GET", &path).await?;
    let age = head
        .lines()
        .find_map(|it| it.strip_prefix("syncline-age: "));
    Ok(age.map(str::parse).transpose()?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_with_its_source_dead_a_registry_answers_whole_lists_or_not_at_all()
-> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let mut application = Application::at(source.nacos).await?;
    for n in 0..SERVICES {
        application.put_all(&service(n), &two(n)).await?;
    }
    let mut setup = Setup::new()?;
    let replica = setup.address()?;
    let mut daemon = setup.run(&replica_of(source.nacos, replica))?;
    let all = 2 * SERVICES;
    daemon
        .is(|status| status.links[0].instances == all && status.links[0].pending == 0)
        .await?;
    let replica = Nacos::at(replica);
    assert_eq!(age_of(replica, &service(0)).await?, None);
    // Additions over a connection are put on disk in groups, a second apart.
    sleep(patience(Duration::from_secs(2))).await;
    daemon.kill().await?;
    drop(application);
    source.die().await;
    daemon.restart()?;

    // From the first answer on, everything is there.
    let last = SERVICES - 1;
    let deadline = tokio::time::Instant::now() + patience(PATIENCE);
    let first = loop {
        match replica.list(&service(last)).await {
            Ok(shown) => break shown,
            Err(error) if tokio::time::Instant::now() > deadline => return Err(error),
            Err(_) => {}
        }
    };
    assert_eq!(super::seen::sorted(first), two(last));
    assert_eq!(counts(replica).await?, [2; SERVICES]);
    let asked = [service(0), service(SERVICES / 2)];
    let consumer = Subscriber::of(replica, &asked)?;
    for (n, asked) in [0, SERVICES / 2].into_iter().zip(&asked) {
        consumer.sees_exactly(asked, &two(n)).await?;
    }

    // And how old it is can be known.
    let status = daemon
        .is(|status| status.links[0].state == "source lost")
        .await?;
    let link = &status.links[0];
    assert_eq!(link.complete_seconds_ago, None, "{link:#?}");
    assert!(
        link.last_known_seconds_ago.is_some_and(|age| age > 0.0),
        "{link:#?}"
    );
    let age = age_of(replica, &service(0)).await?;
    assert!(age.is_some_and(|age| age > 0), "{age:?}");
    let told = said(&daemon.command(&["status"]).await?);
    assert!(told.contains(" ago, before the start"), "{told}");
    assert!(daemon.log().contains("answers with what it last had"));
    daemon.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_never_had_anything_serves_its_own_clients_all_the_same()
-> anyhow::Result<()> {
    let source = Embedded::serve().await?.die().await;
    let mut setup = Setup::new()?;
    let replica = setup.address()?;
    let mut daemon = setup.run(&replica_of(source, replica))?;
    let replica = Nacos::at(replica);
    let mut native = Application::at(replica).await?;
    let one = Instance::at("10.0.0.1:80");
    native.put(&Service::plain("own"), &one).await?;
    assert_eq!(replica.list(&Service::plain("own")).await?, [one]);
    assert!(
        daemon.log().contains("nothing is known yet"),
        "{}",
        daemon.log()
    );
    daemon.stop().await
}
