//! A bridge in time: a Java client of 1.4 uses Syncline, a Java client of 2.x a
//! real Nacos 2.2.4, and each has what the other registers.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use syncline_testkit::java::{Instances, JavaClient, JavaInstance};
use syncline_testkit::nacos::{RealNacos, Version, fresh_name};
use syncline_testkit::run;
use tokio::time::{Instant, sleep};

use super::both_ways;
use crate::daemon::PATIENCE;
use crate::daemon::process::{Setup, Syncline};
use crate::daemon::registry::Nacos;

const GROUP: &str = "G_TRADE";

/// What the application with the old client registers, at Syncline.
const LEGACY: &str = "legacy";

/// What applications with the new client register, at the upstream.
const MODERN: &str = "modern";

/// How long the upstream is away.
const AWAY: Duration = Duration::from_secs(60);

fn address(net: u8, n: u8) -> SocketAddr {
    SocketAddr::from(([10, net, 0, n], 8080))
}

/// The last bytes of the addresses, with their weights.
fn shown(instances: &[JavaInstance]) -> Vec<(u8, u32)> {
    let one = |instance: &JavaInstance| {
        let last = instance.ip.rsplit('.').next();
        let last = last.and_then(|byte| byte.parse().ok());
        (last.unwrap_or_default(), instance.weight as u32)
    };
    let mut shown: Vec<_> = instances.iter().map(one).collect();
    shown.sort_unstable();
    shown
}

struct Bridge {
    up: RealNacos,
    old: JavaClient,
    new: [JavaClient; 2],
    syncline: Syncline,
}

impl Bridge {
    async fn build() -> anyhow::Result<Self> {
        let up = RealNacos::start(Version::V2_2_4).await?;
        let namespace = fresh_name("bridge");
        let mut setup = Setup::new()?;
        let local = setup.address()?;
        let select = format!(", select: {{ namespaces: [{namespace}] }}");
        let config = both_ways(Nacos::real(&up), "auto", (local, ""), &select);
        let mut syncline = setup.run(&config)?;
        syncline.in_step().await?;
        let new = || JavaClient::connect_with("2.3.2", up.addr(), &namespace);
        Ok(Self {
            old: JavaClient::connect_with("1.4.6", local, &namespace).await?,
            new: [new().await?, new().await?],
            up,
            syncline,
        })
    }

    async fn legacy(&self, n: u8, weight: f64) -> anyhow::Result<()> {
        let at = address(4, n);
        self.old
            .register(LEGACY, GROUP, at, weight, &[("client", "1.4")])
            .await
    }

    /// Instance `n` of the new service, by the client of that number.
    async fn modern(&self, n: u8, weight: f64) -> anyhow::Result<()> {
        let client = &self.new[usize::from(n - 1)];
        let at = address(2, n);
        client
            .register(MODERN, GROUP, at, weight, &[("client", "2.3")])
            .await
    }

    async fn old_sees(&self, wanted: &[(u8, u32)]) -> anyhow::Result<Instances> {
        let looks = |seen: &[JavaInstance]| shown(seen) == wanted;
        self.old.await_instances(MODERN, PATIENCE, looks).await
    }

    async fn new_sees(&self, wanted: &[(u8, u32)]) -> anyhow::Result<Instances> {
        let looks = |seen: &[JavaInstance]| shown(seen) == wanted;
        self.new[0].await_instances(LEGACY, PATIENCE, looks).await
    }

    /// Each side sees the other's instances come, change and go.
    async fn carries(&self) -> anyhow::Result<()> {
        self.old.subscribe(MODERN, GROUP).await?;
        self.new[0].subscribe(LEGACY, GROUP).await?;
        for n in 1..=3 {
            self.legacy(n, 1.0).await?;
        }
        self.modern(1, 1.0).await?;
        self.modern(2, 1.0).await?;
        self.old_sees(&[(1, 1), (2, 1)]).await?;
        self.new_sees(&[(1, 1), (2, 1), (3, 1)]).await?;

        self.legacy(1, 5.0).await?;
        self.new_sees(&[(1, 5), (2, 1), (3, 1)]).await?;
        self.modern(1, 7.0).await?;
        let changed = self.old_sees(&[(1, 7), (2, 1)]).await?;
        assert!(
            changed
                .instances
                .iter()
                .all(|i| i.metadata["client"] == "2.3")
        );

        self.old.deregister(LEGACY, GROUP, address(4, 3)).await?;
        self.new_sees(&[(1, 5), (2, 1)]).await?;
        self.new[1].deregister(MODERN, GROUP, address(2, 2)).await?;
        self.old_sees(&[(1, 7)]).await?;
        self.modern(2, 1.0).await?;
        self.old_sees(&[(1, 7), (2, 1)]).await?;
        Ok(())
    }

    /// For a while both still have all that they had: the old client whenever it
    /// asks, and neither is pushed a list with less.
    async fn lose_nothing(&self, time: Duration) -> anyhow::Result<()> {
        let before = (
            self.old.pushes(MODERN).len(),
            self.new[0].pushes(LEGACY).len(),
        );
        let end = Instant::now() + time;
        while Instant::now() < end {
            let asked = self.old.list(MODERN, GROUP).await?;
            ensure!(shown(&asked) == [(1, 7), (2, 1)], "{asked:#?}");
            sleep(Duration::from_secs(3)).await;
        }
        let (old, new) = (self.old.pushes(MODERN), self.new[0].pushes(LEGACY));
        let less = old[before.0..]
            .iter()
            .filter(|seen| shown(&seen.instances).len() < 2);
        let new = new[before.1..]
            .iter()
            .filter(|seen| shown(&seen.instances).len() < 2);
        let less: Vec<_> = less.chain(new).collect();
        ensure!(
            less.is_empty(),
            "somebody lost sight of what lives: {less:#?}"
        );
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_and_a_new_client_keep_each_other_in_sight_while_the_upstream_is_away()
-> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let mut bridge = Bridge::build().await?;
    bridge.carries().await?;
    bridge.syncline.in_step().await?;

    let before = bridge.old.pushes(MODERN).len();
    bridge.up.kill().await?;
    // One comes, and one goes for good, and the upstream hears of neither.
    bridge.legacy(4, 1.0).await?;
    bridge.new[1].kill()?;
    bridge.lose_nothing(AWAY).await?;

    bridge.up.restart().await?;
    bridge.new_sees(&[(1, 5), (2, 1), (4, 1)]).await?;
    bridge.old_sees(&[(1, 7)]).await?;
    let seen = bridge.old.pushes(MODERN);
    let without = seen[before..]
        .iter()
        .find(|seen| !shown(&seen.instances).contains(&(1, 7)));
    assert_eq!(without, None, "it lost sight of what lives");
    bridge.syncline.in_step().await?;
    bridge.syncline.stop().await
}
