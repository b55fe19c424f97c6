//! What a target registers arrives whole, changes in place, and goes.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use syncline_connector_nacos::config::HoldMode;
use syncline_contract::{Class, Ending, Hold, Purpose, Source, Target};
use syncline_model::{Identity, Instance, Metadata, Port, Seen, ServiceKey, Weight};
use syncline_nacos::message::Instance as Shown;
use syncline_testkit::nacos::{RealNacos, Version, fresh_name};
use syncline_testkit::run::{Tier, in_tier, require_real_servers};
use syncline_testkit::{eventually, eventually_some};

use super::place::{Place, at, set, write};
use super::subscriber::Subscriber;

const PATIENCE: Duration = Duration::from_secs(15);

fn instance(host: &str) -> Instance {
    let mut instance = Instance::new(host, Port::new(80).expect("not zero"));
    instance.key.cluster = "c1".into();
    instance.metadata = Metadata::from_pairs([("zone", "a"), ("odd", "a+b=100%, \"中\"")]);
    instance
}

fn shows(instances: &[Shown], host: &str, holds: impl Fn(&Shown) -> bool) -> bool {
    instances.iter().any(|i| i.ip == host && holds(i))
}

/// Reads back until the target shows exactly these instances, unknown fields
/// left aside.
async fn reads_back(place: &Place, service: &ServiceKey, expected: &[Instance]) {
    let source = place.source();
    let equal = |a: &Instance, b: &Instance| a.key == b.key && !a.content_differs(b);
    let last = eventually_some(PATIENCE, || async {
        let view = source.read(service, Purpose::Refresh).await;
        let read = set(&view);
        let same = read.len() == expected.len()
            && expected
                .iter()
                .all(|e| read.instances().iter().any(|i| equal(i, e)));
        same.then_some(())
    });
    if tokio::time::timeout(PATIENCE * 9 / 10, last).await.is_err() {
        let view = source.read(service, Purpose::Refresh).await;
        panic!("expected {expected:?}, and there is {:?}", set(&view));
    }
}

async fn adds_changes_and_removes(version: Version, mode: HoldMode) -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let place = Place::new(RealNacos::shared(version).await?);
    let service = place.service(0, "PAY", "orders");
    let target = place.target(mode);
    let subscriber = Subscriber::to(place.nacos, &service).await;
    let (a, mut b) = (instance("10.0.0.1"), instance("10.0.0.2"));
    target
        .apply(write(&service, vec![a.clone(), b.clone()]))
        .await?;
    subscriber.sees("both", |all| all.len() == 2).await;
    reads_back(&place, &service, &[a.clone(), b.clone()]).await;

    // Weight, metadata and health change without a moment's absence.
    subscriber.forget();
    for round in 2..5_u32 {
        b.weight = Weight::new(f64::from(round)).expect("legal");
        b.metadata = b.metadata.with("round", round.to_string());
        target
            .apply(write(&service, vec![a.clone(), b.clone()]))
            .await?;
        let weight = f64::from(round);
        subscriber
            .sees("the new weight", |all| {
                shows(all, "10.0.0.2", |i| i.weight == weight)
            })
            .await;
    }
    assert_eq!(subscriber.always().len(), 2, "both were there all the time");
    assert_eq!(subscriber.most_of("10.0.0.2"), 1, "and once each");
    reads_back(&place, &service, &[a.clone(), b.clone()]).await;

    // Out of rotation, and back.
    b.enabled = false;
    target
        .apply(write(&service, vec![a.clone(), b.clone()]))
        .await?;
    subscriber.sees("one", |all| all.len() == 1).await;
    reads_back(&place, &service, &[a.clone(), b.clone()]).await;
    b.enabled = true;
    target
        .apply(write(&service, vec![a.clone(), b.clone()]))
        .await?;
    subscriber.sees("both again", |all| all.len() == 2).await;

    target.apply(write(&service, vec![a.clone()])).await?;
    subscriber.sees("one left", |all| all.len() == 1).await;
    reads_back(&place, &service, &[a]).await;
    target.apply(write(&service, vec![])).await?;
    subscriber.sees("none", <[Shown]>::is_empty).await;
    target.close(Ending::Remove).await;
    Ok(())
}

async fn holds_health(version: Version, mode: HoldMode) -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let place = Place::new(RealNacos::shared(version).await?);
    let service = place.service(0, "PAY", "orders");
    let target = place.target(mode);
    let (well, mut sick) = (instance("10.0.0.1"), instance("10.0.0.2"));
    sick.healthy = Seen::Known(false);
    target
        .apply(write(&service, vec![well.clone(), sick.clone()]))
        .await?;
    reads_back(&place, &service, &[well.clone(), sick.clone()]).await;
    // From sick to well and back, in place.
    sick.healthy = Seen::Known(true);
    target
        .apply(write(&service, vec![well.clone(), sick.clone()]))
        .await?;
    if (version, mode) != (Version::V1_3_0, HoldMode::Beat) {
        reads_back(&place, &service, &[well.clone(), sick.clone()]).await;
        sick.healthy = Seen::Known(false);
        target
            .apply(write(&service, vec![well.clone(), sick.clone()]))
            .await?;
        reads_back(&place, &service, &[well, sick]).await;
    }
    target.close(Ending::Remove).await;
    let source = place.source();
    eventually(PATIENCE, || async {
        set(&source.read(&service, Purpose::Refresh).await).is_empty()
    })
    .await;
    Ok(())
}

async fn describes(
    version: Version,
    mode: HoldMode,
    hold: Hold,
    identity: Identity,
) -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let place = Place::new(RealNacos::shared(version).await?);
    let report = place.target(mode).describe().await?;
    assert_eq!(report.product, format!("Nacos {version}"));
    assert_eq!(
        (report.hold, report.identity),
        (hold, identity),
        "{report:?}"
    );
    Ok(())
}

/// 1.3.0 loses instances that are registered together when their service is
/// new; ours are not among them.
#[tokio::test]
async fn new_services_of_1_3_0_are_whole() -> anyhow::Result<()> {
    const SERVICES: usize = 300;
    const AT_ONCE: usize = 4;
    if !require_real_servers() {
        return Ok(());
    }
    let place = Place::new(RealNacos::shared(Version::V1_3_0).await?);
    let (target, source) = (place.target(HoldMode::Persistent), place.source());
    let all: Vec<Instance> = (1..=4).map(|n| instance(&format!("10.0.0.{n}"))).collect();
    let of = |n: usize| place.service(0, "PAY", &format!("whole-{n}"));
    let applied: Vec<_> = stream::iter(0..SERVICES)
        .map(|n| target.apply(write(&of(n), all.clone())))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    assert_eq!(applied.len(), SERVICES);
    for n in 0..SERVICES {
        let service = of(n);
        // What was written last is shown a moment later.
        eventually(PATIENCE, || async {
            set(&source.read(&service, Purpose::Refresh).await).len() == all.len()
        })
        .await;
    }
    target.close(Ending::Remove).await;
    Ok(())
}

/// Beats every second in place of every 15, so that a test can see them.
fn lively(host: &str) -> Instance {
    let mut instance = instance(host);
    instance.metadata = Metadata::from_pairs([
        ("preserved.heart.beat.interval", "1000"),
        ("preserved.heart.beat.timeout", "3000"),
        ("preserved.ip.delete.timeout", "6000"),
    ]);
    instance
}

/// Beats keep an instance alive; when they stop it stays for its time.
async fn lives_by_beats(version: Version) -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let place = Place::new(RealNacos::shared(version).await?);
    let service = place.service(0, "PAY", "orders");
    let target = place.target(HoldMode::Beat);
    let (well, mut sick) = (lively("10.0.0.1"), lively("10.0.0.2"));
    sick.healthy = Seen::Known(false);
    target
        .apply(write(&service, vec![well.clone(), sick.clone()]))
        .await?;
    // Three times as long as without beats, and the sick one stays sick.
    let source = place.source();
    for _ in 0..18 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let view = source.read(&service, Purpose::Refresh).await;
        assert_eq!(at(set(&view), "10.0.0.1").healthy, Seen::Known(true));
        assert_eq!(at(set(&view), "10.0.0.2").healthy, Seen::Known(false));
    }
    target.close(Ending::Stop).await;
    let view = source.read(&service, Purpose::Refresh).await;
    assert_eq!(
        set(&view).len(),
        2,
        "what was registered stays for its time"
    );
    eventually(Duration::from_secs(30), || async {
        set(&source.read(&service, Purpose::Refresh).await).is_empty()
    })
    .await;
    Ok(())
}

/// A server that lost everything in a crash is given everything again.
#[tokio::test]
async fn beats_bring_back_what_a_server_forgot() -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    // A place is on a server that stays as long as the program does.
    let nacos = Box::leak(Box::new(RealNacos::start(Version::V2_1_1).await?));
    let place = Place::new(nacos);
    let service = place.service(0, "PAY", "orders");
    let target = place.target(HoldMode::Beat);
    let (lively, calm) = (lively("10.0.0.1"), instance("10.0.0.2"));
    let both = [lively, calm];
    target.apply(write(&service, both.to_vec())).await?;
    reads_back(&place, &service, &both).await;
    place.nacos.kill().await?;
    place.nacos.restart().await?;
    reads_back(&place, &service, &both).await;
    target.close(Ending::Remove).await;
    place.nacos.kill().await?;
    Ok(())
}

#[tokio::test]
async fn a_service_of_the_other_kind_is_a_conflict() -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let place = Place::new(RealNacos::shared(Version::V2_1_1).await?);
    let service = place.service(0, "PAY", "kept");
    eventually(PATIENCE, || async {
        place
            .register(&service, ("10.0.0.9", 80), "ephemeral=false")
            .await
            .is_ok()
    })
    .await;
    for mode in [HoldMode::Connection, HoldMode::Beat] {
        let target = place.target(mode);
        let refused = target
            .apply(write(&service, vec![instance("10.0.0.1")]))
            .await;
        let failure = refused.expect_err("the service is persistent");
        assert_eq!(failure.class, Class::Conflict, "{}", failure.chain());
        assert!(
            failure.chain().contains("persistent service"),
            "{}",
            failure.chain()
        );
        target.close(Ending::Remove).await;
    }
    Ok(())
}

/// Copies held by beats and by a connection are one entry, so that one takes
/// over from the other unseen.
#[tokio::test]
async fn a_connection_takes_over_from_beats() -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    for version in [Version::V2_1_1, Version::V2_2_4] {
        let place = Place::new(RealNacos::shared(version).await?);
        let service = place.service(0, "PAY", fresh_name("orders").as_str());
        let subscriber = Subscriber::to(place.nacos, &service).await;
        let (beats, connection) = (
            place.target(HoldMode::Beat),
            place.target(HoldMode::Connection),
        );
        // With times of its own its metadata is the same under both holds.
        let held = write(&service, vec![lively("10.0.0.1")]);
        beats.apply(held.clone()).await?;
        subscriber.sees("it", |all| all.len() == 1).await;
        subscriber.forget();
        connection.apply(held).await?;
        beats.close(Ending::Remove).await;
        // Longer than a push takes.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(subscriber.always().len(), 1, "{version}");
        assert_eq!(subscriber.most_of("10.0.0.1"), 1, "{version}");
        connection.close(Ending::Stop).await;
        subscriber.sees("none", <[Shown]>::is_empty).await;
    }
    Ok(())
}

/// A set that is too large for one request goes in two, over two connections.
#[tokio::test]
async fn a_very_large_service_is_held_in_parts() -> anyhow::Result<()> {
    if !in_tier(Tier::All) || !require_real_servers() {
        return Ok(());
    }
    let place = Place::new(RealNacos::shared(Version::V2_2_4).await?);
    let service = place.service(0, "PAY", "orders");
    let target = place.target(HoldMode::Connection);
    let source = place.source();
    let all: Vec<Instance> = (0..21_000_u32)
        .map(|n| instance(&format!("10.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255)))
        .collect();
    for count in [21_000, 19_000, 21_000, 0] {
        target.apply(write(&service, all[..count].to_vec())).await?;
        eventually(PATIENCE, || async {
            set(&source.read(&service, Purpose::Refresh).await).len() == count
        })
        .await;
    }
    target.close(Ending::Remove).await;
    Ok(())
}

#[tokio::test]
async fn one_instance_per_connection_is_not_enough() -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let place = Place::new(RealNacos::shared(Version::V2_0_3).await?);
    let target = place.target(HoldMode::Connection);
    let failure = target.describe().await.expect_err("2.0.3 has no batches");
    assert_eq!(failure.class, Class::Unsupported, "{}", failure.chain());
    Ok(())
}

macro_rules! cases {
    ($($name:ident: $version:ident $mode:ident $identity:ident),* $(,)?) => {$(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn adds_changes_and_removes() -> anyhow::Result<()> {
                super::adds_changes_and_removes(Version::$version, HoldMode::$mode).await
            }

            #[tokio::test]
            async fn holds_health() -> anyhow::Result<()> {
                super::holds_health(Version::$version, HoldMode::$mode).await
            }

            #[tokio::test]
            async fn describes() -> anyhow::Result<()> {
                let identity = Identity::$identity;
                super::describes(Version::$version, HoldMode::$mode, Hold::$mode, identity).await
            }
        }
    )*};
}

cases!(
    beat_on_1_3_0: V1_3_0 Beat AddressAndCluster,
    beat_on_2_0_3: V2_0_3 Beat Address,
    beat_on_2_1_1: V2_1_1 Beat Address,
    beat_on_2_2_4: V2_2_4 Beat Address,
    connection_on_2_1_1: V2_1_1 Connection AddressAndCluster,
    connection_on_2_2_4: V2_2_4 Connection AddressAndCluster,
    persistent_on_1_3_0: V1_3_0 Persistent AddressAndCluster,
    persistent_on_2_0_3: V2_0_3 Persistent Address,
    persistent_on_2_1_1: V2_1_1 Persistent Address,
    persistent_on_2_2_4: V2_2_4 Persistent Address,
);

#[tokio::test]
async fn lives_by_beats_on_1_3_0() -> anyhow::Result<()> {
    lives_by_beats(Version::V1_3_0).await
}

#[tokio::test]
async fn lives_by_beats_on_2_2_4() -> anyhow::Result<()> {
    lives_by_beats(Version::V2_2_4).await
}
