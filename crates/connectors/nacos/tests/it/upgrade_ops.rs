//! Lists by `GET /v1/ns/upgrade/ops/service/list`, which 2.0.2 to 2.1.2 have.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use syncline_connector_nacos::config::ListApi;
use syncline_connector_nacos::{NacosConfig, NacosSource};
use syncline_contract::{Coverage, Source};
use syncline_model::Truth;
use syncline_nacos::grpc::{GrpcConnection, GrpcOptions, GrpcServer, ServiceRef};
use syncline_nacos::message::Instance;
use syncline_testkit::nacos::{RealNacos, Version};
use syncline_testkit::run::require_real_servers;

use super::place::{Everything, Place, config};

fn source(nacos: &RealNacos) -> NacosSource {
    let config = NacosConfig {
        list_api: ListApi::UpgradeOps,
        ..config(nacos)
    };
    NacosSource::new(&config, "src".into())
}

#[tokio::test]
async fn pages_through_two_groups_in_two_namespaces() -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let place = Place::new(RealNacos::shared(Version::V2_1_1).await?);
    let address = place.nacos.grpc_addr();
    let server = GrpcServer {
        host: address.ip().to_string(),
        port: address.port(),
    };
    let (connection, _events) =
        GrpcConnection::connect(&server, Arc::new(GrpcOptions::default())).await?;
    // Two full pages and a bit in one group, a bit in the others.
    let mut services = Vec::new();
    for (namespace, group, count) in [(0, "A", 1_070), (0, "B", 7), (1, "A", 3), (1, "B", 520)] {
        let name = |n| place.service(namespace, group, &format!("svc-{n}"));
        services.extend((0..count).map(name));
    }
    stream::iter(&services)
        .map(|service| {
            let name = ServiceRef::new(
                service.namespace.as_str(),
                service.group.as_str(),
                service.name.as_str(),
            );
            let connection = &connection;
            async move {
                let instance = Instance {
                    ip: "10.0.0.1".into(),
                    port: 80,
                    cluster_name: "DEFAULT".into(),
                    ..Instance::default()
                };
                connection.register(&name, instance).await
            }
        })
        .buffer_unordered(32)
        .try_collect::<Vec<()>>()
        .await?;

    let source = source(place.nacos);
    let report = source.describe().await?;
    assert!(report.reading.contains("upgrade-ops"), "{report:?}");
    for scope in [place.groups(&["A", "B"]), place.scope()] {
        let all = Everything::of(&source, &[scope]).await;
        for area in &all.areas {
            assert_eq!(area.coverage, Coverage::Complete(Truth::Raw), "{area:?}");
        }
        let found: BTreeSet<_> = all.services.keys().cloned().collect();
        assert_eq!(found, services.iter().cloned().collect());
        assert!(services.iter().all(|service| all.set(service).len() == 1));
    }
    let one = Everything::of(&source, &[place.groups(&["B"])]).await;
    assert_eq!(one.services.len(), 527);
    connection.close().await;
    Ok(())
}

#[tokio::test]
async fn a_server_without_it_is_a_failure() -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let place = Place::new(RealNacos::shared(Version::V2_2_4).await?);
    let source = source(place.nacos);
    assert!(source.describe().await.is_err());
    let all = Everything::of(&source, &[place.groups(&["A"])]).await;
    let Coverage::Failed(why) = &all.areas[0].coverage else {
        panic!("{:?}", all.areas)
    };
    assert!(
        why.contains("upgrade-ops") && why.contains("2.2.4"),
        "{why}"
    );
    Ok(())
}
