//! HTTP/1.1, request by request: as much of it as it takes to find where requests begin.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::passing::{PIECE, pass};
use super::{Direction, End, Orders, Reply};

/// The longest head of a request or an answer.
const MOST_HEAD_BYTES: usize = 64 * 1024;

/// How long a client may take to close after its last answer; closing first could reset the answer away.
const LINGER: Duration = Duration::from_secs(2);

/// Passes requests and answers on, until either side closes or a rule ends the connection. Without pipelining a request
/// begins where the client speaks first, or after the server.
pub(super) async fn requests(
    client: &mut TcpStream,
    server: &mut TcpStream,
    orders: &watch::Receiver<Orders>,
    met: &AtomicU64,
) -> End {
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let mut exchange = Exchange {
        from_client,
        to_client,
        from_server,
        to_server,
        orders: orders.clone(),
    };
    let end = exchange.run(met).await;
    end.unwrap_or(End::Close)
}

struct Exchange<'a> {
    from_client: ReadHalf<'a>,
    to_client: WriteHalf<'a>,
    from_server: ReadHalf<'a>,
    to_server: WriteHalf<'a>,
    orders: watch::Receiver<Orders>,
}

/// The beginning of a request.
struct Request {
    /// All that was read of it.
    bytes: Vec<u8>,
    /// How many bytes of its body are still to come.
    missing: usize,
}

impl Exchange<'_> {
    /// How the connection is to end; an error is one of its sides that is gone.
    async fn run(&mut self, met: &AtomicU64) -> std::io::Result<End> {
        let mut answered = true;
        let mut asking = true;
        let (mut up, mut down) = (vec![0; PIECE], vec![0; PIECE]);
        loop {
            tokio::select! {
                read = self.from_client.read(&mut up), if asking => match read? {
                    0 => {
                        asking = false;
                        self.to_server.shutdown().await?;
                    }
                    length if answered => {
                        answered = false;
                        let request = self.request(up[..length].to_vec()).await?;
                        if let Some(reply) = self.reply_to(&request) {
                            met.fetch_add(1, Ordering::Relaxed);
                            return self.play(reply, request).await;
                        }
                        if let Some(end) = self.ask(&request.bytes).await {
                            return Ok(end);
                        }
                    }
                    // More of the same request.
                    length => if let Some(end) = self.ask(&up[..length]).await {
                        return Ok(end);
                    }
                },
                read = self.from_server.read(&mut down) => match read? {
                    0 => {
                        self.to_client.shutdown().await?;
                        return Ok(End::Close);
                    }
                    length => {
                        answered = true;
                        if let Some(end) = self.tell(&down[..length]).await {
                            return Ok(end);
                        }
                    }
                },
            }
        }
    }

    async fn ask(&mut self, piece: &[u8]) -> Option<End> {
        let (to, orders) = (&mut self.to_server, &mut self.orders);
        pass(piece, to, Direction::ToServer, orders).await
    }

    async fn tell(&mut self, piece: &[u8]) -> Option<End> {
        let (to, orders) = (&mut self.to_client, &mut self.orders);
        pass(piece, to, Direction::ToClient, orders).await
    }

    /// Reads on to the end of a request's head.
    async fn request(&mut self, mut bytes: Vec<u8>) -> std::io::Result<Request> {
        let head = read_head(&mut self.from_client, &mut bytes).await?;
        let length = content_length(&bytes[..head]).unwrap_or(0);
        let missing = (head + length).saturating_sub(bytes.len());
        Ok(Request { bytes, missing })
    }

    fn reply_to(&self, request: &Request) -> Option<Reply> {
        let end = request.bytes.iter().position(|byte| *byte == b'\r')?;
        let line = String::from_utf8_lossy(&request.bytes[..end]);
        let orders = self.orders.borrow();
        let mut replies = orders.rules.iter().filter_map(|rule| rule.reply_to(&line));
        replies.next().cloned()
    }

    async fn play(&mut self, reply: Reply, request: Request) -> std::io::Result<End> {
        if let Reply::Instead(answer) = &reply {
            self.rest_of(&request).await?;
            if let Some(end) = self.tell(answer).await {
                return Ok(end);
            }
            return self.say_goodbye().await;
        }
        if let Some(end) = self.ask(&request.bytes).await {
            return Ok(end);
        }
        let body = self.rest_of(&request).await?;
        if let Some(end) = self.ask(&body).await {
            return Ok(end);
        }
        let mut answer = Vec::new();
        let head = read_head(&mut self.from_server, &mut answer).await?;
        if matches!(reply, Reply::Lost) {
            return Ok(End::Reset);
        }
        if answer.len() == head && self.from_server.read_buf(&mut answer).await? == 0 {
            return Ok(End::Close);
        }
        let half = head + (answer.len() - head) / 2;
        match self.tell(&answer[..half]).await {
            Some(end) => Ok(end),
            None if matches!(reply, Reply::Broken) => Ok(End::Reset),
            None => self.say_goodbye().await,
        }
    }

    /// What is still to come of a request's body.
    async fn rest_of(&mut self, request: &Request) -> std::io::Result<Vec<u8>> {
        let mut rest = vec![0; request.missing];
        self.from_client.read_exact(&mut rest).await?;
        Ok(rest)
    }

    /// Closes, and lets the client close too.
    async fn say_goodbye(&mut self) -> std::io::Result<End> {
        self.to_client.shutdown().await?;
        let mut nothing = tokio::io::sink();
        let closing = tokio::io::copy(&mut self.from_client, &mut nothing);
        // Whether it closes in time or not, all was said.
        tokio::time::timeout(LINGER, closing).await.ok();
        Ok(End::Close)
    }
}

/// Reads until a head has ended; its length, with the empty line.
async fn read_head(from: &mut ReadHalf<'_>, bytes: &mut Vec<u8>) -> std::io::Result<usize> {
    const END: &[u8] = b"\r\n\r\n";
    loop {
        if let Some(at) = bytes.windows(END.len()).position(|part| part == END) {
            return Ok(at + END.len());
        }
        if bytes.len() > MOST_HEAD_BYTES || from.read_buf(bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = String::from_utf8_lossy(head);
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length?.1.trim().parse().ok()
}
