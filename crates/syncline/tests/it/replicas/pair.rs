//! Two replicas between the same registries, the second of them through a
//! network that can fail, and consumers of all that they write.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use syncline_admin::api;
use syncline_testkit::fault::NacosProxy;
use syncline_testkit::nacos::{RealCluster, RealNacos, Version};

use crate::daemon::population::{Judgement, Population};
use crate::daemon::process::{Setup, Syncline};
use crate::daemon::registry::{Embedded, Nacos};
use crate::daemon::subscriber::{Mark, Subscriber};
use crate::real::Places;

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// Where replicas write: one real server, or the members of a cluster.
pub(crate) struct Stage(Vec<Nacos>);

impl Stage {
    /// One server, 2.1.1.
    pub(crate) async fn alone() -> anyhow::Result<Self> {
        let server = RealNacos::shared(Version::V2_1_1).await?;
        Ok(Self(vec![Nacos::real(server)]))
    }

    /// A cluster of three, 2.2.4.
    pub(crate) async fn cluster() -> anyhow::Result<Self> {
        let cluster = RealCluster::shared(Version::V2_2_4, 3).await?;
        Ok(Self(cluster.members().iter().map(Nacos::real).collect()))
    }

    fn servers(&self) -> String {
        let quoted = self.0.iter().map(|nacos| format!("\"{}\"", nacos.http));
        quoted.collect::<Vec<_>>().join(", ")
    }
}

/// What a pair is to carry, and how.
pub(crate) struct Shape {
    pub(crate) services: usize,
    /// Instances of each service.
    pub(crate) instances: usize,
    /// After which time a replica that is cut off lets go, as configured.
    pub(crate) let_go_after: &'static str,
    /// On how many members of the target each holds everything, where that is
    /// configured.
    pub(crate) copies: Option<usize>,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            services: 20,
            instances: 5,
            let_go_after: "10s",
            copies: None,
        }
    }
}

/// One of the two, with what its configuration is made of.
pub(crate) struct Replica {
    pub(crate) daemon: Syncline,
    settings: Settings,
}

struct Settings {
    key: String,
    source: SocketAddr,
    target: String,
    addresses: [String; 2],
    own: usize,
    let_go_after: &'static str,
    select: String,
}

impl Settings {
    /// The configuration; whatever the source is called there is part of every
    /// mark.
    fn with_source_called(&self, source: &str) -> String {
        let [one, other] = &self.addresses;
        let mut text = String::new();
        let mut line = |line: String| {
            // Writing to a string cannot fail.
            writeln!(text, "{line}").ok();
        };
        line(format!(
            "install: {{ id: pair, key: \"${{file:{}}}\", replicas: 2 }}",
            self.key
        ));
        line(format!(
            "peers: {{ listen: \"{}\", addresses: [\"{one}\", \"{other}\"], let_go_after: {} }}",
            self.addresses[self.own], self.let_go_after
        ));
        line("endpoints:".to_owned());
        line(format!(
            "  {source}: {{ kind: nacos, servers: [\"{}\"], timeouts: {{ connect: 1s, request: 2s }} }}",
            self.source
        ));
        line(format!("  target: {{ kind: nacos, {} }}", self.target));
        line("links:".to_owned());
        line(format!(
            "  - {{ name: copy, from: {source}, to: target, {} }}",
            self.select
        ));
        text
    }
}

impl Replica {
    fn start(setup: Setup, settings: Settings) -> anyhow::Result<Self> {
        std::fs::write(&settings.key, KEY)?;
        let daemon = setup.run(&settings.with_source_called("source"))?;
        Ok(Self { daemon, settings })
    }

    /// Dies, and comes back with what it remembered.
    pub(crate) async fn dies_and_comes_back(&mut self) -> anyhow::Result<()> {
        self.daemon.kill().await?;
        self.daemon.restart()?;
        self.daemon.in_step().await?;
        Ok(())
    }

    /// Is replaced by one that writes other marks, as a new version may.
    pub(crate) async fn is_upgraded(&mut self) -> anyhow::Result<()> {
        self.daemon.stop().await?;
        let configuration = self.settings.with_source_called("origin");
        self.daemon.configure(&configuration)?;
        self.daemon.restart()?;
        self.daemon.in_step().await?;
        Ok(())
    }

    /// Waits until it is in step and holds what the other one holds.
    pub(crate) async fn agrees(&mut self) -> anyhow::Result<()> {
        self.daemon.in_step().await?;
        self.daemon.is(agrees).await?;
        Ok(())
    }
}

fn agrees(status: &api::Status) -> bool {
    let agrees = |link: &api::PeerLink| link.same_rules && link.differs_seconds.is_none();
    let [peer] = &status.peers[..] else {
        return false;
    };
    peer.lost.is_none() && !peer.links.is_empty() && peer.links.iter().all(agrees)
}

pub(crate) struct Pair {
    pub(crate) first: Replica,
    pub(crate) second: Replica,
    /// Between the source and the second.
    pub(crate) network: NacosProxy,
    pub(crate) population: Population,
    /// One at each member of the target.
    consumers: Vec<Subscriber>,
    since: Vec<Mark>,
    _source: Embedded,
}

impl Pair {
    /// Starts both, and waits until consumers see everything.
    pub(crate) async fn start(stage: &Stage, shape: Shape) -> anyhow::Result<Self> {
        let source = Embedded::serve().await?;
        let network = NacosProxy::start(source.nacos.http).await?;
        let places = Places::fresh();
        let service = |n| places.service(n % 2, 1, &format!("service-{n}"));
        let services: Vec<_> = (0..shape.services).map(service).collect();
        let population = Population::at(source.nacos, services, shape.instances).await?;
        let (mut one, mut two) = (Setup::new()?, Setup::new()?);
        let addresses = [one.address()?.to_string(), two.address()?.to_string()];
        let settings = |setup: &Setup, own, source| Settings {
            key: setup.file("key").display().to_string(),
            source,
            target: match shape.copies {
                Some(copies) => format!("servers: [{}], copies: {copies}", stage.servers()),
                None => format!("servers: [{}]", stage.servers()),
            },
            addresses: addresses.clone(),
            own,
            let_go_after: shape.let_go_after,
            select: places.select(),
        };
        let first = settings(&one, 0, source.nacos.http);
        let second = settings(&two, 1, network.addr());
        let mut pair = Self {
            first: Replica::start(one, first)?,
            second: Replica::start(two, second)?,
            network,
            consumers: Vec::new(),
            since: Vec::new(),
            population,
            _source: source,
        };
        pair.first.daemon.in_step().await?;
        pair.second.daemon.in_step().await?;
        for member in &stage.0 {
            let consumer = Subscriber::of(*member, pair.population.services())?;
            pair.population.stands_at(&consumer).await?;
            pair.since.push(consumer.mark());
            pair.consumers.push(consumer);
        }
        pair.first.agrees().await?;
        pair.second.agrees().await?;
        Ok(pair)
    }

    /// Waits until every consumer sees exactly what is registered.
    pub(crate) async fn stands(&self) -> anyhow::Result<()> {
        for consumer in &self.consumers {
            self.population.stands_at(consumer).await?;
        }
        Ok(())
    }

    /// Waits until all stands and both hold the same; fails where a consumer
    /// missed an instance on the way, or saw one that had gone before.
    ///
    /// Members of a cluster tell each other of changes in their own time, and
    /// under load in any order (measured, 2.2.4: an instance that had left was
    /// back at one member for a moment, though nobody had given it again). There
    /// it counts what stands in the end.
    pub(crate) async fn ends_well(&mut self) -> anyhow::Result<()> {
        self.stands().await?;
        self.first.agrees().await?;
        self.second.agrees().await?;
        self.judged()
    }

    /// Fails where a consumer missed an instance so far, or saw one that had
    /// gone before; tells the figures.
    pub(crate) fn judged(&self) -> anyhow::Result<()> {
        for judgement in self.judgements() {
            say(&format!(
                "{} changes: {judgement}",
                self.population.changes()
            ));
            match self.consumers.len() {
                1 => judgement.is_fair()?,
                _ => judgement.has_no_gap()?,
            }
        }
        Ok(())
    }

    /// The longest time between the two writing the same content, as their
    /// journals tell.
    pub(crate) async fn lag(&self) -> anyhow::Result<Duration> {
        let one = written_at(&self.first.daemon.journal().await?);
        let other = written_at(&self.second.daemon.journal().await?);
        let both = one.iter().filter_map(|(what, at)| {
            let other = other.get(what)?;
            Some(at.abs_diff(*other))
        });
        let lag = both.max().context("they never wrote the same")?;
        Ok(Duration::from_millis(lag))
    }

    /// What each consumer saw.
    pub(crate) fn judgements(&self) -> impl Iterator<Item = Judgement> {
        let consumers = self.consumers.iter().zip(&self.since);
        consumers.map(|(consumer, since)| self.population.judge(consumer, *since))
    }
}

/// When each content of each instance was last written.
fn written_at(journal: &[Value]) -> BTreeMap<(String, String), u64> {
    let intents = journal.iter().filter(|entry| entry["kind"] == "intent");
    let content = intents.filter_map(|entry| {
        let instance = entry["instance"].as_str()?.to_owned();
        let metadata = &entry["after"]["metadata"];
        let content = format!("{} {}", metadata["born"], metadata["change"]);
        Some(((instance, content), entry["at_ms"].as_u64()?))
    });
    content.collect()
}

#[expect(
    clippy::print_stdout,
    reason = "figures are for whoever runs a test with --nocapture"
)]
pub(crate) fn say(what: &str) {
    println!("{what}");
}
