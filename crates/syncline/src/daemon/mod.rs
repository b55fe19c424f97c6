//! A configuration, running: what `syncline run`, `sync` and `plan` share, and
//! what a program that embeds Syncline uses.
//!
//! [`Daemon::start`] assembles connectors and links from a [`Config`] and hands
//! them to the engine. Nothing is decided here.

mod ages;
mod assemble;
mod connectors;
mod given;
mod opening;
mod origins;
mod outlets;
mod pages;
mod peers;
mod planes;
mod reach;
mod reload;
mod takeover;
mod zones;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use syncline_admin::{AdminError, ControlClient, Looked};
use syncline_connector_embedded::EmbeddedConfig;
use syncline_contract::Ending;
use syncline_engine::store::{Install, InstallError, InstallKey, StoreError};
use syncline_engine::{Engine, EngineHandle, Mode, Retired, State, StateError};
use syncline_model::{EndpointName, LinkName};
use syncline_nacos::http::SetupError;
use syncline_registry::{FolderError, Listeners, Registry, ServeError, ServerTls, TlsError};
use thiserror::Error;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use assemble::AssembleError;
use connectors::Surroundings;
pub(crate) use connectors::config_upstream;
use given::Given;
use opening::{Fillers, Opening, open_when_filled};
use outlets::Outlets;
use planes::Planes;
pub use reach::{Reached, ReachedSource, reach};
pub use reload::ReloadError;
pub use takeover::TakeoverError;

use crate::config::{Config, is_name};

/// How long a daemon that was taken over from may keep a registry's folder: it
/// lets go of that after its ports.
const FOLDER_FREE_WITHIN: Duration = Duration::from_secs(5);

/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long writes under way may take to end when the daemon stops.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// How a configuration is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether anything is written.
    pub mode: Mode,
    /// Only these links; all where none is named.
    pub links: Vec<LinkName>,
    /// The folder of the ledger, the cache and the journal; `None` to remember
    /// nothing.
    pub state: Option<PathBuf>,
    /// Whether the control API is served.
    pub control: bool,
    /// How the command that runs this was called, for whoever finds the state
    /// folder taken.
    pub command: String,
}

/// A running configuration.
pub struct Daemon {
    engine: Engine,
    config: Config,
    options: Options,
    install: Install,
    given: Given,
    registries: Vec<ServedRegistry>,
    outlets: Outlets,
    taken_over: CancellationToken,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

/// An embedded registry and where it is served.
#[derive(Clone)]
pub struct ServedRegistry {
    /// The endpoint's name.
    pub endpoint: EndpointName,
    /// Its HTTP address.
    pub http: SocketAddr,
    /// Its gRPC address.
    pub grpc: SocketAddr,
    /// The registry itself.
    pub registry: Registry,
}

/// A configuration could not be run.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// The configuration does not hold together.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// Another daemon could not be taken over from.
    #[error(transparent)]
    Takeover(#[from] TakeoverError),
    /// The install has no identity.
    #[error("find out who this install is")]
    Install(#[source] InstallError),
    /// The configured key is none.
    #[error("`install.key` must be 64 hexadecimal digits")]
    Key,
    /// The state folder could not be opened.
    #[error("open the state folder {}", folder.display())]
    State {
        /// Which folder.
        folder: PathBuf,
        /// Why not.
        source: StateError,
    },
    /// What earlier runs remembered could not be read.
    #[error("read what earlier runs remembered")]
    Remembered(#[source] StoreError),
    /// The engine before this one did not end.
    #[error("end what ran with the configuration before")]
    NotLeft,
    /// What an embedded registry keeps could not be opened.
    #[error("open what the embedded registry `{endpoint}` keeps")]
    Keep {
        /// Which one.
        endpoint: EndpointName,
        /// Why not.
        source: FolderError,
    },
    /// An embedded registry has no identity to show.
    #[error("set up TLS of the embedded registry `{endpoint}`")]
    Tls {
        /// The endpoint.
        endpoint: EndpointName,
        /// Why.
        #[source]
        source: Box<TlsError>,
    },
    /// An embedded registry could not be served.
    #[error("serve the embedded registry `{endpoint}`")]
    Serve {
        /// Which one.
        endpoint: EndpointName,
        /// Why not.
        source: ServeError,
    },
    /// A DNS zone could not be served.
    #[error("serve the DNS zone `{endpoint}`")]
    ServeZone {
        /// Which one.
        endpoint: EndpointName,
        /// Why not.
        source: syncline_connector_dns::ServeError,
    },
    /// A control plane could not be served.
    #[error("serve the control plane `{endpoint}`")]
    ControlPlane {
        /// Which one.
        endpoint: EndpointName,
        /// Why not.
        source: syncline_connector_xds::ServeError,
    },
    /// What an embedded registry passes calls on to cannot be used.
    #[error("set up `configs_from` of the embedded registry `{endpoint}`")]
    ConfigsFrom {
        /// Which one.
        endpoint: EndpointName,
        /// Why not.
        source: SetupError,
    },
}

impl Daemon {
    /// Where embedded registries keep what outlives the process, in the state
    /// folder: each in a folder with its endpoint's name.
    pub const REGISTRIES: &str = "registry";

    /// Starts a configuration.
    ///
    /// # Errors
    /// When it does not hold together, the state folder is taken, or a port is.
    pub async fn start(config: &Config, options: Options) -> Result<Self, DaemonError> {
        Self::start_after(None, config, options).await
    }

    /// Starts a configuration in place of a daemon that runs with the same
    /// state folder: what that one holds by connection is held here before it
    /// ends. Where none runs, this is an ordinary start.
    ///
    /// # Errors
    /// As [`Daemon::start`], and when not all could be taken over; the other
    /// goes on then.
    pub async fn take_over(config: &Config, options: Options) -> Result<Self, DaemonError> {
        let taken = takeover::take_over(config, &options).await?;
        Self::start_after(taken, config, options).await
    }

    async fn start_after(
        taken: Option<Given>,
        config: &Config,
        options: Options,
    ) -> Result<Self, DaemonError> {
        let install = install_of(config, options.state.as_deref())?;
        let state = match (&options.state, &taken) {
            (Some(folder), None) => Some(open_state(folder, &install, config, &options)?),
            (Some(folder), Some(_)) => {
                let open = || open_state(folder, &install, config, &options);
                let state = takeover::state(open).await?;
                takeover::wait_for_places(config, &options).await;
                Some(state)
            }
            (None, _) => None,
        };
        let cancel = CancellationToken::new();
        let tasks = TaskTracker::new();
        let openings = bind_registries(config, &options).await?;
        let served = openings.iter().map(|opening| opening.served.clone());
        let registries: Vec<ServedRegistry> = served.collect();
        let (zones, sockets) = zones::bind(config, &options).await?;
        let taken = taken.unwrap_or_default();
        let retired = match &state {
            Some(state) => retired(state, config, &options)?,
            None => Vec::new(),
        };
        let outlets = Outlets {
            planes: Planes::serve(config, &options, &tasks, &cancel).await?,
            zones,
            ..Outlets::default()
        };
        outlets.pages.expect(config, &options);
        let around = Surroundings::new(config, &registries, &outlets);
        let spec = assemble::assemble(config, &install, &options, around, &taken, &retired)?;
        let (given, fillers) = (Given::of(&spec), Fillers::of(&spec));
        let engine = Engine::start(spec, state)
            .await
            .map_err(DaemonError::Remembered)?;
        ages::keep_telling(engine.handle(), &registries, &tasks, &cancel);
        open_when_filled(openings, &fillers, &engine.filling(), &tasks, &cancel);
        outlets
            .zones
            .serve(sockets, &fillers, &engine.filling(), &tasks, &cancel);
        let taken_over = CancellationToken::new();
        if options.control {
            let looking = origins::Looking {
                registries: registries.clone(),
                signer: assemble::signer(&install)?,
            };
            let looked = Looked {
                engine: engine.handle(),
                registries: Arc::new(looking),
                pages: outlets.pages.all(),
            };
            serve_control(config, &options, looked, &taken_over, &tasks, &cancel);
            peers::exchange(config, &install, &engine.handle(), &tasks, &cancel);
        }
        Ok(Self {
            engine,
            config: config.clone(),
            options,
            install,
            given,
            registries,
            outlets,
            taken_over,
            cancel,
            tasks,
        })
    }

    /// A handle to ask and to tell.
    pub fn handle(&self) -> EngineHandle {
        self.engine.handle()
    }

    /// The embedded registries that it serves.
    pub fn registries(&self) -> &[ServedRegistry] {
        &self.registries
    }

    /// Waits until another process has taken over all that this one holds, so
    /// that it is to be stopped.
    pub async fn taken_over(&self) {
        self.taken_over.cancelled().await;
    }

    /// Stops in good order: registrations stay as far as their hold can keep
    /// them.
    pub async fn stop(self) {
        self.engine.stop(Ending::Stop, STOP_WITHIN).await;
        self.cancel.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Who we are: as configured, else as the state folder says; made up for a run
/// that remembers nothing.
fn install_of(config: &Config, state: Option<&Path>) -> Result<Install, DaemonError> {
    let known = match state {
        Some(folder) => Install::load_or_create(folder),
        None => Install::generate(),
    };
    let mut install = known.map_err(DaemonError::Install)?;
    if let Some(id) = &config.install.id {
        install.id = id.clone();
    }
    if let Some(key) = &config.install.key {
        install.key = InstallKey::from_hex(key.expose()).ok_or(DaemonError::Key)?;
    }
    Ok(install)
}

/// The links that the ledger knows and the configuration does not, where all of
/// the configuration runs. What commands for two endpoints wrote belongs to no
/// configuration.
fn retired(state: &State, config: &Config, options: &Options) -> Result<Vec<Retired>, DaemonError> {
    let whole = options.links.is_empty();
    if !whole || config.links.iter().any(|link| !is_name(link.name.as_str())) {
        return Ok(Vec::new());
    }
    let links = config.links.iter();
    let links = links.map(|link| (link.name.clone(), link.to.clone()));
    let mut retired = state
        .retired(&links.collect())
        .map_err(DaemonError::Remembered)?;
    retired.retain(|retired| retired.ledger.as_str().split('@').all(is_name));
    Ok(retired)
}

fn open_state(
    folder: &Path,
    install: &Install,
    config: &Config,
    options: &Options,
) -> Result<State, DaemonError> {
    let journal = config.journal.options();
    let opened = State::open(folder, install, &options.command, journal);
    opened.map_err(|source| DaemonError::State {
        folder: folder.to_owned(),
        source,
    })
}

/// Makes the embedded registries, and takes the ports that they are to be served
/// at.
async fn bind_registries(config: &Config, options: &Options) -> Result<Vec<Opening>, DaemonError> {
    let mut openings = Vec::new();
    for (endpoint, embedded) in connectors::embedded_endpoints(config, options) {
        let registry = make_registry(endpoint, embedded, config, options).await?;
        let address = embedded.listen.http();
        let tls = embedded.tls.as_ref();
        let tls = tls.map(|tls| ServerTls::load(&tls.files())).transpose();
        let tls = tls.map_err(|source| DaemonError::Tls {
            endpoint: endpoint.clone(),
            source: Box::new(source),
        })?;
        let bound = match address.port() {
            0 => Listeners::bind_free().await,
            _ => Listeners::bind(address).await,
        };
        let listeners = bound.map_err(|source| DaemonError::Serve {
            endpoint: endpoint.clone(),
            source,
        })?;
        let listeners = match tls {
            Some(tls) => listeners.secured(tls),
            None => listeners,
        };
        let served = ServedRegistry {
            endpoint: endpoint.clone(),
            http: listeners.http_addr(),
            grpc: listeners.grpc_addr(),
            registry,
        };
        openings.push(Opening { served, listeners });
    }
    Ok(openings)
}

/// A registry as configured, with what it kept of earlier runs.
async fn make_registry(
    endpoint: &EndpointName,
    embedded: &EmbeddedConfig,
    config: &Config,
    options: &Options,
) -> Result<Registry, DaemonError> {
    let settings = embedded.settings();
    let configs = connectors::configs_from(config, embedded);
    let configs = configs.map_err(|source| DaemonError::ConfigsFrom {
        endpoint: endpoint.clone(),
        source,
    })?;
    let Some(folder) = kept(endpoint, options) else {
        return Ok(Registry::with_configs(settings, configs));
    };
    // The daemon before this one may be about to let go of it.
    let deadline = Instant::now() + FOLDER_FREE_WITHIN;
    loop {
        match Registry::open(settings.clone(), configs.clone(), &folder) {
            Err(FolderError::InUse { .. }) if Instant::now() < deadline => sleep(LOOK_EVERY).await,
            opened => {
                return opened.map_err(|source| DaemonError::Keep {
                    endpoint: endpoint.clone(),
                    source,
                });
            }
        }
    }
}

/// Where an embedded registry keeps what outlives the process. A dry run makes
/// no folder.
fn kept(endpoint: &EndpointName, options: &Options) -> Option<PathBuf> {
    let folder = options.state.as_ref()?.join(Daemon::REGISTRIES);
    let folder = folder.join(endpoint.as_str());
    (options.mode == Mode::Live || folder.exists()).then_some(folder)
}

fn serve_control(
    config: &Config,
    options: &Options,
    looked: Looked,
    taken_over: &CancellationToken,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) {
    if let Some(socket) = socket(config, options) {
        let (looked, cancel) = (looked.clone(), cancel.clone());
        let taken_over = taken_over.clone();
        tasks.spawn(async move {
            log_admin(syncline_admin::serve_unix(&socket, looked, taken_over, cancel).await);
        });
    }
    let (address, cancel) = (config.admin.listen, cancel.clone());
    tasks.spawn(async move {
        let served = syncline_admin::serve_tcp(address, looked, cancel).await;
        if served.is_err() {
            tracing::error!("the daemon goes on without an HTTP API; see `admin.listen`");
        }
        log_admin(served);
    });
}

/// The unix socket that commands ask.
fn socket(config: &Config, options: &Options) -> Option<PathBuf> {
    match (&config.admin.socket, &options.state) {
        (Some(socket), _) => Some(socket.as_path().to_owned()),
        (None, Some(state)) => Some(state.join(ControlClient::SOCKET)),
        (None, None) => None,
    }
}

fn log_admin(served: Result<(), AdminError>) {
    if let Err(error) = served {
        let error = anyhow::Error::from(error);
        tracing::error!("{error:#}");
    }
}
