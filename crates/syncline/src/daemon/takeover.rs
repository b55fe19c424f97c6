//! Taking over from a running daemon of the same state folder without a gap.
//!
//! What the running daemon holds by connection is registered here as well,
//! byte for byte, so that it shows once at the target. Only when all of it
//! stands is the other told to end; until then it goes on by itself should we
//! die. What lives by beats, by the target or in a file needs no overlap.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use syncline_admin::takeover::LEASE;
use syncline_admin::{ControlClient, ControlError};
use syncline_contract::{Class, Failure, Hold, Target, Write};
use syncline_engine::core::Holding;
use syncline_engine::store::StoreError;
use syncline_engine::{Sink, State, StateError};
use syncline_model::LinkName;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::connectors::{self, Surroundings};
use super::given::Given;
use super::outlets::Outlets;
use super::planes;
use super::{DaemonError, Options};
use crate::config::{Config, Endpoint};

/// How many services of a link are registered at once.
const WRITES_IN_FLIGHT: usize = 32;

/// How long all of it has to stand before the other ends. Members of a Nacos
/// cluster lag each other by up to 1.7 s (measured, 2.2.4).
const SETTLE: Duration = Duration::from_secs(2);

/// How long the other may take to end.
const END_WITHIN: Duration = Duration::from_secs(30);

/// How long its addresses may stay taken after that; somebody else may have
/// them.
const FREE_WITHIN: Duration = Duration::from_secs(10);

/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A daemon could not be taken over from; it goes on.
#[derive(Debug, Error)]
pub enum TakeoverError {
    /// The configuration says of no socket where it could be asked.
    #[error("without a state folder there is nobody to take over from")]
    NoState,
    /// It does not answer as it should.
    #[error("ask the running daemon, which goes on")]
    Ask(#[source] ControlError),
    /// What it holds could not be registered.
    #[error("register what link `{link}` holds; the running daemon goes on")]
    Register {
        /// Which link.
        link: LinkName,
        /// Why not.
        source: Failure,
    },
}

/// Registers all that the running daemon holds by connection, and makes it end.
/// `None` where none runs.
pub(super) async fn take_over(
    config: &Config,
    options: &Options,
) -> Result<Option<Given>, TakeoverError> {
    let socket = super::socket(config, options).ok_or(TakeoverError::NoState)?;
    let daemon = ControlClient::at(&socket);
    let holdings = match daemon.begin_takeover().await {
        Ok(holdings) => holdings,
        Err(ControlError::NotRunning { .. }) => {
            tracing::warn!("no daemon runs with this state folder; this is an ordinary start");
            return Ok(None);
        }
        Err(error) => return Err(TakeoverError::Ask(error)),
    };
    let mut taken = Given::default();
    let registered = tokio::select! {
        registered = register_all(&mut taken, config, options, holdings) => registered,
        error = keep_still(&daemon) => Err(TakeoverError::Ask(error)),
    };
    if let Err(error) = registered {
        taken.close().await;
        // It goes on by itself soon after where it cannot be told.
        daemon.abort_takeover().await.ok();
        return Err(error);
    }
    match daemon.finish_takeover().await {
        // One that has died meanwhile needs no end.
        Ok(_) | Err(ControlError::NotRunning { .. }) => Ok(Some(taken)),
        Err(error) => {
            taken.close().await;
            Err(TakeoverError::Ask(error))
        }
    }
}

/// Renews the daemon's standstill until that fails.
async fn keep_still(daemon: &ControlClient) -> ControlError {
    loop {
        sleep(LEASE / 5).await;
        if let Err(error) = daemon.renew_takeover().await {
            return error;
        }
    }
}

async fn register_all(
    taken: &mut Given,
    config: &Config,
    options: &Options,
    holdings: Vec<Holding>,
) -> Result<(), TakeoverError> {
    let mut services = 0;
    for link in config.links.iter().filter(|link| options.runs(&link.name)) {
        let Some(endpoint @ Endpoint::Nacos(_)) = config.endpoints.get(&link.to) else {
            continue;
        };
        let outlets = Outlets::default();
        let around = Surroundings::new(config, &[], &outlets);
        let sink = connectors::sink(&link.to, endpoint, link, &around);
        let Some(Sink::Target(target)) = sink else {
            continue;
        };
        let is_its = |h: &&Holding| h.link == link.name && h.to == link.to;
        let its: Vec<Holding> = holdings.iter().filter(is_its).cloned().collect();
        let failed = |source| TakeoverError::Register {
            link: link.name.clone(),
            source,
        };
        let report = target.describe().await.map_err(failed)?;
        if report.hold != Hold::Connection {
            continue;
        }
        services += its.len();
        taken.hold(link.name.clone(), Arc::clone(&target));
        register(&target, its).await.map_err(failed)?;
    }
    tracing::info!(services, "holds all that the running daemon holds");
    if services > 0 {
        sleep(SETTLE).await;
    }
    Ok(())
}

async fn register(target: &Arc<dyn Target>, holdings: Vec<Holding>) -> Result<(), Failure> {
    let writes = Arc::new(Semaphore::new(WRITES_IN_FLIGHT));
    let mut writing = JoinSet::new();
    for holding in holdings {
        let (target, writes) = (Arc::clone(target), Arc::clone(&writes));
        writing.spawn(async move {
            let _permit = writes.acquire_owned().await;
            target
                .apply(Write {
                    service: holding.service,
                    accepted: holding.set,
                    changes: Arc::from([]),
                    taken_over: Arc::from([]),
                })
                .await
        });
    }
    while let Some(written) = writing.join_next().await {
        let panicked = |_| Err(Failure::new(Class::Fatal, "the target panicked"));
        match written.unwrap_or_else(panicked) {
            // The server refuses one instance, as it did before.
            Err(failure) if failure.class == Class::Conflict => {
                tracing::warn!("{}", failure.chain());
            }
            written => written?,
        }
    }
    Ok(())
}

/// Opens the state folder as soon as the other has let go of it.
pub(super) async fn state(
    open: impl Fn() -> Result<State, DaemonError>,
) -> Result<State, DaemonError> {
    let deadline = Instant::now() + END_WITHIN;
    loop {
        match open() {
            Err(DaemonError::State {
                source: StateError::Store(StoreError::InUse { .. }),
                ..
            }) if Instant::now() < deadline => sleep(LOOK_EVERY).await,
            opened => return opened.map(State::taken_over),
        }
    }
}

/// Waits until the other answers nowhere any more, where we want to.
pub(super) async fn wait_for_places(config: &Config, options: &Options) {
    let deadline = Instant::now() + FREE_WITHIN;
    let socket: Option<PathBuf> = super::socket(config, options);
    let mut addresses = vec![config.admin.listen];
    addresses.extend(config.peers.listen);
    for (_, embedded) in connectors::embedded_endpoints(config, options) {
        let http = embedded.listen.http();
        let grpc = SocketAddr::new(http.ip(), http.port().saturating_add(1000));
        addresses.extend([http, grpc].into_iter().filter(|_| http.port() > 0));
    }
    let zones = connectors::dns_endpoints(config, options).into_iter();
    addresses.extend(
        zones
            .map(|(_, dns)| dns.listen)
            .filter(|listen| listen.port() > 0),
    );
    let planes = planes::endpoints(config, options).into_iter();
    addresses.extend(planes.map(|(_, plane)| plane.listen));
    while Instant::now() < deadline {
        let gone = socket.as_ref().is_none_or(|socket| !socket.exists());
        if gone && are_free(&addresses).await {
            return;
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn are_free(addresses: &[SocketAddr]) -> bool {
    for address in addresses {
        if TcpListener::bind(address).await.is_err() {
            return false;
        }
    }
    true
}
