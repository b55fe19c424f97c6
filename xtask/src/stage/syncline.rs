//! Syncline as users run it: the optimized program, a configuration, a state folder.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use syncline_admin::ControlClient;
use syncline_testkit::ports::PortBlock;
use tokio::process::Command;

use crate::process::{Process, Usage};

/// How many of its last lines are shown when it ended.
const LAST_LINES: usize = 15;

/// Over so long a time a calm process uses at most a fiftieth of a core.
const CALM_OVER: Duration = Duration::from_secs(3);

/// How long a command may take.
const COMMAND: Duration = Duration::from_secs(60);

/// The target of the link that is measured.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// A Nacos server, and how registrations there stay alive.
    Nacos(SocketAddr, Hold),
    /// The embedded registry, served at this address.
    Embedded(SocketAddr),
}

impl Target {
    /// Its HTTP address.
    pub fn addr(self) -> SocketAddr {
        match self {
            Self::Nacos(address, _) | Self::Embedded(address) => address,
        }
    }
}

/// How registrations at a Nacos target stay alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// As long as a gRPC connection.
    Connection,
    /// By HTTP beats.
    Beat,
}

impl Hold {
    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Beat => "beat",
        }
    }
}

/// A folder with a configuration and the state, and the process that runs with it, if one does.
pub struct Syncline {
    folder: tempfile::TempDir,
    /// Two that run at once need two admin ports.
    admin: PortBlock,
    process: Process,
    started: Instant,
}

impl Syncline {
    /// Runs one link from a Nacos server.
    pub fn run(from: SocketAddr, to: Target) -> anyhow::Result<Self> {
        Self::configured(|_| configuration(from, to))
    }

    /// Runs with a configuration, which is told the folder that it is in. Where the admin server listens is added to it.
    pub fn configured(configuration: impl FnOnce(&Path) -> String) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for Syncline")?;
        let admin = PortBlock::reserve()?;
        configure(folder.path(), admin.http(), &configuration(folder.path()))?;
        let started = Instant::now();
        let process = spawn_run(folder.path())?;
        Ok(Self {
            folder,
            admin,
            process,
            started,
        })
    }

    /// The folder of the configuration, the log, and the state.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes another configuration, for a reload or the next start.
    pub fn configure(&self, configuration: &str) -> anyhow::Result<()> {
        configure(self.folder(), self.admin.http(), configuration)
    }

    /// The process that runs now.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Starts it again, after a kill, with all that it left behind.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.started = Instant::now();
        self.process = spawn_run(self.folder())?;
        Ok(())
    }

    /// How it is asked and told.
    pub fn control(&self) -> ControlClient {
        ControlClient::of(&self.folder().join("state"))
    }

    /// How long its log is by now.
    pub fn logged_bytes(&self) -> u64 {
        std::fs::metadata(self.log_path()).map_or(0, |log| log.len())
    }

    /// What it logged after so many bytes, since its first start.
    pub fn log_after(&self, bytes: u64) -> String {
        let read = || {
            let mut log = File::open(self.log_path())?;
            log.seek(SeekFrom::Start(bytes))?;
            let mut text = Vec::new();
            log.read_to_end(&mut text)?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&text).into_owned())
        };
        // A log that cannot be read says nothing.
        read().unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder().join("log")
    }

    /// A command of the same user about it, to its end; what it said on both outputs, and how it ended.
    pub async fn command(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let mut command = Command::new(program()?);
        command.args(arguments).current_dir(self.folder());
        command.args(["--config", "syncline.yaml", "--state", "state"]);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let ended = tokio::time::timeout(COMMAND, command.output()).await;
        ended
            .context("a command does not end")?
            .context("run a command")
    }

    /// When the process was started last.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// What the process has used.
    pub fn usage(&mut self) -> anyhow::Result<Usage> {
        if let Some(status) = self.process.ended()? {
            bail!("Syncline ended, {status}:\n{}", self.last_lines());
        }
        self.process.usage()
    }

    /// Waits until it does next to nothing, or has had time enough for that.
    pub async fn calm(&mut self, at_most: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + at_most;
        let mut before = self.usage()?;
        while Instant::now() < deadline {
            tokio::time::sleep(CALM_OVER).await;
            let now = self.usage()?;
            if now.cpu_since(&before) <= CALM_OVER / 50 {
                return Ok(());
            }
            before = now;
        }
        Ok(())
    }

    /// Kills it (`kill -9`) and starts it again at once, with the same state.
    pub async fn crash(&mut self) -> anyhow::Result<()> {
        self.process.kill().await?;
        self.start()
    }

    /// Adds what Syncline said last to an error of someone who waited for it.
    pub fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        error.context(format!("Syncline's last lines:\n{}", self.last_lines()))
    }

    fn last_lines(&self) -> String {
        let log = self.log_after(0);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }
}

/// Runs the embedded registry alone, in a process of its own.
pub fn serve(at: SocketAddr) -> anyhow::Result<Process> {
    let mut command = Command::new(program()?);
    command.args(["serve", "--listen", &at.to_string()]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Process::spawn("syncline serve", &mut command)
}

fn configure(folder: &Path, admin: SocketAddr, configuration: &str) -> anyhow::Result<()> {
    let text = format!("{configuration}\nadmin: {{ listen: \"{admin}\" }}\n");
    std::fs::write(folder.join("syncline.yaml"), text).context("write a configuration")
}

fn spawn_run(path: &Path) -> anyhow::Result<Process> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(path.join("log"))
        .context("open Syncline's log")?;
    let mut command = Command::new(program()?);
    command.arg("run").current_dir(path);
    command.arg("--config").arg(path.join("syncline.yaml"));
    command.arg("--state").arg(path.join("state"));
    command.stdout(Stdio::null()).stderr(log);
    Process::spawn("syncline run", &mut command)
}

/// The program, which `cargo xtask` builds beside us.
fn program() -> anyhow::Result<PathBuf> {
    let ours = std::env::current_exe().context("find our own program")?;
    let program = ours.with_file_name("syncline");
    if !program.is_file() {
        bail!(
            "{} is missing: start with `cargo xtask bench` or `cargo xtask faults`",
            program.display()
        );
    }
    Ok(program)
}

fn configuration(from: SocketAddr, to: Target) -> String {
    let target = match to {
        Target::Nacos(address, hold) => format!(
            "{{ kind: nacos, servers: [\"{address}\"], hold: {} }}",
            hold.as_str()
        ),
        Target::Embedded(address) => format!("{{ kind: embedded, listen: \"{address}\" }}"),
    };
    let mut text = String::new();
    let mut line = |line: &str| {
        // Writing to a string cannot fail.
        writeln!(text, "{line}").ok();
    };
    line("endpoints:");
    line(&format!(
        "  source: {{ kind: nacos, servers: [\"{from}\"] }}"
    ));
    line(&format!("  target: {target}"));
    line("links:");
    line("  - { name: bench, from: source, to: target }");
    text
}
