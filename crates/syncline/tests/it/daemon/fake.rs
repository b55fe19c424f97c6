//! A server that says whatever a test wants: a Nacos 1.4 with instances that no
//! real one would take, or something that is no Nacos at all.

use std::net::SocketAddr;

use serde_json::{Value, json};
use syncline_testkit::ports::PortBlock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the server speaks.
#[derive(Clone, Debug)]
pub(crate) enum Speech {
    /// The HTTP of Nacos 1.4.8, with these services in the public namespace.
    Nacos(Vec<Listed>),
    /// The same, cut in the middle of every list.
    Half(Vec<Listed>),
    /// A web page, whatever is asked for, with this status.
    Html(u16),
    /// What an ssh server says, as soon as somebody connects.
    Ssh,
    /// Nacos 1.4.8 that wants a login and knows nobody.
    Locked,
}

/// A service, and its instances as JSON, whatever that may be.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) instances: Vec<Value>,
}

/// The server. It ends with its value.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    speech: watch::Sender<Speech>,
    serving: JoinHandle<()>,
    // With the port, those beside it are free: there is no gRPC.
    _ports: PortBlock,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Listed {
    pub(crate) fn new(name: &str, instances: Vec<Value>) -> Self {
        let name = name.to_owned();
        Self { name, instances }
    }
}

impl Fake {
    pub(crate) async fn serve(speech: Speech) -> anyhow::Result<Self> {
        let ports = PortBlock::reserve()?;
        let listener = TcpListener::bind(ports.http()).await?;
        let speech = watch::Sender::new(speech);
        let hearing = speech.subscribe();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, hearing.borrow().clone()));
            }
        });
        Ok(Self {
            address: ports.http(),
            speech,
            serving,
            _ports: ports,
        })
    }

    /// From the next connection on.
    pub(crate) fn says(&self, speech: Speech) {
        self.speech.send_replace(speech);
    }
}

/// Answers one request, or says what nobody asked for.
async fn talk(mut stream: TcpStream, speech: Speech) {
    // Whoever hangs up on such a server is right.
    drop(answer(&mut stream, speech).await);
}

async fn answer(stream: &mut TcpStream, speech: Speech) -> std::io::Result<()> {
    if matches!(speech, Speech::Ssh) {
        stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await?;
    }
    let request = head(stream).await?;
    let target = request.split_whitespace().nth(1).unwrap_or_default();
    let (status, body, cut) = match &speech {
        Speech::Nacos(services) => nacos(target, services),
        Speech::Half(services) => {
            let (status, body, _) = nacos(target, services);
            let cut = body.starts_with(['[', '{']) && body.contains("ip");
            (status, body, cut)
        }
        Speech::Html(status) => (*status, PAGE.to_owned(), false),
        Speech::Ssh => {
            let reply = b"Invalid SSH identification string.\r\n";
            return stream.write_all(reply).await;
        }
        Speech::Locked => locked(target),
    };
    let kind = match body.starts_with('<') {
        true => "text/html",
        false => "application/json",
    };
    let head = format!(
        "HTTP/1.1 {status} .\r\nContent-Type: {kind};charset=UTF-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let sent = match cut {
        true => &body[..body.len() / 2],
        false => &body,
    };
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(sent.as_bytes()).await?;
    stream.shutdown().await
}

/// A request up to the end of its headers; bodies are not looked at.
async fn head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece).await? {
            0 => break,
            read => request.extend_from_slice(&piece[..read]),
        }
    }
    Ok(String::from_utf8_lossy(&request).into_owned())
}

const PAGE: &str = "<!DOCTYPE html><html><head><title>Welcome to nginx!</title></head>\
                    <body><h1>Welcome to nginx!</h1></body></html>";

const STATE: &str = r#"{"version":"1.4.8","standalone_mode":"standalone","function_mode":null}"#;

/// Status, body, and whether only its first half is sent.
type Reply = (u16, String, bool);

fn nacos(target: &str, services: &[Listed]) -> Reply {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parameter = |key: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
    };
    let wanted = parameter("serviceNameParam").unwrap_or_default();
    let wanted: Vec<&Listed> = services
        .iter()
        .filter(|s| s.name.contains(wanted))
        .collect();
    let body = match path {
        "/nacos/v1/console/server/state" => STATE.to_owned(),
        "/nacos/v1/ns/operator/metrics" => json!({ "status": "UP" }).to_string(),
        "/nacos/v1/console/namespaces" => json!({ "code": 200, "message": null, "data": [{
            "namespace": "", "namespaceShowName": "public", "quota": 200, "configCount": 0, "type": 0,
        }] })
        .to_string(),
        "/nacos/v1/ns/catalog/services" if parameter("withInstances") == Some("true") => {
            Value::Array(wanted.iter().map(|s| bulk(s)).collect()).to_string()
        }
        "/nacos/v1/ns/catalog/services" => json!({
            "count": wanted.len(),
            "serviceList": wanted.iter().map(|s| json!({
                "name": s.name, "groupName": "DEFAULT_GROUP", "clusterCount": 1,
                "ipCount": s.instances.len(), "healthyInstanceCount": s.instances.len(),
                "triggerFlag": "false",
            })).collect::<Vec<_>>(),
        })
        .to_string(),
        _ => return (404, json!({ "status": 404, "error": "Not Found" }).to_string(), false),
    };
    (200, body, false)
}

fn bulk(service: &Listed) -> Value {
    json!({
        "serviceName": service.name,
        "groupName": "DEFAULT_GROUP",
        "metadata": {},
        "clusterMap": { "DEFAULT": {
            "clusterName": null,
            "healthChecker": { "type": "NONE" },
            "metadata": {},
            "hosts": service.instances,
        } },
    })
}

/// As 1.4.8 answers where a login is required and nobody is known.
fn locked(target: &str) -> Reply {
    if target.contains("/auth/users/login") {
        return (403, "unknown user!".to_owned(), false);
    }
    if !target.starts_with("/nacos/v1/ns/") || target.contains("/operator/metrics") {
        return nacos(target, &[]);
    }
    let refusal = json!({
        "timestamp": "2026-11-23T03:19:52.892+00:00", "status": 403, "error": "Forbidden",
        "message": "unknown user!", "path": target,
    });
    (403, refusal.to_string(), false)
}

/// What any server lists of a good instance.
pub(crate) fn good(ip: &str) -> Value {
    json!({
        "valid": true, "marked": false, "metadata": {}, "instanceId": "", "port": 80,
        "ip": ip, "weight": 1.0, "enabled": true,
    })
}

/// A listed instance with something else in one place.
pub(crate) fn but(mut instance: Value, key: &str, value: Value) -> Value {
    instance[key] = value;
    instance
}

/// A shared list of services, for tests that change little.
pub(crate) fn services(name: &str, instances: Vec<Value>) -> Vec<Listed> {
    vec![Listed::new(name, instances)]
}
