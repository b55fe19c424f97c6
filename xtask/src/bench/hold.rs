//! A bare client as a process of its own: it registers a fleet and keeps it until it is killed.
//!
//! A process, so that its start, its end and what it uses are measured as Syncline's are.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use tokio::process::Command;

use xtask_stage::bare;
use xtask_stage::fleet::Fleet;
use xtask_stage::process::Process;
use xtask_stage::report::say;

/// What the process is told.
#[derive(Args)]
pub(crate) struct HoldOptions {
    #[arg(long)]
    server: SocketAddr,
    #[arg(long)]
    prefix: String,
    #[arg(long)]
    services: u32,
    #[arg(long)]
    instances: u32,
    #[arg(long, value_enum, default_value_t)]
    over: Over,
}

/// How a bare client registers.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Over {
    /// One batch for each service, over one gRPC connection.
    #[default]
    Grpc,
    /// One HTTP request for each instance. It does not beat: the instances stay healthy for three minutes.
    Http,
}

/// The process: registers, and waits for its end.
pub(crate) async fn run(options: HoldOptions) -> anyhow::Result<()> {
    let start = Instant::now();
    // Once in the life of the process.
    let prefix = Box::leak(options.prefix.into_boxed_str());
    let fleet = Fleet::new(prefix, options.services, options.instances);
    let grpc = SocketAddr::new(options.server.ip(), options.server.port() + 1000);
    let _connection = match options.over {
        Over::Grpc => {
            let connection = bare::connect(grpc).await?;
            bare::register_all(&connection, &fleet).await?;
            Some(connection)
        }
        Over::Http => {
            bare::post_all(options.server, &fleet).await?;
            None
        }
    };
    say(&format!(
        "bare client: {} services acknowledged after {:.2} s",
        fleet.services(),
        start.elapsed().as_secs_f64()
    ));
    // The one who started us kills us; if it cannot any more, its end of our input closes.
    let end_of_input = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    tokio::task::spawn_blocking(end_of_input)
        .await
        .context("wait for the end of input")??;
    Ok(())
}

/// Starts the process: a bare client that registers a fleet as it is at its beginning, and holds it.
pub(crate) fn start(over: Over, server: SocketAddr, fleet: &Fleet) -> anyhow::Result<Process> {
    let program = std::env::current_exe().context("find our own program")?;
    let mut command = Command::new(program);
    command.args(["hold", "--prefix", fleet.names.0]);
    command.args(["--server", &server.to_string()]);
    command.args(["--services", &fleet.services().to_string()]);
    command.args(["--instances", &fleet.instances_of(0).to_string()]);
    if over == Over::Http {
        command.args(["--over", "http"]);
    }
    Process::spawn("a bare client", &mut command)
}
