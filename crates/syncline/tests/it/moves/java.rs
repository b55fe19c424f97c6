//! A Java application moves from Nacos 2.0.3 to 2.2.4, with links both ways.
//!
//! Its instances move one after another, as a rolling deploy does: each leaves
//! the old registry and then registers at the new one, under the same address.
//! A link carries each of them to the side where it is not.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use syncline_admin::api;
use syncline_testkit::java::JavaClient;
use syncline_testkit::nacos::{RealNacos, Version, fresh_name};
use syncline_testkit::{patience, run};
use tokio::time::Instant;

use crate::daemon::process::{Setup, Syncline};
use crate::daemon::registry::Nacos;
use crate::daemon::seen::{Instance, Service};
use crate::daemon::subscriber::{Mark, Sight, Subscriber};

/// For how long consumers may see an address twice.
const TWICE_AT_MOST: Duration = Duration::from_secs(2);

fn address(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 5, 0, n], 8080))
}

/// An application at the old registry, and consumers on both sides.
struct Move {
    old: &'static RealNacos,
    new: &'static RealNacos,
    service: Service,
    before: Vec<JavaClient>,
    syncline: Syncline,
    old_side: Subscriber,
    new_side: Subscriber,
}

impl Move {
    async fn prepare(instances: u8) -> anyhow::Result<Self> {
        let old = RealNacos::shared(Version::V2_0_3).await?;
        let new = RealNacos::shared(Version::V2_2_4).await?;
        let namespace = fresh_name("move");
        let service = Service::new(&namespace, "G_TRADE", "orders");
        let mut before = Vec::new();
        for n in 1..=instances {
            before.push(registered(old, &service, n).await?);
        }
        let mut syncline = Setup::new()?.run(&format!(
            "endpoints:
  old: {{ kind: nacos, servers: [\"{}\"] }}
  new: {{ kind: nacos, servers: [\"{}\"], hold: connection }}
links:
  - {{ name: old-to-new, from: old, to: new, select: {{ namespaces: [{namespace}] }} }}
  - {{ name: new-to-old, from: new, to: old, select: {{ namespaces: [{namespace}] }} }}
",
            old.addr(),
            new.addr(),
        ))?;
        syncline.in_step().await?;
        let services = std::slice::from_ref(&service);
        let old_side = Subscriber::of(Nacos::real(old), services)?;
        let new_side = Subscriber::of(Nacos::real(new), services)?;
        for side in [&old_side, &new_side] {
            side.sees(&service, |seen| all_once(seen, instances))
                .await?;
        }
        Ok(Self {
            old,
            new,
            service,
            before,
            syncline,
            old_side,
            new_side,
        })
    }

    /// One instance after another leaves here and registers there; what is
    /// registered then.
    async fn go(&self) -> anyhow::Result<Vec<JavaClient>> {
        let Service { group, name, .. } = &self.service;
        let mut after = Vec::new();
        let instances = u8::try_from(self.before.len())?;
        for (n, leaving) in (1..=instances).zip(&self.before) {
            leaving.deregister(name, group, address(n)).await?;
            after.push(registered(self.new, &self.service, n).await?);
            for side in [&self.old_side, &self.new_side] {
                side.sees(&self.service, |seen| all_once(seen, instances))
                    .await?;
            }
        }
        Ok(after)
    }

    /// Waits until all are natives of the new registry, and copies in the old
    /// one.
    async fn is_done(&mut self) -> anyhow::Result<()> {
        let all = self.before.len();
        let instances = |status: &api::Status, name: &str| {
            let link = status.links.iter().find(|link| link.name == name);
            link.map(|link| link.instances)
        };
        self.syncline
            .is(|status| {
                instances(status, "old-to-new") == Some(0)
                    && instances(status, "new-to-old") == Some(all)
            })
            .await?;
        let list = format!(
            "/nacos/v1/ns/instance/list?serviceName={}&namespaceId={}",
            self.service.grouped(),
            self.service.namespace
        );
        let list = self.old.call("GET", &list).await?;
        let copies = list.body.matches("\"syncline\"").count();
        ensure!(
            copies == all,
            "{copies} of {all} carry our mark in the old registry"
        );
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_on_both_sides_see_all_of_it_all_the_time() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let mut moving = Move::prepare(3).await?;
    let marks = (moving.old_side.mark(), moving.new_side.mark());
    let _after = moving.go().await?;
    moving.is_done().await?;
    let service = &moving.service;
    never_none_and_never_two_for_long(&moving.old_side, marks.0, service)?;
    never_none_and_never_two_for_long(&moving.new_side, marks.1, service)
}

/// What consumers see of a service that has but one instance.
///
/// At the new registry it is always there: the guard keeps our copy of a service
/// that vanished until it is sure, and until the instance itself arrives.
///
/// At the old registry it is not there from the moment at which it leaves until
/// the link back has seen it arrive at the new one, has written it, and the old
/// one has told its consumers: about a second longer than the application
/// takes to move. Nothing else could stand there meanwhile: what is left of the
/// application is a copy at the other side, and a copy is never carried back to
/// where it came from. An application that registers at the new registry before
/// it leaves the old one shortens the moment to that second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_instance_is_never_missed_where_it_goes() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let mut moving = Move::prepare(1).await?;
    let mark = moving.new_side.mark();
    let _after = moving.go().await?;
    moving.is_done().await?;
    never_none_and_never_two_for_long(&moving.new_side, mark, &moving.service)
}

async fn registered(server: &RealNacos, service: &Service, n: u8) -> anyhow::Result<JavaClient> {
    let client = JavaClient::connect(server.addr(), &service.namespace).await?;
    let metadata = [("version", "7")];
    let (name, group) = (&service.name, &service.group);
    client
        .register(name, group, address(n), 1.0, &metadata)
        .await?;
    Ok(client)
}

fn all_once(seen: &[Instance], instances: u8) -> bool {
    let mut addresses: Vec<_> = seen.iter().map(|i| i.address.clone()).collect();
    addresses.sort();
    let wanted: Vec<_> = (1..=instances).map(|n| address(n).to_string()).collect();
    addresses == wanted
}

fn never_none_and_never_two_for_long(
    side: &Subscriber,
    since: Mark,
    service: &Service,
) -> anyhow::Result<()> {
    let seen = side.since(since, service);
    ensure!(
        seen.iter().all(|sight| !sight.instances.is_empty()),
        "none: {seen:#?}"
    );
    let addresses: BTreeSet<&str> = seen
        .iter()
        .flat_map(|sight| sight.instances.iter().map(|i| i.address.as_str()))
        .collect();
    for address in addresses {
        let longest = longest_twice(&seen, address);
        ensure!(
            longest <= patience(TWICE_AT_MOST),
            "{address} was there twice for {longest:?}: {seen:#?}"
        );
    }
    Ok(())
}

/// The longest time for which an address was shown more than once.
fn longest_twice(seen: &[Sight], address: &str) -> Duration {
    let is_twice = |sight: &Sight| {
        let shown = sight.instances.iter().filter(|i| i.address == address);
        shown.count() > 1
    };
    let mut longest = Duration::ZERO;
    let mut begun: Option<Instant> = None;
    for sight in seen {
        match (begun, is_twice(sight)) {
            (None, true) => begun = Some(sight.at),
            (Some(since), twice) => {
                longest = longest.max(sight.at - since);
                begun = twice.then_some(since);
            }
            (None, false) => {}
        }
    }
    longest.max(begun.map_or(Duration::ZERO, |since| since.elapsed()))
}
