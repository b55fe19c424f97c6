//! Requests that go all the time through whoever balances them, and the
//! applications that answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// An application that answers every request with its port.
pub(crate) struct Application {
    pub(crate) port: u16,
    tasks: JoinSet<()>,
}

impl Application {
    pub(crate) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer(stream, port));
            }
        });
        Ok(Self { port, tasks })
    }

    pub(crate) fn stop(&mut self) {
        self.tasks.abort_all();
    }
}

async fn answer(mut stream: TcpStream, port: u16) {
    let mut head = Vec::new();
    let mut part = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut part).await {
            Ok(count) if count > 0 => head.extend_from_slice(&part[..count]),
            _ => return,
        }
    }
    let body = port.to_string();
    let length = body.len();
    let answer =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    drop(stream.write_all(answer.as_bytes()).await);
    drop(stream.shutdown().await);
}

/// One request: the body of a 200.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<String, String> {
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = tokio::time::timeout(Duration::from_secs(10), asking)
        .await
        .map_err(|_| "no answer within 10 s".to_owned())?
        .map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no head")?;
    let status = head.lines().next().unwrap_or_default();
    match status.contains(" 200 ") {
        true => Ok(body.to_owned()),
        false => Err(status.to_owned()),
    }
}

/// Requests from several sides, one after the other each, until it is stopped.
pub(crate) struct Traffic {
    ends: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    sides: JoinSet<(BTreeMap<String, usize>, Vec<String>)>,
}

impl Traffic {
    pub(crate) fn start(address: SocketAddr, sides: usize) -> Self {
        let mut traffic = Self {
            ends: Arc::default(),
            sent: Arc::default(),
            sides: JoinSet::new(),
        };
        for _ in 0..sides {
            let (ends, sent) = (Arc::clone(&traffic.ends), Arc::clone(&traffic.sent));
            traffic.sides.spawn(async move {
                let (mut answers, mut failures) = (BTreeMap::new(), Vec::new());
                while !ends.load(Ordering::Relaxed) {
                    match get(address, "/").await {
                        Ok(who) => *answers.entry(who).or_default() += 1,
                        Err(error) => failures.push(error),
                    }
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                (answers, failures)
            });
        }
        traffic
    }

    /// How many requests have been answered so far.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    /// Answers by application, and what went wrong.
    pub(crate) async fn stop(self) -> (BTreeMap<String, usize>, Vec<String>) {
        self.ends.store(true, Ordering::Relaxed);
        let (mut answers, mut failures) = (BTreeMap::new(), Vec::new());
        for (more, failed) in self.sides.join_all().await {
            for (who, count) in more {
                *answers.entry(who).or_default() += count;
            }
            failures.extend(failed);
        }
        (answers, failures)
    }
}
