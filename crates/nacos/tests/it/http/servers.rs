//! Several servers: staying, failing over, second opinions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use syncline_model::ServiceKey;
use syncline_nacos::http::{
    Class, ClientOptions, ConsumerApi, HttpClient, HttpError, Members, Route,
};
use tokio::net::TcpListener;

use super::fake::{Fake, Says, nacos_2_1, spring};

fn service() -> ServiceKey {
    ServiceKey::new("public", "G", "s")
}

async fn ask(client: &HttpClient, route: &Route) -> Result<String, HttpError> {
    let list = client
        .instance_list(ConsumerApi::V1, &service(), &[], route)
        .await?;
    Ok(list.server.to_string())
}

fn client(members: Members, addresses: &[String]) -> HttpClient {
    let options = ClientOptions {
        members,
        ..ClientOptions::new(addresses)
    };
    HttpClient::new(options).expect("a client")
}

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("bound").to_string()
}

#[tokio::test]
async fn calls_go_on_at_the_next_server_and_stay_there() {
    let (dead, good) = (nobody().await, Fake::start(nacos_2_1).await);
    let client = client(Members::Listed, &[dead, good.addr.to_string()]);
    for _ in 0..3 {
        let server = ask(&client, &Route::Any).await.expect("the other answers");
        assert_eq!(server, good.addr.to_string());
    }
    assert_eq!(client.servers().current().port(), good.addr.port());
}

#[tokio::test]
async fn failing_and_starting_servers_are_passed_over_and_refusals_are_not() {
    for (status, body) in [
        (500, "caused: boom;"),
        (502, "<html>Bad Gateway</html>"),
        (503, "server is DOWNnow, please try again later!"),
        (200, "<html>login</html>"),
        (200, r#"{"name":"G@@s","hos"#),
        (200, ""),
    ] {
        let bad = Fake::start(move |_| (status, body.to_owned())).await;
        let good = Fake::start(nacos_2_1).await;
        let addresses = [bad.addr.to_string(), good.addr.to_string()];
        let client = client(Members::Listed, &addresses);
        let server = ask(&client, &Route::Any).await.expect(body);
        assert_eq!(server, good.addr.to_string(), "{status} {body}");
    }
    let strict = Fake::start(|_| spring(403, "authorization failed!")).await;
    let other = Fake::start(nacos_2_1).await;
    let addresses = [strict.addr.to_string(), other.addr.to_string()];
    let client = client(Members::Listed, &addresses);
    let error = ask(&client, &Route::Any).await.expect_err("no rights");
    assert_eq!(error.class(), Class::Forbidden);
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn with_all_servers_down_the_error_names_the_first() {
    let (first, second) = (nobody().await, nobody().await);
    let client = client(Members::Listed, &[first.clone(), second]);
    let error = ask(&client, &Route::Any).await.expect_err("all down");
    assert_eq!(error.class(), Class::Transient);
    assert_eq!(error.server(), Some(first.as_str()));
    assert!(
        error
            .to_string()
            .contains("cannot list the instances of public/G/s at 127.0.0.1"),
        "{error}"
    );
}

#[tokio::test]
async fn a_second_opinion_comes_from_another_member_or_from_none() {
    let (a, b) = (Fake::start(nacos_2_1).await, Fake::start(nacos_2_1).await);
    let addresses = [a.addr.to_string(), b.addr.to_string()];
    let listed = client(Members::Listed, &addresses);
    let service = service();
    let list = listed.instance_list(ConsumerApi::V1, &service, &[], &Route::Any);
    let first = list.await.expect("answered").server;
    let other = ask(&listed, &Route::OtherThan(first.clone())).await;
    assert_eq!(other.expect("answered"), b.addr.to_string());
    let same = ask(&listed, &Route::Only(first.clone())).await;
    assert_eq!(same.expect("answered"), a.addr.to_string());

    let vip = client(Members::Vip, &addresses);
    let error = ask(&vip, &Route::OtherThan(first)).await.expect_err("none");
    assert!(matches!(error, HttpError::NotAsked { .. }), "{error}");
}

#[tokio::test]
async fn members_are_discovered_and_asked() {
    let member = Fake::start(nacos_2_1).await;
    let second = Fake::start(nacos_2_1).await;
    let nodes = serde_json::json!({"code": 200, "data": [
        {"address": member.addr.to_string(), "state": "UP", "extendInfo": {"version": "2.1.1"}},
        {"address": second.addr.to_string(), "state": "UP"},
    ]});
    let seed = Fake::start(move |asked| match asked.path.as_str() {
        "/v1/core/cluster/nodes" => (200, nodes.to_string()),
        _ => nacos_2_1(asked),
    })
    .await;
    let client = client(Members::Discover, &[seed.addr.to_string()]);
    let members = client.discover().await.expect("members");
    assert_eq!(members[0].version.as_deref(), Some("2.1.1"));
    assert_eq!(client.servers().distinct_members(), 2);
    let server = ask(&client, &Route::Any).await.expect("answered");
    assert_eq!(server, member.addr.to_string());
}

#[tokio::test]
async fn a_501_is_a_missing_call_or_a_starting_server() {
    let metrics = Arc::new(AtomicU16::new(501));
    let status = metrics.clone();
    let fake = Fake::start(move |asked| -> Says {
        match asked.path.as_str() {
            "/v1/ns/operator/metrics" if status.load(Ordering::Relaxed) == 200 => {
                (200, r#"{"status":"UP"}"#.into())
            }
            _ => spring(501, "no such api"),
        }
    })
    .await;
    let client = fake.client();
    let starting = ask(&client, &Route::Any).await.expect_err("starting");
    assert_eq!(starting.class(), Class::NotReady, "{starting}");
    metrics.store(200, Ordering::Relaxed);
    let missing = ask(&client, &Route::Any).await.expect_err("missing");
    assert_eq!(missing.class(), Class::Unsupported, "{missing}");
}

#[tokio::test]
async fn v1_calls_come_from_a_client_that_1_x_knows() {
    let fake = Fake::start(nacos_2_1).await;
    ask(&fake.client(), &Route::Any).await.expect("answered");
    let asked = fake.asked();
    assert_eq!(asked[0].header("user-agent"), "Nacos-Java-Client:v1.4.2");
    assert_eq!(asked[0].get("serviceName"), "G@@s");
    assert_eq!(asked[0].get("namespaceId"), "public");
}
