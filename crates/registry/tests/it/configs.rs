//! Calls about configurations: refused in words that no client takes for "there
//! is none", or passed on to the Nacos that has them.

use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;
use syncline_nacos::grpc::GrpcOptions;
use syncline_nacos::http::{ClientOptions, HttpClient};
use syncline_registry::{AccessSettings, ConfigUpstream, Registry, Rights, Settings};
use syncline_testkit::eventually;

use crate::access::user;
use crate::server::{Bare, PATIENCE, Server};
use crate::upstream::Upstream;

const APPLICATION: &str = "dataId=app.yaml&group=DEFAULT_GROUP&tenant=dev";

fn leading_to(upstream: &Upstream) -> anyhow::Result<ConfigUpstream> {
    let mut options = ClientOptions::new([upstream.http.to_string()]);
    options.grpc_port = Some(upstream.grpc.port());
    let http = Arc::new(HttpClient::new(options)?);
    Ok(ConfigUpstream::new(http, GrpcOptions::default()))
}

fn query() -> serde_json::Value {
    json!({ "dataId": "app.yaml", "group": "DEFAULT_GROUP", "tenant": "dev" })
}

#[tokio::test]
async fn without_an_upstream_they_are_forbidden() -> anyhow::Result<()> {
    let server = Server::start().await?;
    for path in [
        "/nacos/v1/cs/configs",
        "/nacos/v2/cs/config",
        "/nacos/v3/client/cs/config",
    ] {
        let (status, why) = server.call("GET", &format!("{path}?{APPLICATION}")).await?;
        assert_eq!(status, 403, "{path}");
        assert!(why.contains("configs_from"), "{why}");
    }
    let listened = Some("Listening-Configs=app.yaml");
    let (status, _) = server
        .send("POST", "/nacos/v1/cs/configs/listener", listened)
        .await?;
    assert_eq!(status, 403);

    let mut client = Bare::set_up(&server, json!({ "labels": { "module": "config" } })).await?;
    for (call, answer) in [
        ("ConfigQueryRequest", "ConfigQueryResponse"),
        ("ConfigPublishRequest", "ConfigPublishResponse"),
        (
            "ConfigBatchListenRequest",
            "ConfigChangeBatchListenResponse",
        ),
    ] {
        let (kind, refused) = client.call(call, &query()).await?;
        assert_eq!(kind, answer);
        assert_eq!(
            (&refused["resultCode"], &refused["errorCode"]),
            (&json!(500), &json!(403)),
            "{call}"
        );
    }
    server.stop().await
}

#[tokio::test]
async fn over_http_they_are_passed_on_and_come_back_as_they_are() -> anyhow::Result<()> {
    let upstream = Upstream::start().await?;
    let server = Server::start_passing_to(leading_to(&upstream)?).await?;
    let path = format!("/nacos/v1/cs/configs?{APPLICATION}&accessToken=t%2B1");
    let (status, config) = server.call("GET", &path).await?;
    assert_eq!((status, config.as_str()), (200, "port: 80"));
    let form = "dataId=new&group=G&content=a%3D1%26b";
    let (status, published) = server
        .send("POST", "/nacos/v1/cs/configs", Some(form))
        .await?;
    assert_eq!((status, published.as_str()), (200, "true"));
    let asked = upstream.asked();
    assert_eq!(
        asked,
        [
            format!("127.0.0.1 GET {path} "),
            format!("127.0.0.1 POST /nacos/v1/cs/configs {form}"),
        ],
        "with what the client presents"
    );
    let missing = "/nacos/v1/cs/configs?dataId=missing&group=G";
    let (status, why) = server.call("GET", missing).await?;
    assert_eq!(status, 404, "the upstream knows: {why}");
    server.stop().await
}

#[tokio::test]
async fn who_logs_in_does_so_where_the_configurations_are() -> anyhow::Result<()> {
    let upstream = Upstream::start().await?;
    let server = Server::start_passing_to(leading_to(&upstream)?).await?;
    let (login, user) = ("/nacos/v1/auth/users/login", Some("username=u&password=p"));
    let (status, token) = server.send("POST", login, user).await?;
    assert_eq!((status, token.as_str()), (200, r#"{"accessToken":"t"}"#));
    let (status, _) = server
        .send("POST", "/nacos/v3/auth/user/login", user)
        .await?;
    assert_eq!(status, 404, "clients try the older path then");
    server.stop().await?;
    let alone = Server::start().await?;
    let (status, _) = alone.send("POST", login, user).await?;
    assert_eq!(status, 404, "as a Nacos without users answers");
    alone.stop().await
}

/// Naming is for the registry's users, configurations for those of the Nacos
/// that has them.
#[tokio::test]
async fn with_users_of_its_own_the_registry_judges_what_is_its_own() -> anyhow::Result<()> {
    let upstream = Upstream::start().await?;
    let access = AccessSettings {
        users: vec![user("ops", Rights::Admin)],
        ..AccessSettings::default()
    };
    let settings = Settings {
        access,
        ..Settings::default()
    };
    let registry = Registry::with_configs(settings, Some(leading_to(&upstream)?));
    let server = Server::serving_free(registry).await?;
    let login = "/nacos/v1/auth/users/login";
    let unknown = server.send("POST", login, Some("username=u&password=p"));
    assert_eq!(unknown.await?, (200, r#"{"accessToken":"t"}"#.to_owned()));
    let wrong = server.send("POST", login, Some("username=ops&password=p"));
    assert_eq!(wrong.await?.0, 403, "asked nobody else");

    let path = format!("/nacos/v1/cs/configs?{APPLICATION}&accessToken=t");
    let (status, config) = server.call("GET", &path).await?;
    assert_eq!((status, config.as_str()), (200, "port: 80"));
    let form = Some("dataId=new&group=G&content=a%3D1%26b");
    let published = server.send("POST", "/nacos/v1/cs/configs", form).await?;
    assert_eq!(
        published,
        (200, "true".to_owned()),
        "the form is still there"
    );
    let list = "/nacos/v1/ns/instance/list?serviceName=s&accessToken=t";
    assert_eq!(server.call("GET", list).await?.0, 403);
    server.stop().await
}

/// A client that hears "not found" throws its snapshot away, and after any other
/// failure but 403 takes the configuration for empty where it has none.
#[tokio::test]
async fn nothing_but_the_upstream_itself_says_that_there_is_none() -> anyhow::Result<()> {
    let upstream = Upstream::start().await?;
    let server = Server::start_passing_to(leading_to(&upstream)?).await?;
    let elsewhere = "/nacos/v1/cs/elsewhere?dataId=app.yaml";
    let (status, why) = server.call("GET", elsewhere).await?;
    assert_eq!(status, 403, "{why}");
    assert!(why.contains("configs_from"), "{why}");
    let (status, _) = server.call("POST", elsewhere).await?;
    assert_eq!(status, 502);
    upstream.stop().await;
    let path = format!("/nacos/v1/cs/configs?{APPLICATION}");
    let (status, why) = server.call("GET", &path).await?;
    assert_eq!(status, 403, "{why}");
    let (status, why) = server.call("POST", &path).await?;
    assert_eq!(status, 503, "{why}");
    let mut client = Bare::set_up(&server, json!({})).await?;
    let (kind, refused) = client.call("ConfigQueryRequest", &query()).await?;
    assert_eq!(kind, "ConfigQueryResponse");
    assert_eq!(refused["errorCode"], 403, "not 300, which means none");
    let (_, refused) = client.call("ConfigPublishRequest", &query()).await?;
    assert_eq!(refused["errorCode"], 500);
    server.stop().await
}

#[tokio::test]
async fn over_grpc_a_client_hears_of_changes() -> anyhow::Result<()> {
    let upstream = Upstream::start().await?;
    let server = Server::start_passing_to(leading_to(&upstream)?).await?;
    let mut client = Bare::set_up(&server, json!({ "labels": { "module": "config" } })).await?;
    let (kind, config) = client.call("ConfigQueryRequest", &query()).await?;
    assert_eq!(kind, "ConfigQueryResponse");
    assert_eq!(config["content"], "port: 80");

    let listen = json!({ "listen": true, "configListenContexts": [query()] });
    let (kind, answer) = client.call("ConfigBatchListenRequest", &listen).await?;
    assert_eq!(kind, "ConfigChangeBatchListenResponse");
    assert_eq!(answer["resultCode"], 200);
    upstream.change("app.yaml", "DEFAULT_GROUP", "dev");
    let (kind, change) = client.hear().await?.context("a push")?;
    assert_eq!(kind, "ConfigChangeNotifyRequest");
    assert_eq!(
        (&change["dataId"], &change["group"], &change["tenant"]),
        (&json!("app.yaml"), &json!("DEFAULT_GROUP"), &json!("dev"))
    );
    eventually(PATIENCE, || async { upstream.acknowledged() == 1 }).await;

    // Who listens must not wait for pushes that cannot come any more.
    upstream.stop().await;
    assert_eq!(
        client.hear().await?,
        None,
        "it is to come back and listen anew"
    );
    server.stop().await
}

#[tokio::test]
async fn who_only_asked_stays() -> anyhow::Result<()> {
    let upstream = Upstream::start().await?;
    let server = Server::start_passing_to(leading_to(&upstream)?).await?;
    let mut client = Bare::set_up(&server, json!({})).await?;
    client.call("ConfigQueryRequest", &query()).await?;
    upstream.stop().await;
    eventually(PATIENCE, || async { upstream.connections() == 0 }).await;
    let (kind, _) = client.call("HealthCheckRequest", &json!({})).await?;
    assert_eq!(kind, "HealthCheckResponse");
    server.stop().await
}
