//! A genuine client: `nacos-sdk` for Rust, as applications use it.

use std::sync::Arc;

use nacos_sdk::api::naming::{
    NamingChangeEvent, NamingEventListener, NamingService, NamingServiceBuilder, ServiceInstance,
};
use nacos_sdk::api::props::ClientProps;
use tokio::sync::mpsc;

use crate::server::{PATIENCE, Server};

struct Listener(mpsc::UnboundedSender<Vec<String>>);

impl NamingEventListener for Listener {
    fn event(&self, event: Arc<NamingChangeEvent>) {
        let instances = event.instances.iter().flatten();
        let mut seen: Vec<String> = instances
            .map(|i| format!("{}*{}", i.ip_and_port(), i.weight))
            .collect();
        seen.sort();
        // Whoever no longer listens has seen enough.
        drop(self.0.send(seen));
    }
}

async fn client(server: &Server) -> anyhow::Result<NamingService> {
    let props = ClientProps::new()
        .server_addr(server.http.to_string())
        .namespace("public")
        .app_name("test")
        // By default it keeps what it knew when it is told that there is nothing.
        .naming_push_empty_protection(false);
    Ok(NamingServiceBuilder::new(props).build().await?)
}

fn at(ip: &str, weight: f64) -> ServiceInstance {
    ServiceInstance {
        ip: ip.to_owned(),
        port: 8080,
        weight,
        ..ServiceInstance::default()
    }
}

async fn sees(
    seen: &mut mpsc::UnboundedReceiver<Vec<String>>,
    wanted: &[&str],
) -> anyhow::Result<()> {
    let mut last = None;
    let look = async {
        while let Some(instances) = seen.recv().await {
            if instances == wanted {
                return;
            }
            last = Some(instances);
        }
    };
    let looked = tokio::time::timeout(PATIENCE, look).await;
    looked.map_err(|_| anyhow::anyhow!("never saw {wanted:?}; last seen {last:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_registers_subscribes_and_is_told() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let provider = client(&server).await?;
    let consumer = client(&server).await?;
    let (tell, mut seen) = mpsc::unbounded_channel();
    let (name, group) = (|| "orders".to_owned(), || Some("DEFAULT_GROUP".to_owned()));
    let listener = Arc::new(Listener(tell));
    consumer
        .subscribe(name(), group(), Vec::new(), listener)
        .await?;

    provider
        .register_instance(name(), group(), at("10.0.0.1", 1.0))
        .await?;
    sees(&mut seen, &["10.0.0.1:8080*1"]).await?;
    provider
        .register_instance(name(), group(), at("10.0.0.1", 2.5))
        .await?;
    sees(&mut seen, &["10.0.0.1:8080*2.5"]).await?;
    let batch = vec![at("10.0.0.1", 2.5), at("10.0.0.2", 1.0)];
    provider
        .batch_register_instance(name(), group(), batch)
        .await?;
    sees(&mut seen, &["10.0.0.1:8080*2.5", "10.0.0.2:8080*1"]).await?;

    let all = consumer
        .get_all_instances(name(), group(), Vec::new(), false)
        .await?;
    assert_eq!(all.len(), 2);
    let (names, count) = consumer.get_service_list(1, 10, group()).await?;
    assert_eq!((names, count), (vec![name()], 1));

    provider
        .deregister_instance(name(), group(), at("10.0.0.1", 2.5))
        .await?;
    sees(&mut seen, &[]).await?;
    server.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_redoes_everything_after_the_server_came_back() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let provider = client(&server).await?;
    let consumer = client(&server).await?;
    let (tell, mut seen) = mpsc::unbounded_channel();
    let (name, group) = (|| "orders".to_owned(), || Some("DEFAULT_GROUP".to_owned()));
    let listener = Arc::new(Listener(tell));
    consumer
        .subscribe(name(), group(), Vec::new(), listener)
        .await?;
    provider
        .register_instance(name(), group(), at("10.0.0.1", 1.0))
        .await?;
    sees(&mut seen, &["10.0.0.1:8080*1"]).await?;

    let server = server.restart().await?;
    let service = syncline_model::ServiceKey::new("public", "DEFAULT_GROUP", "orders");
    syncline_testkit::eventually(PATIENCE, || async {
        let figures = server.registry.figures();
        server.registry.snapshot(&service).len() == 1 && figures.subscriptions == 1
    })
    .await;
    let (other, _events) = server.connect().await?;
    let orders = syncline_nacos::grpc::ServiceRef::new("public", "DEFAULT_GROUP", "orders");
    other
        .register(&orders, crate::server::instance("10.0.0.2"))
        .await?;
    sees(&mut seen, &["10.0.0.1:8080*1", "10.0.0.2:8080*1"]).await?;
    server.stop().await
}
