//! Logging in, staying logged in, and being refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use syncline_model::ServiceKey;
use syncline_nacos::http::{
    AccessKey, Class, ClientOptions, ConsumerApi, Credentials, HttpClient, HttpError, Route, Secret,
};

use super::fake::{Asked, Fake, Says, nacos_2_1, spring};

const V1: &str = "/v1/auth/users/login";
const V3: &str = "/v3/auth/user/login";

fn user() -> Credentials {
    Credentials::user(Some("nacos"), Some(Secret::new("p%s+ w"))).expect("both")
}

fn client(fake: &Fake, credentials: Credentials) -> HttpClient {
    let options = ClientOptions {
        credentials,
        ..fake.options()
    };
    HttpClient::new(options).expect("a client")
}

async fn ask(client: &HttpClient) -> Result<(), HttpError> {
    let service = ServiceKey::new("public", "G", "s");
    let list = client.instance_list(ConsumerApi::V1, &service, &[], &Route::Any);
    list.await.map(|_| ())
}

/// A server with logins at that path, where only the newest token holds, which
/// is `t0`, `t1` and so on.
async fn with_login(at: &'static str, ttl: u64) -> (Fake, Arc<AtomicUsize>) {
    let logins = Arc::new(AtomicUsize::new(0));
    let valid = logins.clone();
    let behaviour = move |asked: &Asked| -> Says {
        if asked.path == at {
            assert_eq!(
                (asked.get("username"), asked.get("password")),
                ("nacos", "p%s+ w")
            );
            assert_eq!(asked.method, "POST");
            let number = valid.fetch_add(1, Ordering::SeqCst);
            let body = serde_json::json!({"accessToken": format!("t{number}"), "tokenTtl": ttl});
            return (200, body.to_string());
        }
        if asked.path.contains("login") {
            return spring(404, "No message available");
        }
        let newest = valid.load(Ordering::SeqCst).wrapping_sub(1);
        let token = format!("Bearer t{newest}");
        match asked.header("authorization") {
            "" => spring(403, "user not found!"),
            given if given == token => nacos_2_1(asked),
            _ => spring(403, "token invalid!"),
        }
    };
    (Fake::start(behaviour).await, logins)
}

#[tokio::test]
async fn logs_in_by_v3_or_v1_and_only_once_for_all_who_wait() {
    for (at, tried) in [(V1, 1), (V3, 0)] {
        let (fake, logins) = with_login(at, 18_000).await;
        let client = client(&fake, user());
        let calls = (0..20).map(|_| ask(&client));
        for outcome in join_all(calls).await {
            outcome.expect("logged in");
        }
        assert_eq!(logins.load(Ordering::SeqCst), 1);
        let other = if at == V1 { V3 } else { V1 };
        assert_eq!(fake.asked_for(other), tried);
        let presented = client.present(None).await.expect("a token");
        assert_eq!(presented.fields(), [("accessToken", "t0".to_owned())]);
    }
}

#[tokio::test]
async fn no_url_ever_holds_the_password_or_the_token() {
    let (fake, _) = with_login(V1, 18_000).await;
    ask(&client(&fake, user())).await.expect("logged in");
    for asked in fake.asked() {
        assert!(asked.get("accessToken").is_empty());
        let login = asked.path.contains("login");
        assert_eq!(asked.get("password").is_empty(), !login);
        assert!(!login || asked.header("content-type").contains("form"));
    }
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let (fake, logins) = with_login(V1, 100).await;
    let client = client(&fake, user());
    ask(&client).await.expect("logged in");
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(80)).await;
    tokio::time::resume();
    ask(&client).await.expect("still logged in");
    assert_eq!(logins.load(Ordering::SeqCst), 1);
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(11)).await;
    tokio::time::resume();
    ask(&client).await.expect("renewed");
    assert_eq!(logins.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_refused_token_is_replaced_at_once() {
    let (fake, logins) = with_login(V1, 18_000).await;
    let client = client(&fake, user());
    ask(&client).await.expect("logged in");
    // The server forgets all tokens, as after a restart with another secret.
    logins.store(7, Ordering::SeqCst);
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(10)).await;
    tokio::time::resume();
    ask(&client).await.expect("logged in again");
    assert_eq!(logins.load(Ordering::SeqCst), 8);

    // The same, noticed over gRPC.
    let presented = client.present(None).await.expect("a token");
    assert!(!client.refused(&presented), "a fresh token is not to blame");
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(10)).await;
    tokio::time::resume();
    assert!(client.refused(&presented));
    let newer = client.present(None).await.expect("a token");
    assert_ne!(newer.fields(), presented.fields());
}

#[tokio::test]
async fn bad_credentials_are_told_as_such_and_not_repeated_at_once() {
    for (status, body) in [
        (403, "unknown user!"),
        (
            500,
            r#"{"timestamp":"x","status":500,"message":"No message available","path":"/x"}"#,
        ),
        (500, "caused: User nacos not found;"),
    ] {
        let fake = Fake::start(move |asked| match asked.path.as_str() {
            V1 => (status, body.to_owned()),
            V3 => spring(404, ""),
            _ => spring(403, "user not found!"),
        })
        .await;
        let client = client(&fake, user());
        for _ in 0..3 {
            let error = ask(&client).await.expect_err("refused");
            assert_eq!(error.class(), Class::Unauthenticated);
            assert_eq!(error.to_string(), "cannot log in as nacos");
        }
        assert_eq!(fake.asked_for(V1), 1);
    }
}

#[tokio::test]
async fn a_user_without_rights_does_not_log_in_again() {
    let (fake, logins) = with_login(V1, 18_000).await;
    let strict = Fake::start(|asked| match asked.path.as_str() {
        V1 => (200, r#"{"accessToken":"t","tokenTtl":18000}"#.into()),
        V3 => spring(404, ""),
        _ => spring(403, "authorization failed!"),
    })
    .await;
    let client = client(&strict, user());
    for _ in 0..2 {
        let error = ask(&client).await.expect_err("refused");
        assert_eq!(error.class(), Class::Forbidden, "{error}");
    }
    assert_eq!(strict.asked_for(V1), 1);
    drop((fake, logins));
}

#[tokio::test]
async fn a_server_without_logins_is_used_without_a_token() {
    let fake = Fake::start(nacos_2_1).await;
    // 501 is not among its answers to logins, so it is not starting.
    let fake = {
        drop(fake);
        Fake::start(|asked| {
            if asked.path.contains("login") {
                spring(404, "")
            } else {
                nacos_2_1(asked)
            }
        })
        .await
    };
    let client = client(&fake, user());
    ask(&client).await.expect("no login needed");
    let presented = client.present(None).await.expect("nothing");
    assert!(presented.fields().is_empty());
}

#[tokio::test]
async fn an_answer_to_a_login_that_is_half_is_not_quoted() {
    let fake = Fake::start(|asked| {
        if asked.path == V1 {
            (200, r#"{"accessToken":"very-secret-tok"#.into())
        } else {
            spring(404, "")
        }
    })
    .await;
    let error = ask(&client(&fake, user())).await.expect_err("half");
    let mut shown = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        shown += &format!(": {cause}");
        source = cause.source();
    }
    assert!(shown.contains("ends in the middle"), "{shown}");
    assert!(!shown.contains("very-secret"), "{shown}");
}

#[tokio::test]
async fn access_keys_sign_every_call() {
    let fake = Fake::start(nacos_2_1).await;
    let key = AccessKey {
        id: "my-id".into(),
        secret: Secret::new("my-secret"),
        security_token: None,
        region: None,
    };
    let client = client(&fake, Credentials::AccessKey(key));
    ask(&client).await.expect("answered");
    let asked = &fake.asked()[0];
    assert_eq!(asked.get("ak"), "my-id");
    assert!(
        asked.get("data").ends_with("@@G@@s"),
        "{}",
        asked.get("data")
    );
    assert!(!asked.get("signature").is_empty());
    let presented = client.present(Some("G@@s")).await.expect("signed");
    assert!(
        presented
            .fields()
            .iter()
            .any(|(name, _)| *name == "signature")
    );
}
