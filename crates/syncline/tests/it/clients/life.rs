//! The ordinary life of an application and of one that looks for it.

use anyhow::ensure;
use syncline_testkit::nacos::{RealNacos, Version};
use syncline_testkit::run::{self, Tier};

use super::application::Application;
use super::kind::Kind;
use super::{Together, service, shows};
use crate::cli::serving::Serving;
use crate::daemon::registry::{Nacos, unattended};
use crate::daemon::seen::{Instance, Service, same};

/// Two clients of one kind at any registry: one registers, the other
/// subscribes. Somebody else registers by hand, so that a list seldom is empty.
struct Life {
    kind: Kind,
    nacos: Nacos,
    provider: Application,
    consumer: Application,
    orders: Service,
    workers: Service,
    disks: Service,
}

/// What somebody else registers.
fn other() -> Instance {
    unattended(Instance::at("10.9.0.1:80"))
}

/// An instance that is there when the registry looks: the registry itself.
fn attended(nacos: &Nacos) -> Instance {
    Instance::at(&nacos.http.to_string())
}

async fn life(kind: Kind, nacos: Nacos, persists: bool) -> anyhow::Result<()> {
    let namespace = &kind.namespace();
    let (provider, consumer) = tokio::try_join!(
        Application::start(kind, nacos.http, namespace),
        Application::start(kind, nacos.http, namespace)
    )?;
    let life = Life {
        kind,
        nacos,
        provider,
        consumer,
        orders: service(namespace, "orders"),
        workers: service(namespace, "workers"),
        disks: service(namespace, "disks"),
    };
    life.is_told_what_comes_changes_and_goes().await?;
    if kind.tells_of_none() {
        life.is_told_of_none().await?;
    }
    if kind.batches() {
        life.batches().await?;
    }
    if persists {
        life.persists().await?;
    }
    if kind.ends() {
        life.ends(persists).await?;
    }
    Ok(())
}

impl Life {
    async fn is_told(&self, wanted: &[Instance], step: &'static str) -> anyhow::Result<()> {
        self.consumer.is_told(&self.orders, wanted, step).await
    }

    async fn is_told_what_comes_changes_and_goes(&self) -> anyhow::Result<()> {
        let (provider, orders) = (&self.provider, &self.orders);
        self.nacos.register_bare(orders, &other()).await?;
        self.consumer.subscribe(orders).await?;
        self.is_told(&[other()], "at first").await?;

        let mine = Instance::at("10.0.0.1:80");
        let mine = mine.in_cluster(self.kind.cluster()).with("zone", "a");
        provider.register(orders, &mine).await?;
        let both = [mine.clone(), other()];
        self.is_told(&both, "added").await?;
        lists(&self.consumer, orders, &both).await?;
        lists(provider, orders, &both).await?;

        let heavier = mine.weighing(2.5).with("zone", "b");
        provider.register(orders, &heavier).await?;
        self.is_told(&[heavier.clone(), other()], "changed").await?;
        provider.deregister(orders, &heavier).await?;
        self.is_told(&[other()], "removed").await
    }

    async fn is_told_of_none(&self) -> anyhow::Result<()> {
        self.nacos.deregister(&self.orders, &other()).await?;
        self.is_told(&[], "emptied").await?;
        self.nacos.register_bare(&self.orders, &other()).await?;
        self.is_told(&[other()], "filled again").await
    }

    /// Several instances of one client, then others.
    async fn batches(&self) -> anyhow::Result<()> {
        let [one, two, three] = ["10.0.1.1:80", "10.0.1.2:80", "10.0.1.3:80"].map(Instance::at);
        for batch in [vec![one.clone(), two], vec![one.weighing(3.0), three]] {
            self.provider.batch(&self.workers, &batch).await?;
            shows(&self.nacos, &self.workers, &batch).await?;
        }
        Ok(())
    }

    async fn persists(&self) -> anyhow::Result<()> {
        let stays = attended(&self.nacos);
        self.provider.persist(&self.disks, &stays).await?;
        shows(&self.nacos, &self.disks, &[stays]).await
    }

    /// What a client registered goes with it, but for what is persistent.
    async fn ends(self, persists: bool) -> anyhow::Result<()> {
        let mine = self.kind.ending_soon(Instance::at("10.0.0.1:80"));
        self.provider.register(&self.orders, &mine).await?;
        self.is_told(&[mine, other()], "there again").await?;
        self.provider.close().await?;
        let consumer = self.consumer;
        consumer.is_told(&self.orders, &[other()], "ended").await?;
        shows(&self.nacos, &self.workers, &[]).await?;
        if persists {
            shows(&self.nacos, &self.disks, &[attended(&self.nacos)]).await?;
        }
        Ok(())
    }
}

async fn lists(
    application: &Application,
    service: &Service,
    wanted: &[Instance],
) -> anyhow::Result<()> {
    let list = application.list(service).await?;
    ensure!(same(&list, wanted), "lists {list:?}, wanted {wanted:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_registers_and_is_told_of_what_comes_changes_and_goes() -> anyhow::Result<()> {
    let serving = Serving::start().await?;
    live_at(serving.nacos, |_| true).await
}

/// That the scenario asks for what a Nacos does, and for nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_nacos_serves_them_alike() -> anyhow::Result<()> {
    if !run::in_tier(Tier::All) || !run::require_real_servers() {
        return Ok(());
    }
    let nacos = RealNacos::start(Version::V2_2_4).await?;
    live_at(Nacos::real(&nacos), |kind| !kind.persists_over_grpc()).await
}

/// Every client lives there; which of them can have persistent instances?
async fn live_at(nacos: Nacos, persists: impl Fn(Kind) -> bool) -> anyhow::Result<()> {
    let mut together = Together::new();
    for kind in Kind::here() {
        together.spawn(kind, life(kind, nacos, persists(kind)));
    }
    together.all().await?;
    Ok(())
}
