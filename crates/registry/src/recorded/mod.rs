//! The registry against what real servers answered, call by call, over HTTP
//! and gRPC: recordings of Nacos 1.3.0 to 2.5.1, and of 3.0.3 with all that it
//! has switched on; and, in [`live`], servers that run.
//!
//! The calls of the recording are made in order, at the recorded times of a
//! clock that stands still in between, so that beats run out as they did.
//! Whatever differs is listed in [`differences`] with its reason, and what is
//! listed there has to differ.

mod calls;
mod comparison;
mod differences;
mod live;
mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::Value;
use syncline_nacos::message::generated;
use syncline_nacos::message::payload::Payload;
use syncline_testkit::recordings::{Direction, Exchange, Grpc, Http, Recording};
use tokio::time::Instant;

use crate::grpc::InProcess;
use crate::http::Front;
use crate::registry::Registry;
use crate::settings::Settings;

use comparison::{compare_grpc, compare_http};
use differences::{Differences, means};

/// Where the recorded servers listened.
const PORT: u16 = 15_000;

#[tokio::test(start_paused = true)]
async fn answers_are_those_of_nacos_1_3_0() {
    compare_with(&differences::OF_1_3_0).await;
}

#[tokio::test(start_paused = true)]
async fn answers_are_those_of_nacos_1_4_8() {
    compare_with(&differences::OF_1_4_8).await;
}

#[tokio::test(start_paused = true)]
async fn answers_are_those_of_nacos_2_0_3() {
    compare_with(&differences::OF_2_0_3).await;
}

#[tokio::test(start_paused = true)]
async fn answers_are_those_of_nacos_2_1_1() {
    compare_with(&differences::OF_2_1_1).await;
}

#[tokio::test(start_paused = true)]
async fn answers_are_those_of_nacos_2_2_4() {
    compare_with(&differences::OF_2_2_4).await;
}

#[tokio::test(start_paused = true)]
async fn answers_are_those_of_nacos_2_5_1() {
    compare_with(&differences::OF_2_5_1).await;
}

#[tokio::test(start_paused = true)]
async fn answers_are_those_of_nacos_3_0_3() {
    compare_with(&differences::OF_3_0_3).await;
}

async fn compare_with(differences: &'static Differences) {
    let recording = Recording::load(differences.recording).expect("it is part of the testkit");
    replay(&recording, PORT, differences).await;
}

/// Makes the calls of a recording, whose server listened on a port, and holds
/// what differs against what is listed. Time has to stand still meanwhile.
async fn replay(recording: &Recording, port: u16, differences: &'static Differences) {
    let mut replay = Replay::new(port, differences);
    let started = Instant::now();
    for exchange in &recording.exchanges {
        let (Exchange::Http(Http { t, .. }) | Exchange::Grpc(Grpc { t, .. })) = exchange else {
            continue;
        };
        let at = started + Duration::from_secs_f64(*t);
        tokio::time::advance(at.saturating_duration_since(Instant::now())).await;
        match exchange {
            Exchange::Http(http) => replay.http(http).await,
            Exchange::Grpc(grpc) => replay.grpc(grpc),
            Exchange::Udp(_) => {}
        }
    }
    replay.finish();
}

/// A registry, the recording's connections to it, and what was found so far.
struct Replay {
    differences: &'static Differences,
    registry: Registry,
    front: Front,
    connections: BTreeMap<String, InProcess>,
    equal: usize,
    unexpected: Vec<String>,
    unseen: BTreeSet<&'static str>,
}

impl Replay {
    fn new(port: u16, differences: &'static Differences) -> Self {
        let version = differences.version.parse().expect("one that is presented");
        let registry = Registry::new(Settings {
            version,
            ..Settings::default()
        });
        registry.inner.udp.open();
        let listed = differences.different.iter();
        let listed = listed.flat_map(|(_, notes)| notes.iter());
        Self {
            differences,
            front: Front::new(&registry, port),
            registry,
            connections: BTreeMap::new(),
            equal: 0,
            unexpected: Vec::new(),
            unseen: listed.chain(differences.missing).copied().collect(),
        }
    }

    async fn http(&mut self, http: &Http) {
        if http.listener.is_some() {
            // The console of 3.x is a server of its own.
            return;
        }
        let answer = call(&self.front, http).await;
        let missing = self
            .differences
            .missing
            .iter()
            .find(|path| http.path.starts_with(**path));
        let missing = missing.filter(|_| matches!(answer.status, 404 | 405 | 501));
        let step = format!("#{} {} {} {:?}", http.n, http.method, http.path, http.query);
        self.note(&http.note, step, compare_http(http, &answer), missing);
    }

    fn grpc(&mut self, grpc: &Grpc) {
        let conn = grpc.conn.clone();
        let connection = || InProcess::new(&self.registry);
        match grpc.dir {
            Direction::StreamOut if grpc.request_type.is_empty() => {
                self.connections.remove(&conn);
            }
            Direction::StreamOut => {
                let setup = grpc.request.clone().unwrap_or_default();
                let setup = serde_json::from_value(setup).expect("a recorded setup");
                let connection = self.connections.entry(conn).or_insert_with(connection);
                connection.set_up(&setup);
            }
            Direction::Call => {
                let connection = self.connections.entry(conn).or_insert_with(connection);
                let answer = connection.call(&request(grpc));
                let step = format!("#{} {}", grpc.n, grpc.request_type);
                self.note(&grpc.note, step, compare_grpc(grpc, &answer), None);
            }
            Direction::Push => {}
        }
    }

    fn note(
        &mut self,
        note: &str,
        step: String,
        differences: Vec<String>,
        missing: Option<&&'static str>,
    ) {
        let listed = || self.differences.different.iter();
        let listed = || listed().flat_map(|(_, notes)| notes.iter());
        if differences.is_empty() {
            self.equal += 1;
        } else if let Some(listed) = missing.or(listed().find(|listed| means(listed, note))) {
            self.unseen.remove(listed);
        } else {
            self.unexpected
                .push(format!("{step} [{note}]: {differences:#?}"));
        }
    }

    fn finish(self) {
        assert!(self.unexpected.is_empty(), "{}", self.unexpected.join("\n"));
        assert!(
            self.unseen.is_empty(),
            "no longer different: {:?}",
            self.unseen
        );
        let (equal, least) = (self.equal, self.differences.equal);
        assert!(equal >= least, "only {equal} answers were equal");
    }
}

/// An HTTP answer.
struct Answer {
    status: u16,
    content_type: Option<String>,
    body: String,
}

async fn call(front: &Front, http: &Http) -> Answer {
    let uri = format!("{}?{}", http.path, encoded(&http.query));
    let mut request = Request::builder().method(http.method.as_str()).uri(uri);
    for (name, value) in &http.headers {
        request = request.header(name, value);
    }
    let peer = crate::http::Peer(Ipv4Addr::LOCALHOST.into());
    request = request.extension(peer);
    let body = match &http.form {
        Some(form) => {
            let form_type = "application/x-www-form-urlencoded";
            request = request.header(header::CONTENT_TYPE, form_type);
            Body::from(encoded(form))
        }
        None => Body::empty(),
    };
    let request = request.body(body).expect("a request");
    let response = front.answer(request).await;
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.map(|value| value.to_str().expect("ASCII").to_owned());
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
    let body = body.expect("a body in memory").to_vec();
    Answer {
        status,
        content_type,
        body: String::from_utf8(body).expect("UTF-8"),
    }
}

fn encoded(pairs: &BTreeMap<String, String>) -> String {
    let percent = |text: &str| -> String { text.bytes().map(|b| format!("%{b:02X}")).collect() };
    let pairs = pairs.iter();
    let pairs = pairs.map(|(key, value)| format!("{}={}", percent(key), percent(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn request(grpc: &Grpc) -> Payload {
    payload(
        &grpc.request_type,
        grpc.request.as_ref().unwrap_or(&Value::Null),
    )
}

fn payload(kind: &str, body: &Value) -> Payload {
    Payload {
        metadata: Some(generated::Metadata {
            r#type: kind.to_owned(),
            ..generated::Metadata::default()
        }),
        body: Some(generated::Body {
            type_url: String::new(),
            value: body.to_string().into(),
        }),
    }
}
