use std::io::ErrorKind;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use super::*;
use crate::eventually;

/// Longer than anything takes that is not held back.
const SILENCE: Duration = Duration::from_millis(200);

/// A server that sends back what it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await.ok();
            });
        }
    });
    addr
}

async fn connected() -> (FaultProxy, TcpStream) {
    let proxy = FaultProxy::start(echo().await).await.unwrap();
    let stream = TcpStream::connect(proxy.addr()).await.unwrap();
    (proxy, stream)
}

async fn answered(stream: &mut TcpStream, word: &[u8]) -> std::io::Result<()> {
    stream.write_all(word).await?;
    let mut answer = vec![0; word.len()];
    stream.read_exact(&mut answer).await?;
    assert_eq!(answer, word);
    Ok(())
}

/// Whether nothing comes.
async fn is_silent(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    let peeking = stream.peek(&mut byte);
    tokio::time::timeout(SILENCE, peeking).await.is_err()
}

#[tokio::test]
async fn passes_bytes_and_the_end() {
    let (_proxy, mut stream) = connected().await;
    answered(&mut stream, b"hello").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn resets_old_and_new_connections_and_recovers() {
    let (proxy, mut stream) = connected().await;
    answered(&mut stream, b"hello").await.unwrap();
    proxy.set(Fault::Reset);
    let error = stream.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);

    let mut refused = TcpStream::connect(proxy.addr()).await.unwrap();
    assert!(answered(&mut refused, b"hello").await.is_err());

    proxy.set(Fault::None);
    eventually(Duration::from_secs(5), || async {
        let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
        answered(&mut stream, b"hello").await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_black_hole_keeps_what_was_sent() {
    let (proxy, mut stream) = connected().await;
    proxy.set(Fault::BlackHole);
    stream.write_all(b"late").await.unwrap();
    assert!(is_silent(&mut stream).await, "nothing passes a black hole");
    proxy.set(Fault::None);
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"late");
}

#[tokio::test]
async fn a_stall_is_one_way() {
    // The server hears what it is told and is not heard.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = FaultProxy::start(listener.local_addr().unwrap())
        .await
        .unwrap();
    let mut client = TcpStream::connect(proxy.addr()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    proxy.set(Fault::Stall(Direction::ToClient));
    client.write_all(b"ask").await.unwrap();
    server.read_exact(&mut [0; 3]).await.unwrap();
    server.write_all(b"tell").await.unwrap();
    assert!(is_silent(&mut client).await);

    proxy.set(Fault::Stall(Direction::ToServer));
    client.read_exact(&mut [0; 4]).await.unwrap();
    client.write_all(b"ask").await.unwrap();
    assert!(is_silent(&mut server).await);
    proxy.set(Fault::None);
    server.read_exact(&mut [0; 3]).await.unwrap();
}

#[tokio::test]
async fn delays_each_way() {
    let (proxy, mut stream) = connected().await;
    proxy.set(Fault::Delay(Duration::from_millis(50)));
    let start = std::time::Instant::now();
    answered(&mut stream, b"hello").await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn drips_until_it_is_healed() {
    let (proxy, mut stream) = connected().await;
    let pause = Duration::from_millis(20);
    proxy.set(Fault::Drip(Direction::ToClient, pause));
    let start = std::time::Instant::now();
    stream.write_all(b"hello, world").await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer[..5]).await.unwrap();
    assert!(start.elapsed() >= 5 * pause);
    proxy.set(Fault::None);
    stream.read_exact(&mut answer[5..]).await.unwrap();
    assert_eq!(&answer, b"hello, world");
}

#[tokio::test]
async fn a_cut_passes_some_of_the_answer() {
    let (proxy, mut stream) = connected().await;
    proxy.set(Fault::Cut(3));
    stream.write_all(b"hello").await.unwrap();
    let mut answer = Vec::new();
    let error = stream.read_to_end(&mut answer).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(b"hel".starts_with(&answer), "{answer:?}");
}

/// A server that tells each request's first line, over and over on one connection, and how many it has heard.
async fn http() -> (FaultProxy, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let heard = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_http(stream, Arc::clone(&count)));
        }
    });
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    (FaultProxy::http(any, target).await.unwrap(), heard)
}

async fn serve_http(stream: TcpStream, heard: Arc<AtomicU64>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while let Some(header) = next_line(&mut stream).await? {
            if let Some(value) = header.strip_prefix("Content-Length: ") {
                length = value.parse().unwrap();
            }
            if line.is_empty() {
                line = header;
            }
        }
        stream.read_exact(&mut vec![0; length]).await?;
        heard.fetch_add(1, Ordering::Relaxed);
        let answer = format!(
            "HTTP/1.1 200 \r\nContent-Length: {}\r\n\r\n{line}",
            line.len()
        );
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// A line of a head; none at its end.
async fn next_line(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let line = line.trim_end();
    Ok((!line.is_empty()).then(|| line.to_owned()))
}

/// Asks over an open connection; the answer's body as far as it came, and how the connection ended if it did.
async fn asked(stream: &mut TcpStream, request: &str) -> (String, Option<std::io::Result<()>>) {
    let request = format!("{request} HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{}}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let length = head
            .lines()
            .find_map(|l| l.strip_prefix("Content-Length: "));
        if length.is_some_and(|length| body.len() >= length.parse().unwrap()) {
            return (body.to_owned(), None);
        }
        match stream.read_buf(&mut answer).await {
            Ok(1..) => {}
            Ok(0) => return (body.to_owned(), Some(Ok(()))),
            Err(error) => return (body.to_owned(), Some(Err(error))),
        }
    }
}

#[tokio::test]
async fn rules_hold_for_the_requests_that_they_name() {
    let (proxy, heard) = http().await;
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
    let plain = "GET /a/list?pageNo=1 HTTP/1.1";
    assert_eq!(asked(&mut stream, "GET /a/list?pageNo=1").await.0, plain);
    proxy.answer([
        Rule::new("/a/list", Reply::json("[]")).with_query("pageNo=2"),
        Rule::new("POST /a", Reply::status(503)),
    ]);
    // The same connection, which goes on where no rule is met.
    assert_eq!(asked(&mut stream, "GET /a/list?pageNo=1").await.0, plain);
    let other = asked(&mut stream, "GET /a/list?pageNo=22").await.0;
    assert_eq!(other, "GET /a/list?pageNo=22 HTTP/1.1");
    let replaced = asked(&mut stream, "GET /a/list?x=1&pageNo=2").await.0;
    assert_eq!(replaced, "[]");

    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
    assert_eq!(asked(&mut stream, "POST /a").await.0, "fault injected");
    assert_eq!((proxy.met(), heard.load(Ordering::Relaxed)), (2, 3));
    proxy.answer([]);
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
    assert_eq!(asked(&mut stream, "POST /a").await.0, "POST /a HTTP/1.1");
}

#[tokio::test]
async fn answers_are_lost_and_cut_in_half() {
    let (proxy, heard) = http().await;
    let ask = |reply: Reply| {
        proxy.answer([Rule::new("", reply)]);
        async {
            let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
            asked(&mut stream, "GET /0123456789").await
        }
    };
    let (body, end) = ask(Reply::Lost).await;
    assert_eq!(body, "");
    assert!(end.unwrap().is_err());
    assert_eq!(heard.load(Ordering::Relaxed), 1, "the server was asked");
    let (body, end) = ask(Reply::Half).await;
    assert_eq!(body, "GET /0123456");
    assert!(end.unwrap().is_ok());
    let (body, end) = ask(Reply::Broken).await;
    assert!("GET /0123456".starts_with(&body), "{body}");
    assert!(end.unwrap().is_err());
}

#[tokio::test]
async fn lengths_may_lie() {
    let (proxy, _) = http().await;
    let short = Reply::new(200, &[("Content-Length", "3")], "[1,2]");
    proxy.answer([Rule::new("", short)]);
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
    let (body, _) = asked(&mut stream, "GET /").await;
    assert!(body.starts_with("[1,"), "{body}");
}
