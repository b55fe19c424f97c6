//! The socket: what is due goes out, acknowledgements come in.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};

use syncline_model::ServiceKey;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use super::datagram::{EncodeError, encode_push, read_acknowledgement};
use super::is_java_since_1;
use super::subscriptions::{Listener, Subscriber};
use crate::listed::{self, CACHE_MILLIS_PUSHED, Listed, Reader};
use crate::moment::Moment;
use crate::registry::Registry;
use crate::store::{ClientId, Clusters};

/// So many pushes go out before acknowledgements are looked at: as many as
/// surely find room in the socket's buffer when they come back.
const SENT_AT_ONCE: usize = 64;

/// So many datagrams are read before pushes get their turn again.
const READ_AT_ONCE: usize = 256;

/// Acknowledgements have some 60 bytes.
const LONGEST_ACKNOWLEDGEMENT: usize = 1024;

/// Pushes until cancelled.
pub(crate) async fn serve(socket: UdpSocket, registry: Registry, cancel: CancellationToken) {
    let udp = &registry.inner.udp;
    let mut speaker = Speaker::new(&socket, &registry);
    udp.open();
    while !cancel.is_cancelled() {
        speaker.say(registry.udp_due()).await;
        hear(&socket, &registry);
        let due = async {
            match registry.udp_next() {
                Next::Now => tokio::task::yield_now().await,
                Next::At(next) => {
                    tokio::time::sleep_until(registry.inner.clock.instant(next)).await;
                }
                Next::Unknown => std::future::pending().await,
            }
        };
        tokio::select! {
            () = cancel.cancelled() => {}
            () = udp.work.notified() => {}
            () = due => {}
            readable = socket.readable() => {
                if let Err(error) = readable {
                    tracing::warn!(%error, "the socket for UDP pushes broke");
                    break;
                }
            }
        }
    }
    registry.close_udp();
}

/// When there is more to do, as far as is known.
enum Next {
    Now,
    At(Moment),
    Unknown,
}

impl Registry {
    /// Whose turn it is now, as many as are sent at once.
    fn udp_due(&self) -> Vec<(ClientId, Listener)> {
        let now = self.inner.clock.now();
        let (looked, due) = {
            let mut state = self.inner.udp.state.lock();
            let looked = state.subscriptions.look(now);
            let due = std::iter::from_fn(|| state.subscriptions.next());
            (looked, due.take(SENT_AT_ONCE).collect())
        };
        self.inner.counters.repeated.add(looked.repeated);
        self.end_udp(looked.ended);
        due
    }

    fn udp_next(&self) -> Next {
        let state = self.inner.udp.state.lock();
        if state.subscriptions.is_somebody_due() {
            return Next::Now;
        }
        let next = state.subscriptions.next_look();
        next.map_or(Next::Unknown, Next::At)
    }
}

/// Reads the acknowledgements that have come.
fn hear(socket: &UdpSocket, registry: &Registry) {
    let mut buffer = [0; LONGEST_ACKNOWLEDGEMENT];
    for _ in 0..READ_AT_ONCE {
        let (length, from) = match socket.try_recv_from(&mut buffer) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            // Some systems report here that an earlier datagram was refused.
            Err(error) => {
                tracing::debug!(%error, "a push was refused");
                continue;
            }
        };
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let known = read_acknowledgement(&buffer[..length]).is_some_and(|number| {
            let mut state = registry.inner.udp.state.lock();
            state.subscriptions.acknowledged(number, from)
        });
        if known {
            registry.inner.counters.acknowledged.add(1);
        } else {
            tracing::debug!(%from, "a datagram that acknowledges no push");
        }
    }
}

/// Sends what is due.
struct Speaker<'a> {
    socket: &'a UdpSocket,
    registry: &'a Registry,
    /// Whether addresses have to be written as those of IPv6.
    is_v6: bool,
    /// Gives numbers that a stranger cannot guess, and so cannot acknowledge.
    random: RandomState,
    count: u64,
}

/// A list, as its subscribers want it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Wanted {
    service: ServiceKey,
    clusters: Clusters,
    /// How a list of 1.x calls the service, where such a list is wanted.
    first: Option<Names>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Names {
    Grouped,
    Plain,
}

/// A list in a datagram, and the number in it.
struct Encoded {
    number: u64,
    datagram: Vec<u8>,
}

impl<'a> Speaker<'a> {
    fn new(socket: &'a UdpSocket, registry: &'a Registry) -> Self {
        Self {
            socket,
            registry,
            is_v6: socket.local_addr().is_ok_and(|address| address.is_ipv6()),
            random: RandomState::new(),
            count: 0,
        }
    }

    /// Subscribers of the same list get the same bytes.
    async fn say(&mut self, due: Vec<(ClientId, Listener)>) {
        let mut encoded: HashMap<Wanted, Result<Encoded, EncodeError>> = HashMap::new();
        for (client, listener) in due {
            let wanted = self.wanted(&listener);
            let push = match encoded.entry(wanted) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let push = self.encode(entry.key());
                    entry.insert(push)
                }
            };
            let subscriber = &listener.subscriber;
            match push {
                Ok(push) => self.send(client, subscriber.address, push).await,
                Err(error) => self.leave_to_polling(client, subscriber, error),
            }
        }
    }

    fn wanted(&self, listener: &Listener) -> Wanted {
        let version = self.registry.settings().version;
        let names = || match is_java_since_1(&listener.program.agent) {
            true => Names::Grouped,
            false => Names::Plain,
        };
        Wanted {
            service: listener.subscriber.service.clone(),
            clusters: listener.subscriber.clusters.clone(),
            first: version.is_first_generation().then(names),
        }
    }

    fn leave_to_polling(&self, client: ClientId, subscriber: &Subscriber, error: &EncodeError) {
        let mut state = self.registry.inner.udp.state.lock();
        if state.subscriptions.too_large(client) {
            let service = subscriber.service.grouped();
            let address = subscriber.address;
            tracing::info!(service, %address, %error, "no push over UDP: the client has to poll");
        }
    }

    fn encode(&mut self, wanted: &Wanted) -> Result<Encoded, EncodeError> {
        self.count += 1;
        // As many bits as every client's numbers have, also JavaScript's.
        let number = self.random.hash_one(self.count) >> 11;
        let grouped = wanted.service.grouped();
        let datagram = match wanted.first {
            Some(names) => self.encode_first(wanted, &grouped, names, number)?,
            None => {
                let Wanted {
                    service, clusters, ..
                } = wanted.clone();
                // Pushes show unhealthy instances as well, whatever the call asked for.
                let list = self.registry.shown(service, clusters, false)?;
                encode_push(&list.shown_as(&grouped), number)?
            }
        };
        Ok(Encoded { number, datagram })
    }

    /// The same as 1.x writes it.
    fn encode_first(
        &self,
        wanted: &Wanted,
        grouped: &str,
        names: Names,
        number: u64,
    ) -> Result<Vec<u8>, EncodeError> {
        let reader = Reader {
            clusters: &wanted.clusters,
            healthy_only: false,
            is_java: names == Names::Grouped,
            cache_millis: CACHE_MILLIS_PUSHED,
        };
        match self.registry.look(&wanted.service) {
            Some(snapshot) => {
                let names = (grouped, wanted.service.name.as_str());
                encode_push(&Listed::new(&snapshot, names, reader), number)
            }
            None => {
                let version = self.registry.settings().version;
                encode_push(&listed::nothing(grouped, reader, version), number)
            }
        }
    }

    async fn send(&self, client: ClientId, address: SocketAddr, push: &Encoded) {
        let Encoded { number, datagram } = push;
        let inner = &self.registry.inner;
        // Noted before it is sent: the acknowledgement may be fast.
        let now = inner.clock.now();
        {
            let mut state = inner.udp.state.lock();
            state.subscriptions.sent(client, *number, now);
        }
        match self
            .socket
            .send_to(datagram, spelled(address, self.is_v6))
            .await
        {
            Ok(_) => {
                inner.counters.pushes.add(1);
                inner.counters.push_bytes.add(datagram.len() as u64);
            }
            // It is tried once more, as if it had been lost on its way.
            Err(error) => tracing::debug!(%address, %error, "cannot push"),
        }
    }
}

/// An address as a socket of that family wants it.
fn spelled(address: SocketAddr, is_v6: bool) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(v4) if is_v6 => SocketAddr::new(v4.to_ipv6_mapped().into(), address.port()),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_ipv6_writes_addresses_of_ipv4_in_its_own_way() {
        let v4: SocketAddr = "10.0.0.1:5000".parse().expect("an address");
        let v6: SocketAddr = "[2001:db8::1]:5000".parse().expect("an address");
        assert_eq!(spelled(v4, false), v4);
        assert_eq!(spelled(v6, true), v6);
        assert_eq!(spelled(v4, true).to_string(), "[::ffff:10.0.0.1]:5000");
    }
}
