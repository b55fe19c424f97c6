//! The `syncline` command.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use syncline::cli::{self, Cli, Exit};

/// Registries make and drop small things thousands of times a second.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let palette = cli
        .global
        .color
        .palette(io::stderr().is_terminal(), &|name| std::env::var(name).ok());
    match start(cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let (text, exit) = cli::report(&error, palette);
            if let Some(text) = text
                && writeln!(io::stderr(), "{text}").is_err()
            {
                return Exit::Failure.into();
            }
            exit.into()
        }
    }
}

fn start(cli: Cli) -> anyhow::Result<Exit> {
    // Whoever comes first decides which cryptography the process uses; nobody
    // can have come before.
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a cryptography provider was installed before"))?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(cli::run(cli))
}
