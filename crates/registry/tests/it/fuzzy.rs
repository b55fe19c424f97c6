//! Fuzzy watch: names that match a pattern, as Nacos 3 tells them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use syncline_nacos::grpc::{ConnectionEvent, ConnectionEvents, ErrorClass, ServiceRef};
use syncline_nacos::message::{FuzzyChange, ability};
use syncline_registry::{Registry, Settings, WatchLimits};

use crate::server::{Bare, PATIENCE, Server, instance};

const ALL: &str = "public>>*>>*";

fn settings() -> anyhow::Result<Settings> {
    let mut settings = Settings {
        version: "3.0.3".parse()?,
        ..Settings::default()
    };
    settings.limits.watches = WatchLimits {
        patterns: 2,
        matches: 30,
    };
    settings.life.return_within = Duration::from_millis(800);
    Ok(settings)
}

fn named(name: &str) -> ServiceRef {
    ServiceRef::new("public", "DEFAULT_GROUP", name)
}

/// What happens to the next name that is told.
async fn told(events: &mut ConnectionEvents) -> anyhow::Result<(String, FuzzyChange)> {
    let look = async {
        while let Some(event) = events.next().await {
            if let ConnectionEvent::NameChanged { service, change } = event {
                return Ok((service.name.to_string(), change));
            }
        }
        anyhow::bail!("the connection ended");
    };
    tokio::time::timeout(PATIENCE, look).await?
}

#[tokio::test]
async fn a_watcher_is_told_of_what_is_there_what_comes_and_what_goes() -> anyhow::Result<()> {
    let server = Server::start_with(settings()?).await?;
    let (publisher, _publisher_events) = server.connect().await?;
    let (watcher, mut events) = server.connect().await?;
    assert!(watcher.is_able(ability::FUZZY_WATCH));
    let there: BTreeSet<String> = (0..25).map(|n| format!("s{n}")).collect();
    for name in &there {
        publisher
            .register(&named(name), instance("10.0.0.1"))
            .await?;
    }
    watcher.fuzzy_watch("public", ALL).await?;
    let mut found = BTreeSet::new();
    let all = async {
        while let Some(event) = events.next().await {
            match event {
                ConnectionEvent::NameChanged { service, change } => {
                    assert_eq!(change, FuzzyChange::AddService);
                    found.insert(service.name.to_string());
                }
                ConnectionEvent::NamesComplete { pattern } => {
                    assert_eq!(&*pattern, ALL);
                    break;
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, all).await?;
    assert_eq!(found, there);

    publisher
        .register(&named("new"), instance("10.0.0.1"))
        .await?;
    let new = "new".to_owned();
    assert_eq!(
        told(&mut events).await?,
        (new.clone(), FuzzyChange::AddService)
    );
    publisher
        .deregister(&named("new"), instance("10.0.0.1"))
        .await?;
    assert_eq!(told(&mut events).await?, (new, FuzzyChange::DeleteService));

    watcher.cancel_fuzzy_watch("public", ALL).await?;
    publisher
        .register(&named("unseen"), instance("10.0.0.1"))
        .await?;
    watcher.fuzzy_watch("public", "public>>*>>last").await?;
    publisher
        .register(&named("last"), instance("10.0.0.1"))
        .await?;
    assert_eq!(told(&mut events).await?.0, "last");
    server.stop().await
}

#[tokio::test]
async fn only_versions_that_have_it_offer_it() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (client, _events) = server.connect().await?;
    assert!(!client.is_able(ability::FUZZY_WATCH));
    let refused = client.fuzzy_watch("public", ALL).await;
    let refused = refused.expect_err("2.2.4 has no such call");
    assert_eq!(refused.class(), ErrorClass::NotSupported);
    server.stop().await
}

#[tokio::test]
async fn limits_are_told_by_their_codes() -> anyhow::Result<()> {
    let server = Server::start_with(settings()?).await?;
    let (publisher, _publisher_events) = server.connect().await?;
    for n in 0..31 {
        publisher
            .register(&named(&format!("s{n}")), instance("10.0.0.1"))
            .await?;
    }
    let mut client = Bare::set_up(&server, json!({})).await?;
    let mut watch = async |pattern: &str| {
        let asked = json!({"namespace": "public", "groupKeyPattern": pattern,
            "watchType": "WATCH", "initializing": true, "receivedGroupKeys": []});
        client.call("NamingFuzzyWatchRequest", &asked).await
    };
    let code = |answer: &(String, Value)| (answer.0.clone(), answer.1["errorCode"].clone());
    let typed = "NamingFuzzyWatchResponse".to_owned();
    assert_eq!(
        code(&watch("public>>*>>none").await?),
        (typed.clone(), json!(0))
    );
    assert_eq!(code(&watch(ALL).await?), (typed.clone(), json!(50311)));
    assert_eq!(code(&watch("public>>*>>x").await?), (typed, json!(50310)));
    server.stop().await
}

/// Hears what is told until something is as wanted, and acknowledges it.
async fn heard(client: &mut Bare, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    while let Some((kind, body)) = client.hear().await? {
        if !kind.starts_with("NamingFuzzyWatch") {
            continue;
        }
        let ack = json!({"resultCode": 200, "requestId": body["requestId"]});
        // As the Java client does, for batches too.
        client
            .say("NamingFuzzyWatchChangeNotifyResponse", &ack)
            .await?;
        if wanted(&body) {
            return Ok(body);
        }
    }
    anyhow::bail!("the connection ended")
}

fn compare(known: &[&str]) -> Value {
    json!({"namespace": "public", "groupKeyPattern": ALL, "watchType": "WATCH",
        "initializing": false, "receivedGroupKeys": known})
}

const GONE: &str = "public@@DEFAULT_GROUP@@gone";
const KEPT: &str = "public@@DEFAULT_GROUP@@kept";

#[tokio::test]
async fn a_watcher_that_comes_back_is_told_in_what_its_names_differ() -> anyhow::Result<()> {
    let server = Server::start_with(settings()?).await?;
    let (publisher, _publisher_events) = server.connect().await?;
    for name in ["kept", "new"] {
        publisher
            .register(&named(name), instance("10.0.0.1"))
            .await?;
    }
    let mut client = Bare::set_up(&server, json!({})).await?;
    let asked = compare(&[KEPT, GONE, "elsewhere@@G@@x", "no key"]);
    client.call("NamingFuzzyWatchRequest", &asked).await?;
    let is_batch = |body: &Value| body["syncType"] == "FUZZY_WATCH_DIFF_SYNC_NOTIFY";
    let batch = heard(&mut client, is_batch).await?;
    let new = "public@@DEFAULT_GROUP@@new";
    let differences = json!([
        {"serviceKey": new, "changedType": "ADD_SERVICE"},
        {"serviceKey": GONE, "changedType": "DELETE_SERVICE"},
    ]);
    assert_eq!(batch["contexts"], differences);
    assert_eq!(
        (&batch["totalBatch"], &batch["currentBatch"]),
        (&json!(1), &json!(1))
    );
    let single = heard(&mut client, |body| body["serviceKey"] == GONE).await?;
    assert_eq!(single["changedType"], "DELETE_SERVICE");
    server.stop().await
}

#[tokio::test]
async fn after_a_start_nothing_is_gone_before_it_had_its_time_to_return() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path().join("registry");
    drop(Registry::open(settings()?, None, &folder)?);
    let registry = Registry::open(settings()?, None, &folder)?;
    let server = Server::serving_free(registry).await?;
    let mut client = Bare::set_up(&server, json!({})).await?;
    client
        .call("NamingFuzzyWatchRequest", &compare(&[KEPT, GONE]))
        .await?;
    let (publisher, _publisher_events) = server.connect().await?;
    publisher
        .register(&named("kept"), instance("10.0.0.1"))
        .await?;
    let is_gone = |body: &Value| body["changedType"] == "DELETE_SERVICE";
    let gone = heard(&mut client, is_gone).await?;
    assert_eq!(gone["serviceKey"], GONE);
    assert!(server.registry.returning_for().is_none());
    server.stop().await
}
