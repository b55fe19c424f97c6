//! Two replicas that know each other.

use std::path::Path;

use syncline_admin::api;
use syncline_testkit::fault::{Fault, NacosProxy};
use syncline_testkit::nacos::{RealNacos, Version};
use syncline_testkit::run;

use super::instance;
use crate::daemon::application::Application;
use crate::daemon::process::{Setup, Syncline};
use crate::daemon::registry::{Embedded, Nacos};
use crate::daemon::subscriber::Subscriber;
use crate::real::Places;

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// How many changes two replicas follow in every CI run, and with `--all`.
const CHANGES: (usize, usize) = (300, 10_000);

/// Two replicas between the same registries, one of them through a network
/// that can fail.
struct Pair {
    first: Syncline,
    second: Syncline,
    /// Between the source and the second.
    network: NacosProxy,
    application: Application,
    consumer: Subscriber,
    places: Places,
    _source: Embedded,
}

fn replica(
    setup: Setup,
    source: std::net::SocketAddr,
    target: Nacos,
    addresses: &[String; 2],
    own: usize,
    select: &str,
) -> anyhow::Result<Syncline> {
    let key: &Path = &setup.file("key");
    std::fs::write(key, KEY)?;
    setup.run(&format!(
        "install: {{ id: pair, key: \"${{file:{}}}\", replicas: 2 }}
peers: {{ listen: \"{}\", addresses: [\"{}\", \"{}\"], let_go_after: 10s }}
endpoints:
  source: {{ kind: nacos, servers: [\"{source}\"], timeouts: {{ connect: 1s, request: 2s }} }}
  target: {{ kind: nacos, servers: [\"{}\"] }}
links:
  - {{ name: copy, from: source, to: target, {select} }}
",
        key.display(),
        addresses[own],
        addresses[0],
        addresses[1],
        target.http,
    ))
}

impl Pair {
    async fn start(server: &RealNacos, services: usize) -> anyhow::Result<Self> {
        let target = Nacos::real(server);
        let source = Embedded::serve().await?;
        let network = NacosProxy::start(source.nacos.http).await?;
        let mut application = Application::at(source.nacos).await?;
        let places = Places::fresh();
        let (mut one, mut two) = (Setup::new()?, Setup::new()?);
        let addresses = [one.address()?.to_string(), two.address()?.to_string()];
        let all: Vec<_> = (0..services)
            .map(|n| places.service(n % 2, 1, &format!("service-{n}")))
            .collect();
        for service in &all {
            let three = [instance(1), instance(2), instance(3)];
            application.put_all(service, &three).await?;
        }
        let select = places.select();
        let direct = source.nacos.http;
        let mut first = replica(one, direct, target, &addresses, 0, &select)?;
        let mut second = replica(two, network.addr(), target, &addresses, 1, &select)?;
        first.in_step().await?;
        second.in_step().await?;
        let pair = Self {
            first,
            second,
            network,
            consumer: Subscriber::of(target, &all)?,
            application,
            places,
            _source: source,
        };
        for service in &all {
            let wanted = pair.application.all(service);
            pair.consumer.sees_exactly(service, &wanted).await?;
        }
        Ok(pair)
    }
}

fn agrees(status: &api::Status) -> bool {
    let agrees = |link: &api::PeerLink| link.same_rules && link.differs_seconds.is_none();
    status.peers.len() == 1
        && status.peers[0].lost.is_none()
        && status.peers[0].links.iter().all(agrees)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_cut_off_from_the_source_leaves_no_ghost() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let server = RealNacos::shared(Version::V2_1_1).await?;
    let mut pair = Pair::start(server, 2).await?;
    let service = pair.places.service(0, 1, "service-0");
    pair.first.is(agrees).await?;
    pair.second.is(agrees).await?;
    let since = pair.consumer.mark();

    pair.network.set(Fault::Reset);
    pair.second
        .is(|status| status.links[0].state == "source lost")
        .await?;
    let leaves = instance(1).address;
    pair.application.remove(&service, &leaves).await?;
    pair.consumer
        .sees_exactly(&service, &[instance(2), instance(3)])
        .await?;
    pair.network.set(Fault::None);
    pair.second.in_step().await?;
    pair.second.is(agrees).await?;
    for n in [2, 3] {
        let address = instance(n).address;
        pair.consumer.always_saw(since, &service, &address)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_instance_is_ever_absent_while_either_replica_lives() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let server = RealNacos::shared(Version::V2_1_1).await?;
    let mut pair = Pair::start(server, 10).await?;
    let since = pair.consumer.mark();
    let changes = match run::in_tier(run::Tier::All) {
        true => CHANGES.1,
        false => CHANGES.0,
    };
    for n in 0..changes {
        let service = pair
            .places
            .service(n % 2, 1, &format!("service-{}", n % 10));
        let weight = 1.0 + (n % 7) as f64;
        let changed = instance(1 + n % 3).weighing(weight);
        pair.application.put(&service, &changed).await?;
        // Either dies on the way, and comes back.
        if n == changes / 3 {
            pair.first.kill().await?;
            pair.first.restart()?;
            pair.first.in_step().await?;
        }
        if n == changes * 2 / 3 {
            pair.second.kill().await?;
            pair.second.restart()?;
            pair.second.in_step().await?;
        }
    }
    for n in 0..10 {
        let service = pair.places.service(n % 2, 1, &format!("service-{n}"));
        let wanted = pair.application.all(&service);
        pair.consumer.sees_exactly(&service, &wanted).await?;
        for n in 1..=3 {
            let shows = |i: &crate::daemon::seen::Instance| i.address == instance(n).address;
            for sight in pair.consumer.since(since, &service) {
                assert!(sight.instances.iter().any(shows), "{n}: {sight:?}");
            }
        }
    }
    Ok(())
}
