//! Dubbo 3: a consumer calls the providers that it finds in the registry.

use anyhow::Context as _;
use syncline_testkit::nacos::{RealNacos, Version, fresh_name};
use syncline_testkit::ports::PortBlock;
use syncline_testkit::{eventually, run};
use tempfile::TempDir;

use super::PATIENCE;
use super::process::Process;
use crate::bridge::both_ways;
use crate::cli::serving::Serving;
use crate::daemon::process::Setup;
use crate::daemon::registry::Nacos;

/// A Dubbo application that runs.
struct Dubbo {
    process: Process,
    _folder: TempDir,
}

impl Dubbo {
    async fn start(args: &[&str]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        Ok(Self {
            process: Process::start("dubbo-app", args, folder.path()).await?,
            _folder: folder,
        })
    }

    async fn consumer(nacos: Nacos, namespace: &str) -> anyhow::Result<Self> {
        Self::start(&["consumer", &nacos.http.to_string(), namespace]).await
    }

    async fn provider(nacos: Nacos, namespace: &str, port: u16) -> anyhow::Result<Self> {
        let (http, port) = (nacos.http.to_string(), port.to_string());
        Self::start(&["provider", &http, namespace, &port]).await
    }

    /// Calls a provider; its port.
    async fn call(&self) -> anyhow::Result<u16> {
        let answer = self.process.ask("syncline").await?;
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
    first.process.end().await?;
    consumer.calls_just(&[two]).await;
    let _third = Dubbo::provider(nacos, &namespace, one).await?;
    consumer.calls_just(&[one, two]).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_at_a_nacos_calls_the_providers_at_syncline() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let up = Nacos::real(RealNacos::shared(Version::V2_2_4).await?);
    let namespace = fresh_name("dubbo");
    let mut setup = Setup::new()?;
    let local = setup.address()?;
    let select = format!(", select: {{ namespaces: [{namespace}] }}");
    let mut syncline = setup.run(&both_ways(up, "auto", (local, ""), &select))?;
    syncline.in_step().await?;
    let here = Nacos::at(local);
    let block = PortBlock::reserve()?;
    let (one, two) = (block.http().port(), block.grpc().port());
    let (first, _second, consumer) = tokio::try_join!(
        Dubbo::provider(here, &namespace, one),
        Dubbo::provider(here, &namespace, two),
        Dubbo::consumer(up, &namespace),
    )?;
    consumer.calls_just(&[one, two]).await;
    first.process.end().await?;
    consumer.calls_just(&[two]).await;
    Ok(())
}
