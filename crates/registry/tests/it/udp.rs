//! Pushes to clients of 1.x, over sockets.

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use syncline_model::{Instance, Port, ServiceKey, ServiceSet};
use syncline_nacos::http::{ClientOptions, HttpClient, PushSocket, Route};
use syncline_registry::Settings;
use syncline_testkit::eventually;
use syncline_testkit::recordings::Recording;
use tokio::net::UdpSocket;

use crate::server::{PATIENCE, Server};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const JAVA: &str = "Nacos-Java-Client:v1.4.6";
const LIST: &str = "/nacos/v1/ns/instance/list?serviceName=orders";
const REGISTER: &str = "/nacos/v1/ns/instance?serviceName=orders&port=80&ip=";

/// A client of 1.x as far as pushes go.
struct Listener {
    socket: UdpSocket,
    buffer: Vec<u8>,
}

/// A push as it came.
struct Heard {
    /// The list within it.
    list: Value,
    number: u64,
    compressed: bool,
    from: SocketAddr,
}

impl Listener {
    async fn bind() -> anyhow::Result<Self> {
        Ok(Self {
            socket: UdpSocket::bind((LOOPBACK, 0)).await?,
            buffer: vec![0; 64 << 10],
        })
    }

    /// Asks for a list as a subscriber, and gives its `cacheMillis`.
    async fn ask(&self, server: &Server, query: &str, agent: &str) -> anyhow::Result<Value> {
        let port = self.socket.local_addr()?.port();
        let path = format!("{LIST}{query}&clientIP=127.0.0.1&udpPort={port}");
        let (status, body) = server.get_as(&path, agent).await?;
        anyhow::ensure!(status == 200, "{status}: {body}");
        let list: Value = serde_json::from_str(&body)?;
        Ok(list["cacheMillis"].clone())
    }

    async fn hear(&mut self) -> anyhow::Result<Heard> {
        let received = self.socket.recv_from(&mut self.buffer);
        let (length, from) = tokio::time::timeout(PATIENCE, received).await??;
        let datagram = &self.buffer[..length];
        let compressed = datagram.starts_with(&[0x1f, 0x8b]);
        let mut text = Vec::new();
        if compressed {
            GzDecoder::new(datagram).read_to_end(&mut text)?;
        } else {
            text.extend_from_slice(datagram);
        }
        let push: Value = serde_json::from_slice(&text)?;
        assert_eq!(push["type"], "dom");
        Ok(Heard {
            list: serde_json::from_str(push["data"].as_str().context("no list")?)?,
            number: push["lastRefTime"].as_u64().context("no number")?,
            compressed,
            from,
        })
    }

    async fn acknowledge(&self, push: &Heard) -> anyhow::Result<()> {
        let number = push.number;
        let ack = format!(r#"{{"type": "push-ack", "lastRefTime":"{number}", "data":""}}"#);
        self.socket.send_to(ack.as_bytes(), push.from).await?;
        Ok(())
    }
}

fn addresses(list: &Value) -> Vec<&str> {
    let hosts = list["hosts"].as_array().into_iter().flatten();
    hosts.filter_map(|host| host["ip"].as_str()).collect()
}

#[tokio::test]
async fn a_change_is_pushed_to_who_asked_and_acknowledged() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut listener = Listener::bind().await?;
    assert_eq!(listener.ask(&server, "", JAVA).await?, 10_000);
    assert_eq!(server.registry.figures().subscriptions, 1);
    let requests = server.registry.figures().http_requests;

    server.call("POST", &format!("{REGISTER}10.0.0.1")).await?;
    let push = listener.hear().await?;
    assert_eq!(addresses(&push.list), ["10.0.0.1"]);
    assert_eq!(push.list["name"], "DEFAULT_GROUP@@orders");
    assert!(!push.compressed);
    listener.acknowledge(&push).await?;
    let figures = || server.registry.figures();
    eventually(PATIENCE, || async { figures().acknowledged == 1 }).await;

    let note = "x".repeat(1000);
    let noted = format!("{REGISTER}10.0.0.2&metadata=note%3D{note}");
    server.call("POST", &noted).await?;
    let push = listener.hear().await?;
    assert_eq!(addresses(&push.list), ["10.0.0.1", "10.0.0.2"]);
    assert!(push.compressed);
    server
        .call("DELETE", &format!("{REGISTER}10.0.0.1"))
        .await?;
    let push = listener.hear().await?;
    assert_eq!(addresses(&push.list), ["10.0.0.2"]);
    assert_eq!(figures().http_requests, requests + 3, "nobody polled");
    server.stop().await
}

#[tokio::test]
async fn a_change_reaches_all_of_many() -> anyhow::Result<()> {
    const MANY: u64 = 300;
    let mut settings = Settings::default();
    settings.udp.retry_after = 10 * PATIENCE;
    let server = Server::start_with(settings).await?;
    let mut listeners = Vec::new();
    for _ in 0..MANY {
        let listener = Listener::bind().await?;
        assert_eq!(listener.ask(&server, "", JAVA).await?, 10_000);
        listeners.push(listener);
    }
    server.call("POST", &format!("{REGISTER}10.0.0.1")).await?;
    for listener in &mut listeners {
        let push = listener.hear().await?;
        assert_eq!(addresses(&push.list), ["10.0.0.1"]);
        listener.acknowledge(&push).await?;
    }
    let figures = || server.registry.figures();
    let all = || async { figures().acknowledged == MANY };
    eventually(PATIENCE, all).await;
    assert_eq!((figures().pushes, figures().repeated), (MANY, 0));
    server.stop().await
}

#[tokio::test]
async fn only_the_wanted_clusters_are_pushed_under_the_wanted_name() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut listener = Listener::bind().await?;
    assert_eq!(listener.ask(&server, "&clusters=hz", JAVA).await?, 10_000);
    let other = format!("{REGISTER}10.0.0.1&clusterName=sh");
    server.call("POST", &other).await?;
    let wanted = format!("{REGISTER}10.0.0.2&clusterName=hz");
    server.call("POST", &wanted).await?;
    let push = loop {
        let push = listener.hear().await?;
        assert_eq!(push.list["clusters"], "hz");
        if !addresses(&push.list).is_empty() {
            break push;
        }
    };
    assert_eq!(addresses(&push.list), ["10.0.0.2"]);
    server.stop().await
}

#[tokio::test]
async fn who_cannot_be_pushed_to_is_told_to_poll() -> anyhow::Result<()> {
    let mut settings = Settings::default();
    settings.udp.subscriptions = 1;
    let server = Server::start_with(settings).await?;
    let listener = Listener::bind().await?;
    assert_eq!(listener.ask(&server, "", "curl/8.0").await?, 3_000);
    let elsewhere = format!("{LIST}&clientIP=203.0.113.5&udpPort=5000");
    let huge = format!("{LIST}&clientIP=127.0.0.1&udpPort=70000");
    for path in [&elsewhere, &huge] {
        let (_, body) = server.get_as(path, JAVA).await?;
        assert!(body.contains(r#""cacheMillis":3000"#), "{body}");
    }
    assert_eq!(server.registry.figures().subscriptions, 0);
    // Who wants no pushes is told what 2.x tells everybody.
    assert_eq!(server.json(LIST).await?["cacheMillis"], 10_000);

    assert_eq!(listener.ask(&server, "", JAVA).await?, 10_000);
    let second = Listener::bind().await?;
    assert_eq!(second.ask(&server, "", JAVA).await?, 3_000, "no room");
    assert_eq!(listener.ask(&server, "", JAVA).await?, 10_000, "it has it");
    server.stop().await
}

#[tokio::test]
async fn who_never_acknowledges_is_forgotten() -> anyhow::Result<()> {
    let mut settings = Settings::default();
    settings.udp.retry_after = Duration::from_millis(100);
    let server = Server::start_with(settings).await?;
    let mut listener = Listener::bind().await?;
    assert_eq!(listener.ask(&server, "", JAVA).await?, 10_000);
    server.call("POST", &format!("{REGISTER}10.0.0.1")).await?;
    let first = listener.hear().await?;
    let second = listener.hear().await?;
    assert_eq!(first.list, second.list);
    let figures = || server.registry.figures();
    eventually(PATIENCE, || async { figures().subscriptions == 0 }).await;
    assert_eq!(figures().repeated, 1);
    assert_eq!(listener.ask(&server, "", JAVA).await?, 3_000);
    server.stop().await
}

#[tokio::test]
async fn who_stops_asking_is_forgotten() -> anyhow::Result<()> {
    let mut settings = Settings::default();
    settings.udp.kept = Duration::from_millis(200);
    let server = Server::start_with(settings).await?;
    let listener = Listener::bind().await?;
    assert_eq!(listener.ask(&server, "", JAVA).await?, 10_000);
    let figures = || server.registry.figures();
    eventually(PATIENCE, || async { figures().subscriptions == 0 }).await;
    assert_eq!(
        listener.ask(&server, "", JAVA).await?,
        10_000,
        "it may return"
    );
    server.stop().await
}

#[tokio::test]
async fn a_list_that_fits_into_no_datagram_is_polled() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut listener = Listener::bind().await?;
    assert_eq!(listener.ask(&server, "", JAVA).await?, 10_000);
    let orders = ServiceKey::new("public", "DEFAULT_GROUP", "orders");
    let port = Port::new(80).context("port 0")?;
    let instances = (0..6_000u32).map(|n| {
        // Far apart, so that nothing of them compresses well.
        let ip = Ipv4Addr::from(n.wrapping_mul(2_654_435_761));
        Instance::new(ip.to_string().as_str(), port)
    });
    let vast = Arc::new(ServiceSet::new(instances.collect()));
    let link = server.registry.link_client(&"vast".into());
    link.publish(&orders, vast);
    let told = || async { matches!(listener.ask(&server, "", JAVA).await, Ok(m) if m == 3_000) };
    eventually(PATIENCE, told).await;

    drop(link);
    let push = listener.hear().await?;
    assert_eq!(addresses(&push.list), [""; 0]);
    assert_eq!(listener.ask(&server, "", JAVA).await?, 10_000);
    server.stop().await
}

#[tokio::test]
async fn noise_at_the_socket_harms_nobody() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut listener = Listener::bind().await?;
    listener.ask(&server, "", JAVA).await?;
    server.call("POST", &format!("{REGISTER}10.0.0.1")).await?;
    let push = listener.hear().await?;
    let noise = UdpSocket::bind((LOOPBACK, 0)).await?;
    for bytes in [&b""[..], b"{}", b"\xff\x00", &[b'['; 60_000]] {
        noise.send_to(bytes, push.from).await?;
    }
    listener.acknowledge(&push).await?;
    let figures = || server.registry.figures();
    eventually(PATIENCE, || async { figures().acknowledged == 1 }).await;
    server.call("POST", &format!("{REGISTER}10.0.0.2")).await?;
    let push = listener.hear().await?;
    assert_eq!(addresses(&push.list), ["10.0.0.1", "10.0.0.2"]);
    server.stop().await
}

#[tokio::test]
async fn our_own_client_of_1_x_is_pushed_to() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let orders = ServiceKey::new("public", "DEFAULT_GROUP", "orders");
    let mut socket = PushSocket::bind((LOOPBACK, 0).into(), vec![LOOPBACK]).await?;
    let client = HttpClient::new(ClientOptions::new([server.http.to_string()]))?;
    let port = socket.port()?;
    client
        .subscribe_udp(&orders, LOOPBACK, port, &Route::Any)
        .await?;
    server.call("POST", &format!("{REGISTER}10.0.0.1")).await?;
    let push = tokio::time::timeout(PATIENCE, socket.next()).await??;
    assert_eq!(push.service.as_str(), "orders");
    assert_eq!(push.list.instances.len(), 1);
    let figures = || server.registry.figures();
    eventually(PATIENCE, || async { figures().acknowledged == 1 }).await;
    server.stop().await
}

async fn data(server: &Server, path: &str) -> anyhow::Result<Value> {
    let mut body = server.json(&format!("/nacos{path}")).await?;
    assert_eq!(body["code"], 0, "{body}");
    Ok(body["data"].take())
}

/// As 2.x has it: whoever is pushed to is a client named after its address.
#[tokio::test]
async fn who_is_pushed_to_stands_among_the_clients() -> anyhow::Result<()> {
    let settings = Settings {
        version: "3.0.3".parse()?,
        ..Settings::default()
    };
    let server = Server::start_with(settings).await?;
    let listener = Listener::bind().await?;
    for clusters in ["", "&clusters=hz"] {
        let query = format!("{clusters}&app=shop");
        assert_eq!(listener.ask(&server, &query, JAVA).await?, 10_000);
    }
    let port = listener.socket.local_addr()?.port();
    let (name, address) = (
        format!("127.0.0.1:{port}#true"),
        format!("127.0.0.1:{port}"),
    );
    let named = name.replace('#', "%23");
    let orders = "serviceName=orders&groupName=DEFAULT_GROUP";
    let list = data(&server, "/v2/ns/client/list").await?;
    assert_eq!(list, json!([name]), "one client, whatever it asked for");
    for client in ["/v2/ns/client", "/v3/admin/ns/client"] {
        let detail = data(&server, &format!("{client}?clientId={named}")).await?;
        assert_eq!(detail["clientType"], "ipPort");
        let published = format!("{client}/publish/list?clientId={named}");
        assert_eq!(data(&server, &published).await?, json!([]));
    }
    let subscribed = format!("/v2/ns/client/subscribe/list?clientId={named}");
    assert_eq!(
        data(&server, &subscribed).await?,
        json!([{
            "namespace": "public", "group": "DEFAULT_GROUP", "serviceName": "orders",
            "subscriberInfo": { "app": "shop", "agent": JAVA, "addr": address },
        }])
    );
    let subscribers = format!("/v2/ns/client/service/subscriber/list?{orders}");
    assert_eq!(
        data(&server, &subscribers).await?,
        json!([{ "clientId": name, "ip": "127.0.0.1", "port": port }])
    );
    let subscribers = format!("/v3/admin/ns/client/service/subscriber/list?{orders}");
    assert_eq!(
        data(&server, &subscribers).await?,
        json!([{ "clientId": name, "appName": "shop", "agent": JAVA, "address": address }])
    );
    let subscribers = server.json("/nacos/v1/ns/service/subscribers?serviceName=order");
    assert_eq!(subscribers.await?["count"], 1, "the name within a name");
    server.stop().await
}

/// 1.x pushes what it lists, and calls a service by its name alone where no Java
/// client listens.
#[tokio::test]
async fn presenting_1_x_pushes_are_in_its_shape() -> anyhow::Result<()> {
    let recording = Recording::load("1.4.8")?;
    let recorded = recording.udp().next().context("a push")?;
    let theirs: Value = serde_json::from_str(&recorded.body)?;
    let theirs: Value = serde_json::from_str(theirs["data"].as_str().context("a list")?)?;
    let settings = Settings {
        version: "1.4.8".parse()?,
        ..Settings::default()
    };
    let server = Server::start_with(settings).await?;
    for (agent, name, n) in [
        (JAVA, "DEFAULT_GROUP@@orders", 1),
        ("Nacos-Go-Client:v1.1.4", "orders", 2),
    ] {
        let mut listener = Listener::bind().await?;
        listener.ask(&server, "", agent).await?;
        server
            .call("POST", &format!("{REGISTER}10.0.0.{n}"))
            .await?;
        let push = listener.hear().await?;
        listener.acknowledge(&push).await?;
        let keys = |value: &Value| -> Vec<String> {
            let object = value.as_object().into_iter().flatten();
            object.map(|(key, _)| key.clone()).collect()
        };
        assert_eq!(keys(&push.list), keys(&theirs));
        assert_eq!(keys(&push.list["hosts"][0]), keys(&theirs["hosts"][0]));
        assert_eq!(push.list["dom"], name);
        assert_eq!(push.list["hosts"][0]["serviceName"], name);
        assert_eq!(push.list["name"], "DEFAULT_GROUP@@orders");
        assert_eq!(push.list["cacheMillis"], 10_000);
    }
    server.stop().await
}
