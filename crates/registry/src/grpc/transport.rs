//! One TCP connection, and the client behind it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use syncline_nacos::message::payload::Payload;
use syncline_nacos::message::{ClientDetectionRequest, ConnectionSetupRequest};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tonic::transport::server::Connected;

use super::outbox::{Outbox, Peer};
use crate::configs::Line;
use crate::moment::Moment;
use crate::registry::Registry;
use crate::store::ClientId;
use crate::tls::Wire;
use crate::unasked;

/// What the server knows of one TCP connection.
pub(crate) struct Transport {
    registry: Registry,
    id: String,
    peer: SocketAddr,
    /// When anything was last heard, as a [`Moment`].
    heard: AtomicU64,
    /// When the client was asked whether it is there; 0 if it was heard since.
    asked: AtomicU64,
    client: Mutex<Option<Client>>,
    configs: Line,
    killed: AtomicBool,
    reader: AtomicWaker,
}

/// A client of the registry that lives as long as its transport.
struct Client {
    id: ClientId,
    outbox: Arc<Outbox>,
}

impl Transport {
    pub(super) fn new(registry: &Registry, peer: SocketAddr) -> Self {
        let now = registry.inner.clock.now();
        Self {
            registry: registry.clone(),
            id: format!("{}_{}_{}", now.unix_millis(), peer.ip(), peer.port()),
            peer,
            heard: AtomicU64::new(now.unix_millis()),
            asked: AtomicU64::new(0),
            client: Mutex::new(None),
            configs: Line::default(),
            killed: AtomicBool::new(false),
            reader: AtomicWaker::new(),
        }
    }

    /// The name that the client learns: `<milliseconds>_<ip>_<port>`.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Its line to the configurations.
    pub(crate) fn configs(&self) -> &Line {
        &self.configs
    }

    /// Says something that the client did not ask for; `false` if there is no
    /// client, or too much waits for it already.
    pub(crate) fn send(&self, message: Payload) -> bool {
        let client = self.client.lock();
        client
            .as_ref()
            .is_some_and(|client| client.outbox.send(message))
    }

    /// The client that was set up on this transport.
    pub(super) fn client(&self) -> Option<ClientId> {
        self.client.lock().as_ref().map(|client| client.id)
    }

    /// Notes that the peer is alive.
    pub(super) fn hear(&self) {
        let now = self.registry.inner.clock.now();
        self.heard.store(now.unix_millis(), Ordering::Relaxed);
        self.asked.store(0, Ordering::Relaxed);
    }

    /// Makes a client of the transport. A second setup starts anew.
    pub(super) fn set_up(&self, outbox: &Arc<Outbox>, setup: &ConnectionSetupRequest) {
        let id = self.registry.act(|store, _| store.connect());
        let peer = Peer {
            id: self.id.clone(),
            address: self.peer,
            agent: setup.client_version.clone(),
            app: setup.labels.get("AppName").cloned().unwrap_or_default(),
        };
        let mut outboxes = self.registry.inner.outboxes.write();
        outboxes.insert(id, outbox.clone(), peer);
        drop(outboxes);
        let outbox = outbox.clone();
        let before = self.client.lock().replace(Client {
            id,
            outbox: outbox.clone(),
        });
        if let Some(before) = before {
            if !Arc::ptr_eq(&before.outbox, &outbox) {
                before.outbox.close();
            }
            self.forget(before.id);
        }
    }

    /// Ends the client if it is the one with that outbox: its registrations
    /// and subscriptions are gone when this returns.
    pub(super) fn tear_down(&self, outbox: &Arc<Outbox>) {
        let mut current = self.client.lock();
        let ends = current.take_if(|client| Arc::ptr_eq(&client.outbox, outbox));
        drop(current);
        if let Some(client) = ends {
            self.end_client(client);
        }
    }

    fn end_client(&self, client: Client) {
        client.outbox.close();
        self.forget(client.id);
    }

    fn forget(&self, client: ClientId) {
        self.registry.inner.outboxes.write().remove(client);
        while self.registry.act(|store, now| store.retire(client, now)) {}
    }

    /// Ends the server's side of the stream; the client is expected to leave.
    pub(crate) fn end_stream(&self) {
        if let Some(client) = &*self.client.lock() {
            client.outbox.close();
        }
    }

    /// Closes the TCP connection, whatever the peer does.
    pub(super) fn kill(&self) {
        self.killed.store(true, Ordering::Relaxed);
        self.reader.wake();
    }

    /// Looks for silence and for pushes that were not acknowledged.
    pub(super) fn sweep(&self) {
        let now = self.registry.inner.clock.now();
        let life = &self.registry.settings().life;
        let silent = now.since(self.last_heard());
        let outbox = self.client.lock().as_ref().map(|c| c.outbox.clone());
        let Some(outbox) = outbox else {
            if silent >= life.idle_after + life.answer_within {
                tracing::debug!(transport = self.id, "closed, as it never set up a client");
                self.kill();
            }
            return;
        };
        if self.registry.returning_for().is_none() {
            outbox.tell_missing();
        }
        let repeated = outbox.repeat_unacknowledged(now);
        self.registry.inner.counters.repeated.add(repeated);
        if outbox.is_stuck(now, life.stuck_after) {
            tracing::info!(client = self.id, "closed, as it stopped reading");
            self.kill();
        } else if silent >= life.idle_after {
            self.ask(&outbox, now);
        }
    }

    fn ask(&self, outbox: &Outbox, now: Moment) {
        let asked = self.asked.load(Ordering::Relaxed);
        if asked == 0 {
            self.asked.store(now.unix_millis(), Ordering::Relaxed);
            let id = now.unix_millis().to_string();
            match unasked::encode(ClientDetectionRequest {}, Some(&id)) {
                // A client that has no room for it is found silent all the same.
                Ok(question) => {
                    outbox.send(question);
                }
                Err(error) => tracing::error!(%error, "cannot ask a silent client"),
            }
            return;
        }
        let asked = Moment::from_unix_millis(asked);
        if now.since(asked) >= self.registry.settings().life.answer_within {
            tracing::info!(client = self.id, "closed, as it did not answer");
            self.kill();
        }
    }

    fn last_heard(&self) -> Moment {
        Moment::from_unix_millis(self.heard.load(Ordering::Relaxed))
    }
}

/// The bytes of a transport. When hyper lets go of it, because the peer closed
/// or broke the connection or was told to leave, the client ends.
pub(super) struct TransportIo {
    stream: Wire,
    transport: Arc<Transport>,
    count: Arc<AtomicUsize>,
}

impl TransportIo {
    pub(super) fn new(
        stream: TcpStream,
        tls: Option<&TlsAcceptor>,
        registry: &Registry,
        count: Arc<AtomicUsize>,
    ) -> io::Result<Self> {
        let transport = Arc::new(Transport::new(registry, stream.peer_addr()?));
        count.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            stream: Wire::new(stream, tls),
            transport,
            count,
        })
    }

    pub(super) fn transport(&self) -> Weak<Transport> {
        Arc::downgrade(&self.transport)
    }
}

impl Drop for TransportIo {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        let client = self.transport.client.lock().take();
        if let Some(client) = client {
            self.transport.end_client(client);
        }
    }
}

impl Connected for TransportIo {
    type ConnectInfo = Arc<Transport>;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.transport.clone()
    }
}

impl AsyncRead for TransportIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.transport.reader.register(context.waker());
        if self.transport.killed.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for TransportIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.transport.killed.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
