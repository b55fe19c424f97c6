//! Registering: what goes where, and what comes back.

use syncline_model::{ClusterName, ServiceKey};
use syncline_nacos::http::{Class, ClientOptions, HttpClient, Route, WriteApi};
use syncline_nacos::message::Instance;

use super::fake::{Asked, Fake, Says};

const DONE: &str = r#"{"code":0,"message":"success","data":"ok"}"#;

fn says_ok(asked: &Asked) -> Says {
    let body = if asked.path.starts_with("/v1/") {
        "ok"
    } else {
        DONE
    };
    (200, body.to_owned())
}

fn service() -> ServiceKey {
    ServiceKey::new("ns", "G", "s")
}

fn instance() -> Instance {
    Instance {
        ip: "10.0.0.1".into(),
        port: 8080,
        weight: 0.5,
        healthy: false,
        ephemeral: Some(false),
        metadata: [("k".to_owned(), "v".repeat(20_000))].into(),
        ..Instance::default()
    }
}

#[tokio::test]
async fn every_field_is_sent_whatever_its_default() {
    for (api, path) in [
        (WriteApi::V1, "/v1/ns/instance"),
        (WriteApi::V3, "/v3/client/ns/instance"),
    ] {
        let fake = Fake::start(says_ok).await;
        let client = fake.client();
        let registered = client
            .register(api, &service(), &instance(), &Route::Any)
            .await;
        registered.expect("registered");
        let removed = client
            .deregister(api, &service(), &instance(), &Route::Any)
            .await;
        removed.expect("removed");
        let asked = fake.asked();
        let methods: Vec<_> = asked
            .iter()
            .map(|a| (a.method.as_str(), a.path.as_str()))
            .collect();
        assert_eq!(methods, [("POST", path), ("DELETE", path)]);
        for asked in &asked {
            let name = match api {
                WriteApi::V1 => ("", "G@@s"),
                WriteApi::V3 => ("G", "s"),
            };
            assert_eq!((asked.get("groupName"), asked.get("serviceName")), name);
            assert_eq!(asked.get("namespaceId"), "ns");
            assert_eq!((asked.get("ip"), asked.get("port")), ("10.0.0.1", "8080"));
            assert_eq!(asked.get("clusterName"), "DEFAULT");
            assert_eq!(asked.get("ephemeral"), "false");
        }
        assert_eq!(asked[0].get("weight"), "0.5");
        assert_eq!(
            (asked[0].get("healthy"), asked[0].get("enabled")),
            ("false", "true")
        );
        assert_eq!(asked[0].get("metadata").len(), r#"{"k":""}"#.len() + 20_000);
    }
}

#[tokio::test]
async fn an_empty_success_is_no_success() {
    // 3.0.3 answers so to metadata that it cannot read.
    let fake = Fake::start(|_| (200, String::new())).await;
    let client = fake.client();
    for api in [WriteApi::V1, WriteApi::V3] {
        let registered = client
            .register(api, &service(), &instance(), &Route::Any)
            .await;
        assert_eq!(registered.expect_err("empty").class(), Class::Malformed);
    }
}

#[tokio::test]
async fn heartbeats_of_3_x_tell_whether_the_instance_is_known() {
    let fake = Fake::start(|asked| {
        assert_eq!(asked.get("heartBeat"), "true");
        let body = if asked.get("ip") == "10.0.0.1" {
            DONE
        } else {
            r#"{"code":21003,"message":"instance not found","data":null}"#
        };
        (200, body.to_owned())
    })
    .await;
    let client = fake.client();
    for (ip, known) in [("10.0.0.1", true), ("10.0.0.2", false)] {
        let instance = Instance {
            ip: ip.into(),
            ..instance()
        };
        let beat = client
            .heartbeat_v3(&service(), &instance, &Route::Any)
            .await;
        assert_eq!(beat.expect("an answer").value, known);
    }
}

#[tokio::test]
async fn the_admin_api_is_asked_at_the_server_or_where_admin_url_says() {
    let cluster = ClusterName::from("c1");
    let fake = Fake::start(says_ok).await;
    let client = fake.client();
    let service = service();
    let stopped = client.stop_health_checks(WriteApi::V3, &service, &cluster, &Route::Any);
    stopped.await.expect("stopped");
    assert_eq!(fake.asked()[0].path, "/v3/admin/ns/cluster");

    for (state, area) in [
        ("/v3/admin/core/state", "/v3/admin"),
        ("/v3/console/server/state", "/v3/console"),
    ] {
        let elsewhere = Fake::start(move |asked| match asked.path.as_str() {
            path if path == state => (200, "{}".into()),
            path if path.ends_with("/state") => super::fake::spring(404, ""),
            _ => says_ok(asked),
        })
        .await;
        let options = ClientOptions {
            admin_url: Some(format!("http://{}", elsewhere.addr)),
            ..fake.options()
        };
        let client = HttpClient::new(options).expect("a client");
        for _ in 0..2 {
            let stopped = client.stop_health_checks(WriteApi::V3, &service, &cluster, &Route::Any);
            stopped.await.expect("stopped");
        }
        assert_eq!(elsewhere.asked_for(&format!("{area}/ns/cluster")), 2);
        assert_eq!(elsewhere.asked_for(state), 1, "found out once");
    }
    assert_eq!(fake.asked().len(), 1);
}
