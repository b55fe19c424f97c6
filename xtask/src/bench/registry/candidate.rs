//! The registries that are compared, each a process of its own.

use std::any::Any;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use syncline_testkit::nacos::Version;
use syncline_testkit::ports::PortBlock;
use tokio::process::Command;

use xtask_stage::bare;
use xtask_stage::process::{Process, Usage};
use xtask_stage::servers;
use xtask_stage::syncline;

/// How long a registry may take to answer after its start.
const UP_WITHIN: Duration = Duration::from_secs(60);

/// How long it goes on with starting after that.
const SETTLE: Duration = Duration::from_secs(5);

/// What can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Syncline,
    RNacos,
    Nacos,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Syncline, Self::RNacos, Self::Nacos];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Syncline => "Syncline",
            Self::RNacos => "r-nacos",
            Self::Nacos => "Nacos 2.2.4",
        }
    }

    /// Those that can be started here.
    pub(super) fn present() -> Vec<Self> {
        let is_present = |kind: &Self| *kind != Self::RNacos || rnacos().is_some();
        Self::ALL.into_iter().filter(is_present).collect()
    }
}

/// A registry that runs until dropped.
pub(super) struct Candidate {
    pub(super) kind: Kind,
    pub(super) http: SocketAddr,
    pub(super) grpc: SocketAddr,
    pid: u32,
    /// What keeps it running.
    _kept: Box<dyn Any>,
}

impl Candidate {
    /// Starts one and waits until it is calm.
    pub(super) async fn start(kind: Kind) -> anyhow::Result<Self> {
        let candidate = match kind {
            Kind::Nacos => {
                let [server] = servers::start([Version::V2_2_4]).await?;
                return Ok(Self {
                    kind,
                    http: server.addr(),
                    grpc: server.grpc_addr(),
                    pid: server.pid()?,
                    _kept: Box::new(server),
                });
            }
            Kind::Syncline | Kind::RNacos => {
                let ports = PortBlock::reserve()?;
                let folder = tempfile::tempdir().context("make a folder for a registry")?;
                let process = match kind {
                    Kind::RNacos => serve_rnacos(&ports, &folder)?,
                    _ => syncline::serve(ports.http())?,
                };
                Self {
                    kind,
                    http: ports.http(),
                    grpc: ports.grpc(),
                    pid: process.pid(),
                    _kept: Box::new((process, ports, folder)),
                }
            }
        };
        candidate.up().await?;
        tokio::time::sleep(SETTLE).await;
        Ok(candidate)
    }

    async fn up(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + UP_WITHIN;
        loop {
            match bare::connect(self.grpc).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    return Err(error.context(format!("{} does not start", self.kind.name())));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of(self.pid)
    }
}

/// Starts all, and gives them the first core and us the others.
pub(super) async fn start_all(kinds: &[Kind]) -> anyhow::Result<Vec<Candidate>> {
    let mut running = Vec::new();
    for kind in kinds {
        running.push(Candidate::start(*kind).await?);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores > 1 {
        for candidate in &running {
            pin(candidate.pid, "0").await?;
        }
        pin(std::process::id(), &format!("1-{}", cores - 1)).await?;
    }
    Ok(running)
}

/// Lets us run anywhere again, and with us what we start.
pub(super) async fn unpin() -> anyhow::Result<()> {
    let cores = std::fs::read_to_string("/sys/devices/system/cpu/online");
    pin(
        std::process::id(),
        cores.context("read which cores there are")?.trim(),
    )
    .await
}

async fn pin(pid: u32, cores: &str) -> anyhow::Result<()> {
    let mut taskset = Command::new("taskset");
    taskset.args([
        "--all-tasks",
        "--cpu-list",
        "--pid",
        cores,
        &pid.to_string(),
    ]);
    let done = taskset.stdout(Stdio::null()).status().await;
    let done = done.context("run taskset, of util-linux")?;
    anyhow::ensure!(done.success(), "taskset cannot pin {pid} to {cores}");
    Ok(())
}

fn serve_rnacos(ports: &PortBlock, folder: &tempfile::TempDir) -> anyhow::Result<Process> {
    let program = rnacos().context("find rnacos")?;
    let console = PortBlock::reserve()?;
    let mut command = Command::new(program);
    command
        .current_dir(folder.path())
        .env("RNACOS_HTTP_PORT", ports.http().port().to_string())
        .env("RNACOS_GRPC_PORT", ports.grpc().port().to_string())
        .env(
            "RNACOS_HTTP_CONSOLE_PORT",
            console.http().port().to_string(),
        )
        .env("RNACOS_DATA_DIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Process::spawn("rnacos", &mut command)
}

fn rnacos() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut programs = std::env::split_paths(&path).map(|folder| folder.join("rnacos"));
    programs.find(|program| program.is_file())
}
