use std::sync::Arc;

use syncline_contract::{
    Ending, Interest, Listed, Observation, Source, Target, Write, observations,
};
use syncline_model::scope::Scope;
use syncline_model::{Instance, Port, ServiceKey, ServiceSet, Truth, View};
use syncline_registry::{Registry, Settings};
use tokio_util::sync::CancellationToken;

fn set(hosts: &[&str]) -> Arc<ServiceSet> {
    let port = Port::new(8080).expect("not zero");
    let instances = hosts.iter().map(|host| Instance::new(*host, port));
    Arc::new(ServiceSet::new(instances.collect()))
}

fn write(service: &ServiceKey, accepted: Arc<ServiceSet>) -> Write {
    Write {
        service: service.clone(),
        accepted,
        changes: Arc::from([]),
        taken_over: Arc::from([]),
    }
}

#[tokio::test]
async fn what_one_link_writes_another_lists() {
    let registry = Registry::new(Settings::default());
    let orders = ServiceKey::new("public", "DEFAULT_GROUP", "orders");
    let target = super::target(&registry, &"in".into());
    let given = set(&["10.0.0.1", "10.0.0.2"]);
    target
        .apply(write(&orders, given.clone()))
        .await
        .expect("applied");

    let (sink, mut listed) = tokio::sync::mpsc::channel(8);
    let end = super::source(&registry)
        .list(&[Scope::everything()], sink)
        .await;
    assert!(end.areas.iter().all(|area| area.coverage.doubt().is_none()));
    let Listed { service, view, .. } = listed.recv().await.expect("one service");
    assert_eq!((service, view), (orders, View::Complete(Truth::Raw, given)));
    assert!(listed.recv().await.is_none());
}

#[tokio::test]
async fn a_watch_tells_each_change_and_a_removed_link_takes_all_back() {
    let registry = Registry::new(Settings::default());
    let orders = ServiceKey::new("public", "DEFAULT_GROUP", "orders");
    let target = super::target(&registry, &"in".into());
    let (sink, observed) = observations();
    let cancel = CancellationToken::new();
    let source = super::source(&registry);
    let watching = cancel.clone();
    let watch = tokio::spawn(async move {
        let interest = Interest::in_all_of(Scope::everything());
        source.watch(interest, sink, watching).await;
    });
    assert!(matches!(observed.next().await, Observation::LookAtAll));

    target
        .apply(write(&orders, set(&["10.0.0.1"])))
        .await
        .expect("applied");
    let shown = |observation| match observation {
        Observation::Content { view, .. } => view.seen().map(|set| set.len()),
        _ => None,
    };
    assert_eq!(shown(observed.next().await), Some(1));
    target.close(Ending::Remove).await;
    assert_eq!(shown(observed.next().await), Some(0));
    cancel.cancel();
    watch.await.expect("ends");
}
