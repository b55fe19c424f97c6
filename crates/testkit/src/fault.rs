//! A TCP proxy with faults.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

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
    /// Passes every piece on after a pause, each way.
    Delay(Duration),
}

/// A proxy in front of one address. It ends, with its connections, when dropped.
#[derive(Debug)]
pub struct FaultProxy {
    addr: SocketAddr,
    fault: watch::Sender<Fault>,
    accepting: JoinHandle<()>,
}

impl FaultProxy {
    /// Listens on a free loopback port in front of `target`.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub async fn start(target: SocketAddr) -> anyhow::Result<Self> {
        Self::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), target).await
    }

    /// Listens on a given address in front of `target`.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn start_on(listen: SocketAddr, target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("listen on {listen}"))?;
        let addr = listener
            .local_addr()
            .context("ask for the proxy's address")?;
        let (fault, faults) = watch::channel(Fault::None);
        let accepting = tokio::spawn(accept(listener, target, faults));
        Ok(Self {
            addr,
            fault,
            accepting,
        })
    }

    /// Where to connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Changes the fault, for open connections too.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
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
            http: FaultProxy::start_on(ports.http(), target).await?,
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
}

/// Serves connections until it is aborted, and they with it.
async fn accept(listener: TcpListener, target: SocketAddr, faults: watch::Receiver<Fault>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(serve(client, target, faults.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// One connection, until both sides closed it or a reset is asked for.
async fn serve(mut client: TcpStream, target: SocketAddr, mut faults: watch::Receiver<Fault>) {
    if *faults.borrow() == Fault::Reset {
        return reset(&client);
    }
    let Ok(mut server) = TcpStream::connect(target).await else {
        return reset(&client);
    };
    {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = pipe(from_client, to_server, faults.clone());
        let down = pipe(from_server, to_client, faults.clone());
        tokio::select! {
            _ = async { tokio::join!(up, down) } => return,
            _ = faults.wait_for(|fault| *fault == Fault::Reset) => {}
        }
    }
    reset(&client);
    reset(&server);
}

/// Passes bytes one way, under whatever fault holds at that moment, until the end or an error.
async fn pipe(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut faults: watch::Receiver<Fault>) {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let Ok(length) = from.read(&mut piece).await else {
            return;
        };
        // An error here means that the proxy is gone.
        let Ok(fault) = faults
            .wait_for(|fault| *fault != Fault::BlackHole)
            .await
            .map(|fault| *fault)
        else {
            return;
        };
        if let Fault::Delay(pause) = fault {
            tokio::time::sleep(pause).await;
        }
        if length == 0 || to.write_all(&piece[..length]).await.is_err() {
            // The end of this direction; the peer may have closed already.
            to.shutdown().await.ok();
            return;
        }
    }
}

/// Lets the connection end by RST rather than by FIN when it drops.
fn reset(stream: &TcpStream) {
    // It fails only where the connection is gone already.
    stream.set_zero_linger().ok();
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;
    use crate::eventually;

    /// A server that sends back what it gets.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await.ok();
                });
            }
        });
        addr
    }

    async fn connected() -> (FaultProxy, TcpStream) {
        let proxy = FaultProxy::start(echo().await).await.unwrap();
        let stream = TcpStream::connect(proxy.addr()).await.unwrap();
        (proxy, stream)
    }

    async fn answered(stream: &mut TcpStream, word: &[u8]) -> std::io::Result<()> {
        stream.write_all(word).await?;
        let mut answer = vec![0; word.len()];
        stream.read_exact(&mut answer).await?;
        assert_eq!(answer, word);
        Ok(())
    }

    #[tokio::test]
    async fn passes_bytes_and_the_end() {
        let (_proxy, mut stream) = connected().await;
        answered(&mut stream, b"hello").await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn resets_old_and_new_connections_and_recovers() {
        let (proxy, mut stream) = connected().await;
        answered(&mut stream, b"hello").await.unwrap();
        proxy.set(Fault::Reset);
        let error = stream.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);

        let mut refused = TcpStream::connect(proxy.addr()).await.unwrap();
        assert!(answered(&mut refused, b"hello").await.is_err());

        proxy.set(Fault::None);
        eventually(Duration::from_secs(5), || async {
            let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
            answered(&mut stream, b"hello").await.is_ok()
        })
        .await;
    }

    #[tokio::test]
    async fn a_black_hole_keeps_what_was_sent() {
        let (proxy, mut stream) = connected().await;
        proxy.set(Fault::BlackHole);
        stream.write_all(b"late").await.unwrap();
        let mut answer = [0; 4];
        let silence =
            tokio::time::timeout(Duration::from_millis(200), stream.read_exact(&mut answer)).await;
        assert!(silence.is_err(), "nothing passes a black hole");
        proxy.set(Fault::None);
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"late");
    }

    #[tokio::test]
    async fn delays_each_way() {
        let (proxy, mut stream) = connected().await;
        proxy.set(Fault::Delay(Duration::from_millis(50)));
        let start = std::time::Instant::now();
        answered(&mut stream, b"hello").await.unwrap();
        assert!(start.elapsed() >= Duration::from_millis(100));
    }
}
