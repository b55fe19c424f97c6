//! Selectors of services: checked, kept and shown.

use serde_json::json;
use syncline_registry::{Registry, Settings};

use crate::server::Server;

const SERVICE: &str = "/nacos/v1/ns/service";

fn form(selector: &str) -> String {
    format!("serviceName=orders&protectThreshold=0&selector={selector}")
}

const LABEL: &str = r#"{"type":"label","expression":"CONSUMER.label.zone = PROVIDER.label.zone"}"#;

#[tokio::test]
async fn a_label_selector_outlives_a_restart_and_hides_nobody() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let open = || Registry::open(Settings::default(), None, folder.path());
    let server = Server::serving_free(open()?).await?;
    let ok = (200, "ok".to_owned());
    let created = server.send("POST", SERVICE, Some(&form(LABEL))).await?;
    assert_eq!(created, ok);
    server.stop().await?;

    let server = Server::serving_free(open()?).await?;
    let detail = format!("{SERVICE}?serviceName=orders");
    let shown = server.json(&detail).await?;
    assert_eq!(
        shown["selector"],
        json!({
            "type": "label",
            "expression": "CONSUMER.label.zone = PROVIDER.label.zone",
            "labels": ["zone"],
            "contextType": "CMDB",
        })
    );
    let register = "/nacos/v1/ns/instance?serviceName=orders&ip=10.0.0.1&port=80&ephemeral=false";
    assert_eq!(server.call("POST", register).await?, ok);
    let list = "/nacos/v1/ns/instance/list?serviceName=orders";
    let hosts = server.json(list).await?["hosts"].as_array().map(Vec::len);
    assert_eq!(hosts, Some(1));

    // What is not named is as if it was never set.
    let update = "serviceName=orders&protectThreshold=0";
    assert_eq!(server.send("PUT", SERVICE, Some(update)).await?, ok);
    let shown = server.json(&detail).await?;
    assert_eq!(
        shown["selector"],
        json!({ "type": "none", "contextType": "NONE" })
    );
    server.stop().await
}

#[tokio::test]
async fn what_is_no_selector_is_refused() -> anyhow::Result<()> {
    let bad = r#"{"type":"label","expression":"CONSUMER.label.a = PROVIDER.label.b"}"#;
    for (version, selector, refusal) in [
        (
            "1.3.0",
            r#"{"type":"nope"}"#,
            (
                400,
                "No enum constant com.alibaba.nacos.api.selector.SelectorType.nope",
            ),
        ),
        ("1.3.0", bad, (400, "parse expression failed!")),
        (
            "2.2.4",
            r#"{"type":"nope"}"#,
            (400, "not match any type of selector!"),
        ),
        (
            "2.2.4",
            bad,
            (500, "Selector parses failed: parse expression failed!"),
        ),
    ] {
        let settings = Settings {
            version: version.parse()?,
            ..Settings::default()
        };
        let server = Server::start_with(settings).await?;
        let (status, text) = server.send("POST", SERVICE, Some(&form(selector))).await?;
        assert_eq!((status, text.as_str()), refusal, "{version} {selector}");
        server.stop().await?;
    }
    Ok(())
}
