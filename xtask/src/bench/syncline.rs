//! Syncline as users run it: the optimized program, a configuration, a state folder.

use std::fmt::Write as _;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use syncline_testkit::ports::PortBlock;
use tokio::process::Command;

use crate::process::{Process, Usage};

/// How many of its last lines are shown when it ended.
const LAST_LINES: usize = 15;

/// Over so long a time a calm process uses at most a fiftieth of a core.
const CALM_OVER: Duration = Duration::from_secs(3);

/// The target of the link that is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// A Nacos server, and how registrations there stay alive.
    Nacos(SocketAddr, Hold),
    /// The embedded registry, served at this address.
    Embedded(SocketAddr),
}

impl Target {
    /// Its HTTP address.
    pub(crate) fn addr(self) -> SocketAddr {
        match self {
            Self::Nacos(address, _) | Self::Embedded(address) => address,
        }
    }
}

/// How registrations at a Nacos target stay alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    Connection,
    Beat,
}

impl Hold {
    /// The word of the configuration.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Beat => "beat",
        }
    }
}

/// A folder with a configuration and the state, and the process that runs with it, if one does.
pub(crate) struct Syncline {
    folder: tempfile::TempDir,
    /// Two that run at once need two admin ports.
    _admin: PortBlock,
    process: Process,
    started: Instant,
}

impl Syncline {
    /// Runs one link from a Nacos server.
    pub(crate) fn run(from: SocketAddr, to: Target) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for Syncline")?;
        let admin = PortBlock::reserve()?;
        let config = configuration(from, to, admin.http());
        std::fs::write(folder.path().join("syncline.yaml"), config)
            .context("write a configuration")?;
        let started = Instant::now();
        let process = spawn_run(&folder)?;
        Ok(Self {
            folder,
            _admin: admin,
            process,
            started,
        })
    }

    /// When the process was started last.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// What the process has used.
    pub(crate) fn usage(&mut self) -> anyhow::Result<Usage> {
        if let Some(status) = self.process.ended()? {
            bail!("Syncline ended, {status}:\n{}", self.last_lines());
        }
        self.process.usage()
    }

    /// Waits until it does next to nothing, or has had time enough for that.
    pub(crate) async fn calm(&mut self, at_most: Duration) -> anyhow::Result<()> {
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
    pub(crate) async fn crash(&mut self) -> anyhow::Result<()> {
        self.process.kill().await?;
        self.started = Instant::now();
        self.process = spawn_run(&self.folder)?;
        Ok(())
    }

    /// Adds what Syncline said last to an error of someone who waited for it.
    pub(crate) fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        error.context(format!("Syncline's last lines:\n{}", self.last_lines()))
    }

    fn last_lines(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }
}

/// Runs the embedded registry alone, in a process of its own.
pub(crate) fn serve(at: SocketAddr) -> anyhow::Result<Process> {
    let mut command = Command::new(program()?);
    command.args(["serve", "--listen", &at.to_string()]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Process::spawn("syncline serve", &mut command)
}

fn spawn_run(folder: &tempfile::TempDir) -> anyhow::Result<Process> {
    let path = folder.path();
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

/// `cargo xtask bench` builds it beside us.
fn program() -> anyhow::Result<PathBuf> {
    let ours = std::env::current_exe().context("find our own program")?;
    let program = ours.with_file_name("syncline");
    if !program.is_file() {
        bail!(
            "{} is missing: start with `cargo xtask bench`",
            program.display()
        );
    }
    Ok(program)
}

fn configuration(from: SocketAddr, to: Target, admin: SocketAddr) -> String {
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
    line(&format!("admin: {{ listen: \"{admin}\" }}"));
    text
}
