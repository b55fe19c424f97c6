//! The servers of a side, and the network before them.

use std::net::SocketAddr;

use anyhow::Context as _;
use syncline_testkit::fault::{Fault, NacosProxy, Rule};
use syncline_testkit::nacos::{RealCluster, RealNacos, Version};
use syncline_testkit::ports::PortBlock;
use xtask_stage::process::Process;
use xtask_stage::syncline;

/// Room for 10,000 instances, and a quick start.
const JAVA_OPTIONS: &str = "-Xmx1g -XX:TieredStopAtLevel=1 -XX:+UseSerialGC";

/// Members of a cluster.
const MEMBERS: usize = 3;

/// One side.
#[derive(Debug)]
pub(crate) enum Servers {
    /// A Nacos server.
    One(RealNacos),
    /// Three of them.
    Cluster(RealCluster),
    /// Our own registry, in a process of its own: the other side of a cluster, since more than three Nacos servers are too
    /// many for a small machine.
    Embedded {
        /// Ends with us.
        _process: Process,
        ports: PortBlock,
    },
}

impl Servers {
    /// Starts one Nacos server.
    pub(crate) async fn one(version: Version) -> anyhow::Result<Self> {
        let server = RealNacos::start_with(version, JAVA_OPTIONS).await?;
        Ok(Self::One(server))
    }

    /// Starts a cluster.
    pub(crate) async fn cluster(version: Version) -> anyhow::Result<Self> {
        Ok(Self::Cluster(RealCluster::start(version, MEMBERS).await?))
    }

    /// Starts an embedded registry.
    pub(crate) fn embedded() -> anyhow::Result<Self> {
        let ports = PortBlock::reserve()?;
        Ok(Self::Embedded {
            _process: syncline::serve(ports.http())?,
            ports,
        })
    }

    /// The Nacos servers among them.
    pub(crate) fn members(&self) -> &[RealNacos] {
        match self {
            Self::One(server) => std::slice::from_ref(server),
            Self::Cluster(cluster) => cluster.members(),
            Self::Embedded { .. } => &[],
        }
    }

    /// The one Nacos server, or the first.
    pub(crate) fn first(&self) -> anyhow::Result<&RealNacos> {
        self.members().first().context("there is no Nacos server")
    }

    /// Waits until members that came back are part of the cluster again.
    pub(crate) async fn settled(&self) -> anyhow::Result<()> {
        match self {
            Self::Cluster(cluster) => cluster.settled().await,
            Self::One(_) | Self::Embedded { .. } => Ok(()),
        }
    }

    /// Where each of them answers HTTP.
    pub(crate) fn http(&self) -> Vec<SocketAddr> {
        match self {
            Self::Embedded { ports, .. } => vec![ports.http()],
            Self::One(_) | Self::Cluster(_) => self.members().iter().map(RealNacos::addr).collect(),
        }
    }

    /// Where each of them takes gRPC clients.
    pub(crate) fn grpc(&self) -> Vec<SocketAddr> {
        let beside = |http: SocketAddr| SocketAddr::new(http.ip(), http.port() + 1000);
        self.http().into_iter().map(beside).collect()
    }
}

/// The network between Syncline and a side.
#[derive(Debug)]
pub(crate) enum Network {
    /// There is none: members of a cluster know each other by their own addresses.
    Plain(Vec<SocketAddr>),
    /// One that can fail.
    Ours(Box<NacosProxy>),
}

impl Network {
    /// A network before servers.
    pub(crate) async fn before(servers: &Servers) -> anyhow::Result<Self> {
        Ok(match servers {
            Servers::One(server) => Self::Ours(Box::new(NacosProxy::start(server.addr()).await?)),
            Servers::Cluster(_) | Servers::Embedded { .. } => Self::Plain(servers.http()),
        })
    }

    /// The addresses for Syncline's configuration.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        match self {
            Self::Plain(addresses) => addresses.clone(),
            Self::Ours(proxy) => vec![proxy.addr()],
        }
    }

    /// Changes the fault of both ports.
    pub(crate) fn set(&self, fault: Fault) {
        if let Self::Ours(proxy) = self {
            proxy.set(fault);
        }
    }

    /// Changes the fault of the gRPC port.
    pub(crate) fn set_stream(&self, fault: Fault) {
        if let Self::Ours(proxy) = self {
            proxy.grpc.set(fault);
        }
    }

    /// Changes what HTTP requests are answered.
    pub(crate) fn answer(&self, rules: impl IntoIterator<Item = Rule>) {
        if let Self::Ours(proxy) = self {
            proxy.answer(rules);
        }
    }

    /// Ends whatever it does.
    pub(crate) fn heal(&self) {
        if let Self::Ours(proxy) = self {
            proxy.heal();
        }
    }
}
