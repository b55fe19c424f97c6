//! Sees to it that there is a connection.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::backoff::Backoff;
use super::serving::{Left, Predecessor, Serving};
use super::{EventKey, SessionError, SessionEvent, SessionOptions, SessionState, Shared};
use crate::grpc::{CallError, ConnectionEvents, GrpcConnection, GrpcServer, Lost};

/// By convention of Nacos; a server that asks a client to move names its HTTP
/// port.
const GRPC_PORT_OFFSET: u16 = 1000;

pub(super) async fn run(
    shared: Arc<Shared>,
    options: SessionOptions,
    state: watch::Sender<SessionState>,
) {
    let cancel = shared.cancel.clone();
    let mut driver = Driver {
        backoff: Backoff::new(options.backoff, options.seed),
        server: 0,
        failures: 0,
        epoch: 0,
        shared,
        options,
        state,
    };
    cancel.run_until_cancelled(driver.drive()).await;
    driver.stop().await;
}

pub(super) struct Driver {
    pub(super) shared: Arc<Shared>,
    pub(super) options: SessionOptions,
    pub(super) backoff: Backoff,
    /// Counts connections.
    pub(super) epoch: u64,
    state: watch::Sender<SessionState>,
    /// The server to try next, or that is connected.
    server: usize,
    /// Connections in a row that failed, or did not last.
    failures: usize,
}

/// A connection and its place in the list of servers.
pub(super) struct Reached {
    pub(super) connection: GrpcConnection,
    pub(super) events: ConnectionEvents,
    pub(super) server: usize,
}

impl Driver {
    async fn drive(&mut self) {
        self.server = self.backoff.pick(self.options.servers.len());
        let mut reached = self.connect().await;
        let mut predecessor = None;
        loop {
            let since = Instant::now();
            let Reached {
                connection, events, ..
            } = reached;
            self.connected(&connection);
            let serving = Serving::new(self, connection.clone(), predecessor.take());
            let left = serving.until_left(events).await;
            // A server that accepts and drops must not make a busy loop.
            if since.elapsed() > self.options.reconnect_cap {
                self.failures = 0;
            } else {
                self.failures += 1;
            }
            reached = match left {
                Left::Moved(reached) => {
                    self.server = reached.server;
                    predecessor = Some(Predecessor::new(connection));
                    reached
                }
                Left::Lost(lost) => {
                    self.lost(&lost);
                    self.next_server();
                    self.connect().await
                }
            };
        }
    }

    /// Tries servers in turn until one accepts.
    async fn connect(&mut self) -> Reached {
        loop {
            if self.failures > 0 {
                sleep(self.wait()).await;
            }
            let Some(server) = self.options.servers.get(self.server) else {
                // Without servers there is nothing to do but wait for the end.
                return std::future::pending().await;
            };
            let options = self.options.connection.clone();
            match GrpcConnection::connect(server, options).await {
                Ok((connection, events)) => {
                    return Reached {
                        connection,
                        events,
                        server: self.server,
                    };
                }
                Err(error) => {
                    tracing::debug!(error = %chain(&error), "cannot connect to Nacos");
                    self.set_last_error(&error);
                    self.failures += 1;
                    self.next_server();
                }
            }
        }
    }

    /// Where to go when the server asks to leave: to the server that it names,
    /// if it is one of ours, else to the next that accepts. `None` if none
    /// does.
    pub(super) fn elsewhere(
        &mut self,
        named: Option<(String, u16)>,
    ) -> impl Future<Output = Option<Reached>> + Send + use<> {
        let named = named.and_then(|(host, port)| self.position(&host, port));
        let count = self.options.servers.len();
        let others = (1..=count).map(|step| (self.server + step) % count);
        let order: Vec<_> = named.into_iter().chain(others).collect();
        let servers = self.options.servers.clone();
        let options = self.options.connection.clone();
        // Not all clients at once, and not at the pace of a server that does
        // nothing but ask.
        let wait = self.backoff.after(u32::MAX, Duration::from_secs(1));
        async move {
            sleep(wait).await;
            for server in order {
                let attempt = GrpcConnection::connect(&servers[server], options.clone()).await;
                match attempt {
                    Ok((connection, events)) => {
                        return Some(Reached {
                            connection,
                            events,
                            server,
                        });
                    }
                    Err(error) => tracing::debug!(error = %chain(&error), "cannot move"),
                }
            }
            None
        }
    }

    fn connected(&mut self, connection: &GrpcConnection) {
        self.epoch += 1;
        let (server, epoch) = (connection.server().clone(), self.epoch);
        tracing::info!(%server, epoch, "connected to Nacos");
        *self.shared.connection.lock() = Some(connection.clone());
        self.shared.desk.lock().connected();
        self.state.send_replace(SessionState::Connected {
            server: server.clone(),
            epoch,
        });
        let event = SessionEvent::Connected { server, epoch };
        self.shared.events.put(EventKey::Link, event);
    }

    fn lost(&mut self, lost: &Lost) {
        let reason: Arc<str> = chain(lost).into();
        tracing::info!(%reason, epoch = self.epoch, "lost the connection to Nacos");
        self.forget(&SessionError::NotConnected {
            last_error: Some(reason.clone()),
        });
        self.state.send_replace(SessionState::Reconnecting {
            since: Instant::now(),
            last_error: Some(reason.clone()),
        });
        let event = SessionEvent::Lost { reason };
        self.shared.events.put(EventKey::Link, event);
    }

    async fn stop(self) {
        let connection = self.shared.connection.lock().take();
        if let Some(connection) = connection {
            connection.close().await;
        }
        self.forget(&SessionError::Closed);
        self.state.send_replace(SessionState::Closed);
        self.shared.events.close();
    }

    fn forget(&self, error: &SessionError) {
        *self.shared.connection.lock() = None;
        self.shared.desk.lock().lost(error);
    }

    /// The wait before the next try; each round over all servers waits longer.
    fn wait(&mut self) -> Duration {
        let rounds = self.failures.div_ceil(self.options.servers.len().max(1));
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
        self.backoff.after(rounds, self.options.reconnect_cap)
    }

    fn next_server(&mut self) {
        self.server = (self.server + 1) % self.options.servers.len().max(1);
    }

    fn position(&self, host: &str, http_port: u16) -> Option<usize> {
        let named = GrpcServer {
            host: host.to_owned(),
            port: http_port.checked_add(GRPC_PORT_OFFSET)?,
        };
        let mut servers = self.options.servers.iter();
        servers.position(|server| *server == named)
    }

    fn set_last_error(&self, error: &CallError) {
        let text: Arc<str> = chain(error).into();
        self.state.send_modify(|state| {
            if let SessionState::Reconnecting { last_error, .. } = state {
                *last_error = Some(text);
            }
        });
    }
}

/// An error with its causes, for people.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
