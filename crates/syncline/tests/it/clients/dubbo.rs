//! Dubbo 3: a consumer calls the providers that it finds in the registry.

use std::path::Path;
use std::process::Stdio;

use anyhow::Context as _;
use syncline_testkit::nacos::fresh_name;
use syncline_testkit::ports::PortBlock;
use syncline_testkit::{eventually, patience, run};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use super::PATIENCE;
use crate::cli::serving::Serving;
use crate::daemon::registry::Nacos;

/// A Dubbo application that runs.
struct Dubbo {
    child: Child,
    talk: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    _folder: TempDir,
}

impl Dubbo {
    async fn start(role: &str, nacos: Nacos, more: &[&str]) -> anyhow::Result<Self> {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbed/dubbo-app/dubbo-app");
        let folder = tempfile::tempdir()?;
        let log = std::fs::File::create(folder.path().join("log"))?;
        let mut child = Command::new(script)
            .args([role, &nacos.http.to_string()])
            .args(more)
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("start a Dubbo application")?;
        let input = child.stdin.take().context("no input")?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let ready = tokio::time::timeout(patience(PATIENCE), lines.next_line()).await;
        let said = ready.with_context(|| format!("the {role} is not ready"))??;
        let log = std::fs::read_to_string(folder.path().join("log"))?;
        anyhow::ensure!(said.as_deref() == Some("ready"), "{role}: {said:?}\n{log}");
        Ok(Self {
            child,
            talk: Mutex::new((input, lines)),
            _folder: folder,
        })
    }

    async fn consumer(nacos: Nacos, namespace: &str) -> anyhow::Result<Self> {
        Self::start("consumer", nacos, &[namespace]).await
    }

    async fn provider(nacos: Nacos, namespace: &str, port: u16) -> anyhow::Result<Self> {
        Self::start("provider", nacos, &[namespace, &port.to_string()]).await
    }

    /// Calls a provider; its port.
    async fn call(&self) -> anyhow::Result<u16> {
        let mut talk = self.talk.lock().await;
        let (input, answers) = &mut *talk;
        input.write_all(b"syncline\n").await?;
        let answer = tokio::time::timeout(patience(PATIENCE), answers.next_line()).await??;
        let answer = answer.context("the consumer ended")?;
        let port = answer.strip_prefix("hello syncline from ");
        let port = port.with_context(|| answer.clone())?;
        Ok(port.parse()?)
    }

    /// Calls until only these providers answer, each of them: of twenty calls in
    /// a row none goes to another, and none fails.
    async fn calls_just(&self, ports: &[u16]) {
        let just = || async {
            let mut called = Vec::new();
            for _ in 0..20 {
                match self.call().await {
                    Ok(port) => called.push(port),
                    Err(_) => return false,
                }
            }
            called.sort_unstable();
            called.dedup();
            called == ports
        };
        eventually(PATIENCE, just).await;
    }

    /// Lets it shut down.
    async fn end(mut self) -> anyhow::Result<()> {
        drop(self.talk.into_inner());
        let ended = tokio::time::timeout(patience(PATIENCE), self.child.wait()).await;
        anyhow::ensure!(ended.context("it does not end")??.success());
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dubbo_consumer_calls_the_providers_that_are_there() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let mut serving = Serving::start().await?;
    let (nacos, namespace) = (serving.nacos, fresh_name("dubbo"));
    let block = PortBlock::reserve()?;
    let (one, two) = (block.http().port(), block.grpc().port());
    let (first, consumer) = tokio::try_join!(
        Dubbo::provider(nacos, &namespace, one),
        Dubbo::consumer(nacos, &namespace),
    )?;
    consumer.calls_just(&[one]).await;
    let _second = Dubbo::provider(nacos, &namespace, two).await?;
    consumer.calls_just(&[one, two]).await;

    serving.kill_and_restart().await?;
    consumer
        .call()
        .await
        .context("while the registry knows nobody")?;
    first.end().await?;
    consumer.calls_just(&[two]).await;
    let _third = Dubbo::provider(nacos, &namespace, one).await?;
    consumer.calls_just(&[one, two]).await;
    Ok(())
}
