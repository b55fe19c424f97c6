//! Asking as fast as answers come, over some connections at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::try_join_all;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::delays::Delays;

/// Calls under way at once, each over an HTTP connection of its own.
pub(super) const AT_ONCE: usize = 32;

/// A request without a body.
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) path: String,
    /// What a good answer contains.
    pub(super) good: &'static str,
}

/// How it went.
#[derive(Debug, Clone, Default)]
pub(super) struct Rate {
    answered: usize,
    /// Answers that were not what they should be.
    pub(super) bad: usize,
    took: Duration,
    pub(super) delays: Delays,
}

impl Rate {
    /// Good answers in a second.
    pub(super) fn per_second(&self) -> f64 {
        (self.answered - self.bad) as f64 / self.took.as_secs_f64()
    }
}

/// Asks over HTTP for so long; each request is made from its number.
pub(super) async fn over_http(
    server: SocketAddr,
    time: Duration,
    ask: impl Fn(u64) -> Ask,
) -> anyhow::Result<Rate> {
    let mut lanes = Vec::new();
    for _ in 0..AT_ONCE {
        lanes.push(Lane::open(server).await?);
    }
    let next = AtomicU64::new(0);
    let (next, ask) = (&next, &ask);
    let asking = lanes.into_iter().map(|mut lane| async move {
        let (begun, mut seen) = (Instant::now(), Seen::default());
        while begun.elapsed() < time {
            let ask = ask(next.fetch_add(1, Ordering::Relaxed));
            let sent = Instant::now();
            let good = lane.send(&ask).await?;
            seen.note(sent, good);
        }
        Ok(seen)
    });
    rate(try_join_all(asking)).await
}

/// Makes calls for so long; each is made from its number. One that fails ends it.
pub(super) async fn calls<F>(time: Duration, call: impl Fn(u64) -> F) -> anyhow::Result<Rate>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let next = Arc::new(AtomicU64::new(0));
    let calling = (0..AT_ONCE).map(|_| async {
        let (begun, mut seen) = (Instant::now(), Seen::default());
        while begun.elapsed() < time {
            let sent = Instant::now();
            call(next.fetch_add(1, Ordering::Relaxed)).await?;
            seen.note(sent, true);
        }
        Ok(seen)
    });
    rate(try_join_all(calling)).await
}

async fn rate(asking: impl Future<Output = anyhow::Result<Vec<Seen>>>) -> anyhow::Result<Rate> {
    let begun = Instant::now();
    let seen = asking.await?;
    let took = begun.elapsed();
    Ok(Rate {
        answered: seen.iter().map(|seen| seen.delays.len()).sum(),
        bad: seen.iter().map(|seen| seen.bad).sum(),
        took,
        delays: seen.into_iter().flat_map(|seen| seen.delays).collect(),
    })
}

/// What one of them saw.
#[derive(Default)]
struct Seen {
    delays: Vec<Duration>,
    bad: usize,
}

impl Seen {
    fn note(&mut self, sent: Instant, good: bool) {
        self.delays.push(sent.elapsed());
        self.bad += usize::from(!good);
    }
}

/// A connection that is kept.
struct Lane {
    server: SocketAddr,
    send: SendRequest<Empty<Bytes>>,
}

impl Lane {
    async fn open(server: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(server).await.context("connect")?;
        stream.set_nodelay(true).context("connect")?;
        let (send, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // How it ended is told to whoever sends.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { server, send })
    }

    /// Whether the answer was a good one.
    async fn send(&mut self, ask: &Ask) -> anyhow::Result<bool> {
        if self.send.ready().await.is_err() {
            // Servers close connections that have served for long: Tomcat after a hundred requests.
            *self = Self::open(self.server).await?;
        }
        let request = Request::builder()
            .method(&ask.method)
            .uri(&ask.path)
            .header("Host", self.server.to_string())
            .header("User-Agent", "Nacos-Java-Client:v2.2.4")
            .body(Empty::new())
            .context("make a request")?;
        let answer = self.send.send_request(request).await.context("send")?;
        let good = answer.status().is_success();
        let body = answer.into_body().collect().await.context("read")?;
        let body = body.to_bytes();
        let contains = holds(&body, ask.good.as_bytes());
        Ok(good && contains)
    }
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
