//! What real Nacos servers answered to one scripted scenario, the same for every version.
//!
//! The files lie in `crates/testkit/recordings/` (see the README there for scenario, format and volatile fields) and
//! are part of the program, so that a test needs no path. Key answers by note, path and occurrence, never by number:
//! pushes arrive beside the calls.

use std::collections::BTreeMap;
use std::io::Read as _;

use anyhow::{Context as _, bail};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::Value;

macro_rules! recordings {
    ($($name:literal),+ $(,)?) => {
        /// The names to [`load`](Recording::load), oldest version first.
        pub const NAMES: &[&str] = &[$($name),+];

        fn compressed(name: &str) -> Option<&'static [u8]> {
            match name {
                $($name => Some(include_bytes!(concat!("../recordings/", $name, ".jsonl.gz"))),)+
                _ => None,
            }
        }
    };
}

recordings![
    "1.3.0",
    "1.4.8",
    "1.4.8-auth",
    "2.0.3",
    "2.1.1",
    "2.2.4-x86",
    "2.5.1",
    "2.5.1-auth",
    "3.0.3",
    "3.0.3-auth",
    "3.0.3-compat",
];

/// One recorded run of the scenario.
#[derive(Clone, Debug)]
pub struct Recording {
    /// One of [`NAMES`].
    pub name: &'static str,
    /// In the order in which things happened.
    pub exchanges: Vec<Exchange>,
}

/// One thing that went over the wire.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Exchange {
    /// An HTTP call.
    Http(Http),
    /// A gRPC call, a push, or what the client sent on the stream.
    Grpc(Grpc),
    /// A push datagram of the 1.x protocol.
    Udp(Udp),
}

/// An HTTP request and its answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Line number, from 1; differs between versions for the same step.
    pub n: u32,
    /// Seconds since the start of the scenario.
    pub t: f64,
    /// The step's name, the same in every version.
    pub note: String,
    /// The request's method.
    pub method: String,
    /// The request's path, with the context path `/nacos` (not on the `console` listener).
    pub path: String,
    /// The query, decoded.
    pub query: BTreeMap<String, String>,
    /// The form body, decoded, if one was sent.
    pub form: Option<BTreeMap<String, String>>,
    /// Request headers where they matter.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// `console` where the request went to the console port of 3.x.
    pub listener: Option<String>,
    /// The answer's status.
    pub status: u16,
    /// The answer's content type, if it had one.
    pub content_type: Option<String>,
    /// The answer's headers; logins only.
    #[serde(default)]
    pub response_headers: BTreeMap<String, String>,
    /// The answer's body, exactly.
    pub body: String,
}

/// Something on a gRPC connection. JSON was encoded anew: the same fields and values, other white space.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grpc {
    /// Line number, from 1; differs between versions for the same step.
    pub n: u32,
    /// Seconds since the start of the scenario.
    pub t: f64,
    /// The step's name, the same in every version; `push` for pushes.
    pub note: String,
    /// The client's connection.
    pub conn: String,
    /// Who sent what.
    pub dir: Direction,
    /// The request's type, empty where the connection closed.
    #[serde(rename = "type")]
    pub request_type: String,
    /// The request's body.
    pub request: Option<Value>,
    /// The request's metadata headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The type of the answer, or of the acknowledgement of a push, if there was one.
    pub response_type: Option<String>,
    /// The answer, or the acknowledgement.
    pub response: Option<Value>,
    /// The gRPC error in place of an answer.
    pub error: Option<String>,
}

/// Who sent what on a gRPC connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// A unary call of the client.
    Call,
    /// The server on the stream.
    Push,
    /// The client on the stream, or its closing of the connection.
    StreamOut,
}

/// A push datagram and its acknowledgement.
#[derive(Clone, Debug, Deserialize)]
pub struct Udp {
    /// Line number, from 1; differs between versions for the same step.
    pub n: u32,
    /// Seconds since the start of the scenario.
    pub t: f64,
    /// The step's name.
    pub note: String,
    /// The subscriber's port: the `udpPort` of its list call.
    pub to_port: u16,
    /// The server's port.
    pub from_port: u16,
    /// The size on the wire.
    pub datagram_bytes: usize,
    /// Whether the datagram was compressed.
    pub gzipped: bool,
    /// The size before compression.
    pub plain_bytes: usize,
    /// The text before compression.
    pub body: String,
    /// What the client sent back, if it did.
    pub ack: Option<String>,
}

impl Recording {
    /// Reads the recording `name`, one of [`NAMES`].
    ///
    /// # Errors
    ///
    /// When there is none of that name, or the file is damaged.
    pub fn load(name: &str) -> anyhow::Result<Self> {
        let Some(name) = NAMES.iter().copied().find(|known| *known == name) else {
            bail!("no recording {name}; there are {}", NAMES.join(", "));
        };
        let mut text = String::new();
        let compressed = compressed(name).context("every name has a file")?;
        GzDecoder::new(compressed)
            .read_to_string(&mut text)
            .with_context(|| format!("unpack recording {name}"))?;
        let exchanges = text
            .lines()
            .enumerate()
            .map(|(index, line)| {
                serde_json::from_str(line)
                    .with_context(|| format!("recording {name}, line {}", index + 1))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { name, exchanges })
    }

    /// All HTTP calls.
    pub fn http(&self) -> impl Iterator<Item = &Http> {
        self.exchanges.iter().filter_map(|exchange| match exchange {
            Exchange::Http(http) => Some(http),
            _ => None,
        })
    }

    /// All that went over gRPC.
    pub fn grpc(&self) -> impl Iterator<Item = &Grpc> {
        self.exchanges.iter().filter_map(|exchange| match exchange {
            Exchange::Grpc(grpc) => Some(grpc),
            _ => None,
        })
    }

    /// All push datagrams.
    pub fn udp(&self) -> impl Iterator<Item = &Udp> {
        self.exchanges.iter().filter_map(|exchange| match exchange {
            Exchange::Udp(udp) => Some(udp),
            _ => None,
        })
    }

    /// HTTP calls of a method to a path, in order.
    pub fn http_to<'a>(&'a self, method: &'a str, path: &'a str) -> impl Iterator<Item = &'a Http> {
        self.http()
            .filter(move |http| http.method == method && http.path == path)
    }

    /// HTTP calls of the step `note`, in order.
    pub fn http_noted<'a>(&'a self, note: &'a str) -> impl Iterator<Item = &'a Http> {
        self.http().filter(move |http| http.note == note)
    }

    /// Unary gRPC calls with a request of type `request_type`, in order.
    pub fn calls_of<'a>(&'a self, request_type: &'a str) -> impl Iterator<Item = &'a Grpc> {
        self.grpc()
            .filter(move |grpc| grpc.dir == Direction::Call && grpc.request_type == request_type)
    }

    /// What the server pushed over gRPC, in order.
    pub fn pushes(&self) -> impl Iterator<Item = &Grpc> {
        self.grpc().filter(|grpc| grpc.dir == Direction::Push)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_every_recording_is_understood() {
        let recordings: Vec<Recording> = NAMES
            .iter()
            .map(|name| Recording::load(name).unwrap())
            .collect();
        let count = |of: fn(&Recording) -> usize| recordings.iter().map(of).sum::<usize>();
        // The totals of the table in the recordings' README.
        assert_eq!(count(|recording| recording.exchanges.len()), 10_216);
        assert_eq!(count(|recording| recording.http().count()), 8_609);
        assert_eq!(count(|recording| recording.pushes().count()), 248);
        assert_eq!(count(|recording| recording.udp().count()), 179);
    }

    #[test]
    fn finds_by_path_note_and_type() {
        let recording = Recording::load("2.1.1").unwrap();
        let page = recording
            .http_to("GET", "/nacos/v1/ns/upgrade/ops/service/list")
            .next()
            .unwrap();
        assert!(page.body.contains("\"doms\""));
        let state = recording.http_noted("state: v3 admin").next().unwrap();
        assert_eq!(state.status, 404);
        let batch = recording.calls_of("BatchInstanceRequest").next().unwrap();
        assert_eq!(
            batch.response_type.as_deref(),
            Some("BatchInstanceResponse")
        );
        assert!(
            recording
                .pushes()
                .all(|push| push.request_type.ends_with("Request"))
        );
    }

    #[test]
    fn an_unknown_name_lists_the_known() {
        let error = Recording::load("9.9.9").unwrap_err().to_string();
        assert!(error.contains("2.2.4-x86"), "{error}");
    }
}
