//! The other end of `nacos keep`: a process that holds a server and outlives us just long enough to clean up.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};

use crate::testbed;

/// Holds one server process. However this program ends, `kill -9` included, the pipe to the keeper closes, and the
/// keeper kills the server and removes its folder.
#[derive(Debug)]
pub(crate) struct Keeper {
    process: Arc<Mutex<Process>>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    /// `None` once the keeper was told to end.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Keeper {
    /// Starts the keeper of a server that is yet to be launched.
    pub(crate) fn spawn(
        build: &str,
        port: u16,
        folder: &Path,
        environment: &[(&str, String)],
    ) -> anyhow::Result<Self> {
        let mut child = Command::new(testbed::nacos_script())
            .args(["keep", build, &port.to_string()])
            .arg(folder)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .process_group(0) // a Ctrl-C in the terminal must not reach it before it has cleaned up
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start the keeper of a Nacos server")?;
        let commands = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("keeper without output")?);
        Ok(Self {
            process: Arc::new(Mutex::new(Process {
                child,
                commands,
                answers,
            })),
        })
    }

    /// Sends one command and waits for its answer. The script bounds every command's time.
    pub(crate) async fn command(&self, command: &'static str) -> anyhow::Result<()> {
        let process = Arc::clone(&self.process);
        let asking = move || {
            process
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .ask(command)
        };
        tokio::task::spawn_blocking(asking)
            .await
            .context("the keeper's thread ended")?
    }
}

impl Process {
    fn ask(&mut self, command: &str) -> anyhow::Result<()> {
        let commands = self
            .commands
            .as_mut()
            .context("the keeper was told to end")?;
        writeln!(commands, "{command}").context("send a command to the keeper")?;
        let mut answer = String::new();
        self.answers
            .read_line(&mut answer)
            .context("read the keeper's answer")?;
        match answer.trim_end() {
            "ok" => Ok(()),
            "" => bail!("{command}: the keeper ended without an answer"),
            failed => bail!("{command}: {failed}"),
        }
    }
}

impl Drop for Keeper {
    /// Waits for the keeper, so that the server's ports are free when its block of ports is given back.
    fn drop(&mut self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        drop(process.commands.take());
        // Nothing is left to do when waiting fails: the keeper cleans up by itself.
        process.child.wait().ok();
    }
}
