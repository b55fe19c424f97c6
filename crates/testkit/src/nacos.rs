//! Real Nacos servers.
//!
//! They come from the testbed, which compiles a launcher around the modules on Maven Central: naming and core, no
//! console, no login, and configurations only where a test asks for them. A namespace exists by being used, so a test that shares a server takes a [`fresh_name`] of its
//! own for each namespace.

mod cluster;
mod http;
mod version;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use tokio::sync::{OnceCell, Semaphore};

pub use cluster::RealCluster;
pub use http::Answer;
pub use version::Version;

use crate::keeper::Keeper;
use crate::ports::PortBlock;

/// Quick start over top speed, since tests start many servers and load none of them.
const TEST_JAVA_OPTIONS: &str = "-Xmx512m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC";

/// How long a start may take on a machine that does other things as well.
const READY: Duration = Duration::from_secs(120);

/// How long an election may take.
const ELECTION: Duration = Duration::from_secs(60);

/// Servers that start at the same time. A start takes two cores for some seconds; more at once only time out.
static STARTING: Semaphore = Semaphore::const_new(2);

/// A real server. It ends with its value or with the process, whichever comes first.
#[derive(Debug)]
pub struct RealNacos {
    version: Version,
    // Before the ports, since fields drop in order: the server must be gone when its ports are given back.
    keeper: Keeper,
    ports: PortBlock,
    folder: PathBuf,
}

impl RealNacos {
    /// Starts a server and waits until it says that it is up: 5 to 20 s.
    ///
    /// # Errors
    ///
    /// When the testbed cannot build the version, or the server does not come up; the server's last lines are in it.
    pub async fn start(version: Version) -> anyhow::Result<Self> {
        Self::start_with(version, TEST_JAVA_OPTIONS).await
    }

    /// Like [`start`](Self::start), with the Java options given: for measurements, `-Xmx2g` or none.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_with(version: Version, java_options: &str) -> anyhow::Result<Self> {
        let ports = PortBlock::reserve()?;
        let nacos = Self::reserve(version, version.build(), ports, java_options, &[])?;
        nacos.restart().await?;
        Ok(nacos)
    }

    /// Starts a 2.2.4 that holds configurations too (`/nacos/v1/cs/configs` and gRPC), which the others do not.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_with_configurations() -> anyhow::Result<Self> {
        let (version, ports) = (Version::V2_2_4, PortBlock::reserve()?);
        let build = format!("{}+configs", version.build());
        let nacos = Self::reserve(version, &build, ports, TEST_JAVA_OPTIONS, &[])?;
        nacos.restart().await?;
        Ok(nacos)
    }

    /// The one server of a version that all tests of this program share, started by the first that asks. Tests must
    /// leave it running: to kill a server, [`start`](Self::start) an own one.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start); what failed once is not tried again.
    pub async fn shared(version: Version) -> anyhow::Result<&'static Self> {
        // Never dropped: the keeper ends the server when the process is gone.
        static SHARED: [OnceCell<Result<RealNacos, String>>; Version::ALL.len()] =
            [const { OnceCell::const_new() }; Version::ALL.len()];
        let start = || async {
            Self::start(version)
                .await
                .map_err(|error| format!("{error:#}"))
        };
        let started = SHARED[version as usize].get_or_init(start).await;
        started
            .as_ref()
            .map_err(|error| anyhow!("the shared Nacos {version}: {error}"))
    }

    /// A server that is prepared but not launched.
    fn reserve(
        version: Version,
        build: &str,
        ports: PortBlock,
        java_options: &str,
        members: &[SocketAddr],
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("syncline-nacos-")
            .tempdir()
            .context("make a folder for a Nacos server")?
            .keep(); // removed by the keeper, which may outlive us
        let mut environment = vec![
            ("JAVA_OPTS", java_options.to_owned()),
            (
                "READY_SECONDS",
                crate::patience(READY).as_secs().to_string(),
            ),
        ];
        if !members.is_empty() {
            let list: Vec<String> = members.iter().map(SocketAddr::to_string).collect();
            environment.push(("MEMBERS", list.join(",")));
        }
        let keeper = Keeper::spawn(build, ports.http().port(), &folder, &environment)?;
        Ok(Self {
            version,
            keeper,
            ports,
            folder,
        })
    }

    /// The version that runs.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The address of the HTTP API, on loopback.
    pub fn addr(&self) -> SocketAddr {
        self.ports.http()
    }

    /// The address for gRPC clients. Nothing listens there on 1.x.
    pub fn grpc_addr(&self) -> SocketAddr {
        self.ports.grpc()
    }

    /// What the server printed so far.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn log(&self) -> anyhow::Result<String> {
        let path = self.folder.join("log");
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    }

    /// The server's process, for measuring what it uses.
    ///
    /// # Errors
    ///
    /// When the server was never launched.
    pub fn pid(&self) -> anyhow::Result<u32> {
        let path = self.folder.join("pid");
        let pid =
            std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        pid.trim()
            .parse()
            .with_context(|| format!("{}: no process id", path.display()))
    }

    /// The folder with the server's data and log; it goes with the server.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Calls the HTTP API: what an operator would do by hand, and what a test must not ask the client under test for.
    ///
    /// # Errors
    ///
    /// When there is no answer within 10 s. Every status is an answer.
    pub async fn call(&self, method: &str, path_and_query: &str) -> anyhow::Result<Answer> {
        http::call(self.addr(), method, path_and_query).await
    }

    /// Kills the server as a power cut would (`kill -9`); what it had on disk stays.
    ///
    /// # Errors
    ///
    /// When the keeper does not answer.
    pub async fn kill(&self) -> anyhow::Result<()> {
        self.keeper.command("kill").await
    }

    /// Shuts the server down in order (SIGTERM).
    ///
    /// # Errors
    ///
    /// When the keeper does not answer.
    pub async fn stop(&self) -> anyhow::Result<()> {
        self.keeper.command("stop").await
    }

    /// Starts the killed or stopped server again, on the same ports and data, and waits until it is up.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn restart(&self) -> anyhow::Result<()> {
        let _permit = STARTING.acquire().await.context("take a turn to start")?;
        self.launch().await?;
        self.ready().await
    }

    /// Makes the server hang: its connections stay open and nothing answers (SIGSTOP).
    ///
    /// # Errors
    ///
    /// When the keeper does not answer.
    pub async fn freeze(&self) -> anyhow::Result<()> {
        self.keeper.command("freeze").await
    }

    /// Ends [`freeze`](Self::freeze).
    ///
    /// # Errors
    ///
    /// When the keeper does not answer.
    pub async fn thaw(&self) -> anyhow::Result<()> {
        self.keeper.command("thaw").await
    }

    /// Waits until persistent instances can be written. A lone server elects itself some seconds after it says that it
    /// is up; ephemeral instances need no election. It leaves an empty service of its own
    /// namespace behind, at most.
    ///
    /// # Errors
    ///
    /// When no leader is there within a minute; the last answer is in it.
    pub async fn elected(&self) -> anyhow::Result<()> {
        let name = fresh_name("elected");
        let service = format!("serviceName={name}&namespaceId={name}");
        let instance =
            format!("/nacos/v1/ns/instance?{service}&ip=10.0.0.1&port=1&ephemeral=false");
        let end = tokio::time::Instant::now() + crate::patience(ELECTION);
        loop {
            let answer = self.call("POST", &instance).await;
            match answer {
                Ok(answer) if answer.body == "ok" => break,
                answer if tokio::time::Instant::now() > end => {
                    bail!("no leader for persistent writes: {answer:?}")
                }
                _ => tokio::time::sleep(Duration::from_millis(250)).await,
            }
        }
        self.call("DELETE", &instance).await?;
        self.call("DELETE", &format!("/nacos/v1/ns/service?{service}"))
            .await?;
        Ok(())
    }

    async fn launch(&self) -> anyhow::Result<()> {
        self.keeper
            .command("launch")
            .await
            .with_context(|| format!("start Nacos {}", self.version))
    }

    async fn ready(&self) -> anyhow::Result<()> {
        self.keeper
            .command("await")
            .await
            .with_context(|| format!("wait for Nacos {}", self.version))
    }
}

/// A name that no other test uses: `prefix`, this process, a count. Fit for a namespace, a group or a service.
pub fn fresh_name(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}-{}-{count}", std::process::id())
}
