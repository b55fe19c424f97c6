//! The exchange with the other replicas: every few seconds each is asked what
//! it sees and holds, and the engine decides what follows.

use std::sync::Arc;
use std::time::Duration;

use syncline_admin::peers::{PeerClient, PeerError, PeerKey, PeerSeat, serve_peers};
use syncline_engine::core::{PeerName, PeerSettings};
use syncline_engine::store::Install;
use syncline_engine::{EngineHandle, Stopped};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::log_admin;
use crate::config::Config;

/// How often replicas are asked.
const EVERY: Duration = Duration::from_secs(2);

/// How replicas are taken, where the configuration names any.
pub(super) fn settings(config: &Config) -> Option<PeerSettings> {
    let rules = config.links.iter();
    let rules = rules.map(|link| (link.name.clone(), format!("{link:?}")));
    let peers = &config.peers;
    peers
        .are_there()
        .then(|| PeerSettings::new(peers.let_go_after.get(), peers.addresses.len(), rules))
}

/// Answers replicas and asks them until cancelled.
pub(super) fn exchange(
    config: &Config,
    install: &Install,
    engine: &EngineHandle,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) {
    let peers = &config.peers;
    if !peers.are_there() {
        return;
    }
    let key = PeerKey::of_install(install.key.bytes());
    let Some(seat) = PeerSeat::new(engine.clone(), key.clone()) else {
        tracing::error!("the system gives no random numbers, so replicas are not asked");
        return;
    };
    let until = cancel.clone();
    let stock = take_stock(engine.clone());
    tasks.spawn(async move { until.run_until_cancelled(stock).await });
    for address in &peers.addresses {
        let peer = PeerClient::new(address, key.clone());
        let asking = ask(peer, seat.node().to_owned(), engine.clone());
        let until = cancel.clone();
        tasks.spawn(async move { until.run_until_cancelled(asking).await });
    }
    if let Some(address) = peers.listen {
        let cancel = cancel.clone();
        tasks.spawn(async move {
            log_admin(serve_peers(address, seat, cancel).await);
        });
    }
}

async fn take_stock(engine: EngineHandle) {
    while engine.take_stock().await.is_ok() {
        sleep(EVERY).await;
    }
}

/// Asks one replica again and again, until the engine stops.
async fn ask(peer: PeerClient, node: String, engine: EngineHandle) {
    let name: PeerName = peer.address().into();
    let mut heard = None;
    loop {
        let asked = ask_once(&peer, &name, &node, &engine).await;
        let Ok(outcome) = asked else { return };
        match outcome {
            Ok(()) if heard != Some(true) => {
                heard = Some(true);
                tracing::info!(peer = %name, "the replica answers");
            }
            Err(error) => {
                let why = format!("{:#}", anyhow::Error::from(error));
                if heard != Some(false) {
                    heard = Some(false);
                    tracing::warn!(peer = %name, "the replica cannot be asked: {why}");
                }
                if engine.peer_lost(name.clone(), why.into()).await.is_err() {
                    return;
                }
            }
            Ok(()) => {}
        }
        sleep(EVERY).await;
    }
}

async fn ask_once(
    peer: &PeerClient,
    name: &PeerName,
    node: &str,
    engine: &EngineHandle,
) -> Result<Result<(), PeerError>, Stopped> {
    let reported = match peer.report().await {
        Ok(reported) => reported,
        Err(error) => return Ok(Err(error)),
    };
    // Our own address may stand in a configuration that all replicas share.
    if reported.node == node {
        engine.peer_is_us(Arc::clone(name)).await?;
        return Ok(Ok(()));
    }
    let questions = engine.peer_reported(Arc::clone(name), reported.report);
    for question in questions.await? {
        let asked_at = Instant::now();
        let answer = match peer.compare(&question).await {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error)),
        };
        let (name, link) = (Arc::clone(name), question.link);
        engine
            .peer_answered(name, link, answer, asked_at.elapsed())
            .await?;
    }
    Ok(Ok(()))
}
