//! Programs of the testbed, running.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context as _;
use syncline_testkit::patience;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::daemon::PATIENCE;

/// A program, killed with its value. What it logged is printed then, which a
/// test shows when it fails.
pub(super) struct Program {
    name: &'static str,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    folder: TempDir,
    _child: Child,
}

impl Program {
    /// Runs a script of the testbed in a folder.
    pub(super) fn start(
        name: &'static str,
        folder: TempDir,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let script: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../testbed", name, name]
            .iter()
            .collect();
        let log = std::fs::File::create(folder.path().join("log"))?;
        let mut child = Command::new(script)
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let input = child.stdin.take().context("no input")?;
        let output = child.stdout.take().context("no output")?;
        Ok(Self {
            name,
            input,
            output: BufReader::new(output).lines(),
            folder,
            _child: child,
        })
    }

    /// Says a line.
    pub(super) async fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        Ok(self.input.write_all(format!("{line}\n").as_bytes()).await?)
    }

    /// The next line that it says.
    pub(super) async fn says(&mut self) -> anyhow::Result<String> {
        let line = tokio::time::timeout(patience(PATIENCE), self.output.next_line()).await;
        let line = line.with_context(|| format!("{} says nothing", self.name))??;
        line.with_context(|| format!("{} has ended", self.name))
    }
}

impl Drop for Program {
    #[expect(
        clippy::print_stdout,
        reason = "only this way libtest shows it with the test that failed"
    )]
    fn drop(&mut self) {
        let log = read(&self.folder.path().join("log"));
        println!("--- what {} logged\n{log}---", self.name);
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
