//! Fuzzy watch: the Java client of 3.x is told of services that come and go.

use std::collections::BTreeSet;

use syncline_testkit::client::{Event, GenuineClient, Kind as Program};
use syncline_testkit::run;

use super::kind::Kind;
use super::{PATIENCE, service};
use crate::cli::serving::Serving;
use crate::daemon::registry::Nacos;
use crate::daemon::seen::{Instance, Service};

const JAVA: Program = Program::Java("3.0.3");

/// Another service comes and goes, and the client is told of both.
async fn is_told(client: &GenuineClient, nacos: Nacos, it: &Service) -> anyhow::Result<()> {
    let instance = Instance::at("10.0.0.9:80");
    nacos.register(it, &instance).await?;
    client.await_name(&it.name, "ADD_SERVICE", PATIENCE).await?;
    nacos.deregister(it, &instance).await?;
    client
        .await_name(&it.name, "DELETE_SERVICE", PATIENCE)
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_of_3_x_is_told_of_names_also_after_the_registry_was_killed()
-> anyhow::Result<()> {
    if !run::require_client(JAVA) {
        return Ok(());
    }
    let mut serving = Serving::presenting("3.0.3").await?;
    let nacos = serving.nacos;
    let namespace = Kind::Program(JAVA).namespace();
    // Beats end with the registry, and nobody is there to begin anew.
    let gone = service(&namespace, "gone");
    nacos.register(&gone, &Instance::at("10.0.0.1:80")).await?;
    let kept = service(&namespace, "kept");
    nacos.persist(&kept, &Instance::at("10.0.0.2:80")).await?;

    let client = GenuineClient::start(JAVA, nacos.http, &namespace).await?;
    client.watch("*", "sh*").await?;
    let mut there = BTreeSet::new();
    while there.len() < 2 {
        let is_name = |event: &Event| matches!(event, Event::Name(_));
        if let Event::Name(told) = client.await_event(PATIENCE, is_name).await? {
            assert_eq!((&*told.group, &*told.change), ("shop", "ADD_SERVICE"));
            there.insert(told.service);
        }
    }
    assert_eq!(there.iter().collect::<Vec<_>>(), ["gone", "kept"]);
    is_told(&client, nacos, &service(&namespace, "comes")).await?;

    serving.kill_and_restart().await?;
    client
        .await_name("gone", "DELETE_SERVICE", PATIENCE)
        .await?;
    is_told(&client, nacos, &service(&namespace, "new")).await?;
    is_told(&client, nacos, &service(&namespace, "comes")).await
}
