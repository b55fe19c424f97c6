//! One look at one instance, over the network.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::address::is_spared;
use super::checker::{Checker, HttpCheck};
use super::streak::Outcome;
use crate::store::Probe;

/// How many names are looked up at the same time. A system that does not
/// answer keeps a thread for each, longer than anybody here waits.
const LOOK_UPS: usize = 8;

/// What is read of an answer, at most.
const ANSWER_BYTES: usize = 8 * 1024;

/// Looks at instances.
#[derive(Clone)]
pub(super) struct Prober {
    patience: Duration,
    look_ups: Arc<Semaphore>,
}

impl Prober {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            look_ups: Arc::new(Semaphore::new(LOOK_UPS)),
        }
    }

    /// Looks at one instance. Takes no longer than twice the patience: for a
    /// connection, and for an answer.
    pub(super) async fn look(&self, probe: &Probe) -> Outcome {
        let connected = timeout(self.patience, self.connect(probe));
        let stream = match connected.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(outcome)) => return outcome,
            Err(_) => return Outcome::Busy,
        };
        match &probe.cluster.checker {
            Checker::Http(check) => {
                let asked = timeout(self.patience, ask(stream, check, probe));
                asked.await.unwrap_or(Outcome::Busy)
            }
            _ => Outcome::Passed,
        }
    }

    async fn connect(&self, probe: &Probe) -> Result<TcpStream, Outcome> {
        let port = u16::try_from(probe.port).map_err(|_| Outcome::Failed)?;
        let host = probe.host.as_str();
        let addresses = match host.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::new(ip, port)],
            Err(_) => self.look_up(host, port).await?,
        };
        if addresses.iter().any(|address| is_spared(address.ip())) {
            return Err(Outcome::Spared);
        }
        // The very address that was looked at: a name could mean another one
        // the next time.
        let address = addresses.first().ok_or(Outcome::Failed)?;
        TcpStream::connect(address)
            .await
            .map_err(|error| match error.kind() {
                io::ErrorKind::ConnectionRefused => Outcome::Down,
                _ => Outcome::Failed,
            })
    }

    /// The addresses of a name.
    async fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Outcome> {
        let look_ups = self.look_ups.clone();
        let permit = look_ups.acquire_owned().await;
        let permit = permit.map_err(|_| Outcome::Failed)?;
        let host = host.to_owned();
        let found = tokio::task::spawn_blocking(move || {
            let found = (host, port).to_socket_addrs().map(Iterator::collect);
            drop(permit);
            found
        });
        let found = found.await.map_err(|_| Outcome::Failed)?;
        found.map_err(|_| Outcome::Failed)
    }
}

/// Asks for the page, follows nobody elsewhere, and reads no page.
async fn ask(stream: TcpStream, check: &HttpCheck, probe: &Probe) -> Outcome {
    let Ok(request) = request(check, probe) else {
        return Outcome::Failed;
    };
    let mut builder = http1::Builder::new();
    builder.max_buf_size(ANSWER_BYTES);
    let Ok((mut sender, connection)) = builder.handshake(TokioIo::new(stream)).await else {
        return Outcome::Failed;
    };
    let mut answer = pin!(sender.send_request(request));
    let answered = tokio::select! {
        answered = &mut answer => answered,
        // Who closes the connection may have answered before.
        _ = connection => answer.await,
    };
    match answered {
        Ok(response) => judge(response.status(), check.expected_response_code),
        Err(_) => Outcome::Failed,
    }
}

fn request(check: &HttpCheck, probe: &Probe) -> Result<Request<Body>, axum::http::Error> {
    let host = probe.host.as_str();
    let host = match host.contains(':') {
        true => format!("[{host}]:{}", probe.port),
        false => format!("{host}:{}", probe.port),
    };
    let mut request = Request::get(check.target())
        .header(header::CONNECTION, "close")
        .header(header::USER_AGENT, "syncline-health-check");
    let mut has_host = false;
    for (name, value) in check.header_pairs() {
        has_host |= name.eq_ignore_ascii_case(header::HOST.as_str());
        request = request.header(name, value);
    }
    if !has_host {
        request = request.header(header::HOST, host);
    }
    request.body(Body::empty())
}

/// What a status says. Nacos takes 200 for the only good one, whatever is
/// expected; here the expected one is as good.
fn judge(status: StatusCode, expected: i32) -> Outcome {
    match status {
        StatusCode::OK => Outcome::Passed,
        status if i32::from(status.as_u16()) == expected => Outcome::Passed,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::FOUND => Outcome::Busy,
        _ => Outcome::Down,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whether_the_page_is_there() {
        for (status, expected, outcome) in [
            (200, 200, Outcome::Passed),
            (200, 204, Outcome::Passed),
            (204, 204, Outcome::Passed),
            (204, 200, Outcome::Down),
            (302, 200, Outcome::Busy),
            (302, 302, Outcome::Passed),
            (301, 200, Outcome::Down),
            (404, 200, Outcome::Down),
            (500, 200, Outcome::Down),
            (503, 200, Outcome::Busy),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(judge(status, expected), outcome, "{status} for {expected}");
        }
    }
}
