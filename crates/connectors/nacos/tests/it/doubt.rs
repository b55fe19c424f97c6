//! Servers that answer in good form and are not to be believed: each makes a
//! view suspect or failed, says why, and is believed again when it may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use syncline_connector_nacos::{NacosConfig, NacosSource};
use syncline_contract::{Coverage, Purpose, Source};
use syncline_model::scope::{NamespacePattern, Patterns, Scope};
use syncline_model::{ServiceKey, Truth, View};

use super::fake::{Answer, Asked, Fake, in_catalog, nacos_2_1_1, no_such_path};
use super::place::{Everything, set};

/// Longer than anything is doubted.
const LONG_AFTER: Duration = Duration::from_secs(61);

/// A switch that a fake looks at and a test turns.
#[derive(Clone, Default)]
struct Switch(Arc<AtomicBool>);

impl Switch {
    fn set(&self, on: bool) {
        self.0.store(on, Ordering::Relaxed);
    }

    fn on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn source(fake: &Fake) -> NacosSource {
    NacosSource::new(&fake.config(), "src".into())
}

fn service() -> ServiceKey {
    ServiceKey::new("public", "G", "s-0")
}

/// Everything in `public`, or one group of it.
fn scope(group: &str) -> Scope {
    Scope {
        namespaces: vec![NamespacePattern::parse("public").expect("legal")],
        groups: Patterns::parse([group]).expect("legal"),
        ..Scope::everything()
    }
}

/// What a list says of the only area, and how many services it showed.
async fn coverage(source: &NacosSource) -> (usize, Coverage) {
    let all = Everything::of(source, &[scope("*")]).await;
    assert_eq!(all.areas.len(), 1, "{:?}", all.areas);
    (all.services.len(), all.areas[0].coverage.clone())
}

fn why(coverage: &Coverage) -> &str {
    match coverage {
        Coverage::Suspect(why) => why,
        other => panic!("not suspect: {other:?}"),
    }
}

/// Lets time go by for whoever measures it, and for nobody else.
async fn later(by: Duration) {
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
}

/// A catalog of so many services with an instance each.
fn catalog(services: usize) -> String {
    let listed: Vec<String> = (0..services)
        .map(|n| in_catalog("G", &format!("s-{n}"), "10.0.0.1"))
        .collect();
    format!("[{}]", listed.join(","))
}

/// A 2.1.1 with so many services.
fn full(asked: &Asked, services: usize) -> Answer {
    match asked.path.as_str() {
        "/v1/ns/catalog/services" => (200, catalog(services)),
        _ => nacos_2_1_1(asked),
    }
}

#[tokio::test]
async fn empty_after_full_is_suspect_until_it_stays_so() -> anyhow::Result<()> {
    let empty = Switch::default();
    let is_empty = empty.clone();
    let fake = Fake::start(move |asked| full(asked, if is_empty.on() { 0 } else { 12 })).await?;
    let source = source(&fake);
    assert_eq!(
        coverage(&source).await,
        (12, Coverage::Complete(Truth::Raw))
    );
    empty.set(true);
    for _ in 0..4 {
        let (services, coverage) = coverage(&source).await;
        assert_eq!(services, 0);
        let why = why(&coverage);
        assert!(
            why.contains("12 services") && why.contains("public"),
            "{why}"
        );
    }
    later(LONG_AFTER).await;
    assert_eq!(coverage(&source).await, (0, Coverage::Complete(Truth::Raw)));
    Ok(())
}

#[tokio::test]
async fn a_cluster_of_another_version_is_doubted_for_a_minute() -> anyhow::Result<()> {
    let upgraded = Switch::default();
    let is_upgraded = upgraded.clone();
    let fake = Fake::start(move |asked| match asked.path.as_str() {
        "/v1/console/server/state" if is_upgraded.on() => {
            (200, r#"{"version":"2.2.4"}"#.to_owned())
        }
        _ => full(asked, 2),
    })
    .await?;
    let source = source(&fake);
    assert_eq!(coverage(&source).await.1, Coverage::Complete(Truth::Raw));
    upgraded.set(true);
    for _ in 0..2 {
        let (services, coverage) = coverage(&source).await;
        assert_eq!(services, 2, "what is there is shown all the same");
        let why = why(&coverage);
        assert!(why.contains("2.1.1") && why.contains("2.2.4"), "{why}");
    }
    later(LONG_AFTER).await;
    assert_eq!(coverage(&source).await.1, Coverage::Complete(Truth::Raw));
    Ok(())
}

#[tokio::test]
async fn a_cluster_of_other_members_is_doubted_for_a_minute() -> anyhow::Result<()> {
    let replaced = Switch::default();
    let is_replaced = replaced.clone();
    let fake = Fake::start(move |asked| match asked.path.as_str() {
        "/v1/core/cluster/nodes" => {
            let other = if is_replaced.on() { 3 } else { 2 };
            let member = |n| format!(r#"{{"address":"10.0.0.{n}:8848","state":"UP"}}"#);
            let members = format!("[{},{}]", member(1), member(other));
            (200, format!(r#"{{"code":200,"data":{members}}}"#))
        }
        _ => full(asked, 2),
    })
    .await?;
    let source = source(&fake);
    assert_eq!(coverage(&source).await.1, Coverage::Complete(Truth::Raw));
    replaced.set(true);
    let (_, doubted) = coverage(&source).await;
    let why = why(&doubted);
    assert!(
        why.contains("10.0.0.3:8848 joined and 10.0.0.2:8848 left"),
        "{why}"
    );
    later(LONG_AFTER).await;
    assert_eq!(coverage(&source).await.1, Coverage::Complete(Truth::Raw));
    Ok(())
}

/// What a server says to everything while it starts (2.2.4, measured).
fn starting() -> Answer {
    (
        501,
        r#"{"status":501,"error":"Not Implemented"}"#.to_owned(),
    )
}

/// Members that are away together, while the switch is on.
async fn members(count: usize, away: &Switch) -> anyhow::Result<(Vec<Fake>, NacosSource)> {
    let mut fakes = Vec::new();
    for _ in 0..count {
        let is_away = away.clone();
        let fake = Fake::start(move |asked| match is_away.on() {
            true => starting(),
            false => full(asked, 2),
        });
        fakes.push(fake.await?);
    }
    let config = NacosConfig::of(fakes.iter().map(Fake::server).collect());
    let source = NacosSource::new(&config, "src".into());
    Ok((fakes, source))
}

#[tokio::test]
async fn a_server_without_peers_is_believed_as_soon_as_it_is_back() -> anyhow::Result<()> {
    let away = Switch::default();
    let (_alone, source) = members(1, &away).await?;
    assert_eq!(coverage(&source).await.1, Coverage::Complete(Truth::Raw));
    away.set(true);
    assert!(matches!(
        source.read(&service(), Purpose::ConfirmRemoval).await,
        View::Failed(_)
    ));
    away.set(false);
    let confirmed = source.read(&service(), Purpose::ConfirmRemoval).await;
    assert_eq!(set(&confirmed).len(), 1);
    Ok(())
}

#[tokio::test]
async fn members_that_were_away_prove_nothing_at_first() -> anyhow::Result<()> {
    let away = Switch::default();
    let (_both, source) = members(2, &away).await?;
    assert_eq!(coverage(&source).await.1, Coverage::Complete(Truth::Raw));
    // Both have answered before one can be missed.
    let confirmed = source.read(&service(), Purpose::ConfirmRemoval).await;
    assert_eq!(set(&confirmed).len(), 1);
    away.set(true);
    // Each has to be asked to be seen away.
    for _ in 0..4 {
        let failed = source.read(&service(), Purpose::ConfirmRemoval).await;
        assert!(matches!(failed, View::Failed(_)), "{failed:?}");
    }
    away.set(false);
    let confirmed = source.read(&service(), Purpose::ConfirmRemoval).await;
    let View::Suspect(_, doubt) = &confirmed else {
        panic!("{confirmed:?}")
    };
    assert!(doubt.contains("was away"), "{doubt}");
    let (services, doubted) = coverage(&source).await;
    assert_eq!(services, 2);
    assert!(why(&doubted).contains("was away"), "{doubted:?}");
    later(LONG_AFTER).await;
    let confirmed = source.read(&service(), Purpose::ConfirmRemoval).await;
    assert_eq!(set(&confirmed).len(), 1);
    assert_eq!(coverage(&source).await.1, Coverage::Complete(Truth::Raw));
    Ok(())
}

#[tokio::test]
async fn a_member_that_stayed_vouches_for_one_that_was_away() -> anyhow::Result<()> {
    let away = Switch::default();
    let is_away = away.clone();
    let first = Fake::start(move |asked| match is_away.on() {
        true => starting(),
        false => full(asked, 2),
    })
    .await?;
    let second = Fake::start(|asked| full(asked, 2)).await?;
    let both = NacosConfig::of(vec![first.server(), second.server()]);
    let source = NacosSource::new(&both, "src".into());
    assert_eq!(coverage(&source).await.1, Coverage::Complete(Truth::Raw));
    away.set(true);
    // From here on the second is asked first.
    let view = source.read(&service(), Purpose::Refresh).await;
    assert_eq!(set(&view).len(), 1);
    away.set(false);
    later(LONG_AFTER).await;
    for _ in 0..2 {
        let confirmed = source.read(&service(), Purpose::ConfirmRemoval).await;
        assert_eq!(set(&confirmed).len(), 1, "{confirmed:?}");
    }
    assert_eq!(coverage(&source).await.1, Coverage::Complete(Truth::Raw));
    Ok(())
}

/// A 3.0.3 with an administrator's rights, whose first page shows two services
/// and speaks of so many.
fn counts(asked: &Asked, total: usize) -> Answer {
    match asked.path.as_str() {
        "/v3/admin/core/state" => (200, r#"{"code":0,"data":{"version":"3.0.3"}}"#.to_owned()),
        "/v3/admin/core/state/readiness" => (200, r#"{"code":0,"data":"ok"}"#.to_owned()),
        "/v3/admin/ns/service/list" => {
            let two = [0, 1].map(|n| in_catalog("G", &format!("s-{n}"), "10.0.0.1"));
            let items = two.join(",");
            let page = format!(r#"{{"totalCount":{total},"pageNumber":1,"pageItems":[{items}]}}"#);
            (200, format!(r#"{{"code":0,"data":{page}}}"#))
        }
        _ => no_such_path(asked),
    }
}

#[tokio::test]
async fn a_count_that_does_not_add_up_is_a_failure() -> anyhow::Result<()> {
    let whole = Fake::start(|asked| counts(asked, 2)).await?;
    assert_eq!(
        coverage(&source(&whole)).await,
        (2, Coverage::Complete(Truth::Raw))
    );
    // As a gateway does that caps pages, say.
    let cut = Fake::start(|asked| counts(asked, 500)).await?;
    let (_, failed) = coverage(&source(&cut)).await;
    assert!(matches!(&failed, Coverage::Failed(_)), "{failed:?}");
    Ok(())
}

/// A 3.0.3 without rights, which answers every question about a service with
/// one about that service.
fn answers_about(asked: &Asked, other: &str) -> Answer {
    match asked.path.as_str() {
        "/v1/ns/instance/list" => {
            let body =
                format!(r#"{{"name":"{other}","hosts":[],"clusters":"","cacheMillis":1000}}"#);
            (200, body)
        }
        "/v3/admin/core/state" => (200, r#"{"code":0,"data":{"version":"3.0.3"}}"#.to_owned()),
        "/v3/admin/core/state/readiness" => (200, r#"{"code":0,"data":"ok"}"#.to_owned()),
        path if path.starts_with("/v3/admin/") => super::fake::forbidden(asked),
        _ => no_such_path(asked),
    }
}

#[tokio::test]
async fn an_answer_for_another_name_is_a_failure() -> anyhow::Result<()> {
    for other in ["G@@other", "H@@s-0", "DEFAULT_GROUP@@G", "s-00", ""] {
        let fake = Fake::start(move |asked| answers_about(asked, other)).await?;
        let view = source(&fake)
            .read(&service(), Purpose::ConfirmRemoval)
            .await;
        assert!(matches!(view, View::Failed(_)), "{other}: {view:?}");
    }
    let right = Fake::start(|asked| answers_about(asked, "G@@s-0")).await?;
    let view = source(&right).read(&service(), Purpose::Refresh).await;
    assert!(
        matches!(view, View::Complete(Truth::Consumer, _)),
        "{view:?}"
    );
    Ok(())
}
