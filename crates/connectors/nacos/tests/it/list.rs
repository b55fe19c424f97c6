//! Lists and reads: two namespaces, two groups, and instances of every kind.

use std::time::Duration;

use syncline_connector_nacos::config::ReadingView;
use syncline_connector_nacos::{NacosConfig, NacosSource};
use syncline_contract::{Class, Coverage, Listed, Purpose, Source};
use syncline_model::{Seen, Truth, View};
use syncline_testkit::eventually;
use syncline_testkit::nacos::{RealNacos, Version};
use syncline_testkit::run::require_real_servers;

use super::place::{Everything, LONG, Place, at, config, set};

const GROUPS: [&str; 2] = ["DEFAULT_GROUP", "PAY"];

/// In each namespace and group a service with an ordinary instance, one out of
/// rotation and one that is unhealthy.
async fn filled(version: Version) -> anyhow::Result<Place> {
    let place = Place::new(RealNacos::shared(version).await?);
    for namespace in 0..2 {
        for group in GROUPS {
            let service = place.service(namespace, group, "orders");
            let long = format!("metadata=zone=a,{LONG}");
            let ordinary = format!("weight=2.5&clusterName=c1&{long}");
            place
                .register(&service, ("10.0.0.1", 80), &ordinary)
                .await?;
            let disabled = format!("enabled=false&{long}");
            place
                .register(&service, ("10.0.0.2", 80), &disabled)
                .await?;
            let unhealthy = format!("healthy=false&{long}");
            place
                .register(&service, ("10.0.0.3", 80), &unhealthy)
                .await?;
        }
    }
    // A port that nobody can connect to, which every version accepts.
    let odd = place.service(0, "PAY", "odd");
    place.register(&odd, ("10.0.0.9", 0), "").await?;
    place.register(&odd, ("10.0.0.8", 80), "").await?;
    // 2.x shows what is registered a moment later.
    let source = place.source();
    eventually(Duration::from_secs(10), || async {
        let all = Everything::of(&source, &[place.scope()]).await;
        let whole = |listed: &Listed| match listed.service.name.as_str() {
            "odd" => set(&listed.view).len() == 1,
            _ => set(&listed.view).len() == 3,
        };
        all.services.len() == 5 && all.services.values().all(whole)
    })
    .await;
    Ok(place)
}

async fn lists_raw(version: Version) -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let place = filled(version).await?;
    let source = place.source();
    let report = source.describe().await?;
    assert_eq!(report.product, format!("Nacos {version}"));
    assert_eq!(
        (report.truth, report.advice.len()),
        (Truth::Raw, 0),
        "{report:?}"
    );

    for scope in [place.scope(), place.groups(&GROUPS)] {
        let all = Everything::of(&source, &[scope]).await;
        for area in &all.areas {
            assert_eq!(area.coverage, Coverage::Complete(Truth::Raw), "{area:?}");
        }
        assert_eq!(all.services.len(), 5);
        for namespace in 0..2 {
            for group in GROUPS {
                let set = all.set(&place.service(namespace, group, "orders"));
                assert_eq!(set.len(), 3);
                let ordinary = at(set, "10.0.0.1");
                assert_eq!(ordinary.weight.get(), 2.5);
                assert_eq!(ordinary.key.cluster.as_str(), "c1");
                assert_eq!(ordinary.metadata.get("zone"), Some("a"));
                assert_eq!(ordinary.healthy, Seen::Known(true));
                assert_eq!(ordinary.ephemeral, Seen::Unknown, "a catalog does not tell");
                assert!(!at(set, "10.0.0.2").enabled);
                assert_eq!(at(set, "10.0.0.3").healthy, Seen::Known(false));
            }
        }
        let odd = &all.services[&place.service(0, "PAY", "odd")];
        assert_eq!(set(&odd.view).len(), 1);
        assert_eq!(odd.rejected[0].what, "10.0.0.9:0");
    }
    let one = Everything::of(&source, &[place.groups(&["PAY"])]).await;
    assert_eq!(one.services.len(), 3);
    Ok(())
}

async fn reads_one(version: Version) -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let place = filled(version).await?;
    let source = place.source();
    let service = place.service(1, "PAY", "orders");
    for purpose in [Purpose::Refresh, Purpose::ConfirmRemoval] {
        let view = source.read(&service, purpose).await;
        assert!(matches!(view, View::Complete(Truth::Raw, _)), "{view:?}");
        assert_eq!(set(&view).len(), 3);
        let none = source
            .read(&place.service(1, "PAY", "order"), purpose)
            .await;
        assert!(
            matches!(&none, View::Complete(Truth::Raw, set) if set.is_empty()),
            "{none:?}"
        );
    }
    Ok(())
}

async fn reads_as_a_consumer(version: Version) -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let place = filled(version).await?;
    let source = NacosSource::new(
        &NacosConfig {
            view: ReadingView::Consumer,
            ..config(place.nacos)
        },
        "src".into(),
    );
    assert_eq!(source.describe().await?.truth, Truth::Consumer);
    let all = Everything::of(&source, &[place.groups(&GROUPS)]).await;
    assert_eq!(all.areas.len(), 4, "{:?}", all.areas);
    for area in &all.areas {
        assert_eq!(
            area.coverage,
            Coverage::Complete(Truth::Consumer),
            "{area:?}"
        );
    }
    let service = place.service(0, "DEFAULT_GROUP", "orders");
    let view = &all.services[&service].view;
    assert!(matches!(view, View::Complete(Truth::Consumer, _)));
    assert_eq!(set(view).len(), 2, "disabled ones are hidden: {view:?}");
    let confirmed = source.read(&service, Purpose::ConfirmRemoval).await;
    assert!(matches!(&confirmed, View::Complete(Truth::Consumer, set) if set.len() == 2));
    Ok(())
}

#[tokio::test]
async fn nobody_there_is_a_failure_and_no_empty_list() -> anyhow::Result<()> {
    let nobody = NacosConfig::of(vec!["127.0.0.1:1".to_owned().try_into()?]);
    let source = NacosSource::new(&nobody, "src".into());
    let failure = source.describe().await.expect_err("nobody");
    assert_eq!(failure.class, Class::Transient, "{}", failure.chain());
    let scope = syncline_model::scope::Scope::everything();
    let all = Everything::of(&source, &[scope]).await;
    assert!(all.services.is_empty());
    assert!(
        matches!(all.areas[0].coverage, Coverage::Failed(_)),
        "{:?}",
        all.areas
    );
    let service = syncline_model::ServiceKey::new("public", "G", "s");
    let view = source.read(&service, Purpose::ConfirmRemoval).await;
    assert!(matches!(view, View::Failed(_)), "{view:?}");
    Ok(())
}

macro_rules! on_each_version {
    ($($module:ident: $version:ident),*) => {$(
        mod $module {
            use super::*;

            #[tokio::test]
            async fn lists_raw() -> anyhow::Result<()> {
                super::lists_raw(Version::$version).await
            }

            #[tokio::test]
            async fn reads_one() -> anyhow::Result<()> {
                super::reads_one(Version::$version).await
            }

            #[tokio::test]
            async fn reads_as_a_consumer() -> anyhow::Result<()> {
                super::reads_as_a_consumer(Version::$version).await
            }
        }
    )*};
}

on_each_version!(v1_3_0: V1_3_0, v2_0_3: V2_0_3, v2_1_1: V2_1_1, v2_2_4: V2_2_4);
