//! Limits of what clients may bring, over HTTP and gRPC, and as an application
//! with a Java client hears of them.

use serde_json::{Value, json};
use syncline_model::ServiceKey;
use syncline_registry::{Quotas, Settings};
use syncline_testkit::java::JavaClient;
use syncline_testkit::run::require_real_servers;

use crate::server::{Bare, Server};

const OVER: &str =
    "no more than 1 instances of clients of service DEFAULT_GROUP@@orders are allowed";

/// A service of clients has one instance, and a client two subscriptions.
async fn serve(version: &str) -> anyhow::Result<Server> {
    let mut settings = Settings {
        version: version.parse()?,
        ..Settings::default()
    };
    settings.limits.quotas = Quotas {
        instances_per_service: Some(1),
        subscriptions_per_client: Some(2),
        ..Quotas::default()
    };
    Server::start_with(settings).await
}

fn hosts(server: &Server) -> Vec<String> {
    let orders = ServiceKey::new("public", "DEFAULT_GROUP", "orders");
    let set = server.registry.snapshot(&orders);
    let hosts = set.instances().iter();
    hosts.map(|it| it.key.host.as_str().to_owned()).collect()
}

#[tokio::test]
async fn over_http_what_is_over_is_refused_and_what_was_there_stays() -> anyhow::Result<()> {
    for (version, apis) in [
        ("1.4.8", &["/v1/ns/instance"][..]),
        ("2.2.4", &["/v1/ns/instance", "/v2/ns/instance"]),
        (
            "3.0.3",
            &[
                "/v1/ns/instance",
                "/v2/ns/instance",
                "/v3/client/ns/instance",
            ],
        ),
    ] {
        let server = serve(version).await?;
        let path = |api: &str, ip: &str| {
            format!("/nacos{api}?serviceName=orders&groupName=DEFAULT_GROUP&port=80&ip={ip}")
        };
        let first = server.call("POST", &path(apis[0], "10.0.0.1")).await?;
        assert_eq!(first, (200, "ok".to_owned()));
        for api in apis {
            let (status, said) = server.call("POST", &path(api, "10.0.0.2")).await?;
            assert_eq!(status, 503, "{version} {api}: {said}");
            assert!(said.contains(OVER), "{version} {api}: {said}");
            let (status, _) = server.call("POST", &path(api, "10.0.0.1")).await?;
            assert_eq!(status, 200, "what is there may come again");
        }
        assert_eq!(hosts(&server), ["10.0.0.1"]);
        let gone = server.call("DELETE", &path(apis[0], "10.0.0.1")).await?;
        assert_eq!(gone.0, 200);
        let (status, said) = server.call("POST", &path(apis[0], "10.0.0.2")).await?;
        assert_eq!(status, 200, "there is room again: {said}");
        server.stop().await?;
    }
    Ok(())
}

fn register(ip: &str) -> Value {
    json!({
        "namespace": "public", "groupName": "DEFAULT_GROUP", "serviceName": "orders",
        "type": "registerInstance", "instance": { "ip": ip, "port": 80 },
    })
}

fn batch(ips: &[&str]) -> Value {
    let instances: Vec<Value> = ips
        .iter()
        .map(|ip| json!({ "ip": ip, "port": 80 }))
        .collect();
    json!({
        "namespace": "public", "groupName": "DEFAULT_GROUP", "serviceName": "orders",
        "type": "batchRegisterInstance", "instances": instances,
    })
}

#[tokio::test]
async fn over_grpc_what_is_over_is_refused_and_what_was_there_stays() -> anyhow::Result<()> {
    let server = serve("2.2.4").await?;
    let mut one = Bare::set_up(&server, json!({})).await?;
    let mut two = Bare::set_up(&server, json!({})).await?;
    let (_, taken) = one.call("InstanceRequest", &register("10.0.0.1")).await?;
    assert_eq!(taken["resultCode"], 200);
    for (client, call, body, answer) in [
        (
            &mut two,
            "InstanceRequest",
            register("10.0.0.2"),
            "InstanceResponse",
        ),
        (
            &mut one,
            "BatchInstanceRequest",
            batch(&["10.0.0.1", "10.0.0.2"]),
            "BatchInstanceResponse",
        ),
    ] {
        let (kind, refused) = client.call(call, &body).await?;
        assert_eq!(kind, answer);
        let said = (
            &refused["resultCode"],
            &refused["errorCode"],
            &refused["message"],
        );
        assert_eq!(said, (&json!(500), &json!(503), &json!(OVER)), "{call}");
    }
    assert_eq!(hosts(&server), ["10.0.0.1"]);

    let subscribe = |service: &str| {
        json!({
            "namespace": "public", "groupName": "DEFAULT_GROUP", "serviceName": service,
            "subscribe": true,
        })
    };
    for (service, wanted) in [("a", 0), ("b", 0), ("a", 0), ("c", 503), ("b", 0)] {
        let (_, said) = two
            .call("SubscribeServiceRequest", &subscribe(service))
            .await?;
        assert_eq!(said["errorCode"], wanted, "{service}: {said}");
    }
    server.stop().await
}

/// The log of an application says why its instance is not there.
#[tokio::test]
async fn a_java_client_says_why() -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let server = serve("2.2.4").await?;
    let first = server
        .call(
            "POST",
            "/nacos/v1/ns/instance?serviceName=orders&port=80&ip=10.0.0.1",
        )
        .await?;
    assert_eq!(first.0, 200);
    for version in ["1.4.6", "2.5.1"] {
        let client = JavaClient::connect_with(version, server.http, "public").await?;
        let second = "10.0.0.2:80".parse()?;
        let refused = client
            .register("orders", "DEFAULT_GROUP", second, 1.0, &[])
            .await;
        let error = format!("{:#}", refused.expect_err("there is no room"));
        assert!(error.contains(OVER), "{version}: {error}");
    }
    assert_eq!(hosts(&server), ["10.0.0.1"]);
    server.stop().await
}
