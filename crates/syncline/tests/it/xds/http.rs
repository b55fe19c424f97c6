//! HTTP as applications speak it: backends, and requests all the time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use syncline_testkit::{eventually, patience};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::daemon::PATIENCE;

/// How long one request may take; a gateway that hangs has failed.
const REQUEST: Duration = Duration::from_secs(10);

/// How many clients send requests at the same time.
const CLIENTS: usize = 3;

/// What a client does between two requests.
const PAUSE: Duration = Duration::from_millis(2);

/// Answers every request with its own port. It ends with its value.
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Backend {
    pub(super) async fn serve() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer(stream, address.port()));
            }
        });
        Ok(Self { address, task })
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers on a connection until the peer closes it.
async fn answer(stream: TcpStream, port: u16) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let body = port.to_string();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        if line == "\r\n" {
            stream.write_all(answer.as_bytes()).await?;
        }
        line.clear();
    }
    Ok(())
}

/// One connection to an HTTP server.
pub(super) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(super) async fn open(server: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self(BufReader::new(TcpStream::connect(server).await?)))
    }

    /// Status and body of one request.
    pub(super) async fn get(&mut self, host: &str, path: &str) -> anyhow::Result<(u16, String)> {
        let exchange = async {
            let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
            self.0.write_all(request.as_bytes()).await?;
            self.read().await
        };
        tokio::time::timeout(patience(REQUEST), exchange).await?
    }

    async fn read(&mut self) -> anyhow::Result<(u16, String)> {
        let status = self.line().await?;
        let status = status.split(' ').nth(1).context("no status")?.parse()?;
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line().await?.to_ascii_lowercase();
            match line.split_once(": ") {
                Some(("content-length", value)) => length = value.parse()?,
                Some(("transfer-encoding", _)) => chunked = true,
                Some(_) => {}
                None => break,
            }
        }
        let mut body = Vec::new();
        while chunked {
            let size = usize::from_str_radix(&self.line().await?, 16)?;
            body.extend(self.bytes(size).await?);
            self.line().await?;
            chunked = size > 0;
        }
        body.extend(self.bytes(length).await?);
        Ok((status, String::from_utf8(body)?))
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line).await? {
            0 => bail!("the connection was closed"),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    async fn bytes(&mut self, count: usize) -> anyhow::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).await?;
        Ok(bytes)
    }
}

/// One request on a connection of its own.
pub(super) async fn get(
    server: SocketAddr,
    host: &str,
    path: &str,
) -> anyhow::Result<(u16, String)> {
    Connection::open(server).await?.get(host, path).await
}

/// Requests to one host, all the time.
pub(super) struct Load {
    tally: Arc<Tally>,
    clients: JoinSet<()>,
}

#[derive(Default)]
struct Tally {
    answers: Mutex<BTreeMap<u16, usize>>,
    failures: Mutex<Vec<String>>,
    count: AtomicUsize,
}

impl Load {
    pub(super) fn start(gateway: SocketAddr, host: &'static str) -> Self {
        let tally = Arc::<Tally>::default();
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let tally = Arc::clone(&tally);
            clients.spawn(async move {
                loop {
                    if let Err(failure) = tally.request_while_it_goes_well(gateway, host).await {
                        lock(&tally.failures).push(format!("{failure:#}"));
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        Self { tally, clients }
    }

    /// Waits for so many more answers; how many each backend gave of them.
    pub(super) async fn next(&self, count: usize) -> BTreeMap<u16, usize> {
        let before = lock(&self.tally.answers).clone();
        let wanted = self.tally.count.load(Ordering::Relaxed) + count;
        let answered = || async { self.tally.count.load(Ordering::Relaxed) >= wanted };
        eventually(PATIENCE, answered).await;
        let mut after = lock(&self.tally.answers).clone();
        for (backend, count) in before {
            after.entry(backend).and_modify(|after| *after -= count);
        }
        after.retain(|_, count| *count > 0);
        after
    }

    /// Waits until a backend answers.
    pub(super) async fn reaches(&self, backend: &Backend) {
        let reached = || async { lock(&self.tally.answers).contains_key(&backend.port()) };
        eventually(PATIENCE, reached).await;
    }

    /// Ends it; what failed, ever.
    pub(super) async fn stop(mut self) -> Vec<String> {
        self.clients.shutdown().await;
        std::mem::take(&mut lock(&self.tally.failures))
    }
}

impl Tally {
    async fn request_while_it_goes_well(
        &self,
        gateway: SocketAddr,
        host: &str,
    ) -> anyhow::Result<()> {
        let mut connection = Connection::open(gateway).await?;
        loop {
            let (status, body) = connection.get(host, "/").await?;
            anyhow::ensure!(status == 200, "{status} {body}");
            *lock(&self.answers).entry(body.parse()?).or_default() += 1;
            self.count.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
