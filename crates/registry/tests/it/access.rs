//! Users, rights and the read-only mode, over HTTP and gRPC.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use syncline_model::scope::Pattern;
use syncline_model::{Instance, Port, ServiceKey, ServiceSet};
use syncline_registry::{
    AccessSettings, Grant, Password, Registry, Right, Rights, Settings, TokenKey, User,
};

use syncline_testkit::java::JavaClient;
use syncline_testkit::recordings::Recording;
use syncline_testkit::run::require_real_servers;

use crate::server::{Bare, Server, payload, with_token};

/// A 1.4 client polls every 10 s.
const SOON: Duration = Duration::from_secs(40);

/// Never granted to anybody, and never in any answer.
const PASSWORD: &str = "p%s+ w";

pub(crate) fn user(name: &str, rights: Rights) -> User {
    User {
        name: name.to_owned(),
        password: Password::new(PASSWORD),
        rights,
    }
}

fn granted(pattern: &str, right: Right) -> anyhow::Result<Rights> {
    let namespaces = Pattern::parse(pattern)?;
    Ok(Rights::Granted(vec![Grant { namespaces, right }]))
}

fn users() -> anyhow::Result<AccessSettings> {
    Ok(AccessSettings {
        users: vec![
            user("shop", granted("dev", Right::ReadWrite)?),
            user("reader", granted("*", Right::Read)?),
            user("ops", Rights::Admin),
        ],
        ..AccessSettings::default()
    })
}

fn presenting(version: &str, access: AccessSettings) -> anyhow::Result<Settings> {
    Ok(Settings {
        version: version.parse()?,
        access,
        ..Settings::default()
    })
}

async fn serve(version: &str) -> anyhow::Result<Server> {
    Server::start_with(presenting(version, users()?)?).await
}

async fn log_in(server: &Server, path: &str, name: &str) -> anyhow::Result<Value> {
    let path = format!("/nacos{path}?username={name}");
    let form = Some("password=p%25s%2B%20w");
    let (status, body) = server.send("POST", &path, form).await?;
    anyhow::ensure!(status == 200, "{status}: {body}");
    Ok(serde_json::from_str(&body)?)
}

async fn token(server: &Server, name: &str) -> anyhow::Result<String> {
    let session = log_in(server, "/v1/auth/users/login", name).await?;
    let token = session["accessToken"].as_str().context("no token")?;
    Ok(token.to_owned())
}

/// The message of a refusal in Spring's form.
async fn refused(server: &Server, method: &str, path: &str) -> anyhow::Result<String> {
    let (status, body) = server.call(method, path).await?;
    anyhow::ensure!(status == 403, "{status}: {body}");
    let body: Value = serde_json::from_str(&body)?;
    let path = path.split('?').next();
    assert_eq!(
        (&body["status"], body["path"].as_str()),
        (&json!(403), path)
    );
    assert_eq!(body["error"], "Forbidden");
    Ok(body["message"].as_str().context("no message")?.to_owned())
}

const LIST: &str = "/nacos/v1/ns/instance/list?serviceName=s&namespaceId=dev";
const REGISTER: &str = "/nacos/v1/ns/instance?serviceName=s&ip=10.0.0.1&port=80&namespaceId=dev";

#[tokio::test]
async fn who_logs_in_is_told_what_nacos_tells() -> anyhow::Result<()> {
    for (version, paths) in [
        ("2.2.4", &["/v1/auth/users/login", "/v1/auth/login"][..]),
        ("3.0.3", &["/v1/auth/users/login", "/v3/auth/user/login"]),
    ] {
        let server = serve(version).await?;
        for (name, admin) in [("shop", false), ("ops", true)] {
            for path in paths {
                let session = log_in(&server, path, name).await?;
                assert_eq!(session["tokenTtl"], 18_000);
                assert_eq!(session["globalAdmin"], admin);
                assert_eq!(session["username"], name);
                let token = session["accessToken"].as_str().context("a token")?;
                assert_eq!(token.split('.').count(), 3, "as Nacos's are");
            }
        }
        server.stop().await?;
    }
    // A 3.x client tries v3 first, and goes on after this.
    let server = serve("2.2.4").await?;
    let (status, _) = server.call("POST", "/nacos/v3/auth/user/login").await?;
    assert_eq!(status, 404);
    server.stop().await
}

/// What was recorded of a wrong password is answered to it, and to an unknown
/// user as well, who is told from it by Nacos 2.5.1 (500) and 3.0.3 (403 on v3).
#[tokio::test]
async fn a_wrong_password_is_refused_as_by_nacos() -> anyhow::Result<()> {
    for version in ["1.4.8", "2.5.1", "3.0.3"] {
        let recording = Recording::load(&format!("{version}-auth"))?;
        let server = serve(version).await?;
        let wrong = recording.http();
        let wrong = wrong.filter(|it| it.note.ends_with("login, bad password"));
        let mut compared = 0;
        for it in wrong.filter(|it| it.listener.is_none() && it.status != 404) {
            for name in ["shop", "nobody"] {
                let path = format!("{}?username={name}", it.path);
                let (status, body) = server.send("POST", &path, Some("password=wrong")).await?;
                let [ours, theirs] = [&body, &it.body].map(|body| {
                    let mut body = serde_json::from_str(body).unwrap_or_else(|_| json!(body));
                    if let Some(body) = body.as_object_mut() {
                        body.remove("timestamp");
                    }
                    body
                });
                assert_eq!((status, ours), (it.status, theirs), "{version} {}", it.note);
                compared += 1;
            }
        }
        assert!(compared >= 4, "only {compared} of {version}");
        server.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn who_fails_too_often_has_to_wait() -> anyhow::Result<()> {
    let server = serve("2.5.1").await?;
    let path = "/nacos/v1/auth/users/login?username=shop";
    let (status, text) = server.call("POST", path).await?;
    assert_eq!(status, 500);
    assert!(text.contains("'password'"), "{text}");
    for _ in 0..60 {
        server.send("POST", path, Some("password=wrong")).await?;
    }
    let (status, text) = server.send("POST", path, Some("password=wrong")).await?;
    assert_eq!(status, 429);
    assert!(text.contains("too many failed logins"), "{text}");
    server.stop().await
}

/// Texts as recorded of Nacos 1.4.8 (2.2.0 has the same code), 2.5.1 and 3.0.3.
#[tokio::test]
async fn refusals_over_http_read_as_those_of_nacos() -> anyhow::Result<()> {
    let foreign = Server::start_with(presenting("2.2.4", users()?)?).await?;
    let forged = token(&foreign, "ops").await?;
    foreign.stop().await?;
    let unknown = "User not found! Please check user exist or password is right!";
    for (version, texts) in [
        (
            "2.2.0",
            ["unknown user!", "token invalid!", "token invalid!"].map(str::to_owned),
        ),
        (
            "2.5.1",
            ["user not found!", "token invalid!", "Invalid signature"].map(str::to_owned),
        ),
        (
            "3.0.3",
            [unknown, "token invalid!", "Invalid signature"]
                .map(|text| format!("Code: 401, Message: {text}.")),
        ),
    ] {
        let server = serve(version).await?;
        let mut paths = vec![("GET", LIST), ("POST", REGISTER)];
        if version == "3.0.3" {
            paths.push(("GET", "/nacos/v3/client/ns/instance/list?serviceName=s"));
            paths.push(("GET", "/nacos/v3/admin/ns/service/list?pageNo=1&pageSize=9"));
        } else {
            paths.push(("GET", "/nacos/v2/ns/instance/list?serviceName=s"));
        }
        for (method, path) in paths {
            let [none, garbage, foreign] = &texts;
            assert_eq!(refused(&server, method, path).await?, *none, "{path}");
            let empty = format!("{path}&accessToken=");
            assert_eq!(refused(&server, method, &empty).await?, *none);
            let with = format!("{path}&accessToken=garbage");
            assert_eq!(refused(&server, method, &with).await?, *garbage);
            let with = format!("{path}&accessToken={forged}");
            assert_eq!(refused(&server, method, &with).await?, *foreign);
        }
        server.stop().await?;
    }
    Ok(())
}

/// What was refused for the token that came along, or for none. Recorded tokens
/// are foreign here, so they have not run out but are forged.
fn is_about_the_token(note: &str) -> bool {
    !["expired", "rights", "permission", "login", "deleted"]
        .iter()
        .any(|other| note.contains(other))
}

fn pairs(pairs: &BTreeMap<String, String>) -> String {
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("&")
}

#[tokio::test]
async fn what_was_recorded_as_refused_is_refused_in_the_same_words() -> anyhow::Result<()> {
    for version in ["2.5.1", "3.0.3"] {
        let recording = Recording::load(&format!("{version}-auth"))?;
        let server = serve(version).await?;
        let mut compared = 0;
        for it in recording.http() {
            let elsewhere = it.listener.is_some() || it.path.contains("/auth/");
            if it.status != 403 || elsewhere || !is_about_the_token(&it.note) {
                continue;
            }
            let path = format!("{}?{}", it.path, pairs(&it.query));
            let form = it.form.as_ref().map(pairs);
            let headers = it.headers.iter().map(|(k, v)| (k.as_str(), v.as_str()));
            let (status, body) = server
                .send_with(&it.method, &path, form.as_deref(), headers)
                .await?;
            let [ours, theirs] = [&body, &it.body].map(|body| {
                let mut body: Value = serde_json::from_str(body).unwrap_or_default();
                body["timestamp"].take();
                body
            });
            assert_eq!((status, ours), (it.status, theirs), "{version} {}", it.note);
            compared += 1;
        }
        assert!(compared >= 30, "only {compared} of {version}");

        let mut client = Bare::set_up(&server, json!({})).await?;
        let mut compared = 0;
        for it in recording.grpc() {
            let (Some(request), Some(answer)) = (&it.request, &it.response) else {
                continue;
            };
            if answer["errorCode"] != 403 || !is_about_the_token(&it.note) {
                continue;
            }
            let mut call = payload(&it.request_type, request);
            if let Some(metadata) = &mut call.metadata {
                metadata.headers = it.headers.clone().into_iter().collect();
            }
            let (kind, ours) = client.call_raw(call).await?;
            assert_eq!(Some(&kind), it.response_type.as_ref(), "{}", it.note);
            for part in ["resultCode", "errorCode", "message", "success"] {
                assert_eq!(ours[part], answer[part], "{version} {}: {part}", it.note);
            }
            compared += 1;
        }
        assert!(compared >= 20, "only {compared} of {version} over gRPC");
        server.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_token_is_found_wherever_clients_put_it() -> anyhow::Result<()> {
    let server = serve("2.2.4").await?;
    let token = token(&server, "shop").await?;
    let in_query = format!("{REGISTER}&accessToken={token}");
    assert_eq!(server.call("POST", &in_query).await?.0, 200);
    let form = format!("accessToken={token}");
    assert_eq!(server.send("POST", REGISTER, Some(&form)).await?.0, 200);
    let bearer = format!("Bearer {token}");
    for header in [("accessToken", token.as_str()), ("authorization", &bearer)] {
        let (status, list) = server.send_with("GET", LIST, None, [header]).await?;
        assert_eq!(status, 200, "{header:?}: {list}");
        assert!(list.contains("10.0.0.1"), "{list}");
    }
    let each_time = format!("{LIST}&username=shop&password=p%25s%2B%20w");
    assert_eq!(server.call("GET", &each_time).await?.0, 200);
    let wrong = format!("{LIST}&username=shop&password=wrong");
    assert_eq!(server.call("GET", &wrong).await?.0, 403);
    server.stop().await
}

#[tokio::test]
async fn rights_end_where_they_were_not_given() -> anyhow::Result<()> {
    let server = serve("2.2.4").await?;
    let (shop, reader) = (
        token(&server, "shop").await?,
        token(&server, "reader").await?,
    );
    let ops = token(&server, "ops").await?;
    let elsewhere = REGISTER.replace("=dev", "=prod");
    let names = "/nacos/v1/ns/service/names?x=1";
    let statuses = "/nacos/v1/ns/instance/statuses?namespaceId=dev&key=prod%23%23G@@s";
    let clients = "/nacos/v2/ns/client/list?x=1";
    for (method, path, may) in [
        ("POST", REGISTER, [true, false, true]),
        ("GET", LIST, [true, true, true]),
        ("POST", &elsewhere, [false, false, true]),
        ("GET", names, [false, true, true]),
        ("GET", statuses, [false, true, true]),
        ("GET", clients, [false, false, true]),
    ] {
        for (token, may) in [&shop, &reader, &ops].into_iter().zip(may) {
            let path = format!("{path}&accessToken={token}");
            let (status, body) = server.call(method, &path).await?;
            assert_eq!(status == 200, may, "{method} {path}: {status} {body}");
            assert!(may || body.contains("authorization failed!"), "{body}");
        }
    }
    // A form counts after the query, also for the namespace.
    let both = format!("{REGISTER}&accessToken={shop}");
    let form = Some("namespaceId=prod");
    assert_eq!(server.send("POST", &both, form).await?.0, 200);
    let dev = ServiceKey::new("dev", "DEFAULT_GROUP", "s");
    assert_eq!(server.registry.snapshot(&dev).len(), 1);
    let prod = ServiceKey::new("prod", "DEFAULT_GROUP", "s");
    assert_eq!(server.registry.snapshot(&prod).len(), 1, "by ops alone");
    // What finds the server out needs nobody.
    for open in [
        "/nacos/v1/console/server/state",
        "/nacos/v1/ns/operator/metrics",
    ] {
        assert_eq!(server.call("GET", open).await?.0, 200, "{open}");
    }
    let state = server.json("/nacos/v1/console/server/state").await?;
    assert_eq!(state["auth_enabled"], "true");
    assert_eq!(server.call("GET", "/nacos/v1/ns/nothing").await?.0, 501);
    server.stop().await
}

#[tokio::test]
async fn names_are_told_where_the_pattern_looks_and_not_where_the_request_says()
-> anyhow::Result<()> {
    let server = serve("3.0.3").await?;
    let (shop, reader) = (
        token(&server, "shop").await?,
        token(&server, "reader").await?,
    );
    let mut client = Bare::set_up(&server, json!({})).await?;
    for (token, pattern, may) in [
        (&shop, "dev>>*>>*", true),
        (&shop, "prod>>*>>*", false),
        (&reader, "prod>>*>>*", true),
    ] {
        let watch = json!({"namespace": "dev", "groupKeyPattern": pattern, "watchType": "WATCH",
            "initializing": true, "receivedGroupKeys": []});
        let request = with_token("NamingFuzzyWatchRequest", &watch, token);
        let (kind, answer) = client.call_raw(request).await?;
        assert_eq!(kind, "NamingFuzzyWatchResponse");
        let code = if may { 0 } else { 403 };
        assert_eq!(answer["errorCode"], code, "{pattern}: {answer}");
    }
    server.stop().await
}

fn request(token: &str, namespace: &str) -> Value {
    json!({
        "namespace": namespace, "groupName": "G", "serviceName": "s",
        "type": "registerInstance", "headers": { "accessToken": token },
        "instance": { "ip": "10.0.0.1", "port": 80 },
        "instances": [], "subscribe": true, "pageNo": 1, "pageSize": 10,
    })
}

/// As recorded of Nacos 2.5.1 and 3.0.3: the answer is of the type that was
/// waited for.
#[tokio::test]
async fn refusals_over_grpc_read_as_those_of_nacos() -> anyhow::Result<()> {
    let server = serve("2.5.1").await?;
    let reader = token(&server, "reader").await?;
    let mut client = Bare::set_up(&server, json!({})).await?;
    for (call, answer, writes) in [
        ("InstanceRequest", "InstanceResponse", true),
        ("PersistentInstanceRequest", "InstanceResponse", true),
        ("ServiceQueryRequest", "QueryServiceResponse", false),
        ("SubscribeServiceRequest", "SubscribeServiceResponse", false),
        ("ServiceListRequest", "ServiceListResponse", false),
    ] {
        for (token, text) in [
            ("", "user not found!"),
            ("garbage", "token invalid!"),
            (reader.as_str(), "authorization failed!"),
        ] {
            let (kind, refused) = client.call(call, &request(token, "dev")).await?;
            assert_eq!(kind, answer);
            if token == reader && !writes {
                assert_eq!(refused["resultCode"], 200, "{call}");
                continue;
            }
            assert_eq!(
                (
                    &refused["resultCode"],
                    &refused["errorCode"],
                    &refused["message"]
                ),
                (&json!(500), &json!(403), &json!(text)),
                "{call}"
            );
        }
    }
    // In the order of Nacos: the type counts before the token.
    let (kind, refused) = client.call("NoSuchRequest", &json!({})).await?;
    assert_eq!(
        (kind.as_str(), &refused["errorCode"]),
        ("ErrorResponse", &json!(302))
    );
    let (_, healthy) = client.call("HealthCheckRequest", &json!({})).await?;
    assert_eq!(healthy["resultCode"], 200);
    server.stop().await
}

#[tokio::test]
async fn over_grpc_rights_go_by_the_namespace_that_is_named() -> anyhow::Result<()> {
    let server = serve("2.2.4").await?;
    let shop = token(&server, "shop").await?;
    let mut client = Bare::set_up(&server, json!({})).await?;
    let in_metadata = with_token("InstanceRequest", &request("", "dev"), &shop);
    let (_, taken) = client.call_raw(in_metadata).await?;
    assert_eq!(taken["resultCode"], 200, "{taken}");
    for namespace in ["prod", ""] {
        let (_, refused) = client
            .call("InstanceRequest", &request(&shop, namespace))
            .await?;
        assert_eq!(refused["errorCode"], 403, "{namespace}");
    }
    let dev = ServiceKey::new("dev", "G", "s");
    assert_eq!(server.registry.snapshot(&dev).len(), 1);
    server.stop().await
}

#[tokio::test]
async fn a_token_runs_out() -> anyhow::Result<()> {
    let access = AccessSettings {
        token_ttl: Duration::from_secs(1),
        ..users()?
    };
    let server = Server::start_with(presenting("2.5.1", access)?).await?;
    let path = format!("{LIST}&accessToken={}", token(&server, "shop").await?);
    syncline_testkit::eventually(Duration::from_secs(20), || async {
        refused(&server, "GET", &path)
            .await
            .is_ok_and(|text| text == "token expired!")
    })
    .await;
    server.stop().await
}

/// Java clients before 2.5 do not log in again when they are refused.
#[tokio::test]
async fn a_restart_ends_no_token_where_a_key_is_kept() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let open = || {
        let settings = presenting("2.2.4", users()?)?;
        anyhow::Ok(Registry::open(settings, None, folder.path())?)
    };
    let server = Server::serving_free(open()?).await?;
    let path = format!("{LIST}&accessToken={}", token(&server, "shop").await?);
    server.stop().await?;
    let server = Server::serving_free(open()?).await?;
    assert_eq!(server.call("GET", &path).await?.0, 200);
    server.stop().await?;

    let shared = TokenKey::new(*b"one key for two replicas of one ").context("long enough")?;
    let access = AccessSettings {
        token_key: Some(shared),
        ..users()?
    };
    let one = Server::start_with(presenting("2.2.4", access.clone())?).await?;
    let two = Server::start_with(presenting("2.2.4", access)?).await?;
    let path = format!("{LIST}&accessToken={}", token(&one, "shop").await?);
    assert_eq!(two.call("GET", &path).await?.0, 200);
    one.stop().await?;
    two.stop().await
}

/// Genuine Java clients of both generations. Java properties give backslashes a
/// meaning, and nothing else.
#[tokio::test]
async fn java_clients_log_in_or_stay_outside() -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let server = serve("2.2.4").await?;
    for version in ["1.4.6", "2.3.2"] {
        let connect = |password: &'static str| {
            let user = [("username", "shop"), ("password", password)];
            async move { JavaClient::connect_saying(version, server.http, "dev", &user).await }
        };
        let (provider, consumer) = (connect(PASSWORD).await?, connect(PASSWORD).await?);
        consumer.subscribe(version, "shop").await?;
        let address = "10.0.0.1:80".parse()?;
        provider
            .register(version, "shop", address, 1.0, &[])
            .await?;
        consumer
            .await_instances(version, SOON, |seen| seen.len() == 1)
            .await?;

        let stranger = connect("wrong").await?;
        let refused = stranger.list(version, "shop").await;
        let refused = refused.expect_err("nobody logged in").to_string();
        assert!(
            refused.contains("unknown user!") || refused.contains("user not found!"),
            "{refused}"
        );
        let refused = stranger.register(version, "shop", "10.0.0.9:80".parse()?, 1.0, &[]);
        assert!(refused.await.is_err());
        let service = ServiceKey::new("dev", "shop", version);
        assert_eq!(server.registry.snapshot(&service).len(), 1);
    }
    server.stop().await
}

#[tokio::test]
async fn a_read_only_registry_is_looked_into_and_never_changed() -> anyhow::Result<()> {
    let access = AccessSettings {
        read_only: true,
        ..AccessSettings::default()
    };
    let server = Server::start_with(presenting("2.2.4", access)?).await?;
    let link = server.registry.link_client(&"l".into());
    let dev = ServiceKey::new("dev", "DEFAULT_GROUP", "s");
    let port = Port::new(80).context("port 0")?;
    let set = ServiceSet::new(vec![Instance::new("10.0.0.9", port)]);
    link.publish(&dev, Arc::new(set));

    assert!(server.call("GET", LIST).await?.1.contains("10.0.0.9"));
    let beat = "/nacos/v1/ns/instance/beat?serviceName=s&ip=10.0.0.9&port=80&namespaceId=dev";
    let service = "/nacos/v1/ns/service?serviceName=t&namespaceId=dev";
    for (method, path) in [
        ("POST", REGISTER),
        ("DELETE", REGISTER),
        ("PUT", REGISTER),
        ("PUT", beat),
        ("POST", service),
        ("DELETE", service),
    ] {
        let text = refused(&server, method, path).await?;
        assert!(text.contains("read-only"), "{text}");
    }
    let mut client = Bare::set_up(&server, json!({})).await?;
    for call in [
        "InstanceRequest",
        "PersistentInstanceRequest",
        "BatchInstanceRequest",
    ] {
        let (_, refused) = client.call(call, &request("", "dev")).await?;
        assert_eq!(refused["errorCode"], 403, "{call}");
    }
    let (_, seen) = client
        .call("SubscribeServiceRequest", &request("", "dev"))
        .await?;
    assert_eq!(seen["resultCode"], 200);
    assert_eq!(server.registry.snapshot(&dev).len(), 1);
    server.stop().await
}
