//! Silence, missing acknowledgements, and the end of the server.

use std::time::Duration;

use serde_json::json;
use syncline_nacos::grpc::{ConnectionEvent, ServiceRef};
use syncline_registry::Settings;
use syncline_testkit::eventually;

use crate::server::{Bare, PATIENCE, Server, instance};

fn subscription() -> serde_json::Value {
    json!({
        "namespace": "public", "serviceName": "orders", "groupName": "DEFAULT_GROUP",
        "subscribe": true,
    })
}

fn orders() -> ServiceRef {
    ServiceRef::new("public", "DEFAULT_GROUP", "orders")
}

fn impatient() -> Settings {
    let mut settings = Settings::default();
    settings.life.idle_after = Duration::from_millis(300);
    settings.life.answer_within = Duration::from_millis(300);
    settings.push.retry_after = Duration::from_millis(300);
    settings
}

#[tokio::test]
async fn a_silent_client_is_asked_and_then_closed() -> anyhow::Result<()> {
    let server = Server::start_with(impatient()).await?;
    let mut silent = Bare::set_up(&server, json!({})).await?;
    silent
        .call(
            "InstanceRequest",
            &json!({
                "namespace": "public", "serviceName": "orders", "groupName": "DEFAULT_GROUP",
                "type": "registerInstance", "instance": { "ip": "10.0.0.1", "port": 8080 },
            }),
        )
        .await?;
    let (kind, _) = silent.hear().await?.expect("a question");
    assert_eq!(kind, "ClientDetectionRequest");
    assert_eq!(silent.hear().await?, None, "the stream ends");
    eventually(PATIENCE, || async {
        let figures = server.registry.figures();
        figures.connections == 0 && figures.published_instances == 0
    })
    .await;
    server.stop().await
}

#[tokio::test]
async fn a_client_that_answers_stays() -> anyhow::Result<()> {
    let server = Server::start_with(impatient()).await?;
    let mut idle = Bare::set_up(&server, json!({})).await?;
    for _ in 0..4 {
        let (kind, question) = idle.hear().await?.expect("a question");
        assert_eq!(kind, "ClientDetectionRequest");
        let answer = json!({ "resultCode": 200, "requestId": question["requestId"] });
        idle.say("ClientDetectionResponse", &answer).await?;
    }
    assert_eq!(server.registry.figures().connections, 1);
    server.stop().await
}

#[tokio::test]
async fn a_push_is_repeated_until_it_is_acknowledged() -> anyhow::Result<()> {
    let mut settings = impatient();
    settings.life.idle_after = Duration::from_secs(60);
    let server = Server::start_with(settings).await?;
    let mut client = Bare::set_up(&server, json!({})).await?;
    client
        .call("SubscribeServiceRequest", &subscription())
        .await?;
    let (kind, first) = client.hear().await?.expect("the first push");
    assert_eq!(kind, "NotifySubscriberRequest");
    let (_, second) = client.hear().await?.expect("the same again");
    assert_eq!(
        first["serviceInfo"]["hosts"],
        second["serviceInfo"]["hosts"]
    );
    let refused = json!({ "resultCode": 500, "requestId": second["requestId"] });
    client.say("NotifySubscriberResponse", &refused).await?;
    let (_, third) = client.hear().await?.expect("and again");
    let taken = json!({ "resultCode": 200, "requestId": third["requestId"] });
    client.say("NotifySubscriberResponse", &taken).await?;
    eventually(PATIENCE, || async {
        server.registry.figures().acknowledged == 1
    })
    .await;

    let (publisher, _events) = server.connect().await?;
    publisher.register(&orders(), instance("10.0.0.1")).await?;
    let (_, next) = client.hear().await?.expect("the change");
    assert_eq!(next["serviceInfo"]["hosts"][0]["ip"], "10.0.0.1");
    server.stop().await
}

#[tokio::test]
async fn a_transport_that_never_sets_up_is_closed() -> anyhow::Result<()> {
    let server = Server::start_with(impatient()).await?;
    let mut half_open = tokio::net::TcpStream::connect(server.grpc).await?;
    // The server may greet first; then it ends.
    let mut said = Vec::new();
    let ended = tokio::io::AsyncReadExt::read_to_end(&mut half_open, &mut said);
    // Reset or closed: both are an end.
    drop(tokio::time::timeout(PATIENCE, ended).await?);
    server.stop().await
}

#[tokio::test]
async fn a_server_that_stops_ends_its_connections_and_frees_its_ports() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let http = server.http;
    let (client, mut events) = server.connect().await?;
    client.register(&orders(), instance("10.0.0.1")).await?;
    server.stop().await?;
    let ended = async {
        while let Some(event) = events.next().await {
            if matches!(event, ConnectionEvent::Disconnected(_)) {
                return true;
            }
        }
        false
    };
    assert!(tokio::time::timeout(PATIENCE, ended).await?);
    syncline_registry::Listeners::bind(http).await?;
    Ok(())
}
