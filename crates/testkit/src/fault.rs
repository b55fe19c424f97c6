//! Proxies with faults: networks that fail, and servers that answer nonsense.
//!
//! A [`FaultProxy`] stands before one address and does a [`Fault`] to what passes. One before an HTTP port
//! ([`FaultProxy::http`]) also knows where requests begin, so that a [`Rule`] can give another [`Reply`] in place of
//! the server's. [`NacosProxy`] is one before each of a server's two ports.

mod exchange;
mod passing;
mod reply;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use reply::{Reply, Rule};

use crate::ports::PortBlock;

/// What the proxy does to connections, those that are open included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Passes everything on.
    #[default]
    None,
    /// Resets open connections and every new one: a server that died.
    Reset,
    /// Accepts, and passes nothing on in either direction: a network that swallows. Nothing is lost; what was sent
    /// arrives when the fault ends.
    BlackHole,
    /// Like [`BlackHole`](Self::BlackHole), in one direction only: requests are heard and answers are not, or the
    /// other way round.
    Stall(Direction),
    /// Passes every piece on after a pause, each way.
    Delay(Duration),
    /// Passes one byte at a time, each after a pause, in one direction.
    Drip(Direction, Duration),
    /// Passes so many bytes of whatever the server says next, and resets the connection.
    Cut(usize),
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

impl Fault {
    /// Whether nothing passes in a direction for now.
    fn holds(self, direction: Direction) -> bool {
        match self {
            Self::BlackHole => true,
            Self::Stall(stalled) => stalled == direction,
            _ => false,
        }
    }
}

/// What a proxy is told; all its connections look at it.
#[derive(Clone, Debug, Default)]
struct Orders {
    fault: Fault,
    rules: Arc<[Rule]>,
}

/// A proxy in front of one address. It ends, with its connections, when dropped.
#[derive(Debug)]
pub struct FaultProxy {
    addr: SocketAddr,
    orders: watch::Sender<Orders>,
    met: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl FaultProxy {
    /// Listens on a free loopback port in front of `target`, whatever is spoken there.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub async fn start(target: SocketAddr) -> anyhow::Result<Self> {
        Self::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), target).await
    }

    /// Listens on a given address in front of `target`, whatever is spoken there.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn start_on(listen: SocketAddr, target: SocketAddr) -> anyhow::Result<Self> {
        Self::listen(listen, target, Protocol::Any).await
    }

    /// Listens on a given address in front of `target`, where HTTP/1.1 is spoken: [`answer`](Self::answer) works here
    /// alone. A client must not send a request before it has the answer to the one before.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn http(listen: SocketAddr, target: SocketAddr) -> anyhow::Result<Self> {
        Self::listen(listen, target, Protocol::Http).await
    }

    async fn listen(
        listen: SocketAddr,
        target: SocketAddr,
        protocol: Protocol,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("listen on {listen}"))?;
        let addr = listener
            .local_addr()
            .context("ask for the proxy's address")?;
        let (orders, told) = watch::channel(Orders::default());
        let met = Arc::default();
        let connection = Connection {
            target,
            protocol,
            orders: told,
            met: Arc::clone(&met),
        };
        let accepting = tokio::spawn(accept(listener, connection));
        Ok(Self {
            addr,
            orders,
            met,
            accepting,
        })
    }

    /// Where to connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Changes the fault, for open connections too.
    pub fn set(&self, fault: Fault) {
        self.orders.send_modify(|orders| orders.fault = fault);
    }

    /// Changes what requests are answered, from the next one on each connection; of several rules that a request
    /// meets, the first counts.
    pub fn answer(&self, rules: impl IntoIterator<Item = Rule>) {
        let rules = rules.into_iter().collect();
        self.orders.send_modify(|orders| orders.rules = rules);
    }

    /// How many requests met a rule so far.
    pub fn met(&self) -> u64 {
        self.met.load(Ordering::Relaxed)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Two proxies in front of a Nacos server, at the distance that its clients expect: HTTP, and gRPC at HTTP + 1000.
#[derive(Debug)]
pub struct NacosProxy {
    /// In front of the HTTP port.
    pub http: FaultProxy,
    /// In front of the gRPC port.
    pub grpc: FaultProxy,
    _ports: PortBlock,
}

impl NacosProxy {
    /// Listens in front of the server at `target`, its HTTP address.
    ///
    /// # Errors
    ///
    /// When no ports are free.
    pub async fn start(target: SocketAddr) -> anyhow::Result<Self> {
        let ports = PortBlock::reserve()?;
        let grpc = SocketAddr::new(target.ip(), target.port() + 1000);
        Ok(Self {
            http: FaultProxy::http(ports.http(), target).await?,
            grpc: FaultProxy::start_on(ports.grpc(), grpc).await?,
            _ports: ports,
        })
    }

    /// The address to give to a Nacos client.
    pub fn addr(&self) -> SocketAddr {
        self.http.addr()
    }

    /// Changes the fault of both.
    pub fn set(&self, fault: Fault) {
        self.http.set(fault);
        self.grpc.set(fault);
    }

    /// Changes what HTTP requests are answered.
    pub fn answer(&self, rules: impl IntoIterator<Item = Rule>) {
        self.http.answer(rules);
    }

    /// Ends all faults and all replies of both.
    pub fn heal(&self) {
        self.answer([]);
        self.set(Fault::None);
    }
}

/// What is spoken at a port.
#[derive(Clone, Copy, Debug)]
enum Protocol {
    Any,
    Http,
}

/// What each connection needs to know.
#[derive(Clone, Debug)]
struct Connection {
    target: SocketAddr,
    protocol: Protocol,
    orders: watch::Receiver<Orders>,
    met: Arc<AtomicU64>,
}

/// How a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Both sides have said all.
    Close,
    /// By RST, both ways.
    Reset,
}

/// Serves connections until it is aborted, and they with it.
async fn accept(listener: TcpListener, connection: Connection) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(serve(client, connection.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// One connection, until both sides closed it or a reset is asked for.
async fn serve(mut client: TcpStream, connection: Connection) {
    let Connection {
        target,
        protocol,
        mut orders,
        met,
    } = connection;
    if orders.borrow().fault == Fault::Reset {
        return reset(&client);
    }
    let Ok(mut server) = TcpStream::connect(target).await else {
        return reset(&client);
    };
    // Without it small messages wait for each other. It fails only where the connection is gone already.
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();
    let told = orders.clone();
    let end = {
        let passing = async {
            match protocol {
                Protocol::Any => passing::both_ways(&mut client, &mut server, &told).await,
                Protocol::Http => exchange::requests(&mut client, &mut server, &told, &met).await,
            }
        };
        tokio::select! {
            end = passing => end,
            _ = orders.wait_for(|orders| orders.fault == Fault::Reset) => End::Reset,
        }
    };
    if end == End::Reset {
        reset(&client);
        reset(&server);
    }
}

/// Lets the connection end by RST rather than by FIN when it drops.
fn reset(stream: &TcpStream) {
    // It fails only where the connection is gone already.
    stream.set_zero_linger().ok();
}
