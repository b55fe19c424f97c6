//! Health checks of persistent instances, over sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use syncline_model::{Seen, ServiceKey};
use syncline_nacos::grpc::ServiceRef;
use syncline_registry::{CheckSettings, Pace, Registry, Settings};
use syncline_testkit::eventually;
use tokio::net::TcpListener;

use crate::server::{PATIENCE, Server, pushed};

/// Looks that follow each other within milliseconds.
fn impatient() -> CheckSettings {
    let pace = Pace {
        least: Duration::from_millis(1),
        most: Duration::from_millis(20),
        inertia: 0.5,
    };
    CheckSettings {
        first_after: Duration::from_millis(1),
        tcp: pace,
        http: pace,
        timeout: Duration::from_millis(100),
        ..CheckSettings::default()
    }
}

fn settings(checks: CheckSettings) -> Settings {
    Settings {
        checks,
        ..Settings::default()
    }
}

async fn register(
    server: &Server,
    service: &str,
    at: SocketAddr,
    healthy: bool,
) -> anyhow::Result<()> {
    let (ip, port) = (at.ip(), at.port());
    let path = format!(
        "/nacos/v1/ns/instance?serviceName={service}&ip={ip}&port={port}&ephemeral=false&healthy={healthy}"
    );
    assert_eq!(server.call("POST", &path).await?, (200, "ok".to_owned()));
    Ok(())
}

/// Has the instances of a service checked by a page, with parameters of the
/// cluster that may be anything.
async fn check_page(server: &Server, service: &str, path: &str, port: &str) -> anyhow::Result<()> {
    let checker = json!({ "type": "HTTP", "path": path, "headers": "X-From:checks|bad" });
    let form = format!(
        "serviceName={service}&clusterName=DEFAULT&{port}&metadata=team%3Da&healthChecker={checker}"
    );
    let answer = server
        .send("PUT", "/nacos/v1/ns/cluster", Some(&form))
        .await?;
    assert_eq!(answer, (200, "ok".to_owned()));
    Ok(())
}

const OWN_PORT: &str = "checkPort=80&useInstancePort4Check=true";

async fn counts_as(registry: &Registry, service: &str, healthy: bool) {
    let service = ServiceKey::new("public", "DEFAULT_GROUP", service);
    let counts = || async {
        let set = registry.snapshot(&service);
        set.instances()
            .iter()
            .all(|instance| instance.healthy == Seen::Known(healthy))
    };
    eventually(PATIENCE, counts).await;
}

/// A port that nobody listens at.
async fn closed() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?)
}

#[tokio::test]
async fn subscribers_hear_who_stopped_listening_and_who_listens_again() -> anyhow::Result<()> {
    let server = Server::start_with(settings(impatient())).await?;
    let (client, mut events) = server.connect().await?;
    client
        .subscribe(&ServiceRef::new("public", "DEFAULT_GROUP", "orders"), "")
        .await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let at = listener.local_addr()?;
    register(&server, "orders", at, false).await?;
    let is = |healthy| {
        move |info: &syncline_nacos::message::ServiceInfo| {
            let mut hosts = info.hosts.items.iter();
            hosts.any(|host| host.healthy == healthy)
        }
    };
    pushed(&mut events, is(true)).await?;
    drop(listener);
    pushed(&mut events, is(false)).await?;
    let _listener = TcpListener::bind(at).await?;
    pushed(&mut events, is(true)).await?;
    server.stop().await
}

/// A server with pages of all kinds, and how often each was asked for as the
/// checks do it.
async fn pages() -> anyhow::Result<(SocketAddr, Arc<Asked>)> {
    let asked = Arc::new(Asked::default());
    let count = asked.clone();
    let page = move |Path(page): Path<String>, headers: HeaderMap| {
        let count = count.clone();
        async move { count.answer(&page, &headers).await }
    };
    let routes = Router::new().route("/{page}", get(page));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let at = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok((at, asked))
}

#[derive(Default)]
struct Asked {
    elsewhere: AtomicUsize,
    with_header: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl Asked {
    async fn answer(&self, page: &str, headers: &HeaderMap) -> Response {
        if headers.get("x-from").is_some_and(|from| from == "checks") {
            self.with_header.fetch_add(1, Ordering::Relaxed);
        }
        match page {
            "ok" => StatusCode::OK.into_response(),
            // Much more than anybody reads of it.
            "long" => "x".repeat(10_000_000).into_response(),
            "gone" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            "busy" => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            "moved" => (StatusCode::FOUND, [(header::LOCATION, "/elsewhere")]).into_response(),
            "silent" => std::future::pending().await,
            "slow" => {
                let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
                self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(5)).await;
                self.at_once.fetch_sub(1, Ordering::SeqCst);
                StatusCode::OK.into_response()
            }
            _ => {
                self.elsewhere.fetch_add(1, Ordering::Relaxed);
                StatusCode::OK.into_response()
            }
        }
    }
}

#[tokio::test]
async fn a_page_says_how_an_instance_is() -> anyhow::Result<()> {
    let server = Server::start_with(settings(impatient())).await?;
    let (at, asked) = pages().await?;
    let pages = [
        ("ok", true),
        ("long", true),
        ("gone", false),
        ("busy", false),
        ("moved", false),
        ("silent", false),
    ];
    for (page, healthy) in pages {
        register(&server, page, at, !healthy).await?;
        check_page(&server, page, page, OWN_PORT).await?;
        // Anew, so that no look by TCP came before.
        register(&server, page, at, !healthy).await?;
    }
    for (page, healthy) in pages {
        counts_as(&server.registry, page, healthy).await;
    }
    assert_eq!(asked.elsewhere.load(Ordering::Relaxed), 0, "it followed");
    assert!(asked.with_header.load(Ordering::Relaxed) > 0);
    server.stop().await
}

#[tokio::test]
async fn only_so_many_are_looked_at_at_once() -> anyhow::Result<()> {
    let checks = CheckSettings {
        at_once: 4,
        per_second: 100_000,
        timeout: PATIENCE,
        ..impatient()
    };
    let server = Server::start_with(settings(checks)).await?;
    let (at, asked) = pages().await?;
    for number in 0..40 {
        let service = format!("s{number}");
        register(&server, &service, at, false).await?;
        check_page(&server, &service, "slow", OWN_PORT).await?;
    }
    let asked_often = || async { asked.with_header.load(Ordering::Relaxed) >= 200 };
    eventually(PATIENCE, asked_often).await;
    let most = asked.most_at_once.load(Ordering::SeqCst);
    assert!((2..=4).contains(&most), "{most} at once");
    server.stop().await
}

#[tokio::test]
async fn checkers_outlive_a_restart_and_so_does_what_they_found() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let open = || Registry::open(settings(impatient()), None, folder.path());
    let server = Server::serving_free(open()?).await?;
    let (at, _asked) = pages().await?;
    // The instance's own port has nobody: the cluster's is looked at.
    register(&server, "orders", closed().await?, true).await?;
    counts_as(&server.registry, "orders", false).await;
    let port = format!("checkPort={}&useInstancePort4Check=false", at.port());
    check_page(&server, "orders", "/ok", &port).await?;
    counts_as(&server.registry, "orders", true).await;
    let detail = "/nacos/v1/ns/catalog/service?serviceName=orders";
    let before = server.json(detail).await?;
    assert_eq!(
        before["clusters"][0],
        json!({
            "serviceName": "DEFAULT_GROUP@@orders",
            "name": "DEFAULT",
            "healthChecker": {
                "type": "HTTP",
                "path": "/ok",
                "headers": "X-From:checks|bad",
                "expectedResponseCode": 200,
            },
            "defaultPort": 80,
            "defaultCheckPort": at.port(),
            "useIPPort4Check": false,
            "metadata": { "team": "a" },
        })
    );
    server.stop().await?;

    let server = Server::serving_free(open()?).await?;
    assert_eq!(server.json(detail).await?, before);
    counts_as(&server.registry, "orders", true).await;
    check_page(&server, "orders", "/gone", &port).await?;
    counts_as(&server.registry, "orders", false).await;
    server.stop().await
}

#[tokio::test]
async fn health_by_hand_stays_where_nobody_looks() -> anyhow::Result<()> {
    let server = Server::start_with(settings(impatient())).await?;
    register(&server, "orders", closed().await?, true).await?;
    let checker = "checkPort=80&useInstancePort4Check=true&healthChecker={\"type\":\"NONE\"}";
    let form = format!("serviceName=orders&clusterName=DEFAULT&{checker}");
    server
        .send("PUT", "/nacos/v1/ns/cluster", Some(&form))
        .await?;
    let orders = ServiceKey::new("public", "DEFAULT_GROUP", "orders");
    let key = server.registry.snapshot(&orders).instances()[0].key.clone();
    let set = |healthy: bool| {
        format!(
            "/nacos/v1/ns/health/instance?serviceName=orders&ip={}&port={}&healthy={healthy}",
            key.host, key.port
        )
    };
    for healthy in [false, true] {
        let answer = server.call("PUT", &set(healthy)).await?;
        assert_eq!(answer, (200, "ok".to_owned()));
        counts_as(&server.registry, "orders", healthy).await;
    }
    // Long enough for many looks, were there any: another instance had them.
    register(&server, "control", closed().await?, true).await?;
    counts_as(&server.registry, "control", false).await;
    counts_as(&server.registry, "orders", true).await;
    server.stop().await
}

#[tokio::test]
async fn without_checks_the_switch_says_so() -> anyhow::Result<()> {
    let checks = CheckSettings {
        enabled: false,
        ..CheckSettings::default()
    };
    let server = Server::start_with(settings(checks)).await?;
    let switches = server.json("/nacos/v1/ns/operator/switches").await?;
    assert_eq!(switches["healthCheckEnabled"], false);
    server.stop().await
}
