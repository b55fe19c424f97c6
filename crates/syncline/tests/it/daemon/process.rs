//! The real binary, running.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;
use syncline_admin::{ControlClient, api};
use syncline_testkit::patience;
use syncline_testkit::ports::PortBlock;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::PATIENCE;

/// `syncline run` in a folder of its own. It is killed with its value, and what
/// it logged is printed, which a test shows when it fails.
pub(crate) struct Syncline {
    child: Child,
    folder: TempDir,
    admin: SocketAddr,
    _ports: Vec<PortBlock>,
}

/// What a daemon is told, before it runs.
pub(crate) struct Setup {
    folder: TempDir,
    ports: Vec<PortBlock>,
    admin: SocketAddr,
}

impl Setup {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let admin = PortBlock::reserve()?;
        Ok(Self {
            folder: tempfile::tempdir()?,
            admin: admin.http(),
            ports: vec![admin],
        })
    }

    /// An address for an embedded registry of the daemon.
    pub(crate) fn address(&mut self) -> anyhow::Result<SocketAddr> {
        let block = PortBlock::reserve()?;
        let address = block.http();
        self.ports.push(block);
        Ok(address)
    }

    /// The address of the daemon's admin server.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// A file in the daemon's folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the configuration; relative paths in it are in the daemon's
    /// folder.
    pub(crate) fn configure(&self, text: &str) -> anyhow::Result<()> {
        configure(self.folder.path(), self.admin, text)
    }

    /// Runs the daemon with a configuration.
    pub(crate) fn run(self, configuration: &str) -> anyhow::Result<Syncline> {
        self.configure(configuration)?;
        Ok(Syncline {
            child: spawn(self.folder.path(), &[])?,
            folder: self.folder,
            admin: self.admin,
            _ports: self.ports,
        })
    }
}

fn configure(folder: &Path, admin: SocketAddr, text: &str) -> anyhow::Result<()> {
    let text = format!("{text}\nadmin: {{ listen: \"{admin}\" }}\n");
    std::fs::write(folder.join("syncline.yaml"), text)?;
    Ok(())
}

impl Syncline {
    /// A file in the daemon's folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes another configuration, for the next start.
    pub(crate) fn configure(&self, text: &str) -> anyhow::Result<()> {
        configure(self.folder.path(), self.admin, text)
    }

    /// Where the daemon remembers.
    pub(crate) fn state(&self) -> PathBuf {
        self.file("state")
    }

    /// The address of its admin server.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Its process.
    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("the daemon has ended")
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    /// What it says of itself.
    pub(crate) async fn status(&self) -> anyhow::Result<api::Status> {
        Ok(ControlClient::of(&self.state()).status().await?)
    }

    /// Waits until its status is as described.
    pub(crate) async fn is(
        &mut self,
        described: impl Fn(&api::Status) -> bool,
    ) -> anyhow::Result<api::Status> {
        let deadline = Instant::now() + patience(PATIENCE);
        loop {
            let status = self.status().await;
            match status {
                Ok(status) if described(&status) => return Ok(status),
                status if Instant::now() > deadline => {
                    bail!("the status never was like that; last it was {status:#?}")
                }
                _ => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
            if let Some(exit) = self.child.try_wait()? {
                bail!("the daemon ended with {exit}");
            }
        }
    }

    /// Waits until every link is in step.
    pub(crate) async fn in_step(&mut self) -> anyhow::Result<api::Status> {
        self.is(|status| {
            let in_step = |link: &api::Link| link.state == "in step";
            !status.links.is_empty() && status.links.iter().all(in_step)
        })
        .await
    }

    /// Sends a signal (`TERM`, `INT`).
    pub(crate) async fn signal(&self, name: &str) -> anyhow::Result<()> {
        let pid = self.pid()?.to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().await;
        anyhow::ensure!(sent?.success(), "the daemon takes no signal");
        Ok(())
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ends(&mut self) -> anyhow::Result<ExitStatus> {
        let ended = tokio::time::timeout(patience(PATIENCE), self.child.wait()).await;
        Ok(ended.context("the daemon does not end")??)
    }

    /// Tells it to end, and waits.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        self.signal("TERM").await?;
        let exit = self.ends().await?;
        anyhow::ensure!(exit.success(), "the daemon ended with {exit}");
        Ok(())
    }

    /// Kills it as a power cut would.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("kill the daemon")
    }

    /// Starts it again, with all that the last run left behind.
    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        self.child = spawn(self.folder.path(), &[])?;
        Ok(())
    }

    /// Starts another one that takes over; both are running then.
    pub(crate) fn start_takeover(&self) -> anyhow::Result<Child> {
        spawn(self.folder.path(), &["--takeover"])
    }

    /// Lets another one take over and waits until this one has ended; how it
    /// did.
    pub(crate) async fn take_over(&mut self) -> anyhow::Result<ExitStatus> {
        let successor = self.start_takeover()?;
        let ended = self.ends().await?;
        self.child = successor;
        Ok(ended)
    }

    /// Its journal, line by line.
    pub(crate) async fn journal(&self) -> anyhow::Result<Vec<Value>> {
        let exported = self.command(&["journal", "export"]).await?;
        anyhow::ensure!(exported.status.success(), "{}", said(&exported));
        let lines = String::from_utf8_lossy(&exported.stdout);
        let lines = lines.lines().map(|line| {
            let mut line: Value = serde_json::from_str(line)?;
            Ok(line["entry"].take())
        });
        lines.collect()
    }

    /// Another command of the same user, about this daemon.
    pub(crate) async fn command(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        syncline(self.folder.path(), arguments).await
    }
}

impl Drop for Syncline {
    #[expect(
        clippy::print_stdout,
        reason = "only this way libtest shows it with the test that failed"
    )]
    fn drop(&mut self) {
        println!("--- what the daemon logged\n{}---", self.log());
    }
}

fn spawn(folder: &Path, more: &[&str]) -> anyhow::Result<Child> {
    let log = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(folder.join("log"))?;
    Command::new(env!("CARGO_BIN_EXE_syncline"))
        .args(["run", "--config", "syncline.yaml", "--state", "state"])
        .args(more)
        .current_dir(folder)
        .env_remove("SYNCLINE_LOG")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .context("start the daemon")
}

/// Runs one command to its end.
pub(crate) async fn syncline(folder: &Path, arguments: &[&str]) -> anyhow::Result<Output> {
    let output = Command::new(env!("CARGO_BIN_EXE_syncline"))
        .args(arguments)
        .current_dir(folder)
        .env("SYNCLINE_CONFIG", "syncline.yaml")
        .env("SYNCLINE_STATE", "state")
        .env_remove("SYNCLINE_LOG")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(patience(PATIENCE), output).await;
    Ok(ended.context("the command does not end")??)
}

/// What a command said, on both outputs.
pub(crate) fn said(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    format!("{out}{err}")
}
