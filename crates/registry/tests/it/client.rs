//! Our own HTTP client, as the Nacos connector uses it: what it takes for
//! granted of a 2.2 server holds here.

use std::collections::BTreeSet;
use std::time::Duration;

use syncline_model::{NamespaceId, ServiceKey};
use syncline_nacos::http::{
    Class, ClientOptions, GrpcPort, HttpClient, RawService, Route, Step, WriteApi,
};
use syncline_nacos::version::Negotiated;
use syncline_registry::Settings;

use crate::server::{Server, instance};

async fn presenting(version: &str) -> anyhow::Result<Server> {
    let version = version.parse()?;
    Server::start_with(Settings {
        version,
        ..Settings::default()
    })
    .await
}

async fn client(server: &Server) -> anyhow::Result<(HttpClient, Negotiated)> {
    let client = HttpClient::new(ClientOptions::new([server.http.to_string()]))?;
    let grpc = |_| async { GrpcPort::Answers };
    let negotiated = client.probe(grpc, &Route::Any).await?.value;
    Ok((client, negotiated))
}

#[tokio::test]
async fn the_presented_version_is_told() -> anyhow::Result<()> {
    for presented in ["2.2.4", "2.5.1", "3.0.3"] {
        let server = presenting(presented).await?;
        let (client, negotiated) = client(&server).await?;
        let version = negotiated.version.map(|version| version.to_string());
        assert_eq!(version.as_deref(), Some(presented));
        let api = negotiated.features.namespaces;
        let namespaces = client.namespaces(api, &Route::Any).await?.value;
        assert!(namespaces.rejected.is_empty());
        assert_eq!(namespaces.items[0].id, NamespaceId::public());
        let members = client.members(&Route::Any).await?.value;
        let [member] = &members[..] else {
            anyhow::bail!("{presented}: one member, not {members:?}");
        };
        assert_eq!(member.address, server.http.to_string());
        server.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn everything_is_read_in_pages() -> anyhow::Result<()> {
    for presented in ["2.2.4", "3.0.3"] {
        read_in_pages(presented).await?;
    }
    Ok(())
}

async fn read_in_pages(presented: &str) -> anyhow::Result<()> {
    let server = presenting(presented).await?;
    let (client, negotiated) = client(&server).await?;
    let dev = NamespaceId::from("dev");
    let mut registered = BTreeSet::new();
    for n in 0..250 {
        let group = if n % 3 == 0 { "G1" } else { "G2" };
        let service = ServiceKey::new(dev.clone(), group, format!("s{n}"));
        let mut instance = instance(&format!("10.0.0.{n}"));
        instance.enabled = n % 5 != 0;
        instance.weight = f64::from(n) / 10.0;
        client
            .register(WriteApi::V1, &service, &instance, &Route::Any)
            .await?;
        registered.insert(service);
    }
    let mut reader = client.services(negotiated.features.bulk, &dev, None, 100, Route::Any);
    let mut read = BTreeSet::new();
    let complete = loop {
        match reader.next().await? {
            Step::Page(page) => {
                assert!(page.rejected.is_empty());
                for service in page.services {
                    assert_eq!(service.instances.len(), 1, "disabled ones are shown");
                    read.insert(ServiceKey::new(dev.clone(), service.group, service.name));
                }
            }
            Step::Complete(read) => break read,
        }
    };
    assert_eq!(read, registered);
    assert_eq!((complete.services, complete.instances), (250, 250));
    server.stop().await
}

#[tokio::test]
async fn a_service_is_read_raw_and_beats_are_taken_over_v3() -> anyhow::Result<()> {
    let server = presenting("3.0.3").await?;
    let (client, negotiated) = client(&server).await?;
    let service = ServiceKey::new("public", "G", "s");
    let mut wanted = instance("10.0.0.1");
    wanted.cluster_name = "c1".into();
    wanted.enabled = false;
    assert!(
        !client
            .heartbeat_v3(&service, &wanted, &Route::Any)
            .await?
            .value
    );
    client
        .register(WriteApi::V3, &service, &wanted, &Route::Any)
        .await?;
    assert!(
        client
            .heartbeat_v3(&service, &wanted, &Route::Any)
            .await?
            .value
    );

    let bulk = negotiated.features.bulk;
    let read = client.raw_service(bulk, &service, &Route::Any).await?.value;
    let RawService::Listed(read) = read else {
        anyhow::bail!("listed, not {read:?}");
    };
    assert_eq!(read.instances.len(), 1, "a disabled one is shown");
    let absent = ServiceKey::new("public", "G", "none");
    let read = client.raw_service(bulk, &absent, &Route::Any).await?.value;
    assert_eq!(read, RawService::Absent);

    client
        .deregister(WriteApi::V3, &service, &wanted, &Route::Any)
        .await?;
    assert!(server.registry.snapshot(&service).is_empty());
    server.stop().await
}

#[tokio::test]
async fn beats_are_taken_as_expected() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (client, _) = client(&server).await?;
    let service = ServiceKey::new("public", "G", "s");
    let mut wanted = instance("10.0.0.1");
    let interval = ("preserved.heart.beat.interval", "7000");
    wanted.metadata.insert(interval.0.into(), interval.1.into());
    wanted
        .metadata
        .insert("preserved.heart.beat.timeout".into(), "20000".into());

    let light = client
        .beat(&service, &wanted, true, &Route::Any)
        .await?
        .value;
    assert!(!light.known);
    let full = client
        .beat(&service, &wanted, false, &Route::Any)
        .await?
        .value;
    assert!(full.known && full.light_allowed);
    assert_eq!(full.next, Duration::from_secs(7));
    let light = client
        .beat(&service, &wanted, true, &Route::Any)
        .await?
        .value;
    assert!(light.known);
    let registered = server.registry.snapshot(&service);
    assert_eq!(
        registered.instances()[0].metadata.get(interval.0),
        Some(interval.1)
    );

    let mut persistent = wanted.clone();
    persistent.ephemeral = Some(false);
    let refused = client
        .register(WriteApi::V1, &service, &persistent, &Route::Any)
        .await;
    let refused = refused.expect_err("the service is ephemeral");
    assert_eq!(refused.class(), Class::WrongKind);
    client
        .deregister(WriteApi::V1, &service, &wanted, &Route::Any)
        .await?;
    assert!(server.registry.snapshot(&service).is_empty());
    server.stop().await
}
