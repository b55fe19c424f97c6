//! The registry dies and comes back at the same address with nothing that was
//! ephemeral: every client has to notice, and to do all again.

use super::application::Application;
use super::kind::Kind;
use super::{Together, service, shows};
use crate::cli::serving::Serving;
use crate::daemon::registry::{Nacos, unattended};
use crate::daemon::seen::Instance;

/// A client that registered and one that subscribed.
struct Pair {
    kind: Kind,
    namespace: String,
    provider: Application,
    consumer: Application,
}

fn mine() -> Instance {
    Instance::at("10.0.0.1:80").weighing(2.0).with("zone", "a")
}

fn batch() -> [Instance; 2] {
    ["10.0.1.1:80", "10.0.1.2:80"].map(Instance::at)
}

impl Pair {
    async fn start(kind: Kind, nacos: Nacos) -> anyhow::Result<Self> {
        let namespace = kind.namespace();
        let orders = service(&namespace, "orders");
        let (provider, consumer) = tokio::try_join!(
            Application::start(kind, nacos.http, &namespace),
            Application::start(kind, nacos.http, &namespace)
        )?;
        provider.register(&orders, &mine()).await?;
        if kind.batches() {
            let workers = service(&namespace, "workers");
            provider.batch(&workers, &batch()).await?;
        }
        consumer.subscribe(&orders).await?;
        consumer.is_told(&orders, &[mine()], "before").await?;
        Ok(Self {
            kind,
            namespace,
            provider,
            consumer,
        })
    }

    /// What was registered is there again, and what is subscribed is told.
    async fn comes_back(self, nacos: Nacos) -> anyhow::Result<()> {
        let kind = self.kind;
        let orders = service(&self.namespace, "orders");
        shows(&nacos, &orders, &[mine()]).await?;
        if kind.batches() {
            let workers = service(&self.namespace, "workers");
            shows(&nacos, &workers, &batch()).await?;
        }
        let other = Instance::at("10.9.0.1:80");
        nacos.register(&orders, &other).await?;
        let both = [mine(), unattended(other.clone())];
        self.consumer.is_told(&orders, &both, "added after").await?;
        self.provider.deregister(&orders, &mine()).await?;
        let left = [unattended(other)];
        self.consumer.is_told(&orders, &left, "removed after").await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_comes_back_after_the_registry_was_killed() -> anyhow::Result<()> {
    let mut serving = Serving::start().await?;
    let nacos = serving.nacos;
    let mut before = Together::new();
    for kind in Kind::here() {
        before.spawn(kind, Pair::start(kind, nacos));
    }
    let pairs = before.all().await?;
    serving.kill_and_restart().await?;
    let mut after = Together::new();
    for pair in pairs {
        after.spawn(pair.kind, pair.comes_back(nacos));
    }
    after.all().await?;
    Ok(())
}
