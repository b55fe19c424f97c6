//! A proxy that counts: what a client asks of a Nacos server, and how many bytes that takes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Context as _;
use parking_lot::Mutex;
use syncline_testkit::ports::PortBlock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use crate::frames::Frames;

/// What passed, since the proxy began.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traffic {
    /// HTTP/1 requests, by method and path.
    pub(crate) http: BTreeMap<String, u64>,
    /// gRPC calls, health checks included. A stream is one.
    pub(crate) grpc: u64,
    /// Bytes from the client to the server.
    pub(crate) up_bytes: u64,
    /// Bytes from the server to the client.
    pub(crate) down_bytes: u64,
}

impl Traffic {
    /// What passed since an earlier look.
    pub(crate) fn since(mut self, earlier: &Self) -> Self {
        for (path, before) in &earlier.http {
            if let Some(count) = self.http.get_mut(path) {
                *count -= before;
            }
        }
        self.http.retain(|_, count| *count > 0);
        Self {
            http: self.http,
            grpc: self.grpc - earlier.grpc,
            up_bytes: self.up_bytes - earlier.up_bytes,
            down_bytes: self.down_bytes - earlier.down_bytes,
        }
    }
}

#[derive(Debug, Default)]
struct Counters {
    http: Mutex<BTreeMap<String, u64>>,
    grpc: AtomicU64,
    up_bytes: AtomicU64,
    down_bytes: AtomicU64,
}

/// Stands before both ports of a Nacos server, until dropped.
pub(crate) struct Proxy {
    ports: PortBlock,
    counters: Arc<Counters>,
    _accepting: [AbortOnDropHandle<()>; 2],
}

impl Proxy {
    /// Stands before the server whose HTTP address is given.
    pub(crate) async fn start(server: SocketAddr) -> anyhow::Result<Self> {
        let ports = PortBlock::reserve()?;
        let counters = Arc::new(Counters::default());
        let grpc = SocketAddr::new(server.ip(), server.port() + 1000);
        let http = listen(ports.http(), server, Protocol::Http, &counters).await?;
        let grpc = listen(ports.grpc(), grpc, Protocol::Grpc, &counters).await?;
        Ok(Self {
            ports,
            counters,
            _accepting: [http, grpc],
        })
    }

    /// The HTTP address to give to a client.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.ports.http()
    }

    /// What passed so far.
    pub(crate) fn traffic(&self) -> Traffic {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Traffic {
            http: self.counters.http.lock().clone(),
            grpc: read(&self.counters.grpc),
            up_bytes: read(&self.counters.up_bytes),
            down_bytes: read(&self.counters.down_bytes),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Protocol {
    Http,
    Grpc,
}

async fn listen(
    at: SocketAddr,
    server: SocketAddr,
    protocol: Protocol,
    counters: &Arc<Counters>,
) -> anyhow::Result<AbortOnDropHandle<()>> {
    let listener = TcpListener::bind(at)
        .await
        .with_context(|| format!("listen on {at}"))?;
    let accepting = accept(listener, server, protocol, Arc::clone(counters));
    Ok(AbortOnDropHandle::new(tokio::spawn(accepting)))
}

async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    protocol: Protocol,
    counters: Arc<Counters>,
) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(serve(client, server, protocol, Arc::clone(&counters)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(client: TcpStream, server: SocketAddr, protocol: Protocol, counters: Arc<Counters>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    // Without it small messages wait for each other. A connection that is gone already ends below.
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // HTTP/1 without pipelining: a request begins where the client speaks after the server, or first.
    let answered = AtomicBool::new(true);
    let mut frames = Frames::default();
    let up = pipe(from_client, to_server, |piece| {
        add(&counters.up_bytes, piece.len() as u64);
        match protocol {
            Protocol::Http => {
                if answered.swap(false, Ordering::Relaxed) {
                    let mut requests = counters.http.lock();
                    *requests.entry(asked(piece)).or_default() += 1;
                }
            }
            Protocol::Grpc => add(&counters.grpc, frames.calls(piece)),
        }
    });
    let down = pipe(from_server, to_client, |piece| {
        add(&counters.down_bytes, piece.len() as u64);
        answered.store(true, Ordering::Relaxed);
    });
    tokio::join!(up, down);
}

/// The method and the path, from the first bytes of a request.
fn asked(piece: &[u8]) -> String {
    let end = piece.iter().position(|byte| matches!(byte, b'?' | b'\r'));
    let line = String::from_utf8_lossy(&piece[..end.unwrap_or(piece.len())]);
    line.trim_end_matches(" HTTP/1.1").to_owned()
}

fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

/// Passes bytes on until the end of either side.
async fn pipe(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut look: impl FnMut(&[u8])) {
    let mut piece = vec![0; 64 * 1024];
    loop {
        match from.read(&mut piece).await {
            Ok(length @ 1..) => {
                look(&piece[..length]);
                if to.write_all(&piece[..length]).await.is_err() {
                    return;
                }
            }
            Ok(0) | Err(_) => {
                // The peer may have closed already.
                to.shutdown().await.ok();
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_named_by_method_and_path() {
        assert_eq!(asked(b"GET /a/b?c=d HTTP/1.1\r\nHost: x"), "GET /a/b");
        assert_eq!(asked(b"PUT /a HTTP/1.1\r\n\r\n"), "PUT /a");
        assert_eq!(asked(b"POST"), "POST");
    }

    #[test]
    fn what_passed_is_told_since_a_look() {
        let traffic = |counts: &[(&str, u64)]| Traffic {
            http: counts
                .iter()
                .map(|(path, n)| ((*path).to_owned(), *n))
                .collect(),
            ..Traffic::default()
        };
        let since = traffic(&[("a", 5), ("b", 2), ("c", 1)]).since(&traffic(&[("a", 3), ("b", 2)]));
        assert_eq!(since.http, traffic(&[("a", 2), ("c", 1)]).http);
    }
}
