//! HTTP over sockets: what only shows there, and what crosses over to gRPC.

use syncline_nacos::grpc::ServiceRef;
use syncline_registry::{PresentedVersion, Settings};

use crate::server::{Server, addresses, instance, pushed};

#[tokio::test]
async fn http_and_grpc_show_one_registry() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (client, mut events) = server.connect().await?;
    let orders = ServiceRef::new("public", "DEFAULT_GROUP", "orders");
    client.subscribe(&orders, "").await?;
    let register = "/nacos/v1/ns/instance?serviceName=orders&ip=10.0.0.1&port=8080";
    assert_eq!(server.call("POST", register).await?, (200, "ok".to_owned()));
    let seen = pushed(&mut events, |info| !info.hosts.items.is_empty()).await?;
    assert_eq!(addresses(&seen), ["10.0.0.1:8080"]);

    // Equal in every field, so one entry.
    client.register(&orders, instance("10.0.0.1")).await?;
    let list = "/nacos/v1/ns/instance/list?serviceName=orders";
    let shown = server.json(list).await?;
    assert_eq!(shown["hosts"].as_array().map(Vec::len), Some(1));
    assert_eq!(shown["name"], "DEFAULT_GROUP@@orders");

    assert_eq!(
        server.call("DELETE", register).await?,
        (200, "ok".to_owned())
    );
    let shown = server.json(list).await?;
    assert_eq!(
        shown["hosts"].as_array().map(Vec::len),
        Some(1),
        "gRPC holds it"
    );
    client.deregister(&orders, instance("10.0.0.1")).await?;
    pushed(&mut events, |info| info.hosts.items.is_empty()).await?;
    server.stop().await
}

#[tokio::test]
async fn parameters_come_by_query_and_form() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let form = "serviceName=orders&ip=10.0.0.1&port=8080&metadata=%7B%22a%22%3A%22b+c%22%7D";
    let answer = server
        .send("POST", "/nacos/v1/ns/instance", Some(form))
        .await?;
    assert_eq!(answer, (200, "ok".to_owned()));
    let shown = server
        .json("/nacos/v1/ns/catalog/instances?serviceName=orders&clusterName=DEFAULT&pageNo=1&pageSize=10")
        .await?;
    assert_eq!(shown["list"][0]["metadata"]["a"], "b c");
    server.stop().await
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() -> anyhow::Result<()> {
    let mut settings = Settings::default();
    settings.limits.http_body_bytes = 1000;
    let server = Server::start_with(settings).await?;
    let form = format!(
        "serviceName=orders&ip=10.0.0.1&port=8080&metadata=a={}",
        "x".repeat(2000)
    );
    let (status, _) = server
        .send("POST", "/nacos/v1/ns/instance", Some(&form))
        .await?;
    assert_eq!(status, 413);
    assert_eq!(server.registry.figures().published_instances, 0);
    server.stop().await
}

#[tokio::test]
async fn the_context_path_can_be_another_or_none() -> anyhow::Result<()> {
    for context_path in ["", "/", "/registry", "/a/b/"] {
        let settings = Settings {
            context_path: context_path.to_owned(),
            ..Settings::default()
        };
        let server = Server::start_with(settings).await?;
        let base = context_path.trim_end_matches('/');
        let state = server
            .json(&format!("{base}/v1/console/server/state"))
            .await?;
        assert_eq!(state["version"], PresentedVersion::default().to_string());
        assert_eq!(state["server_port"], server.http.port().to_string());
        let (status, body) = server.call("GET", &format!("{base}/v1/ns/nothing")).await?;
        assert_eq!(status, 501, "{body}");
        let (status, _) = server
            .call("POST", &format!("{base}/v1/auth/login"))
            .await?;
        assert_eq!(status, 404, "clients go on without a token");
        server.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn namespaces_are_those_with_services() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let register = "/nacos/v1/ns/instance?serviceName=orders&namespaceId=dev&ip=10.0.0.1&port=8080";
    server.call("POST", register).await?;
    let shown = server.json("/nacos/v1/console/namespaces").await?;
    assert_eq!(shown["data"][0]["namespace"], "");
    assert_eq!(shown["data"][1]["namespace"], "dev");
    server.stop().await
}
