//! A cluster of three, of which one member dies.

use std::time::Duration;

use syncline_connector_nacos::config::HoldMode;
use syncline_connector_nacos::{NacosConfig, NacosSource, NacosTarget, TargetOptions};
use syncline_contract::{Ending, Purpose, Source, Target};
use syncline_model::{Instance, Port, ServiceKey};
use syncline_testkit::eventually;
use syncline_testkit::nacos::{RealCluster, Version};
use syncline_testkit::run::require_real_servers;

use super::place::{server, set, write};
use super::subscriber::Subscriber;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_death_of_a_member_is_not_seen() -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    // Lives as long as the program, so that a subscriber may borrow a member.
    let cluster: &'static RealCluster =
        Box::leak(Box::new(RealCluster::start(Version::V2_2_4, 3).await?));
    let [first, second, third] = cluster.members() else {
        panic!("three members")
    };
    // Of these two each holds a copy.
    let held_by = NacosConfig {
        hold: HoldMode::Connection,
        ..NacosConfig::of(vec![server(first), server(second)])
    };
    let target = NacosTarget::new(&held_by, "dst".into(), TargetOptions::default());
    let everywhere = NacosConfig::of(cluster.members().iter().map(server).collect());
    let source = NacosSource::new(&everywhere, "src".into());
    let service = ServiceKey::new("public", "PAY", "orders");
    let instance = |host: &str| Instance::new(host, Port::new(80).expect("not zero"));
    let subscriber = Subscriber::to(third, &service).await;
    target
        .apply(write(&service, vec![instance("10.0.0.1")]))
        .await?;
    subscriber.sees("it", |all| all.len() == 1).await;
    // Until every member has heard of both copies.
    eventually(PATIENCE, || async {
        set(&source.read(&service, Purpose::ConfirmRemoval).await).len() == 1
    })
    .await;
    subscriber.forget();

    for member in [first, second] {
        member.kill().await?;
        // A member that died is told to nobody; what matters is that writes go
        // on, and that what was held stays.
        let now = [instance("10.0.0.1"), instance("10.0.0.2")].to_vec();
        eventually(PATIENCE, || async {
            target.apply(write(&service, now.clone())).await.is_ok()
        })
        .await;
        subscriber
            .sees("the other as well", |all| all.len() == 2)
            .await;
        let confirmed = source.read(&service, Purpose::ConfirmRemoval).await;
        assert_eq!(set(&confirmed).len(), 2, "confirmed by those that live");
        member.restart().await?;
        cluster.settled().await?;
        target
            .apply(write(&service, vec![instance("10.0.0.1")]))
            .await?;
        subscriber.sees("one", |all| all.len() == 1).await;
    }
    assert!(subscriber.always().contains("10.0.0.1:80"), "never gone");
    target.close(Ending::Stop).await;
    for member in cluster.members() {
        member.kill().await?;
    }
    Ok(())
}
