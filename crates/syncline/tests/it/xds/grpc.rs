//! A gRPC client whose target is `xds:///...` finds its servers.

use std::collections::BTreeSet;

use syncline_testkit::run;

use super::program::Program;
use crate::daemon::process::Setup;
use crate::daemon::registry::Embedded;
use crate::daemon::seen::{Instance, Service};

/// How many calls show whom a client calls.
const CALLS: usize = 20;

/// How many times it is looked.
const LOOKS: usize = 200;

/// A server, and its port.
async fn server() -> anyhow::Result<(Program, String)> {
    let mut server = Program::start("grpc-client", tempfile::tempdir()?, &["serve"])?;
    let said = server.says().await?;
    let port = said.strip_prefix("ready ").unwrap_or_default().to_owned();
    Ok((server, port))
}

/// Calls until just these servers answer, all of them. No call may fail once
/// the first has succeeded.
async fn calls_just(client: &mut Program, ports: &[&str]) -> anyhow::Result<()> {
    let wanted: BTreeSet<String> = ports.iter().map(|port| (*port).to_owned()).collect();
    let mut seen = BTreeSet::new();
    for _ in 0..LOOKS {
        seen.clear();
        for _ in 0..CALLS {
            client.tell("call").await?;
            seen.insert(client.says().await?);
        }
        let failed = seen.iter().find(|answer| answer.starts_with("failed"));
        anyhow::ensure!(failed.is_none(), "a call: {failed:?}");
        if seen == wanted {
            return Ok(());
        }
    }
    anyhow::bail!("called {seen:?} and not {wanted:?}")
}

/// A client of one of the testbed's scripts calls those that are registered.
async fn calls_those_that_are_registered(script: &'static str) -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let nacos = source.nacos;
    let order = Service::plain("Order");
    let [(_one, one), (_other, other)] = [server().await?, server().await?];
    let at = |port: &str| Instance::at(&format!("127.0.0.1:{port}"));
    nacos.register(&order, &at(&one)).await?;
    let (mut daemon, plane) = super::feed(Setup::new()?, nacos, "")?;
    daemon.in_step().await?;

    let arguments = [
        "call",
        &plane.to_string(),
        "xds:///order.default_group.public",
    ];
    let mut client = Program::start(script, tempfile::tempdir()?, &arguments)?;
    assert_eq!(client.says().await?, "ready");
    calls_just(&mut client, &[&one]).await?;
    nacos.register(&order, &at(&other)).await?;
    calls_just(&mut client, &[&one, &other]).await?;
    nacos.deregister(&order, &at(&one)).await?;
    calls_just(&mut client, &[&other]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_client_calls_those_that_are_registered() -> anyhow::Result<()> {
    if !run::require_built("grpc-client") {
        return Ok(());
    }
    calls_those_that_are_registered("grpc-client").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_java_client_calls_those_that_are_registered() -> anyhow::Result<()> {
    if !run::require_built("grpc-client") || !run::require_real_servers() {
        return Ok(());
    }
    calls_those_that_are_registered("grpc-java-client").await
}
