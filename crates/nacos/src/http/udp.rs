//! Pushes of the 1.x protocol: whole lists, in datagrams.
//!
//! A subscription is an ordinary list call that says where pushes shall go
//! ([`HttpClient::subscribe_udp`]). 1.x forgets it 10 s after the last such
//! call; 2.x and 3.x keep it for at least 30 s. Datagrams get lost, and lists of
//! more than 64 KiB packed never arrive: pushes only make polling prompter.

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};

use flate2::read::GzDecoder;
use serde::Deserialize;
use syncline_model::{GroupName, ServiceKey, ServiceName};
use tokio::net::UdpSocket;

use super::client::{Answered, HttpClient};
use super::error::HttpError;
use super::instances::{ConsumerList, ListBody, PushTo};
use super::servers::Route;
use crate::message::split_grouped;

/// The largest datagram there is.
const DATAGRAM_LIMIT: usize = 64 << 10;

/// How large a datagram may become when unpacked.
const UNPACKED_LIMIT: u64 = 16 << 20;

/// A socket that receives pushes.
///
/// A push does not name its namespace, so each namespace needs a socket of its
/// own. Whoever can send from a trusted address can forge a push, as with every
/// client of this protocol: what it says has to be confirmed before anything is
/// removed for it.
#[derive(Debug)]
pub struct PushSocket {
    socket: UdpSocket,
    trusted: Vec<IpAddr>,
    buffer: Box<[u8]>,
}

/// A whole list as a consumer sees it, of one service.
#[derive(Clone, PartialEq, Debug)]
pub struct Push {
    /// The service's group.
    pub group: GroupName,
    /// The service's name.
    pub service: ServiceName,
    /// The clusters that the subscription asked for; empty for all.
    pub clusters: String,
    /// Its instances.
    pub list: ConsumerList,
    /// Who sent it: some port of the server's.
    pub from: SocketAddr,
}

/// Why a datagram is no push.
#[derive(thiserror::Error, Debug)]
#[error("a datagram that is no push: {why}")]
struct NoPush {
    why: String,
}

/// What a datagram asks of us.
#[derive(Debug)]
enum Datagram {
    Push(Parts),
    /// Anything else wants an answer as well, or is sent again.
    Other,
}

#[derive(Debug)]
struct Parts {
    group: GroupName,
    service: ServiceName,
    clusters: String,
    list: ConsumerList,
}

impl PushSocket {
    /// Binds a socket that takes pushes from these addresses only; from any
    /// address if there are none.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn bind(address: SocketAddr, trusted: Vec<IpAddr>) -> io::Result<Self> {
        Ok(Self {
            socket: UdpSocket::bind(address).await?,
            trusted,
            buffer: vec![0; DATAGRAM_LIMIT].into_boxed_slice(),
        })
    }

    /// The port that subscriptions have to name.
    ///
    /// # Errors
    /// The socket is broken.
    pub fn port(&self) -> io::Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    /// Waits for the next push, answers it, and gives it. What is no push is
    /// logged and passed over, so that nobody's noise ends a subscription.
    ///
    /// # Errors
    /// The socket is broken.
    pub async fn next(&mut self) -> io::Result<Push> {
        loop {
            let (length, from) = self.socket.recv_from(&mut self.buffer).await?;
            if !self.trusted.is_empty() && !self.trusted.contains(&from.ip().to_canonical()) {
                tracing::debug!(%from, "a datagram from a stranger");
                continue;
            }
            let (datagram, answer) = match read_datagram(&self.buffer[..length]) {
                Ok(read) => read,
                Err(error) => {
                    tracing::warn!(%from, %error, "ignored");
                    continue;
                }
            };
            if let Err(error) = self.socket.send_to(answer.as_bytes(), from).await {
                // The server sends the push again, which is harmless.
                tracing::debug!(%from, %error, "cannot acknowledge a push");
            }
            if let Datagram::Push(parts) = datagram {
                return Ok(Push {
                    group: parts.group,
                    service: parts.service,
                    clusters: parts.clusters,
                    list: parts.list,
                    from,
                });
            }
        }
    }
}

impl HttpClient {
    /// Reads a service as a consumer sees it, and has its changes pushed to
    /// that address from now on. To be called again within 10 s for as long as
    /// pushes are wanted.
    ///
    /// # Errors
    /// Any failure.
    pub async fn subscribe_udp(
        &self,
        service: &ServiceKey,
        client_ip: IpAddr,
        udp_port: u16,
        route: &Route,
    ) -> Result<Answered<ConsumerList>, HttpError> {
        let push_to = PushTo {
            ip: client_ip.to_string(),
            port: udp_port,
        };
        self.subscribing_list(service, &push_to, route).await
    }
}

/// The address of ours that a server at that host and port sees, unless someone
/// on the way translates it.
///
/// # Errors
/// The host has no address, or no way leads there.
pub async fn local_address_towards(host: &str, port: u16) -> io::Result<IpAddr> {
    let target = tokio::net::lookup_host((host, port))
        .await?
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the host has no address"))?;
    let any: SocketAddr = if target.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0u16; 8], 0).into()
    };
    // Connecting a datagram socket sends nothing; it only finds the way.
    let socket = UdpSocket::bind(any).await?;
    socket.connect(target).await?;
    Ok(socket.local_addr()?.ip())
}

/// What a datagram says, and the answer that it wants.
fn read_datagram(bytes: &[u8]) -> Result<(Datagram, String), NoPush> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Packet {
        r#type: String,
        #[serde(default)]
        data: String,
        last_ref_time: serde_json::Number,
    }
    let plain = unpacked(bytes)?;
    let packet: Packet = serde_json::from_slice(&plain).map_err(no_push)?;
    let (datagram, kind) = match packet.r#type.as_str() {
        "dom" | "service" => (Datagram::Push(read_push(&packet.data)?), "push-ack"),
        "dump" => (Datagram::Other, "dump-ack"),
        _ => (Datagram::Other, "unknown-ack"),
    };
    // The outer `lastRefTime` is a sequence number that the answer repeats, as
    // text like Nacos's clients do.
    let answer = serde_json::json!({
        "type": kind,
        "lastRefTime": packet.last_ref_time.to_string(),
        "data": "",
    });
    Ok((datagram, answer.to_string()))
}

/// The list within a push. Servers from 2.0 on leave out the group, all name
/// the service with it.
fn read_push(data: &str) -> Result<Parts, NoPush> {
    let body: ListBody = serde_json::from_str(data).map_err(no_push)?;
    let Some((group, service)) = split_grouped(&body.name) else {
        return Err(NoPush {
            why: format!("service {:?} has no group", body.name),
        });
    };
    Ok(Parts {
        group: group.into(),
        service: service.into(),
        clusters: body.clusters.clone().unwrap_or_default(),
        list: body.into(),
    })
}

/// Datagrams of 1 KiB of text and more are packed.
fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, NoPush> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes.to_vec());
    }
    let mut plain = Vec::new();
    let mut packed = GzDecoder::new(bytes).take(UNPACKED_LIMIT + 1);
    packed.read_to_end(&mut plain).map_err(no_push)?;
    if plain.len() as u64 > UNPACKED_LIMIT {
        return Err(NoPush {
            why: format!("more than {UNPACKED_LIMIT} bytes unpacked"),
        });
    }
    Ok(plain)
}

fn no_push(error: impl std::fmt::Display) -> NoPush {
    NoPush {
        why: error.to_string(),
    }
}

/// A push as its service's grouped name and list, and its answer, for tests of
/// other modules.
#[cfg(test)]
pub(super) fn read_push_datagram(bytes: &[u8]) -> Option<((String, ConsumerList), String)> {
    match read_datagram(bytes).ok()? {
        (Datagram::Push(parts), answer) => {
            let name = format!("{}@@{}", parts.group, parts.service);
            Some(((name, parts.list), answer))
        }
        (Datagram::Other, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn packed(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).expect("memory");
        encoder.finish().expect("memory")
    }

    fn dom(kind: &str) -> String {
        serde_json::json!({
            "type": kind,
            "data": r#"{"name":"G@@s","clusters":"c1","hosts":[{"ip":"10.0.0.1","port":80}]}"#,
            "lastRefTime": 123_456_789_012_345_u64,
        })
        .to_string()
    }

    #[test]
    fn pushes_are_read_packed_or_plain_and_answered_with_their_number() {
        for bytes in [dom("dom").into_bytes(), packed(&dom("service"))] {
            let (datagram, answer) = read_datagram(&bytes).expect("a push");
            let Datagram::Push(push) = datagram else {
                panic!("no push");
            };
            assert_eq!((push.group.as_str(), push.service.as_str()), ("G", "s"));
            assert_eq!(push.clusters, "c1");
            assert_eq!(push.list.instances.len(), 1);
            let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
            assert_eq!(answer["type"], "push-ack");
            assert_eq!(answer["lastRefTime"], "123456789012345");
        }
    }

    #[test]
    fn other_datagrams_are_answered_and_nonsense_is_not() {
        for (kind, wanted) in [("dump", "dump-ack"), ("what", "unknown-ack")] {
            let (datagram, answer) = read_datagram(dom(kind).as_bytes()).expect("understood");
            assert!(matches!(datagram, Datagram::Other));
            assert!(answer.contains(wanted), "{answer}");
        }
        let groupless = dom("dom").replace("G@@s", "s");
        let hostless = dom("dom").replace("hosts", "guests");
        for bad in ["", "{}", "SSH-2.0", &groupless, &hostless] {
            assert!(read_datagram(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = packed(&" ".repeat(UNPACKED_LIMIT as usize + 1));
        assert!(bomb.len() < DATAGRAM_LIMIT);
        let error = read_datagram(&bomb).expect_err("too much");
        assert!(error.to_string().contains("bytes unpacked"), "{error}");
    }

    #[tokio::test]
    async fn a_socket_takes_pushes_from_those_it_trusts_and_survives_noise() {
        let loopback: IpAddr = [127, 0, 0, 1].into();
        let mut socket = PushSocket::bind((loopback, 0).into(), vec![loopback])
            .await
            .expect("a free port");
        let to = (loopback, socket.port().expect("bound"));
        let server = UdpSocket::bind((loopback, 0)).await.expect("a free port");
        server.send_to(b"noise", to).await.expect("sent");
        server
            .send_to(dom("dom").as_bytes(), to)
            .await
            .expect("sent");
        let push = socket.next().await.expect("a push");
        assert_eq!(push.service.as_str(), "s");
        let mut answer = [0; 200];
        let length = server.recv(&mut answer).await.expect("an answer");
        assert!(answer[..length].starts_with(b"{"));
    }

    #[tokio::test]
    async fn strangers_are_not_answered() {
        let loopback: IpAddr = [127, 0, 0, 1].into();
        let elsewhere: IpAddr = [127, 0, 0, 2].into();
        let mut socket = PushSocket::bind((loopback, 0).into(), vec![loopback])
            .await
            .expect("a free port");
        let to = (loopback, socket.port().expect("bound"));
        let stranger = UdpSocket::bind((elsewhere, 0)).await.expect("a free port");
        let server = UdpSocket::bind((loopback, 0)).await.expect("a free port");
        let forged = dom("dom").replace("G@@s", "G@@forged");
        stranger.send_to(forged.as_bytes(), to).await.expect("sent");
        server
            .send_to(dom("dom").as_bytes(), to)
            .await
            .expect("sent");
        assert_eq!(socket.next().await.expect("a push").service.as_str(), "s");
    }

    proptest! {
        #[test]
        fn no_datagram_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(read_datagram(&bytes));
            drop(read_datagram(&[&[0x1f, 0x8b, 8, 0][..], &bytes].concat()));
            drop(read_datagram(&packed(&String::from_utf8_lossy(&bytes))));
        }
    }
}
