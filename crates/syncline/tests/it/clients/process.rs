//! A whole application of the testbed: it says that it is ready, answers each
//! line with a line, and shuts down when nobody talks to it any more.

use std::path::Path;
use std::process::Stdio;

use anyhow::Context as _;
use syncline_testkit::patience;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use super::PATIENCE;

/// One that runs.
pub(super) struct Process {
    child: Child,
    talk: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
}

impl Process {
    /// Starts `testbed/NAME/NAME`, with a folder for its own files, and waits
    /// until it is ready. Where it ends instead, what it logged is the error.
    pub(super) async fn start(name: &str, args: &[&str], folder: &Path) -> anyhow::Result<Self> {
        let testbed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbed");
        let log = folder.join("log");
        let mut child = Command::new(testbed.join(name).join(name))
            .args(args)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start the {name}"))?;
        let input = child.stdin.take().context("no input")?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let ready = tokio::time::timeout(patience(PATIENCE), lines.next_line()).await;
        let said = ready.with_context(|| format!("the {name} is not ready"))??;
        let log = std::fs::read_to_string(log)?;
        anyhow::ensure!(
            said.as_deref() == Some("ready"),
            "{args:?}: {said:?}\n{log}"
        );
        Ok(Self {
            child,
            talk: Mutex::new((input, lines)),
        })
    }

    /// What it answers to a line.
    pub(super) async fn ask(&self, line: &str) -> anyhow::Result<String> {
        let mut talk = self.talk.lock().await;
        let (input, answers) = &mut *talk;
        input.write_all(format!("{line}\n").as_bytes()).await?;
        let answer = tokio::time::timeout(patience(PATIENCE), answers.next_line()).await??;
        answer.context("the application ended")
    }

    /// Lets it shut down.
    pub(super) async fn end(mut self) -> anyhow::Result<()> {
        drop(self.talk.into_inner());
        let ended = tokio::time::timeout(patience(PATIENCE), self.child.wait()).await;
        anyhow::ensure!(ended.context("it does not end")??.success());
        Ok(())
    }
}
