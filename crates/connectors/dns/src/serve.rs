//! The sockets: one port, over UDP and TCP.

mod tcp;
mod udp;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::responder::Responder;

/// How often a free port is looked for that is free twice.
const TRIES: usize = 16;

/// An address that was taken, over UDP and TCP.
#[derive(Debug)]
pub struct Sockets {
    udp: UdpSocket,
    tcp: TcpListener,
    address: SocketAddr,
}

/// An address could not be taken.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address} over {over}")]
pub struct ServeError {
    /// Which one.
    pub address: SocketAddr,
    /// UDP or TCP.
    pub over: &'static str,
    /// Why not.
    #[source]
    pub source: io::Error,
}

impl Sockets {
    /// Takes an address; port 0 takes one that is free.
    ///
    /// # Errors
    /// When another has it, or we may not.
    pub async fn bind(address: SocketAddr) -> Result<Self, ServeError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match bind_both(address).await {
                Err(_) if address.port() == 0 && tries < TRIES => {}
                bound => return bound,
            }
        }
    }

    /// The address that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn bind_both(wanted: SocketAddr) -> Result<Sockets, ServeError> {
    let failed = |address, over| {
        move |source| ServeError {
            address,
            over,
            source,
        }
    };
    let tcp = TcpListener::bind(wanted)
        .await
        .map_err(failed(wanted, "TCP"))?;
    let address = tcp.local_addr().map_err(failed(wanted, "TCP"))?;
    let udp = UdpSocket::bind(address)
        .await
        .map_err(failed(address, "UDP"))?;
    Ok(Sockets { udp, tcp, address })
}

/// Answers until cancelled.
pub(crate) async fn serve(sockets: Sockets, responder: Arc<Responder>, cancel: CancellationToken) {
    let tasks = TaskTracker::new();
    udp::serve(sockets.udp, &responder, &tasks, &cancel);
    tcp::serve(sockets.tcp, responder, tasks.clone(), cancel).await;
    tasks.close();
    tasks.wait().await;
}
