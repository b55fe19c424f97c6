//! Missing rights, half answers, members that disagree: nothing of it is ever
//! an empty list.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use syncline_connector_nacos::{NacosConfig, NacosSource};
use syncline_contract::{Coverage, Purpose, Source};
use syncline_model::scope::{NamespacePattern, Patterns, Scope};
use syncline_model::{ServiceKey, Truth, View};

use super::fake::{Answer, Asked, Fake, forbidden, in_catalog, nacos_2_1_1, no_such_path};
use super::place::{Everything, set};

fn source(config: &NacosConfig) -> NacosSource {
    NacosSource::new(config, "src".into())
}

fn scope(namespaces: &[&str], groups: &[&str]) -> Scope {
    let namespace = |text: &&str| NamespacePattern::parse(text).expect("legal");
    Scope {
        namespaces: namespaces.iter().map(namespace).collect(),
        groups: Patterns::parse(groups.iter().copied()).expect("legal"),
        ..Scope::everything()
    }
}

/// A 3.0.3 with the switches that it ships with, and a user without the role of
/// an administrator.
fn nacos_3_0_3(asked: &Asked) -> Answer {
    let path = asked.path.as_str();
    match path {
        "/v3/admin/core/state" => {
            let body = r#"{"code":0,"message":"success","data":{"version":"3.0.3"}}"#;
            (200, body.to_owned())
        }
        "/v3/admin/core/state/readiness" => (
            200,
            r#"{"code":0,"message":"success","data":"ok"}"#.to_owned(),
        ),
        "/v1/ns/service/list" => (200, r#"{"count":2,"doms":["s","t"]}"#.to_owned()),
        "/v1/ns/instance/list" => {
            let name = asked.get("serviceName").replace("%40", "@");
            let body = format!(
                r#"{{"name":"{name}","groupName":"G","clusters":"","cacheMillis":10000,"hosts":[
                    {{"ip":"10.0.0.1","port":80,"weight":1.0,"healthy":true,"enabled":true,"ephemeral":true,
                      "clusterName":"DEFAULT","metadata":{{}}}}],
                    "lastRefTime":1,"checksum":"","reachProtectionThreshold":false}}"#
            );
            (200, body)
        }
        path if path.starts_with("/v3/admin/") => forbidden(asked),
        _ => no_such_path(asked),
    }
}

#[tokio::test]
async fn without_an_administrators_rights_3_x_is_read_as_a_consumer_does() -> anyhow::Result<()> {
    let fake = Fake::start(nacos_3_0_3).await?;
    let source = source(&fake.config());
    let report = source.describe().await?;
    assert_eq!(report.product, "Nacos 3.0.3");
    assert_eq!(report.truth, Truth::Consumer);
    // Of namespaces that cannot be listed only those hear who do not name them.
    assert_eq!(report.advice.len(), 1, "raw lists: {report:?}");
    assert!(report.advice[0].contains("ROLE_ADMIN"), "{report:?}");

    let named = Everything::of(&source, &[scope(&["public"], &["G"])]).await;
    assert_eq!(named.services.len(), 2);
    assert_eq!(named.areas.len(), 1);
    assert_eq!(named.areas[0].coverage, Coverage::Complete(Truth::Consumer));

    let every_group = Everything::of(&source, &[scope(&["public"], &["*"])]).await;
    let Coverage::Partial(why) = &every_group.areas[0].coverage else {
        panic!("{:?}", every_group.areas)
    };
    assert!(why.contains("name the groups"), "{why}");

    let everything = Everything::of(&source, &[scope(&["*"], &["G"])]).await;
    assert_eq!(everything.services.len(), 2, "what can be read is read");
    assert_eq!(everything.areas[0].namespace, None);
    assert!(
        matches!(&everything.areas[0].coverage, Coverage::Partial(why) if why.contains("namespaces"))
    );
    Ok(())
}

/// A 2.1.1 with a catalog of 1,500 services, of which the second page is not to
/// be had.
fn breaks_in_the_middle(asked: &Asked) -> Answer {
    if asked.path != "/v1/ns/catalog/services" {
        return nacos_2_1_1(asked);
    }
    match asked.get("pageNo") {
        "1" => {
            let name = |n: i32| in_catalog("G", &format!("s-{n}"), "10.0.0.1");
            let page: Vec<String> = (0..1_000).map(name).collect();
            (200, format!("[{}]", page.join(",")))
        }
        _ => (500, "caused: java.lang.NullPointerException;".to_owned()),
    }
}

#[tokio::test]
async fn a_failure_in_the_middle_takes_nothing_back() -> anyhow::Result<()> {
    let fake = Fake::start(breaks_in_the_middle).await?;
    let all = Everything::of(&source(&fake.config()), &[scope(&["public"], &["*"])]).await;
    assert_eq!(all.services.len(), 1_000);
    assert!(
        matches!(all.areas[0].coverage, Coverage::Failed(_)),
        "{:?}",
        all.areas
    );
    Ok(())
}

#[tokio::test]
async fn what_makes_no_sense_is_a_failure() -> anyhow::Result<()> {
    for nonsense in [
        "<html><body>Welcome to nginx!</body></html>",
        r#"[{"serviceName":"s","groupName":"#,
        "",
        "{}",
    ] {
        let fake = Fake::start(move |asked| match asked.path.as_str() {
            "/v1/ns/catalog/services" => (200, nonsense.to_owned()),
            _ => nacos_2_1_1(asked),
        })
        .await?;
        let source = source(&fake.config());
        let all = Everything::of(&source, &[scope(&["public"], &["*"])]).await;
        assert!(all.services.is_empty());
        assert!(
            matches!(all.areas[0].coverage, Coverage::Failed(_)),
            "{:?}",
            all.areas
        );
        let service = ServiceKey::new("public", "G", "s");
        let view = source.read(&service, Purpose::ConfirmRemoval).await;
        assert!(matches!(view, View::Failed(_)), "{view:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_namespace_that_vanishes_is_suspect() -> anyhow::Result<()> {
    let gone = Arc::new(AtomicBool::new(false));
    let is_gone = Arc::clone(&gone);
    let fake = Fake::start(move |asked| {
        let gone = is_gone.load(Ordering::Relaxed);
        match asked.path.as_str() {
            "/v1/console/namespaces" => {
                let prod = r#",{"namespace":"prod-1","namespaceShowName":"shop"}"#;
                let more = if gone { "" } else { prod };
                let public = r#"{"namespace":"","namespaceShowName":"public"}"#;
                (200, format!(r#"{{"code":200,"data":[{public}{more}]}}"#))
            }
            "/v1/ns/catalog/services" if asked.get("namespaceId") == "prod-1" && !gone => {
                (200, format!("[{}]", in_catalog("G", "s", "10.0.0.1")))
            }
            "/v1/ns/catalog/services" => (200, "[]".to_owned()),
            _ => nacos_2_1_1(asked),
        }
    })
    .await?;
    let source = source(&fake.config());
    let scopes = [scope(&["prod-*"], &["*"])];
    let before = Everything::of(&source, &scopes).await;
    assert_eq!(before.services.len(), 1);
    assert_eq!(before.areas[0].coverage, Coverage::Complete(Truth::Raw));
    let by_show_name = Everything::of(&source, &[scope(&["name:shop"], &["*"])]).await;
    assert_eq!(by_show_name.services.len(), 1);

    gone.store(true, Ordering::Relaxed);
    let after = Everything::of(&source, &scopes).await;
    assert!(after.services.is_empty());
    assert_eq!(after.areas.len(), 1);
    assert!(
        matches!(after.areas[0].coverage, Coverage::Suspect(_)),
        "{:?}",
        after.areas
    );
    Ok(())
}

fn member(ip: &'static str) -> impl Fn(&Asked) -> Answer {
    move |asked| match asked.path.as_str() {
        "/v1/ns/catalog/services" => (200, format!("[{}]", in_catalog("G", "s", ip))),
        _ => nacos_2_1_1(asked),
    }
}

#[tokio::test]
async fn members_that_disagree_make_a_removal_suspect() -> anyhow::Result<()> {
    let (one, other) = (
        Fake::start(member("10.0.0.1")).await?,
        Fake::start(member("10.0.0.2")).await?,
    );
    let source = source(&NacosConfig::of(vec![one.server(), other.server()]));
    let service = ServiceKey::new("public", "G", "s");
    let refreshed = source.read(&service, Purpose::Refresh).await;
    assert!(
        matches!(refreshed, View::Complete(Truth::Raw, _)),
        "{refreshed:?}"
    );
    let confirmed = source.read(&service, Purpose::ConfirmRemoval).await;
    let View::Suspect(_, why) = &confirmed else {
        panic!("{confirmed:?}")
    };
    assert!(why.contains("disagree"), "{why}");
    Ok(())
}

#[tokio::test]
async fn a_second_member_that_is_down_holds_nothing_up() -> anyhow::Result<()> {
    let one = Fake::start(member("10.0.0.1")).await?;
    let down = "127.0.0.1:1".to_owned().try_into()?;
    let source = source(&NacosConfig::of(vec![one.server(), down]));
    let service = ServiceKey::new("public", "G", "s");
    let confirmed = source.read(&service, Purpose::ConfirmRemoval).await;
    assert!(
        matches!(confirmed, View::Complete(Truth::Raw, _)),
        "{confirmed:?}"
    );
    assert_eq!(set(&confirmed).len(), 1);
    Ok(())
}
