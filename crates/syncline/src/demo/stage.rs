//! What the demo plays on: a registry of applications, and a daemon that keeps
//! a second registry and a file in step with it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use syncline_engine::Mode;
use syncline_registry::{Listeners, Registry, Settings};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config;
use crate::daemon::{Daemon, Options};

/// Where everything is.
pub(super) struct Stage {
    /// The registry in which applications register.
    pub(super) production: Production,
    /// Where consumers ask: the second registry.
    pub(super) replica: Addresses,
    /// The file that consumers read.
    pub(super) file: PathBuf,
    daemon: Daemon,
}

/// An HTTP address, and the gRPC address that belongs to it.
#[derive(Clone, Copy)]
pub(super) struct Addresses {
    pub(super) http: SocketAddr,
    pub(super) grpc: SocketAddr,
}

/// The registry in which applications register. It can die and come back.
pub(super) struct Production {
    pub(super) addresses: Addresses,
    running: Option<(CancellationToken, TaskTracker)>,
}

impl Stage {
    pub(super) async fn set(folder: &Path) -> anyhow::Result<Self> {
        let production = Production::start().await?;
        let file = folder.join("services.json");
        let text = configuration(production.addresses.http, &file);
        let config = config::parse("demo.yaml", folder, &text, &|_| None)?;
        let options = Options {
            mode: Mode::Live,
            links: Vec::new(),
            state: Some(folder.join("state")),
            control: false,
            command: "syncline demo".to_owned(),
        };
        let daemon = Daemon::start(&config, options).await?;
        let served = daemon
            .registries()
            .first()
            .context("the replica is not served")?;
        let replica = Addresses {
            http: served.http,
            grpc: served.grpc,
        };
        Ok(Self {
            production,
            replica,
            file,
            daemon,
        })
    }

    pub(super) async fn strike(mut self) {
        self.daemon.stop().await;
        self.production.die().await;
    }
}

/// What the daemon is told: nothing that a configuration file could not say.
fn configuration(production: SocketAddr, file: &Path) -> String {
    let file = serde_json::Value::from(file.to_string_lossy());
    format!(
        "endpoints:
  production: {{ kind: nacos, servers: [\"{production}\"] }}
  replica: {{ kind: embedded, listen: \"127.0.0.1:0\" }}
  file: {{ kind: file, path: {file} }}
links:
  - {{ name: to-replica, from: production, to: replica }}
  - {{ name: to-file, from: production, to: file }}
"
    )
}

impl Production {
    async fn start() -> anyhow::Result<Self> {
        let listeners = Listeners::bind_free().await?;
        let mut production = Self {
            addresses: Addresses {
                http: listeners.http_addr(),
                grpc: listeners.grpc_addr(),
            },
            running: None,
        };
        production.serve(listeners);
        Ok(production)
    }

    /// Dies as a crashed server does: every connection breaks, and all that was
    /// registered is forgotten.
    pub(super) async fn die(&mut self) {
        if let Some((cancel, tasks)) = self.running.take() {
            cancel.cancel();
            tasks.close();
            tasks.wait().await;
        }
    }

    /// Comes back empty, as a server without persistent instances does.
    pub(super) async fn come_back(&mut self) -> anyhow::Result<()> {
        let listeners = Listeners::bind(self.addresses.http).await?;
        self.serve(listeners);
        Ok(())
    }

    fn serve(&mut self, listeners: Listeners) {
        let (cancel, tasks) = (CancellationToken::new(), TaskTracker::new());
        let token = cancel.clone();
        tasks.spawn(async move {
            let registry = Registry::new(Settings::default());
            if let Err(error) = syncline_registry::serve(listeners, registry, token).await {
                tracing::error!(%error, "the production registry stopped serving");
            }
        });
        self.running = Some((cancel, tasks));
    }
}
