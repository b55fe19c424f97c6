//! What a fault happens to: servers, the network before them, Syncline, and those who watch.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use syncline_testkit::nacos::Version;
use xtask_stage::compare::compare;
use xtask_stage::report::say;
use xtask_stage::syncline::Syncline;

use crate::load::Load;
use crate::servers::{Network, Servers};
use crate::signal::Told;
use crate::witness::{Consumer, Reader, Witness};

/// The folder of the file that Syncline writes.
pub(crate) const OUT: &str = "out";

/// How long everything may take to be copied for the first time.
const FIRST: Duration = Duration::from_secs(300);

/// How long a monitor waits for an answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Between two looks whether both sides are equal.
const LOOK: Duration = Duration::from_millis(500);

/// Which servers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// From Nacos 2.1.1 to Nacos 2.2.4, which copies live at by beats, with a network of ours before each.
    Pair,
    /// From three members of Nacos 2.2.4 to an embedded registry.
    FromCluster,
    /// From an embedded registry to three members of Nacos 2.2.4, at which copies are held by connections to two.
    ToCluster,
}

/// Servers, Syncline between them, and all who take part.
pub(crate) struct Scene {
    pub(crate) stage: Stage,
    pub(crate) source: Servers,
    pub(crate) target: Servers,
    pub(crate) to_source: Network,
    pub(crate) to_target: Network,
    pub(crate) load: Load,
    pub(crate) syncline: Syncline,
    /// One at each server of the target.
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) reader: Reader,
}

impl Scene {
    /// Starts everything and waits until it is copied.
    pub(crate) async fn start(stage: Stage, services: u32) -> anyhow::Result<Self> {
        let (source, target) = stage.servers().await?;
        let to_source = Network::before(&source).await?;
        let to_target = Network::before(&target).await?;
        let load = Load::start(&source.grpc(), services);
        load.rest().await?;
        let syncline = Syncline::configured(|folder| {
            configuration(stage, &to_source, &to_target, folder, "")
        })?;
        let names = load.fleet().names;
        let consumers = target.grpc().into_iter();
        let scene = Self {
            stage,
            consumers: consumers
                .map(|grpc| Consumer::of(grpc, names, services))
                .collect(),
            reader: Reader::of(&syncline.folder().join(OUT).join("services.json"), names),
            source,
            target,
            to_source,
            to_target,
            load,
            syncline,
        };
        let first = scene.until_equal(FIRST).await;
        first.map_err(|error| scene.syncline.explain(error))?;
        Ok(scene)
    }

    /// The consumer at the first server of the target.
    pub(crate) fn consumer(&self) -> &Witness {
        &self.consumers[0].witness
    }

    /// Everybody who watches.
    pub(crate) fn witnesses(&self) -> impl Iterator<Item = &Witness> {
        let consumers = self.consumers.iter().map(|consumer| &*consumer.witness);
        consumers.chain([&*self.reader.witness])
    }

    /// How many lists all of them saw so far.
    pub(crate) fn lists(&self) -> u64 {
        self.witnesses().map(Witness::lists).sum()
    }

    /// What Syncline says now, with its log from a place on.
    pub(crate) async fn told(&self, log_from: u64) -> Told {
        let control = self.syncline.control();
        let status = tokio::time::timeout(ANSWER, control.status()).await;
        Told {
            // Where it does not answer, that is what it says.
            status: status.ok().and_then(Result::ok),
            log: self.syncline.log_after(log_from),
        }
    }

    /// Waits until every server of the target and the file show what is registered, field by field, and every link is in
    /// step.
    pub(crate) async fn until_equal(&self, within: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + within;
        while let Some(wrong) = self.wrong().await {
            if Instant::now() > deadline {
                bail!("not equal after {} s: {wrong}", within.as_secs());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// What is not as it should be, if anything.
    async fn wrong(&self) -> Option<String> {
        let fleet = self.load.fleet();
        for server in self.target.http() {
            match compare(server, &fleet).await {
                Err(error) => return Some(format!("the target {server}: {error:#}")),
                Ok(shown) if shown.wrong() > 0 => {
                    return Some(format!("the target {server}: {shown:?}"));
                }
                Ok(_) => {}
            }
        }
        match self.reader.compare(&fleet) {
            Err(error) => return Some(format!("the file: {error:#}")),
            Ok(shown) if shown.wrong() > 0 => return Some(format!("the file: {shown:?}")),
            Ok(_) => {}
        }
        let told = self.told(self.syncline.logged_bytes()).await;
        (!told.is_calm()).then(|| told.unrest())
    }

    /// Writes the configuration again, with more keys for both links.
    pub(crate) fn configure(&self, link: &str) -> anyhow::Result<()> {
        let folder = self.syncline.folder();
        let text = configuration(self.stage, &self.to_source, &self.to_target, folder, link);
        self.syncline.configure(&text)
    }

    /// Ends whatever the network does.
    pub(crate) fn heal(&self) {
        self.to_source.heal();
        self.to_target.heal();
    }
}

impl Stage {
    async fn servers(self) -> anyhow::Result<(Servers, Servers)> {
        Ok(match self {
            Self::Pair => {
                say("starting Nacos 2.1.1 and 2.2.4");
                tokio::try_join!(Servers::one(Version::V2_1_1), Servers::one(Version::V2_2_4))?
            }
            Self::FromCluster => {
                say("starting three members of Nacos 2.2.4, to read");
                (
                    Servers::cluster(Version::V2_2_4).await?,
                    Servers::embedded()?,
                )
            }
            Self::ToCluster => {
                say("starting three members of Nacos 2.2.4, to write");
                (
                    Servers::embedded()?,
                    Servers::cluster(Version::V2_2_4).await?,
                )
            }
        })
    }

    /// How copies live at the target. Beats let a target's faults be ours to answer for, and not a connection's.
    fn hold(self) -> &'static str {
        match self {
            Self::Pair | Self::FromCluster => "hold: beat",
            Self::ToCluster => "hold: connection, copies: 2",
        }
    }
}

/// Looks often and waits shortly, so that a fault is short too.
fn configuration(
    stage: Stage,
    source: &Network,
    target: &Network,
    folder: &Path,
    link: &str,
) -> String {
    let often = "strategy: { mode: realtime, verify_every: 10s }";
    let nacos = |network: &Network| {
        let quoted = |address: SocketAddr| format!("\"{address}\"");
        let servers: Vec<String> = network.addresses().into_iter().map(quoted).collect();
        let servers = servers.join(", ");
        format!("kind: nacos, servers: [{servers}], timeouts: {{ request: 3s }}")
    };
    let file = folder.join(OUT).join("services.json");
    let mut text = String::new();
    for line in [
        "endpoints:".to_owned(),
        format!("  source: {{ {} }}", nacos(source)),
        format!("  target: {{ {}, {} }}", nacos(target), stage.hold()),
        format!("  file: {{ kind: file, path: {} }}", file.display()),
        "links:".to_owned(),
        format!("  - {{ name: to-nacos, from: source, to: target, {often}{link} }}"),
        format!("  - {{ name: to-file, from: source, to: file, {often}{link} }}"),
    ] {
        // Writing to a string cannot fail.
        writeln!(text, "{line}").ok();
    }
    text
}
