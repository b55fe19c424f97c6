//! A server that answers as a test says, for what real servers cannot be made
//! to do here: missing rights, half answers, and versions without packages.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use syncline_connector_nacos::NacosConfig;
use syncline_connector_nacos::config::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request, as far as tests look at it.
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Below `/nacos`.
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
}

impl Asked {
    pub(crate) fn get(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }
}

pub(crate) type Answer = (u16, String);

/// An HTTP server on loopback; ends with its value.
pub(crate) struct Fake {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Fake {
    pub(crate) async fn start(
        answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let answer: Arc<dyn Fn(&Asked) -> Answer + Send + Sync> = Arc::new(answer);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answer)));
            }
        });
        Ok(Self { address, serving })
    }

    pub(crate) fn server(&self) -> Server {
        self.address.to_string().try_into().expect("an address")
    }

    pub(crate) fn config(&self) -> NacosConfig {
        NacosConfig::of(vec![self.server()])
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<dyn Fn(&Asked) -> Answer + Send + Sync>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.parse().ok())?
    });
    // Closing over a body that was not read would take the answer along.
    let mut body = vec![0; length.unwrap_or(0)];
    if stream.read_exact(&mut body).await.is_err() {
        return;
    }
    let mut words = head.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.to_owned(), value.to_owned())
    };
    let asked = Asked {
        method,
        path: path.strip_prefix("/nacos").unwrap_or(path).to_owned(),
        query: query.split('&').map(pair).collect(),
    };
    let (status, body) = answer(&asked);
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // The client may have gone.
    stream.write_all((head + &body).as_bytes()).await.ok();
}

/// What Spring says of a path that it lacks.
pub(crate) fn no_such_path(asked: &Asked) -> Answer {
    let body = format!(
        r#"{{"timestamp":0,"status":404,"error":"Not Found","path":"{}"}}"#,
        asked.path
    );
    (404, body)
}

/// What an authentication filter of 3.x says.
pub(crate) fn forbidden(asked: &Asked) -> Answer {
    let body = format!(
        r#"{{"timestamp":0,"status":403,"error":"Forbidden","message":"authorization failed!","path":"{}"}}"#,
        asked.path
    );
    (403, body)
}

/// A 2.1.1 that knows itself to be well, and nothing else.
pub(crate) fn nacos_2_1_1(asked: &Asked) -> Answer {
    match asked.path.as_str() {
        "/v1/console/server/state" => (200, r#"{"version":"2.1.1"}"#.to_owned()),
        "/v1/ns/operator/metrics" => (200, r#"{"status":"UP"}"#.to_owned()),
        _ => no_such_path(asked),
    }
}

/// A service of a catalog with one instance.
pub(crate) fn in_catalog(group: &str, name: &str, ip: &str) -> String {
    format!(
        r#"{{"serviceName":"{name}","groupName":"{group}","clusterMap":{{"DEFAULT":{{"hosts":[
            {{"valid":true,"metadata":null,"port":80,"ip":"{ip}","weight":1.0,"enabled":true}}]}}}}}}"#
    )
}
