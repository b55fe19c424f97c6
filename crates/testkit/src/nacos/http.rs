//! One HTTP call, by hand: a test must not trust the client that it tests.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long a call may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

/// Sends a request without a body and reads until the server closes: HTTP/1.0, so nothing is chunked.
pub(super) async fn call(
    server: SocketAddr,
    method: &str,
    path_and_query: &str,
) -> anyhow::Result<Answer> {
    let request = format!(
        "{method} {path_and_query} HTTP/1.0\r\nHost: {server}\r\nContent-Length: 0\r\n\r\n"
    );
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let what = || format!("{method} http://{server}{path_and_query}");
    let answer = tokio::time::timeout(crate::patience(DEADLINE), exchange)
        .await
        .with_context(|| format!("{}: no answer in time", what()))?
        .with_context(what)?;
    parse(&answer).with_context(what)
}

fn parse(answer: &[u8]) -> anyhow::Result<Answer> {
    let text = std::str::from_utf8(answer).context("the answer is not UTF-8")?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        bail!("the answer has no end of headers")
    };
    let status = head
        .split_whitespace()
        .nth(1)
        .and_then(|status| status.parse().ok());
    Ok(Answer {
        status: status.context("the answer has no status")?,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_status_and_body() {
        let answer = parse(b"HTTP/1.1 404 \r\nConnection: close\r\n\r\nnot\r\n\r\nfound").unwrap();
        assert_eq!(
            answer,
            Answer {
                status: 404,
                body: "not\r\n\r\nfound".to_owned()
            }
        );
    }

    #[test]
    fn refuses_half_an_answer() {
        for half in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 200\r\n\r\n\xff",
        ] {
            assert!(parse(half).is_err());
        }
    }
}
