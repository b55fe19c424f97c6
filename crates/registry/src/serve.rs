//! Listening: the pair of ports that Nacos clients expect, and serving them.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::registry::Registry;
use crate::tls::ServerTls;
use crate::{checks, grpc, http, udp};

/// Nacos clients look for gRPC at the HTTP port plus this.
pub const GRPC_OFFSET: u16 = 1000;

/// Free pairs are looked for in this range of HTTP ports. With their gRPC
/// ports they stay below 32768, where systems begin to hand out ports for
/// outgoing connections, which could take the second one of a pair.
const FREE_HTTP_PORTS: std::ops::Range<u16> = 26_000..31_700;

/// The two ports of a registry, bound, and a socket that pushes come from.
#[derive(Debug)]
pub struct Listeners {
    http: TcpListener,
    grpc: TcpListener,
    udp: UdpSocket,
    http_addr: SocketAddr,
    grpc_addr: SocketAddr,
    tls: Option<ServerTls>,
}

/// Why the ports could not be bound or served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No listener at an address.
    #[error("cannot listen for {protocol} on {addr}")]
    Bind {
        /// `HTTP`, `gRPC` or `UDP`.
        protocol: &'static str,
        /// The address.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The gRPC port would be beyond the last one.
    #[error("HTTP port {0} leaves no room for the gRPC port, which is {GRPC_OFFSET} higher")]
    NoRoomForGrpc(u16),
    /// No pair of ports was free.
    #[error("no two free ports that are {GRPC_OFFSET} apart")]
    NoFreePair,
    /// The gRPC server failed.
    #[error("serving gRPC failed")]
    Grpc(#[source] tonic::transport::Error),
}

impl Listeners {
    /// Binds the HTTP address, the gRPC port that belongs to it, and any UDP
    /// port: clients answer to where a push came from.
    ///
    /// # Errors
    /// If either is taken, or there is no such port.
    pub async fn bind(http_addr: SocketAddr) -> Result<Self, ServeError> {
        let http = listen("HTTP", http_addr).await?;
        // Port 0 asks the system for one.
        let http_addr = http.local_addr().unwrap_or(http_addr);
        let grpc_port = http_addr.port().checked_add(GRPC_OFFSET);
        let grpc_port = grpc_port.ok_or(ServeError::NoRoomForGrpc(http_addr.port()))?;
        let grpc_addr = SocketAddr::new(http_addr.ip(), grpc_port);
        let grpc = listen("gRPC", grpc_addr).await?;
        let udp = any_udp_port(http_addr.ip()).await?;
        Ok(Self {
            http,
            grpc,
            udp,
            http_addr,
            grpc_addr,
            tls: None,
        })
    }

    /// Speaks TLS at both ports, and nothing else. Pushes over UDP would go
    /// past it, so there are none.
    #[must_use]
    pub fn secured(self, tls: ServerTls) -> Self {
        let tls = Some(tls);
        Self { tls, ..self }
    }

    /// Binds a free pair on the loopback address, for tests and
    /// demonstrations.
    ///
    /// # Errors
    /// If none was found in a hundred tries.
    pub async fn bind_free() -> Result<Self, ServeError> {
        let ports = u64::from(FREE_HTTP_PORTS.end - FREE_HTTP_PORTS.start);
        for _ in 0..100 {
            // Seeded differently each time; no other randomness is needed.
            let random = RandomState::new().build_hasher().finish();
            let offset = u16::try_from(random % ports).unwrap_or(0);
            let port = FREE_HTTP_PORTS.start + offset;
            let addr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
            match Self::bind(addr).await {
                Err(ServeError::Bind { source, .. })
                    if source.kind() == io::ErrorKind::AddrInUse => {}
                bound => return bound,
            }
        }
        Err(ServeError::NoFreePair)
    }

    /// Where HTTP is served.
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Where gRPC is served.
    pub fn grpc_addr(&self) -> SocketAddr {
        self.grpc_addr
    }
}

async fn listen(protocol: &'static str, addr: SocketAddr) -> Result<TcpListener, ServeError> {
    let bound = TcpListener::bind(addr).await;
    bound.map_err(|source| ServeError::Bind {
        protocol,
        addr,
        source,
    })
}

async fn any_udp_port(ip: IpAddr) -> Result<UdpSocket, ServeError> {
    let addr = SocketAddr::new(ip, 0);
    let bound = UdpSocket::bind(addr).await;
    bound.map_err(|source| ServeError::Bind {
        protocol: "UDP",
        addr,
        source,
    })
}

/// Serves a registry until cancelled, then ends what is still open within a
/// second or two.
///
/// # Errors
/// If gRPC cannot be served.
pub async fn serve(
    listeners: Listeners,
    registry: Registry,
    cancel: CancellationToken,
) -> Result<(), ServeError> {
    registry.inner.returning.is_served();
    // If one part fails the others have to end too.
    let cancel = cancel.child_token();
    let until_cancelled = cancel.clone().drop_guard();
    let unsecured = listeners.tls.is_none();
    let (http_tls, grpc_tls) = listeners.tls.map(|tls| (tls.http, tls.grpc)).unzip();
    let grpc = async {
        let (registry, cancel) = (registry.clone(), cancel.clone());
        let served = grpc::serve(listeners.grpc, grpc_tls, registry, cancel).await;
        drop(until_cancelled);
        served.map_err(ServeError::Grpc)
    };
    let http = http::serve(listeners.http, http_tls, registry.clone(), cancel.clone());
    // Apart, because compressing large lists takes its time.
    let pushing = TaskTracker::new();
    if unsecured {
        pushing.spawn(udp::serve(listeners.udp, registry.clone(), cancel.clone()));
    }
    pushing.close();
    let keeping = registry.keep_time(&cancel);
    let checking = checks::run(&registry, &cancel);
    let (served, (), (), (), ()) = tokio::join!(grpc, http, keeping, checking, pushing.wait());
    served
}

/// The next connection. Failing to accept one (out of descriptors, or the peer
/// has gone) is no reason to stop listening.
pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "cannot turn off Nagle's algorithm");
                }
                return stream;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
