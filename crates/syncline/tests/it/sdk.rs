//! Genuine clients on both sides: what they register at a real source, their
//! like see at a real target.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use nacos_sdk::api::naming::{
    NamingChangeEvent, NamingEventListener, NamingService, NamingServiceBuilder, ServiceInstance,
};
use nacos_sdk::api::props::ClientProps;
use syncline_testkit::java::{JavaClient, JavaInstance};
use syncline_testkit::nacos::{RealNacos, Version};
use syncline_testkit::{patience, run};
use tokio::sync::mpsc;

use crate::daemon::PATIENCE;
use crate::daemon::process::{Setup, Syncline};
use crate::daemon::seen::{Instance, Service, sorted};
use crate::real::{Places, copy};

/// From 2.1.1 to 2.2.4.
async fn bridge(
    source: &RealNacos,
    target: &RealNacos,
    places: &Places,
) -> anyhow::Result<Syncline> {
    let mut syncline = Setup::new()?.run(&copy(
        source.addr(),
        target.addr(),
        "connection",
        &places.select(),
    ))?;
    syncline.in_step().await?;
    Ok(syncline)
}

fn addresses<'a>(seen: impl IntoIterator<Item = &'a JavaInstance>) -> Vec<String> {
    let mut all: Vec<_> = seen
        .into_iter()
        .map(|i| format!("{}:{}*{}", i.ip, i.port, i.weight))
        .collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_java_client_registers_a_java_client_sees() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let source = RealNacos::shared(Version::V2_1_1).await?;
    let target = RealNacos::shared(Version::V2_2_4).await?;
    let places = Places::fresh();
    let Service {
        namespace,
        group,
        name,
    } = &places.service(0, 1, "orders");
    let at = |n: u8| SocketAddr::from(([10, 3, 0, n], 8080));
    let mut first = JavaClient::connect(source.addr(), namespace).await?;
    let second = JavaClient::connect(source.addr(), namespace).await?;
    let consumer = JavaClient::connect(target.addr(), namespace).await?;
    consumer.subscribe(name, group).await?;
    let _syncline = bridge(source, target, &places).await?;

    first
        .register(
            name,
            group,
            at(1),
            1.0,
            &[("zone", "a"), ("@cluster", "hz")],
        )
        .await?;
    second.register(name, group, at(2), 2.0, &[]).await?;
    let both = ["10.3.0.1:8080*1", "10.3.0.2:8080*2"];
    let seen = consumer
        .await_instances(name, PATIENCE, |seen| addresses(seen) == both)
        .await?;
    let one = seen
        .instances
        .iter()
        .find(|i| i.ip == "10.3.0.1")
        .context("it is there")?;
    assert_eq!(
        (one.cluster.as_str(), one.healthy, one.enabled),
        ("hz", true, true)
    );
    assert_eq!(one.metadata.get("zone").map(String::as_str), Some("a"));

    // Changed in place: from now on nobody is ever missing.
    let before = consumer.pushes(name).len();
    second
        .register(name, group, at(2), 0.5, &[("zone", "b")])
        .await?;
    let changed = ["10.3.0.1:8080*1", "10.3.0.2:8080*0.5"];
    consumer
        .await_instances(name, PATIENCE, |seen| addresses(seen) == changed)
        .await?;
    for push in &consumer.pushes(name)[before..] {
        assert_eq!(push.instances.len(), 2, "{push:#?}");
    }

    // One is told to leave; the other dies.
    second.deregister(name, group, at(2)).await?;
    let left = ["10.3.0.1:8080*1"];
    consumer
        .await_instances(name, PATIENCE, |seen| addresses(seen) == left)
        .await?;
    first.kill()?;
    consumer
        .await_instances(name, PATIENCE, <[_]>::is_empty)
        .await?;
    Ok(())
}

struct Listener(mpsc::UnboundedSender<Vec<Instance>>);

impl NamingEventListener for Listener {
    fn event(&self, event: Arc<NamingChangeEvent>) {
        let instances = event.instances.iter().flatten().map(seen);
        // Whoever no longer listens has seen enough.
        drop(self.0.send(sorted(instances.collect())));
    }
}

fn seen(instance: &ServiceInstance) -> Instance {
    let mut metadata: BTreeMap<_, _> = instance.metadata.clone().into_iter().collect();
    metadata.remove(syncline_model::MARK_KEY);
    Instance {
        address: instance.ip_and_port(),
        cluster: instance.cluster_name.clone().unwrap_or_default(),
        weight: instance.weight,
        healthy: instance.healthy,
        enabled: instance.enabled,
        metadata,
    }
}

async fn client(server: &RealNacos, namespace: &str) -> anyhow::Result<NamingService> {
    let props = ClientProps::new()
        .server_addr(server.addr().to_string())
        .namespace(namespace)
        .app_name("test")
        // By default it keeps what it knew when it is told that there is nothing.
        .naming_push_empty_protection(false);
    Ok(NamingServiceBuilder::new(props).build().await?)
}

/// An instance as the SDK registers it.
fn service_instance(it: &Instance) -> ServiceInstance {
    let (ip, _) = it.ip_and_port();
    ServiceInstance {
        ip: ip.to_owned(),
        port: 8080,
        weight: it.weight,
        cluster_name: Some(it.cluster.clone()),
        metadata: it.metadata.clone().into_iter().collect::<HashMap<_, _>>(),
        ..ServiceInstance::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_rust_client_registers_a_rust_client_sees() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let source = RealNacos::shared(Version::V2_1_1).await?;
    let target = RealNacos::shared(Version::V2_2_4).await?;
    let places = Places::fresh();
    let service = places.service(1, 1, "orders");
    let (name, group) = (|| service.name.clone(), || Some(service.group.clone()));
    let provider = client(source, &service.namespace).await?;
    let consumer = client(target, &service.namespace).await?;
    let (tell, mut told) = mpsc::unbounded_channel();
    let listener = Arc::new(Listener(tell));
    consumer
        .subscribe(name(), group(), Vec::new(), listener)
        .await?;
    let _syncline = bridge(source, target, &places).await?;

    let one = Instance::at("10.3.1.1:8080")
        .in_cluster("hz")
        .with("zone", "a");
    let two = Instance::at("10.3.1.2:8080").weighing(2.0);
    for (registered, wanted) in [
        (vec![one.clone()], vec![one.clone()]),
        (
            vec![one.clone(), two.clone()],
            vec![one.clone(), two.clone()],
        ),
        (
            vec![one.clone().weighing(4.0), two.clone()],
            vec![one.clone().weighing(4.0), two.clone()],
        ),
        (vec![two.clone()], vec![two.clone()]),
    ] {
        let batch = registered.iter().map(service_instance).collect();
        provider
            .batch_register_instance(name(), group(), batch)
            .await?;
        sees(&mut told, &wanted).await?;
    }
    provider
        .deregister_instance(name(), group(), service_instance(&two))
        .await?;
    sees(&mut told, &[]).await
}

async fn sees(
    told: &mut mpsc::UnboundedReceiver<Vec<Instance>>,
    wanted: &[Instance],
) -> anyhow::Result<()> {
    let mut last = None;
    let looking = async {
        while let Some(seen) = told.recv().await {
            if seen == wanted {
                return true;
            }
            last = Some(seen);
        }
        false
    };
    let seen = tokio::time::timeout(patience(PATIENCE), looking).await;
    ensure!(
        seen.unwrap_or(false),
        "never saw {wanted:#?}, last {last:#?}"
    );
    Ok(())
}
