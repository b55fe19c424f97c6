//! How a connection is set up, and what is said of unknown ones and types.

use serde_json::{Value, json};

use crate::server::{Bare, Server, payload};

fn registration() -> Value {
    json!({
        "namespace": "public", "serviceName": "s", "groupName": "DEFAULT_GROUP",
        "type": "registerInstance", "instance": { "ip": "10.0.0.1", "port": 8080 },
    })
}

#[tokio::test]
async fn before_setup_only_the_check_is_answered() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut bare = Bare::connect(&server).await?;
    let (kind, check) = bare.call("ServerCheckRequest", &json!({})).await?;
    assert_eq!(
        (kind.as_str(), &check["resultCode"]),
        ("ServerCheckResponse", &json!(200))
    );
    let id = check["connectionId"].as_str().expect("an id").to_owned();
    assert!(id.contains("_127.0.0.1_"), "{id}");
    let (_, again) = bare.call("ServerCheckRequest", &json!({})).await?;
    assert_eq!(again["connectionId"], id.as_str());

    let (kind, refused) = bare.call("InstanceRequest", &registration()).await?;
    assert_eq!(
        (kind.as_str(), &refused["errorCode"]),
        ("ErrorResponse", &json!(301))
    );
    let (_, refused) = bare.call("HealthCheckRequest", &json!({})).await?;
    assert_eq!(refused["errorCode"], 301);
    let (kind, unknown) = bare.call("NoSuchRequest", &json!({})).await?;
    assert_eq!(
        (kind.as_str(), &unknown["errorCode"]),
        ("ErrorResponse", &json!(302))
    );
    server.stop().await
}

#[tokio::test]
async fn only_clients_with_an_ability_table_are_told_abilities() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut able = Bare::set_up(&server, json!({ "abilityTable": {} })).await?;
    let (kind, message) = able.hear().await?.expect("the abilities");
    assert_eq!(kind, "SetupAckRequest");
    assert_eq!(
        message["abilityTable"]["supportPersistentInstanceByGrpc"],
        true
    );

    let mut old = Bare::set_up(&server, json!({ "labels": { "module": "naming" } })).await?;
    let subscription = json!({
        "namespace": "public", "serviceName": "s", "groupName": "DEFAULT_GROUP", "subscribe": true,
    });
    old.call("SubscribeServiceRequest", &subscription).await?;
    let (kind, _) = old.hear().await?.expect("the first push");
    assert_eq!(kind, "NotifySubscriberRequest");
    server.stop().await
}

#[tokio::test]
async fn a_body_that_is_no_message_is_answered_and_nothing_else_breaks() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut bare = Bare::set_up(&server, json!({})).await?;
    let bodies = [
        "",
        "{",
        "[]",
        "null",
        "\"x\"",
        "{\"instance\":7}",
        "\u{0}\u{1}",
    ];
    for kind in [
        "InstanceRequest",
        "BatchInstanceRequest",
        "SubscribeServiceRequest",
    ] {
        for body in bodies {
            let mut request = payload(kind, &json!({}));
            let value = body.to_owned().into();
            request.body.as_mut().expect("made with one").value = value;
            let (answered, answer) = bare.call_raw(request).await?;
            assert_ne!(
                answer["resultCode"], 200,
                "{kind} {body:?}: {answered} {answer}"
            );
        }
        let mut request = payload(kind, &json!({}));
        request.body = None;
        let (_, answer) = bare.call_raw(request).await?;
        assert_ne!(answer["resultCode"], 200);
    }
    let (_, answer) = bare.call("InstanceRequest", &registration()).await?;
    assert_eq!(answer["resultCode"], 200);
    server.stop().await
}

#[tokio::test]
async fn one_malformed_instance_refuses_its_batch() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut bare = Bare::set_up(&server, json!({})).await?;
    let batch = json!({
        "namespace": "public", "serviceName": "s", "groupName": "DEFAULT_GROUP",
        "type": "batchRegisterInstance",
        "instances": [{ "ip": "10.0.0.1", "port": 8080 }, { "ip": ["x"], "port": 8080 }],
    });
    let (_, answer) = bare.call("BatchInstanceRequest", &batch).await?;
    assert_eq!(answer["errorCode"], 400, "{answer}");
    assert_eq!(server.registry.figures().published_instances, 0);
    server.stop().await
}

#[tokio::test]
async fn blank_places_and_grouped_names_mean_what_http_means() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut bare = Bare::set_up(&server, json!({})).await?;
    let mut request = registration();
    request["namespace"] = json!("");
    request["groupName"] = json!("");
    request["serviceName"] = json!("G@@s");
    let (_, answer) = bare.call("InstanceRequest", &request).await?;
    assert_eq!(answer["resultCode"], 200);
    let list = "/nacos/v1/ns/instance/list?serviceName=s&groupName=G";
    let shown = server.json(list).await?;
    assert_eq!(shown["hosts"][0]["ip"], "10.0.0.1");
    request["serviceName"] = json!(" ");
    let (_, answer) = bare.call("InstanceRequest", &request).await?;
    assert_eq!(answer["errorCode"], 400);
    server.stop().await
}

#[tokio::test]
async fn a_second_setup_starts_anew() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut one = Bare::set_up(&server, json!({})).await?;
    one.call("InstanceRequest", &registration()).await?;
    assert_eq!(server.registry.figures().published_instances, 1);
    one.say("ConnectionSetupRequest", &json!({})).await?;
    syncline_testkit::eventually(crate::server::PATIENCE, || async {
        server.registry.figures().published_instances == 0
    })
    .await;
    let (_, answer) = one.call("InstanceRequest", &registration()).await?;
    assert_eq!(answer["resultCode"], 200, "the stream goes on");
    server.stop().await
}
