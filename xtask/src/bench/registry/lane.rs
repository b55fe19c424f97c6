//! A connection of an HTTP client that does no more than it must: what is measured is who answers, not who asks.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context as _, bail};

/// More than any server says before its answers.
const MOST_HEADERS: usize = 32;

/// What is read at once.
const READ_BYTES: usize = 64 << 10;

/// A request without a body.
pub(super) struct Ask {
    pub(super) method: &'static str,
    pub(super) path: String,
    /// What a good answer contains.
    pub(super) good: &'static str,
}

/// A connection that is kept for as long as the server keeps it. Nothing here waits.
pub(super) struct Lane {
    server: SocketAddr,
    stream: TcpStream,
    good: &'static str,
    request: Vec<u8>,
    part: Box<[u8]>,
    received: Vec<u8>,
    body: Vec<u8>,
    /// The server said that it closes.
    closes: bool,
}

impl Lane {
    pub(super) fn open(server: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self {
            server,
            stream: connect(server)?,
            good: "",
            request: Vec::new(),
            part: vec![0; READ_BYTES].into(),
            received: Vec::new(),
            body: Vec::new(),
            closes: false,
        })
    }

    /// Sends a request; the answer to the one before has been read.
    pub(super) fn ask(&mut self, ask: &Ask) -> anyhow::Result<()> {
        if self.closes {
            // Tomcat does so after a hundred requests.
            self.stream = connect(self.server)?;
        }
        self.good = ask.good;
        self.received.clear();
        self.request.clear();
        write!(
            self.request,
            "{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Nacos-Java-Client:v2.2.4\r\n\r\n",
            ask.method, ask.path, self.server
        )?;
        self.stream.write_all(&self.request).context("send")
    }

    /// Whether the answer is a good one; `None` while not all of it is there.
    pub(super) fn answer(&mut self) -> anyhow::Result<Option<bool>> {
        match self.stream.read(&mut self.part) {
            Ok(0) => bail!("the connection ended before the answer did"),
            Ok(read) => self.received.extend_from_slice(&self.part[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error).context("read"),
        }
        let Some(head) = Head::read(&self.received)? else {
            return Ok(None);
        };
        if !head.body(&self.received, &mut self.body)? {
            return Ok(None);
        }
        self.closes = head.closes;
        let is_good = head.is_success && holds(&self.body, self.good.as_bytes());
        Ok(Some(is_good))
    }
}

fn connect(server: SocketAddr) -> anyhow::Result<TcpStream> {
    let open = || {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok::<_, std::io::Error>(stream)
    };
    open().context("connect")
}

/// What comes before a body.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    bytes: usize,
    is_success: bool,
    /// `None` where the body comes in chunks.
    body_bytes: Option<usize>,
    closes: bool,
}

impl Head {
    /// `None` if not all of it is there yet.
    fn read(received: &[u8]) -> anyhow::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut answer = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(bytes) = answer.parse(received)? else {
            return Ok(None);
        };
        let mut head = Self {
            bytes,
            is_success: answer.code.is_some_and(|code| (200..300).contains(&code)),
            body_bytes: Some(0),
            closes: false,
        };
        for header in answer.headers {
            let value = || std::str::from_utf8(header.value).context("read a header");
            if header.name.eq_ignore_ascii_case("content-length") {
                head.body_bytes = Some(value()?.parse().context("read the length")?);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                head.body_bytes = None;
            } else if header.name.eq_ignore_ascii_case("connection") {
                head.closes = value()?.eq_ignore_ascii_case("close");
            }
        }
        Ok(Some(head))
    }

    /// Whether all of the body is there, which is copied then.
    fn body(&self, received: &[u8], body: &mut Vec<u8>) -> anyhow::Result<bool> {
        body.clear();
        let mut rest = &received[self.bytes..];
        if let Some(bytes) = self.body_bytes {
            let is_whole = rest.len() >= bytes;
            if is_whole {
                body.extend_from_slice(rest);
            }
            return Ok(is_whole);
        }
        loop {
            let size = httparse::parse_chunk_size(rest);
            let size = size.map_err(|_| anyhow::anyhow!("a chunk without a size"))?;
            let httparse::Status::Complete((begin, size)) = size else {
                return Ok(false);
            };
            let end = begin + usize::try_from(size)?;
            // A line ends each chunk, and the last one as well.
            if rest.len() < end + 2 {
                return Ok(false);
            }
            if size == 0 {
                return Ok(true);
            }
            body.extend_from_slice(&rest[begin..end]);
            rest = &rest[end + 2..];
        }
    }
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of an answer once all of it is there, and that it is not before.
    fn read(answer: &str) -> (Head, String) {
        let (received, mut body) = (answer.as_bytes(), Vec::new());
        let mut whole = |received: &[u8]| {
            let head = Head::read(received).unwrap()?;
            let is_whole = head.body(received, &mut body).unwrap();
            is_whole.then_some(head)
        };
        for end in 0..received.len() {
            assert_eq!(whole(&received[..end]), None, "{end}");
        }
        let head = whole(received).unwrap();
        (head, String::from_utf8(body).unwrap())
    }

    #[test]
    fn answers_of_a_length_end_where_they_say() {
        let (head, body) = read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        assert!(head.is_success && !head.closes);
        assert_eq!(body, "ok");
    }

    #[test]
    fn answers_in_chunks_end_with_an_empty_one() {
        let (head, body) = read(
            "HTTP/1.1 500 \r\ntransfer-encoding: chunked\r\nConnection: close\r\n\r\n\
             3\r\nab\n\r\na\r\n0123456789\r\n0\r\n\r\n",
        );
        assert!(!head.is_success && head.closes);
        assert_eq!(body, "ab\n0123456789");
    }
}
