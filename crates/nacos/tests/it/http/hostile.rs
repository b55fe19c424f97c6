//! Servers that mean harm: redirects to elsewhere, and answers that are larger
//! inside than outside.

use std::io::{ErrorKind, Write as _};
use std::net::TcpListener as Trap;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use syncline_model::{NamespaceId, ServiceKey};
use syncline_nacos::http::{
    ClientOptions, ConsumerApi, HttpClient, HttpError, Route, Step, TransportOptions, WriteApi,
};
use syncline_nacos::message::Instance;
use syncline_nacos::version::{BulkApi, FirstPage, NamespaceApi};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// How much an answer may take when it is unpacked.
const LIMIT: usize = 1 << 20;

/// How much the whole process may grow while it is fed with bombs.
const GROWTH: usize = 128 << 20;

/// A server that gives everybody the same bytes, whatever they ask.
async fn always(answer: Vec<u8>) -> HttpClient {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut heard = [0; 16 << 10];
                // Whoever has read enough hangs up.
                drop(stream.read(&mut heard).await);
                drop(stream.write_all(&answer).await);
            });
        }
    });
    let options = ClientOptions {
        transport: TransportOptions {
            request_timeout: Duration::from_secs(20),
            body_limit: LIMIT,
            ..TransportOptions::default()
        },
        ..ClientOptions::new([addr.to_string()])
    };
    HttpClient::new(options).expect("a client")
}

fn answer(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn service() -> ServiceKey {
    ServiceKey::new("public", "G", "s")
}

fn instance() -> Instance {
    serde_json::from_str(r#"{"ip":"10.0.0.1","port":80}"#).expect("an instance")
}

/// A read, a page of a list, namespaces, a registration and a beat: how each
/// ended.
async fn everything(client: &HttpClient) -> Vec<Result<(), HttpError>> {
    let (service, route) = (service(), Route::Any);
    let namespace = NamespaceId::public();
    let read = client.instance_list(ConsumerApi::V1, &service, &[], &route);
    let api = BulkApi::Catalog(FirstPage::One);
    let mut pages = client.services(api, &namespace, None, 10, Route::Any);
    let page = pages.next().await.map(|step| {
        assert!(matches!(step, Step::Page(_)));
    });
    let instance = instance();
    vec![
        read.await.map(drop),
        page,
        client.namespaces(NamespaceApi::V1, &route).await.map(drop),
        client
            .register(WriteApi::V1, &service, &instance, &route)
            .await
            .map(drop),
        client
            .beat(&service, &instance, true, &route)
            .await
            .map(drop),
    ]
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let trap = Trap::bind("127.0.0.1:0").expect("a free port");
    trap.set_nonblocking(true).expect("it can be asked");
    let elsewhere = trap.local_addr().expect("bound");
    for status in [301, 302, 303, 307, 308] {
        let head = format!(
            "HTTP/1.1 {status} Elsewhere\r\nlocation: http://{elsewhere}/nacos/\r\ncontent-length: 0\r\n\r\n"
        );
        let client = always(head.into_bytes()).await;
        for outcome in everything(&client).await {
            let error = outcome.expect_err("there is nothing");
            let error = error.to_string();
            assert!(error.contains("it redirects to"), "{status}: {error}");
        }
        let caught = trap.accept().expect_err("nobody comes");
        assert_eq!(caught.kind(), ErrorKind::WouldBlock, "{status}");
    }
}

/// So many zeros, packed.
fn packed(length: usize) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![b'0'; 1 << 20];
    for _ in 0..length / zeros.len() {
        packer.write_all(&zeros).expect("memory");
    }
    packer.finish().expect("memory")
}

/// The most memory that this process has had so far, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    number.expect("a number") << 10
}

#[tokio::test]
async fn bombs_fail_and_take_no_room() {
    let nested = |open: &str, depth: usize| open.repeat(depth);
    let list = |hosts: &str| format!(r#"{{"name":"G@@s","hosts":[{hosts}]}}"#);
    let zeros = packed(256 << 20);
    let twice = {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(&zeros).expect("memory");
        packer.finish().expect("memory")
    };
    let gzip = "content-encoding: gzip\r\n";
    let bombs = [
        answer(gzip, &zeros),
        answer("content-encoding: gzip, gzip\r\n", &twice),
        answer("", list(&nested("[", 200_000)).as_bytes()),
        answer("", nested(r#"{"hosts":"#, 100_000).as_bytes()),
        answer("", list(&nested(r#"{"metadata":"#, 80_000)).as_bytes()),
        answer("", nested(r#"[{"clusterMap":"#, 60_000).as_bytes()),
        answer(
            "",
            format!(r#"{{"name":"{}"#, "x".repeat(2 << 20)).as_bytes(),
        ),
        // A length that nobody has.
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999\r\n\r\n{".to_vec(),
        // Chunks without end.
        [
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
            b"10000\r\n"
                .iter()
                .copied()
                .chain([b'x'; 1 << 16])
                .chain(*b"\r\n")
                .collect::<Vec<_>>()
                .repeat(64),
        ]
        .concat(),
    ];
    let before = peak();
    for (number, bomb) in bombs.into_iter().enumerate() {
        let client = always(bomb).await;
        for (call, outcome) in everything(&client).await.into_iter().enumerate() {
            assert!(outcome.is_err(), "bomb {number}, call {call}");
        }
    }
    let grown = peak() - before;
    assert!(grown < GROWTH, "{grown} bytes");
}
