//! One connection: setting up, calling, hearing, ending.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use syncline_nacos::grpc::{
    ConnectionEvent, ConnectionEvents, ErrorClass, GrpcConnection, GrpcOptions, HeaderError,
    HeaderSource, Lost, ServiceRef, Timeouts,
};
use syncline_nacos::message::{FuzzyChange, Headers, Instance, ServiceInfo, ability};
use syncline_testkit::fault::{Fault, FaultProxy};
use syncline_testkit::patience;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::fake::{Fake, server_at};

fn service() -> ServiceRef {
    ServiceRef::new("public", "G", "s")
}

fn instance(ip: &str) -> Instance {
    Instance {
        ip: ip.to_owned(),
        port: 8080,
        cluster_name: "DEFAULT".to_owned(),
        ..Instance::default()
    }
}

/// Options that notice a dead server within a second.
fn hasty() -> GrpcOptions {
    GrpcOptions {
        timeouts: Timeouts {
            connect: Duration::from_secs(1),
            setup: Duration::from_secs(1),
            call: Duration::from_millis(300),
            health_interval: Duration::from_millis(100),
            ..Timeouts::default()
        },
        ..GrpcOptions::default()
    }
}

async fn connect(fake: &Fake) -> (GrpcConnection, ConnectionEvents) {
    let options = Arc::new(GrpcOptions::default());
    GrpcConnection::connect(&fake.server(), options)
        .await
        .unwrap()
}

async fn next(events: &mut ConnectionEvents) -> ConnectionEvent {
    let event = timeout(patience(Duration::from_secs(10)), events.next()).await;
    event.expect("an event in time").expect("an event")
}

async fn end(events: &mut ConnectionEvents) -> Lost {
    loop {
        if let ConnectionEvent::Disconnected(lost) = next(events).await {
            assert!(events.next().await.is_none(), "nothing follows the end");
            return lost;
        }
    }
}

fn ips(info: &ServiceInfo) -> Vec<&str> {
    info.hosts
        .items
        .iter()
        .map(|host| host.ip.as_str())
        .collect()
}

#[tokio::test]
async fn introduces_itself_as_a_naming_client() {
    let fake = Fake::start().await;
    let options = GrpcOptions {
        namespace: "prod".into(),
        client_version: "Test:v1".into(),
        labels: [("AppName".to_owned(), "demo".to_owned())].into(),
        ..GrpcOptions::default()
    };
    let connected = GrpcConnection::connect(&fake.server(), Arc::new(options)).await;
    let (connection, _events) = connected.unwrap();
    let introduction = fake.state.calls("ConnectionSetupRequest").remove(0).body;
    assert_eq!(introduction["tenant"], "prod");
    assert_eq!(introduction["clientVersion"], "Test:v1");
    assert_eq!(
        introduction["labels"],
        json!({"source": "sdk", "module": "naming", "AppName": "demo"})
    );
    // Before 2.3 there is nothing to negotiate.
    assert!(!connection.is_able(ability::FUZZY_WATCH));
}

#[tokio::test]
async fn learns_what_the_server_can_do() {
    let fake = Fake::start().await;
    fake.state.behaviour.lock().abilities = Some(vec![ability::PERSISTENT_INSTANCE_BY_GRPC]);
    let (connection, _events) = connect(&fake).await;
    assert!(connection.is_able(ability::PERSISTENT_INSTANCE_BY_GRPC));
    assert!(!connection.is_able(ability::FUZZY_WATCH));
}

#[tokio::test]
async fn waits_until_the_server_has_read_the_setup() {
    let fake = Fake::start().await;
    fake.state.behaviour.lock().slow_setup = 5;
    let (connection, _events) = connect(&fake).await;
    connection.query(&service(), "").await.unwrap();
    assert!(fake.state.calls("HealthCheckRequest").len() >= 6);
}

#[tokio::test]
async fn a_server_that_starts_asks_for_another_try() {
    let fake = Fake::start().await;
    fake.state
        .behaviour
        .lock()
        .refuse
        .insert("ServerCheckRequest", vec![300]);
    let options = Arc::new(GrpcOptions::default());
    let refused = GrpcConnection::connect(&fake.server(), options.clone()).await;
    assert_eq!(refused.unwrap_err().class(), ErrorClass::Starting);
    GrpcConnection::connect(&fake.server(), options)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_no_nacos_is_an_error() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = nobody.local_addr().unwrap();
    drop(nobody);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let web_addr = web.local_addr().unwrap();
    let answering = tokio::spawn(async move {
        while let Ok((mut client, _)) = web.accept().await {
            let page = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 4\r\n\r\n<p/>";
            drop(client.write_all(page).await);
        }
    });
    for addr in [refused, silent.local_addr().unwrap(), web_addr] {
        let connected = GrpcConnection::connect(&server_at(addr), Arc::new(hasty())).await;
        let class = connected.unwrap_err().class();
        let expected = [ErrorClass::Transport, ErrorClass::Timeout];
        assert!(expected.contains(&class), "{class:?}");
    }
    answering.abort();
}

#[tokio::test]
async fn registers_queries_lists_and_removes() {
    let fake = Fake::start().await;
    let (connection, _events) = connect(&fake).await;
    connection
        .register(&service(), instance("10.0.0.1"))
        .await
        .unwrap();
    let two = [instance("10.0.0.1"), instance("10.0.0.2")];
    connection.batch_register(&service(), &two).await.unwrap();
    let info = connection.query(&service(), "").await.unwrap();
    assert_eq!(ips(&info), ["10.0.0.1", "10.0.0.2"]);
    let list = connection
        .list_services("public", "G", 1, 10)
        .await
        .unwrap();
    assert_eq!(list.service_names, ["s"]);
    connection
        .deregister(&service(), instance("10.0.0.1"))
        .await
        .unwrap();
    assert_eq!(fake.state.published("public/G@@s"), []);
    let batch = fake.state.calls("BatchInstanceRequest").remove(0).body;
    assert_eq!(batch["instances"], serde_json::to_value(two).unwrap());
    assert_eq!(batch["namespace"], "public");
    let error = connection
        .persistent_register(&service(), instance("10.0.0.1"))
        .await;
    assert_eq!(error.unwrap_err().class(), ErrorClass::NotSupported);
}

#[tokio::test]
async fn pushes_are_passed_on_and_acknowledged() {
    let fake = Fake::start().await;
    let (connection, mut events) = connect(&fake).await;
    let info = connection.subscribe(&service(), "").await.unwrap();
    assert_eq!(ips(&info), [""; 0]);
    let id = fake.state.push_service("G", "s", &["10.0.0.1"], 2);
    match next(&mut events).await {
        ConnectionEvent::Pushed { service: of, info } => {
            assert_eq!(of, service());
            assert_eq!(ips(&info), ["10.0.0.1"]);
        }
        other => panic!("{other:?}"),
    }
    let ack = fake.state.ack(&id).await;
    assert_eq!(ack.kind, "NotifySubscriberResponse");
    assert_eq!(ack.body["resultCode"], 200);
}

#[tokio::test]
async fn a_slow_reader_finds_the_latest_of_each_service() {
    let fake = Fake::start().await;
    let (connection, mut events) = connect(&fake).await;
    let other = ServiceRef::new("public", "G", "t");
    connection.subscribe(&service(), "").await.unwrap();
    connection.subscribe(&other, "").await.unwrap();
    let mut last = String::new();
    for round in 0..500 {
        fake.state
            .push_service("G", "s", &[&format!("10.0.0.{round}")], round);
        last = fake
            .state
            .push_service("G", "t", &[&format!("10.1.0.{round}")], round);
    }
    fake.state.ack(&last).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        if let ConnectionEvent::Pushed { info, .. } = next(&mut events).await {
            seen.push(ips(&info)[0].to_owned());
        }
    }
    assert_eq!(seen, ["10.0.0.499", "10.1.0.499"]);
}

#[tokio::test]
async fn pushes_of_services_that_nobody_asked_for_are_only_acknowledged() {
    let fake = Fake::start().await;
    let (connection, mut events) = connect(&fake).await;
    connection.subscribe(&service(), "").await.unwrap();
    connection.unsubscribe(&service(), "").await.unwrap();
    let id = fake.state.push_service("G", "s", &["10.0.0.1"], 1);
    fake.state.ack(&id).await;
    connection.close().await;
    assert!(matches!(
        next(&mut events).await,
        ConnectionEvent::Disconnected(Lost::Closed)
    ));
}

#[tokio::test]
async fn one_name_in_two_namespaces_needs_two_connections() {
    let fake = Fake::start().await;
    let (connection, _events) = connect(&fake).await;
    connection.subscribe(&service(), "").await.unwrap();
    let elsewhere = ServiceRef::new("prod", "G", "s");
    let error = connection.subscribe(&elsewhere, "").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Clash);
    connection.unsubscribe(&service(), "").await.unwrap();
    connection.subscribe(&elsewhere, "").await.unwrap();
}

#[tokio::test]
async fn a_push_that_makes_no_sense_is_told_and_not_repeated() {
    let fake = Fake::start().await;
    let (_connection, mut events) = connect(&fake).await;
    for body in [
        json!({}),
        json!({"serviceInfo": {"name": "s"}}),
        json!({"serviceInfo": 7}),
    ] {
        let id = fake.state.push("NotifySubscriberRequest", body);
        assert!(matches!(
            next(&mut events).await,
            ConnectionEvent::Unreadable { .. }
        ));
        fake.state.ack(&id).await;
    }
    fake.state.push_raw("NotifySubscriberRequest", b"<html>");
    assert!(matches!(
        next(&mut events).await,
        ConnectionEvent::Unreadable { .. }
    ));
    fake.state.push_raw("SomethingNew", b"{}");
    let id = fake.state.push("ClientDetectionRequest", json!({}));
    assert_eq!(fake.state.ack(&id).await.kind, "ClientDetectionResponse");
}

#[tokio::test]
async fn a_server_may_ask_to_move() {
    let fake = Fake::start().await;
    let (_connection, mut events) = connect(&fake).await;
    let hints = [
        (
            json!({"serverIp": "10.0.0.9", "serverPort": "8848"}),
            Some(("10.0.0.9".to_owned(), 8848)),
        ),
        (json!({"serverIp": null, "serverPort": ""}), None),
        (json!({}), None),
    ];
    for (hint, expected) in hints {
        let id = fake.state.push("ConnectResetRequest", hint);
        match next(&mut events).await {
            ConnectionEvent::MoveAsked { to } => assert_eq!(to, expected),
            other => panic!("{other:?}"),
        }
        assert_eq!(fake.state.ack(&id).await.kind, "ConnectResetResponse");
    }
}

#[tokio::test]
async fn a_fuzzy_watch_tells_names() {
    let fake = Fake::start().await;
    let (connection, mut events) = connect(&fake).await;
    connection
        .fuzzy_watch("public", "public>>*>>*")
        .await
        .unwrap();
    let request = fake.state.calls("NamingFuzzyWatchRequest").remove(0).body;
    assert_eq!(request["receivedGroupKeys"], json!([]));
    assert_eq!(request["initializing"], true);
    let batch = json!({"syncType": "FUZZY_WATCH_INIT_NOTIFY", "groupKeyPattern": "public>>*>>*",
        "contexts": [{"serviceKey": "public@@G@@s", "changedType": "ADD_SERVICE"}, {"serviceKey": 3}]});
    let finish =
        json!({"syncType": "FINISH_FUZZY_WATCH_INIT_NOTIFY", "groupKeyPattern": "public>>*>>*"});
    let change = json!({"syncType": "FUZZY_WATCH_RESOURCE_CHANGED", "serviceKey": "public@@G@@t",
        "changedType": "DELETE_SERVICE"});
    let acks = [
        fake.state.push("NamingFuzzyWatchSyncRequest", batch),
        fake.state.push("NamingFuzzyWatchSyncRequest", finish),
        fake.state
            .push("NamingFuzzyWatchChangeNotifyRequest", change),
    ];
    for id in acks {
        fake.state.ack(&id).await;
    }
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(match next(&mut events).await {
            ConnectionEvent::NameChanged { service, change } => format!("{service} {change:?}"),
            ConnectionEvent::NamesComplete { pattern } => pattern.to_string(),
            ConnectionEvent::Unreadable { .. } => "unreadable".to_owned(),
            other => panic!("{other:?}"),
        });
    }
    let added = FuzzyChange::AddService;
    let deleted = FuzzyChange::DeleteService;
    let expected = [
        format!("public/G@@s {added:?}"),
        "unreadable".into(),
        "public>>*>>*".into(),
        format!("public/G@@t {deleted:?}"),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn refusals_are_classified() {
    let fake = Fake::start().await;
    let classes = [
        (300, ErrorClass::Starting),
        (302, ErrorClass::NotSupported),
        (400, ErrorClass::InvalidParam),
        (403, ErrorClass::Forbidden),
        (500, ErrorClass::Server),
        (503, ErrorClass::Overloaded),
        (50310, ErrorClass::OverLimit),
        (77777, ErrorClass::Server),
    ];
    let (connection, _events) = connect(&fake).await;
    for (code, class) in classes {
        fake.state
            .behaviour
            .lock()
            .refuse
            .insert("ServiceQueryRequest", vec![code]);
        let error = connection.query(&service(), "").await.unwrap_err();
        assert_eq!(error.class(), class, "{code}");
        assert_eq!(
            error.to_string(),
            format!("cannot query public/G@@s at {}", fake.addr())
        );
    }
    connection.query(&service(), "").await.unwrap();
}

#[tokio::test]
async fn a_server_that_forgot_the_connection_ends_it() {
    for code in [301, -401] {
        let fake = Fake::start().await;
        let (connection, mut events) = connect(&fake).await;
        fake.state
            .behaviour
            .lock()
            .refuse
            .insert("ServiceQueryRequest", vec![code]);
        let error = connection.query(&service(), "").await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Unregistered);
        assert!(matches!(end(&mut events).await, Lost::Unregistered));
        assert!(matches!(connection.lost(), Some(Lost::Unregistered)));
        let error = connection.query(&service(), "").await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Unregistered);
    }
}

#[tokio::test]
async fn answers_that_make_no_sense_are_malformed() {
    let fake = Fake::start().await;
    let (connection, _events) = connect(&fake).await;
    let answers: [(&str, &[u8]); 6] = [
        ("QueryServiceResponse", b"<html>"),
        ("QueryServiceResponse", b"{\"resultCode\":200}"),
        ("QueryServiceResponse", b"{\"serviceInfo\":{\"name\":\"s\",\"hosts\":[]}}"),
        ("InstanceResponse", b"{\"resultCode\":200}"),
        ("", b""),
        // A good answer, about another service.
        ("QueryServiceResponse", b"{\"resultCode\":200,\"serviceInfo\":{\"name\":\"t\",\"groupName\":\"G\",\"hosts\":[]}}"),
    ];
    for (kind, json) in answers {
        let garbled = (kind.to_owned(), json.to_vec());
        fake.state
            .behaviour
            .lock()
            .garble
            .insert("ServiceQueryRequest", garbled);
        let error = connection.query(&service(), "").await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Malformed, "{kind}");
    }
    assert!(connection.lost().is_none());
}

#[tokio::test]
async fn a_dead_server_is_noticed_at_once() {
    let fake = Fake::start().await;
    let proxy = FaultProxy::start(fake.addr()).await.unwrap();
    let options = Arc::new(GrpcOptions::default());
    let connected = GrpcConnection::connect(&server_at(proxy.addr()), options).await;
    let (_connection, mut events) = connected.unwrap();
    proxy.set(Fault::Reset);
    let lost = end(&mut events).await;
    assert!(
        matches!(lost, Lost::Transport(_) | Lost::StreamBroken(_)),
        "{lost:?}"
    );
}

#[tokio::test]
async fn an_ended_stream_ends_the_connection() {
    let fake = Fake::start().await;
    let (_connection, mut events) = connect(&fake).await;
    fake.state.end_streams();
    assert!(matches!(end(&mut events).await, Lost::StreamEnded));
}

#[tokio::test]
async fn a_black_hole_is_noticed_by_health_checks() {
    let fake = Fake::start().await;
    let proxy = FaultProxy::start(fake.addr()).await.unwrap();
    let connected = GrpcConnection::connect(&server_at(proxy.addr()), Arc::new(hasty())).await;
    let (connection, mut events) = connected.unwrap();
    proxy.set(Fault::BlackHole);
    let error = connection.query(&service(), "").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Timeout);
    match end(&mut events).await {
        Lost::Unhealthy(error) => assert_eq!(error.class(), ErrorClass::Timeout),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn dropping_every_handle_closes_the_connection() {
    let fake = Fake::start().await;
    let (connection, mut events) = connect(&fake).await;
    connection
        .register(&service(), instance("10.0.0.1"))
        .await
        .unwrap();
    let clone = connection.clone();
    drop(connection);
    clone.query(&service(), "").await.unwrap();
    drop(clone);
    assert!(matches!(end(&mut events).await, Lost::Closed));
    syncline_testkit::eventually(Duration::from_secs(10), || async {
        fake.state.services() == 0
    })
    .await;
}

/// Tokens `t0`, `t1`, …: a new one after each refusal.
#[derive(Default)]
struct Tokens(AtomicU32);

impl HeaderSource for Tokens {
    fn headers<'a>(
        &'a self,
        about: Option<&'a ServiceRef>,
    ) -> BoxFuture<'a, Result<Headers, HeaderError>> {
        assert_eq!(about, Some(&service()));
        let token = format!("t{}", self.0.load(Ordering::Relaxed));
        Box::pin(async move { Ok([("accessToken", token)].into_iter().collect()) })
    }

    fn refused(&self) -> BoxFuture<'_, bool> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { true })
    }
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let fake = Fake::start().await;
    fake.state.behaviour.lock().token = Some("t1".into());
    let options = GrpcOptions {
        headers: Arc::new(Tokens::default()),
        ..GrpcOptions::default()
    };
    let connected = GrpcConnection::connect(&fake.server(), Arc::new(options)).await;
    let (connection, _events) = connected.unwrap();
    connection.query(&service(), "").await.unwrap();
    assert_eq!(fake.state.calls("ServiceQueryRequest").len(), 2);
    fake.state.behaviour.lock().token = Some("never".into());
    let error = connection.query(&service(), "").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Forbidden);
    assert_eq!(fake.state.calls("ServiceQueryRequest").len(), 4);
}
