//! Envoy balances HTTP over mirrored instances, in both protocols.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::Context as _;
use serde_json::Value;
use syncline_testkit::output::HOSTILE;
use syncline_testkit::ports::PortBlock;
use syncline_testkit::{eventually, run};

use super::http::{Backend, Load, get};
use super::program::Program;
use crate::daemon::PATIENCE;
use crate::daemon::process::{Setup, Syncline};
use crate::daemon::registry::{Embedded, Nacos};
use crate::daemon::seen::{Instance, Service};

/// As users ask for it.
const HOST: &str = "order.default_group.public";

/// As Envoy knows it.
const CLUSTER: &str = "public/DEFAULT_GROUP/order";

/// A real Envoy. All but the way to the control plane comes from there.
struct Envoy {
    admin: SocketAddr,
    _program: Program,
    _ports: PortBlock,
}

impl Envoy {
    fn start(plane: SocketAddr, api_type: &str) -> anyhow::Result<Self> {
        let ports = PortBlock::reserve()?;
        let admin = ports.http();
        let folder = tempfile::tempdir()?;
        let bootstrap = bootstrap()?
            .replace("api_type: DELTA_GRPC", &format!("api_type: {api_type}"))
            .replace(
                "port_value: 18000",
                &format!("port_value: {}", plane.port()),
            )
            .replace("port_value: 9901", &format!("port_value: {}", admin.port()));
        let path = folder.path().join("bootstrap.yaml");
        std::fs::write(&path, bootstrap)?;
        let path = path.to_str().context("a path")?.to_owned();
        Ok(Self {
            admin,
            _program: Program::start("envoy", folder, &["run", &path])?,
            _ports: ports,
        })
    }

    async fn admin(&self, path: &str) -> anyhow::Result<String> {
        let (status, body) = get(self.admin, "admin", path).await?;
        anyhow::ensure!(status == 200, "{path}: {status} {body}");
        Ok(body)
    }

    /// The instances of a cluster by their port, with their weight; `None`
    /// where Envoy has no such cluster.
    async fn hosts(&self, cluster: &str) -> anyhow::Result<Option<BTreeMap<u64, u64>>> {
        let clusters: Value = serde_json::from_str(&self.admin("/clusters?format=json").await?)?;
        let clusters = clusters["cluster_statuses"].as_array();
        let named = |shown: &&Value| shown["name"] == *cluster;
        let Some(cluster) = clusters.into_iter().flatten().find(named) else {
            return Ok(None);
        };
        let hosts = cluster["host_statuses"].as_array().into_iter().flatten();
        let hosts = hosts.map(|host| {
            let port = host["address"]["socket_address"]["port_value"].as_u64();
            (
                port.unwrap_or_default(),
                host["weight"].as_u64().unwrap_or(1),
            )
        });
        Ok(Some(hosts.collect()))
    }

    async fn shows(&self, cluster: &str, hosts: &[(&Backend, u64)]) {
        let wanted = hosts
            .iter()
            .map(|(backend, weight)| (u64::from(backend.port()), *weight));
        let wanted = Some(wanted.collect::<BTreeMap<_, _>>());
        let shown = || async { self.hosts(cluster).await.is_ok_and(|hosts| hosts == wanted) };
        eventually(PATIENCE, shown).await;
    }

    /// How many answers of the control plane it refused.
    async fn refused(&self) -> anyhow::Result<u64> {
        let stats = self.admin("/stats?filter=update_rejected").await?;
        let counts = stats.lines().filter_map(|line| line.split_once(": "));
        counts.map(|(_, count)| Ok(count.parse::<u64>()?)).sum()
    }
}

/// What users are told to give Envoy.
fn bootstrap() -> anyhow::Result<String> {
    let page = include_str!("../../../../../docs/guide/envoy.md");
    let (_, from_node) = page.split_once("```yaml\nnode: ").context("no bootstrap")?;
    let (bootstrap, _) = from_node.split_once("```").context("no end of it")?;
    Ok(format!("node: {bootstrap}"))
}

fn instance(backend: &Backend) -> Instance {
    Instance::at(&backend.address.to_string())
}

/// Requests to one service all the time, through Envoy.
struct Stage {
    nacos: Nacos,
    order: Service,
    daemon: Syncline,
    gateway: SocketAddr,
    envoy: Envoy,
    load: Load,
}

impl Stage {
    async fn open(nacos: Nacos, api_type: &str, first: &[Backend]) -> anyhow::Result<Self> {
        let order = Service::plain("order");
        for backend in first {
            nacos.register(&order, &instance(backend)).await?;
        }
        let mut setup = Setup::new()?;
        let gateway = setup.address()?;
        let (daemon, plane) = super::feed(setup, nacos, &format!("listener: \"{gateway}\""))?;
        let envoy = Envoy::start(plane, api_type)?;
        answers(gateway, HOST, 200).await;
        let load = Load::start(gateway, HOST);
        for backend in first {
            load.reaches(backend).await;
        }
        Ok(Self {
            nacos,
            order,
            daemon,
            gateway,
            envoy,
            load,
        })
    }

    /// An instance comes and becomes twenty times as heavy as each of the five
    /// others.
    async fn one_comes_and_grows(&self, others: &[Backend], it: &Backend) -> anyhow::Result<()> {
        self.nacos.register(&self.order, &instance(it)).await?;
        self.load.reaches(it).await;
        let heavier = Instance {
            weight: 20.0,
            ..instance(it)
        };
        self.nacos.register(&self.order, &heavier).await?;
        let mut hosts: Vec<_> = others.iter().map(|backend| (backend, 100)).collect();
        hosts.push((it, 2_000));
        self.envoy.shows(CLUSTER, &hosts).await;
        let share = self.load.next(300).await;
        let its = share.get(&it.port()).copied().unwrap_or_default();
        let message = format!("{its} of {share:?}, where 240 are due");
        anyhow::ensure!((200..=280).contains(&its), message);
        Ok(())
    }

    /// One of two instances is disabled, the other one deregistered: neither
    /// answers any more.
    async fn two_go(&self, two: [Backend; 2], stay: &[(&Backend, u64)]) -> anyhow::Result<()> {
        let disabled = Instance {
            enabled: false,
            ..instance(&two[0])
        };
        self.nacos.register(&self.order, &disabled).await?;
        let gone = instance(&two[1]);
        self.nacos.deregister(&self.order, &gone).await?;
        self.envoy.shows(CLUSTER, stay).await;
        // Requests that were under way may end where they began.
        self.load.next(50).await;
        let share = self.load.next(100).await;
        let answers = |gone: &Backend| share.contains_key(&gone.port());
        anyhow::ensure!(!two.iter().any(answers), "still answering: {share:?}");
        Ok(())
    }

    /// Another service has its host as long as it is there.
    async fn a_service_comes_and_goes(&self, it: &Backend) -> anyhow::Result<()> {
        let (pay, host) = (Service::plain("Pay"), "pay.default_group.public");
        self.nacos.register(&pay, &instance(it)).await?;
        answers(self.gateway, host, 200).await;
        let (_, body) = get(self.gateway, "PAY.Default_Group.public:80", "/").await?;
        assert_eq!(body, it.port().to_string());
        self.nacos.deregister(&pay, &instance(it)).await?;
        answers(self.gateway, host, 404).await;
        let is_gone = || async {
            let hosts = self.envoy.hosts("public/DEFAULT_GROUP/Pay").await;
            hosts.is_ok_and(|hosts| hosts.is_none())
        };
        eventually(PATIENCE, is_gone).await;
        Ok(())
    }

    /// Envoy goes on while the daemon is away, and is told what comes after.
    async fn the_daemon_dies_and_comes_back(&mut self, it: &Backend) -> anyhow::Result<()> {
        self.daemon.kill().await?;
        self.load.next(100).await;
        self.daemon.restart()?;
        self.nacos.register(&self.order, &instance(it)).await?;
        self.load.reaches(it).await;
        Ok(())
    }
}

/// Waits until a host is answered with a status.
async fn answers(gateway: SocketAddr, host: &str, status: u16) {
    let asked = || async {
        get(gateway, host, "/")
            .await
            .is_ok_and(|answer| answer.0 == status)
    };
    eventually(PATIENCE, asked).await;
}

async fn no_request_fails(api_type: &str) -> anyhow::Result<()> {
    if !run::require_built("envoy") {
        return Ok(());
    }
    let source = Embedded::serve().await?;
    let mut backends = Vec::new();
    for _ in 0..7 {
        backends.push(Backend::serve().await?);
    }
    let [heavy, other] = [backends.remove(5), backends.remove(5)];
    let mut stage = Stage::open(source.nacos, api_type, &backends).await?;
    stage.one_comes_and_grows(&backends, &heavy).await?;
    let two = [backends.remove(0), backends.remove(0)];
    let mut stay: Vec<_> = backends.iter().map(|backend| (backend, 100)).collect();
    stay.push((&heavy, 2_000));
    stage.two_go(two, &stay).await?;
    stage.a_service_comes_and_goes(&other).await?;
    stage.the_daemon_dies_and_comes_back(&other).await?;
    assert_eq!(stage.load.stop().await, Vec::<String>::new());
    assert_eq!(stage.envoy.refused().await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_with_the_state_of_the_world() -> anyhow::Result<()> {
    no_request_fails("GRPC").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_with_deltas() -> anyhow::Result<()> {
    no_request_fails("DELTA_GRPC").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_name_is_one_that_envoy_takes() -> anyhow::Result<()> {
    if !run::require_built("envoy") {
        return Ok(());
    }
    let source = Embedded::serve().await?;
    let nothing = Instance::at("127.0.0.1:9");
    let mut taken = 0;
    for name in HOSTILE {
        // A registry takes not every name.
        let registered = source.nacos.register(&Service::plain(name), &nothing).await;
        taken += usize::from(registered.is_ok());
    }
    assert!(taken > 20, "{taken}");
    let mut setup = Setup::new()?;
    let gateway = setup.address()?;
    let listener = format!("listener: \"{gateway}\"");
    let (_daemon, plane) = super::feed(setup, source.nacos, &listener)?;
    let envoy = Envoy::start(plane, "DELTA_GRPC")?;
    for cluster in [
        "%e8%ae%a2%e5%8d%95%f0%9f%98%80",
        "%24%28id%29",
        "UPPER_lower-9",
    ] {
        let cluster = format!("public/DEFAULT_GROUP/{cluster}");
        let is_there = || async {
            envoy
                .hosts(&cluster)
                .await
                .is_ok_and(|hosts| hosts.is_some())
        };
        eventually(PATIENCE, is_there).await;
    }
    // Nobody listens there.
    answers(gateway, "~24~28id~29.default_group.public", 503).await;
    assert_eq!(envoy.refused().await?, 0);
    Ok(())
}
