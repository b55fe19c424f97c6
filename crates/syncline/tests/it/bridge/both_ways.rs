//! Replica and native together: what a link writes and what clients register
//! stand side by side, natives go upstream and come back from there when they
//! leave, and nothing goes round.

use serde_json::Value;

use super::both_ways;
use crate::daemon::application::Application;
use crate::daemon::process::{Setup, Syncline};
use crate::daemon::registry::{Embedded, Nacos};
use crate::daemon::seen::{Instance, Service};
use crate::daemon::subscriber::Subscriber;

/// Losses pass after two looks a second apart, so that tests need not wait.
const QUICK_GUARD: &str = ", guard: { zero: { views: 2, over: 1s } }";

/// Both registries with an application each, and a consumer of each.
struct Sides {
    service: Service,
    theirs: Application,
    ours: Application,
    at_up: Subscriber,
    at_local: Subscriber,
    local: Nacos,
    daemon: Syncline,
    _up: Embedded,
}

fn theirs(n: u8) -> Instance {
    Instance::at(&format!("10.1.0.{n}:80")).with("registered", "up")
}

fn ours(n: u8) -> Instance {
    Instance::at(&format!("10.2.0.{n}:80")).with("registered", "local")
}

impl Sides {
    async fn meet() -> anyhow::Result<Self> {
        let up = Embedded::serve().await?;
        let service = Service::plain("orders");
        let mut setup = Setup::new()?;
        let local = setup.address()?;
        let config = both_ways(up.nacos, "connection", (local, ""), QUICK_GUARD);
        let mut daemon = setup.run(&config)?;
        daemon.in_step().await?;
        let local = Nacos::at(local);
        let mut sides = Self {
            theirs: Application::at(up.nacos).await?,
            ours: Application::at(local).await?,
            at_up: Subscriber::of(up.nacos, std::slice::from_ref(&service))?,
            at_local: Subscriber::of(local, std::slice::from_ref(&service))?,
            service,
            local,
            daemon,
            _up: up,
        };
        let service = &sides.service;
        sides
            .theirs
            .put_all(service, &[theirs(1), theirs(2)])
            .await?;
        sides.ours.put_all(service, &[ours(1), ours(2)]).await?;
        sides
            .show(&[theirs(1), theirs(2), ours(1), ours(2)])
            .await?;
        Ok(sides)
    }

    /// Waits until consumers on both sides see exactly this.
    async fn show(&self, wanted: &[Instance]) -> anyhow::Result<()> {
        for side in [&self.at_up, &self.at_local] {
            side.sees_exactly(&self.service, wanted).await?;
        }
        Ok(())
    }

    /// Who registered what at the local registry: address, kind, link, origin.
    async fn origins(&self) -> anyhow::Result<Vec<[String; 4]>> {
        let list = [
            "list",
            "local",
            "--origins",
            "--service",
            "orders",
            "-o",
            "json",
        ];
        let told = self.daemon.command(&list).await?;
        let told: Value = serde_json::from_slice(&told.stdout)?;
        let instances = told["services"][0]["instances"].as_array();
        let text = |of: &Value, key: &str| of[key].as_str().unwrap_or_default().to_owned();
        let told = instances
            .into_iter()
            .flatten()
            .map(|instance| ["address", "by", "link", "origin"].map(|key| text(instance, key)));
        Ok(told.collect())
    }
}

fn row(address: &str, by: &str, link: &str, origin: &str) -> [String; 4] {
    [address, by, link, origin].map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn natives_are_carried_upstream_and_taken_back_and_nothing_goes_round() -> anyhow::Result<()>
{
    let mut sides = Sides::meet().await?;
    let service = sides.service.clone();
    let heavy = ours(1).weighing(7.0);
    sides.ours.put(&service, &heavy).await?;
    sides
        .show(&[theirs(1), theirs(2), heavy.clone(), ours(2)])
        .await?;
    sides.ours.remove(&service, &ours(2).address).await?;
    sides.theirs.remove(&service, &theirs(2).address).await?;
    sides.show(&[theirs(1), heavy.clone()]).await?;

    let marks = (sides.at_up.mark(), sides.at_local.mark());
    for _ in 0..3 {
        let told = sides.daemon.command(&["trigger", "--all"]).await?;
        assert!(told.status.success(), "{told:?}");
        sides.daemon.in_step().await?;
    }
    for (side, mark) in [(&sides.at_up, marks.0), (&sides.at_local, marks.1)] {
        let seen = side.since(mark, &service);
        assert_eq!(seen.len(), 1, "it changes by itself: {seen:#?}");
    }
    let status = sides.daemon.status().await?;
    for link in &status.links {
        assert_eq!((link.instances, link.shadowed), (1, 0), "{link:#?}");
    }

    sides.ours.leave(&service).await?;
    sides.show(&[theirs(1)]).await?;
    sides.theirs.leave(&service).await?;
    sides.show(&[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_instance_is_visible_by_its_origin_and_natives_win_on_both_sides() -> anyhow::Result<()>
{
    let mut sides = Sides::meet().await?;
    let service = sides.service.clone();
    let beaten = ours(3);
    sides.local.register_bare(&service, &beaten).await?;
    let all = [theirs(1), theirs(2), ours(1), ours(2), beaten.clone()];
    sides.show(&all).await?;
    assert_eq!(
        sides.origins().await?,
        [
            row("10.1.0.1:80", "link", "down", "up"),
            row("10.1.0.2:80", "link", "down", "up"),
            row("10.2.0.1:80", "connection", "", "local"),
            row("10.2.0.2:80", "connection", "", "local"),
            row("10.2.0.3:80", "beat", "", "local"),
        ]
    );
    sides.local.deregister(&service, &beaten).await?;

    // An application of each side has the same address.
    let moved = theirs(1).with("registered", "local").weighing(3.0);
    sides.ours.put(&service, &moved).await?;
    let at_local = [moved.clone(), theirs(2), ours(1), ours(2)];
    sides.at_local.sees_exactly(&service, &at_local).await?;
    sides
        .daemon
        .is(|status| status.links.iter().all(|link| link.shadowed == 1))
        .await?;
    let at_up = [theirs(1), theirs(2), ours(1), ours(2)];
    sides.at_up.sees_exactly(&service, &at_up).await?;
    let origins = sides.origins().await?;
    assert_eq!(origins[0], row("10.1.0.1:80", "connection", "", "local"));
    assert_eq!(origins.len(), 4, "{origins:#?}");

    sides.ours.remove(&service, &moved.address).await?;
    sides
        .show(&[theirs(1), theirs(2), ours(1), ours(2)])
        .await?;
    sides
        .daemon
        .is(|status| status.links.iter().all(|link| link.shadowed == 0))
        .await?;
    Ok(())
}
