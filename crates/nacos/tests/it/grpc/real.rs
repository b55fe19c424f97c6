//! Real servers, killed and restarted.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use syncline_nacos::grpc::{
    ErrorClass, GrpcConnection, GrpcOptions, ServiceRef, Session, SessionEvent, SessionOptions,
    SessionState,
};
use syncline_nacos::message::Instance;
use syncline_testkit::nacos::{RealNacos, Version, fresh_name};
use syncline_testkit::{eventually, patience, run};
use tokio::time::timeout;

use super::fake::server_at;

const IN_FLIGHT: usize = 32;

fn instances(count: usize) -> Arc<[Instance]> {
    let instance = |number: usize| Instance {
        ip: format!("10.1.{}.{}", number / 250, number % 250),
        port: 8080,
        cluster_name: "DEFAULT".into(),
        metadata: [("zone".to_owned(), "a".to_owned())].into(),
        ..Instance::default()
    };
    (0..count).map(instance).collect()
}

async fn connect(nacos: &RealNacos) -> GrpcConnection {
    let server = server_at(nacos.grpc_addr());
    let connected = GrpcConnection::connect(&server, Arc::new(GrpcOptions::default())).await;
    connected.unwrap().0
}

#[tokio::test]
async fn every_call_works_as_far_as_the_version_goes() {
    if !run::require_real_servers() {
        return;
    }
    for version in [Version::V2_0_3, Version::V2_1_1, Version::V2_2_4] {
        let nacos = RealNacos::shared(version).await.unwrap();
        let connection = connect(nacos).await;
        let namespace = fresh_name("calls");
        let service = ServiceRef::new(namespace.as_str(), "G", "s");
        let one = instances(1)[0].clone();

        connection.register(&service, one.clone()).await.unwrap();
        let batch = connection.batch_register(&service, &instances(3)).await;
        let expected = if version < Version::V2_1_1 {
            assert_eq!(
                batch.unwrap_err().class(),
                ErrorClass::NotSupported,
                "{version}"
            );
            1
        } else {
            batch.unwrap();
            3
        };
        eventually(Duration::from_secs(10), || async {
            let info = connection.query(&service, "").await.unwrap();
            info.hosts.items.len() == expected
        })
        .await;
        let list = connection
            .list_services(&namespace, "G", 1, 10)
            .await
            .unwrap();
        assert_eq!(list.service_names, ["s"], "{version}");
        let persistent = connection.persistent_register(&service, one.clone()).await;
        assert_eq!(
            persistent.unwrap_err().class(),
            ErrorClass::NotSupported,
            "{version}"
        );
        let watch = connection.fuzzy_watch(&namespace, "x>>*>>*").await;
        assert_eq!(
            watch.unwrap_err().class(),
            ErrorClass::NotSupported,
            "{version}"
        );
        connection.deregister(&service, one).await.unwrap();
        eventually(Duration::from_secs(10), || async {
            connection
                .query(&service, "")
                .await
                .unwrap()
                .hosts
                .is_empty()
        })
        .await;
        connection.close().await;
    }
}

#[tokio::test]
async fn a_session_restores_itself_when_its_server_was_killed() {
    if !run::require_real_servers() {
        return;
    }
    for version in [Version::V2_1_1, Version::V2_2_4] {
        let nacos = RealNacos::start(version).await.unwrap();
        let servers = vec![server_at(nacos.grpc_addr())];
        let options = SessionOptions::new(servers, Arc::new(GrpcOptions::default()), 1);
        let (session, mut events) = Session::start(options);
        let mut state = session.state();
        let connected = |state: &SessionState| matches!(state, SessionState::Connected { .. });
        state.wait_for(connected).await.unwrap();

        let names: Vec<_> = (0..200).map(|number| format!("s{number}")).collect();
        let service = |name: &String| ServiceRef::new("public", "G", name.as_str());
        let set = instances(10);
        let failed = stream::iter(&names)
            .map(|name| session.publish(service(name), set.clone()))
            .buffer_unordered(IN_FLIGHT)
            .filter(|published| std::future::ready(published.is_err()))
            .count()
            .await;
        assert_eq!(failed, 0);
        session.subscribe(service(&names[0])).await.unwrap();

        nacos.kill().await.unwrap();
        let lost = |state: &SessionState| matches!(state, SessionState::Reconnecting { .. });
        state.wait_for(lost).await.unwrap();
        nacos.restart().await.unwrap();

        let restored = async {
            loop {
                match events.next().await.expect("an event") {
                    SessionEvent::Restored { epoch } if epoch > 1 => return,
                    _ => {}
                }
            }
        };
        timeout(patience(Duration::from_secs(30)), restored)
            .await
            .expect("restored in time");
        eventually(Duration::from_secs(10), || async {
            let list = nacos.call("GET", "/nacos/v1/ns/catalog/services?withInstances=true&namespaceId=public&groupNameParam=G&pageNo=1&pageSize=1000");
            let list: serde_json::Value = serde_json::from_str(&list.await.unwrap().body).unwrap();
            let hosts = |service: &serde_json::Value| service["clusterMap"]["DEFAULT"]["hosts"].as_array().map_or(0, Vec::len);
            list.as_array().unwrap().iter().map(hosts).sum::<usize>() == 2000
        })
        .await;
        let pushed = async {
            loop {
                if let SessionEvent::Pushed { info, .. } | SessionEvent::Subscribed { info, .. } =
                    events.next().await.expect("an event")
                    && info.hosts.items.len() == 10
                {
                    return;
                }
            }
        };
        timeout(patience(Duration::from_secs(10)), pushed)
            .await
            .expect("the set is pushed");
        session.close().await;
    }
}
