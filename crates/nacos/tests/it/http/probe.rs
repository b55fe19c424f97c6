//! Finding out versions, from what real servers answered.

use std::collections::HashMap;

use syncline_nacos::http::{Class, ClientOptions, GrpcPort, HttpClient, HttpError, Route};
use syncline_nacos::version::{Generation, Negotiated, ServerVersion, Support};
use syncline_testkit::recordings::Recording;

use super::fake::{Asked, Fake, Says, spring};

/// Answers as a recorded server did, to the paths that a probe asks; the pages
/// in `without` are missing, as in a stripped-down or guarded server.
fn replay(name: &str, without: &'static [&'static str]) -> impl Fn(&Asked) -> Says + use<> {
    let recording = Recording::load(name).expect("a recording");
    let mut answers = HashMap::<String, Says>::new();
    for http in recording.http() {
        let path = http.path.trim_start_matches("/nacos").to_owned();
        let plain = http.query.iter().all(|(k, v)| match k.as_str() {
            "json" => v == "true",
            "pageNo" => v == "1",
            "pageSize" => v != "0",
            "groupName" | "accessToken" => true,
            _ => false,
        });
        // The metrics of the upgrade API are text unless JSON is asked for.
        let text = path.ends_with("ops/metrics") && !http.query.contains_key("json");
        if http.method == "GET" && http.listener.is_none() && plain && !text {
            answers
                .entry(path)
                .or_insert((http.status, http.body.clone()));
        }
    }
    move |asked| {
        if without.contains(&asked.path.as_str()) {
            return if asked.path.starts_with("/v1/ns/") {
                spring(501, "no such api")
            } else {
                spring(404, "No message available")
            };
        }
        answers
            .get(&asked.path)
            .cloned()
            .unwrap_or_else(|| spring(404, "No message available"))
    }
}

async fn probe_with(fake: &Fake, grpc: GrpcPort) -> Result<Negotiated, HttpError> {
    let client = fake.client();
    let found = client.probe(|_| async move { grpc }, &Route::Any).await?;
    Ok(found.value)
}

const STATE_PAGES: &[&str] = &[
    "/v3/admin/core/state",
    "/v1/console/server/state",
    "/v1/core/cluster/self",
];

#[tokio::test]
async fn recorded_servers_tell_their_version() {
    for (name, version, generation) in [
        ("1.3.0", (1, 3, 0), Generation::V1),
        ("1.4.8", (1, 4, 8), Generation::V1),
        ("1.4.8-auth", (1, 4, 8), Generation::V1),
        ("2.0.3", (2, 0, 3), Generation::V2),
        ("2.1.1", (2, 1, 1), Generation::V2),
        ("2.2.4-x86", (2, 2, 4), Generation::V2),
        ("2.5.1", (2, 5, 1), Generation::V2),
        ("2.5.1-auth", (2, 5, 1), Generation::V2),
        ("3.0.3", (3, 0, 3), Generation::V3),
        ("3.0.3-auth", (3, 0, 3), Generation::V3),
        ("3.0.3-compat", (3, 0, 3), Generation::V3),
    ] {
        let fake = Fake::start(replay(name, &[])).await;
        let found = probe_with(&fake, GrpcPort::Silent).await.expect(name);
        let (major, minor, patch) = version;
        let version = ServerVersion::new(major, minor, patch);
        assert_eq!(found.version, Some(version), "{name}: {}", found.how);
        assert_eq!(found.generation, generation);
    }
}

#[tokio::test]
async fn with_these_pages_blocked_the_version_is_inferred() {
    for (name, generation, batch, v2, upgrade) in [
        (
            "1.3.0",
            Generation::V1,
            Support::No,
            Support::No,
            Support::No,
        ),
        (
            "1.4.8",
            Generation::V1,
            Support::No,
            Support::No,
            Support::No,
        ),
        (
            "2.0.3",
            Generation::V2,
            Support::Unknown,
            Support::No,
            Support::Yes,
        ),
        (
            "2.1.1",
            Generation::V2,
            Support::Unknown,
            Support::No,
            Support::Yes,
        ),
        (
            "2.2.4-x86",
            Generation::V2,
            Support::Yes,
            Support::Unknown,
            Support::No,
        ),
        (
            "2.5.1",
            Generation::V2,
            Support::Yes,
            Support::Unknown,
            Support::No,
        ),
        (
            "3.0.3",
            Generation::V3,
            Support::Yes,
            Support::No,
            Support::No,
        ),
    ] {
        let fake = Fake::start(replay(name, STATE_PAGES)).await;
        let found = probe_with(&fake, GrpcPort::Silent).await.expect(name);
        assert_eq!(found.version, None);
        assert_eq!(found.generation, generation, "{name}: {}", found.how);
        let features = &found.features;
        let told = (features.grpc_batch, features.v2, features.upgrade_ops);
        assert_eq!(told, (batch, v2, upgrade), "{name}: {}", found.how);
        let real = ServerVersion::parse(name).expect("a version");
        assert!(found.known.contains(real), "{name}: {}", found.how);
    }
}

#[tokio::test]
async fn a_server_without_v1_is_3_2_or_later() {
    let fake = Fake::start(|asked| match asked.path.as_str() {
        "/v3/client/ns/instance/list" => (
            400,
            r#"{"code":10000,"message":"parameter missing","data":"serviceName"}"#.into(),
        ),
        _ => spring(404, "No message available"),
    })
    .await;
    let found = probe_with(&fake, GrpcPort::Answers).await.expect("a 3.x");
    assert_eq!(found.generation, Generation::V3);
    assert_eq!(found.features.v3, Support::Yes);
}

#[tokio::test]
async fn a_starting_server_is_not_an_old_one() {
    let everything_501 = Fake::start(|_| spring(501, "no such api")).await;
    let down = Fake::start(|asked| match asked.path.as_str() {
        "/v1/ns/operator/metrics" => (200, r#"{"status":"STARTING"}"#.into()),
        _ => spring(404, ""),
    })
    .await;
    let busy = Fake::start(|_| (503, "server is DOWNnow, please try again later!".into())).await;
    let unready = Fake::start(|asked| match asked.path.as_str() {
        "/v3/admin/core/state" => (200, r#"{"code":0,"data":{"version":"3.0.3"}}"#.into()),
        "/v3/admin/core/state/readiness" => (
            500,
            r#"{"code":30000,"message":"server error","data":"naming not in readiness"}"#.into(),
        ),
        _ => spring(404, ""),
    })
    .await;
    for fake in [everything_501, down, busy, unready] {
        let error = probe_with(&fake, GrpcPort::Silent)
            .await
            .expect_err("starting");
        assert_eq!(error.class(), Class::NotReady, "{error}");
    }
}

#[tokio::test]
async fn a_starting_grpc_port_is_believed() {
    // Nothing but an authentication filter can be seen over HTTP.
    let fake = Fake::start(|asked| match asked.path.as_str() {
        "/v1/ns/operator/metrics" => (200, r#"{"status":"UP","serviceCount":1}"#.into()),
        _ => spring(403, "user not found!"),
    })
    .await;
    let found = probe_with(&fake, GrpcPort::Starting)
        .await
        .expect("1.x has no gRPC to ask for");
    assert_eq!(found.generation, Generation::V1);
}

#[tokio::test]
async fn what_is_no_nacos_is_said_to_be_none() {
    let elsewhere = Fake::start(|_| spring(404, "No message available")).await;
    let error = probe_with(&elsewhere, GrpcPort::Silent)
        .await
        .expect_err("no Nacos");
    assert!(
        error.to_string().contains("check address and context_path"),
        "{error}"
    );
    let web = Fake::start(|_| (200, "<html>welcome to nginx</html>".into())).await;
    let error = probe_with(&web, GrpcPort::Silent)
        .await
        .expect_err("no Nacos");
    assert!(error.to_string().contains("a web page"), "{error}");
    let json = Fake::start(|_| (200, r#"{"hello":"world"}"#.into())).await;
    let error = probe_with(&json, GrpcPort::Silent)
        .await
        .expect_err("no Nacos");
    assert_eq!(error.class(), Class::Malformed, "{error}");
}

#[tokio::test]
async fn a_console_elsewhere_tells_the_version_of_guarded_servers() {
    let guarded = Fake::start(|asked| match asked.path.as_str() {
        "/v1/ns/operator/metrics" => (200, r#"{"status":"UP"}"#.into()),
        _ => spring(403, "Code: 401, Message: no."),
    })
    .await;
    let console = Fake::start(|asked| match asked.path.as_str() {
        "/v3/console/server/state" => (200, r#"{"version":"3.1.0","startup_mode":null}"#.into()),
        "/v3/console/core/namespace/list" => (
            200,
            r#"{"code":0,"data":[{"namespace":"public","namespaceShowName":"public"}]}"#.into(),
        ),
        _ => spring(404, ""),
    })
    .await;
    let options = ClientOptions {
        admin_url: Some(format!("http://{}", console.addr)),
        ..guarded.options()
    };
    let client = HttpClient::new(options).expect("a client");
    let found = client
        .probe(|_| async { GrpcPort::Answers }, &Route::Any)
        .await;
    let found = found.expect("a version").value;
    assert_eq!(found.version, Some(ServerVersion::new(3, 1, 0)));
    let namespaces = client
        .namespaces(found.features.namespaces, &Route::Any)
        .await;
    assert_eq!(namespaces.expect("a list").value.items.len(), 1);
}
