//! Decisions, by user and by right.

use std::net::Ipv4Addr;

use syncline_model::scope::Pattern;

use super::*;

const NOW: Moment = Moment::from_unix_millis(1_800_000_000_000);
const HERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));

fn grant(pattern: &str, right: Right) -> Grant {
    let namespaces = Pattern::parse(pattern).expect("a pattern");
    Grant { namespaces, right }
}

fn user(name: &str, rights: Rights) -> User {
    let (name, password) = (name.to_owned(), Password::new("right"));
    User {
        name,
        password,
        rights,
    }
}

fn settings() -> AccessSettings {
    let shop = vec![
        grant("public", Right::Read),
        grant("dev-*", Right::ReadWrite),
        grant("drop", Right::Write),
    ];
    AccessSettings {
        users: vec![
            user("shop", Rights::Granted(shop)),
            user("all", Rights::Granted(vec![grant("*", Right::Read)])),
            user("none", Rights::Granted(Vec::new())),
            user("ops", Rights::Admin),
        ],
        ..AccessSettings::default()
    }
}

fn access(settings: &AccessSettings) -> Access {
    Access::in_memory(settings).expect("users")
}

async fn token(access: &Access, name: &str) -> String {
    let caller = access.recognize(HERE, name, "right", NOW).await;
    let session = access.log_in(caller.expect("known"), NOW);
    session.expect("a session").token
}

async fn may(access: &Access, name: &str, need: Need) -> Result<(), Denied> {
    let token = token(access, name).await;
    access.allows(&need, || access.caller(&token, NOW))
}

fn within(namespace: &str, action: Action) -> Need {
    Need::In(namespace.into(), action)
}

#[test]
fn without_users_nothing_is_asked() {
    assert!(Access::in_memory(&AccessSettings::default()).is_none());
}

#[tokio::test]
async fn a_user_may_what_is_granted_and_no_more() {
    let access = access(&settings());
    for (namespace, reads, writes) in [
        ("public", true, false),
        ("dev-1", true, true),
        ("drop", false, true),
        ("prod", false, false),
    ] {
        let read = may(&access, "shop", within(namespace, Action::Read)).await;
        let write = may(&access, "shop", within(namespace, Action::Write)).await;
        assert_eq!(
            (read.is_ok(), write.is_ok()),
            (reads, writes),
            "{namespace}"
        );
    }
    let refused = may(&access, "shop", within("prod", Action::Read)).await;
    assert_eq!(refused, Err(Denied::NoRight));
}

#[tokio::test]
async fn what_concerns_all_namespaces_takes_a_right_in_all() {
    let access = access(&settings());
    let read = Need::Everywhere(Action::Read);
    for (name, allowed) in [
        ("shop", false),
        ("all", true),
        ("none", false),
        ("ops", true),
    ] {
        assert_eq!(may(&access, name, read.clone()).await.is_ok(), allowed);
        let server = may(&access, name, Need::Admin(Action::Write)).await;
        assert_eq!(server.is_ok(), name == "ops");
        assert_eq!(may(&access, name, Need::AnyUser).await, Ok(()));
    }
}

#[test]
fn strangers_may_what_needs_nothing() {
    let access = access(&settings());
    let nobody = || Err(Denied::NoToken);
    assert_eq!(access.allows(&Need::Nothing, nobody), Ok(()));
    for need in [Need::AnyUser, within("public", Action::Read)] {
        assert_eq!(access.allows(&need, nobody), Err(Denied::NoToken));
    }
}

#[tokio::test]
async fn wrong_passwords_are_refused_like_unknown_names_and_not_for_ever() {
    let access = access(&settings());
    let wrong = access.recognize(HERE, "shop", "wrong", NOW).await;
    assert_eq!(wrong.err(), Some(Denied::WrongPassword));
    let unknown = access.recognize(HERE, "nobody", "right", NOW).await;
    assert_eq!(unknown.err(), Some(Denied::WrongPassword));
    for _ in 0..100 {
        access.recognize(HERE, "shop", "wrong", NOW).await.err();
    }
    let late = access.recognize(HERE, "shop", "right", NOW).await;
    assert_eq!(late.err(), Some(Denied::TooManyFailures));
    let elsewhere = Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
    assert!(
        access
            .recognize(elsewhere, "shop", "right", NOW)
            .await
            .is_ok()
    );
    let later = NOW.after(Duration::from_secs(60));
    assert!(access.recognize(HERE, "shop", "right", later).await.is_ok());
}

#[tokio::test]
async fn a_hash_of_nacos_does_as_a_password() {
    let hash = "$2a$10$EuWPZHzz32dJN7jexM34MOeYirDdFAZm2kuWj7VEOJhhZkDrxfvUu";
    let nacos = User {
        password: Password::new(hash),
        ..user("nacos", Rights::Admin)
    };
    let access = access(&AccessSettings {
        users: vec![nacos],
        ..AccessSettings::default()
    });
    assert!(access.recognize(HERE, "nacos", "nacos", NOW).await.is_ok());
    assert!(access.recognize(HERE, "nacos", hash, NOW).await.is_err());
}

#[tokio::test]
async fn tokens_run_out() {
    let access = access(&settings());
    let token = token(&access, "ops").await;
    let ttl = AccessSettings::default().token_ttl;
    assert!(access.caller(&token, NOW).is_ok());
    let ended = access.caller(&token, NOW.after(ttl)).err();
    assert_eq!(ended, Some(Denied::Expired));
}

#[tokio::test]
async fn where_nobody_writes_an_administrator_does_not_either() {
    let read_only = AccessSettings {
        read_only: true,
        ..settings()
    };
    let access = access(&read_only);
    let write = || within("dev-1", Action::Write);
    assert_eq!(may(&access, "ops", write()).await, Err(Denied::ReadOnly));
    assert_eq!(may(&access, "all", write()).await, Err(Denied::NoRight));
    assert_eq!(may(&access, "ops", within("x", Action::Read)).await, Ok(()));
}

#[test]
fn reading_alone_needs_no_users() {
    let access = access(&AccessSettings {
        read_only: true,
        ..AccessSettings::default()
    });
    let nobody = || Err(Denied::NoToken);
    let read = within("public", Action::Read);
    assert_eq!(access.allows(&read, nobody), Ok(()));
    let write = within("public", Action::Write);
    assert_eq!(access.allows(&write, nobody), Err(Denied::ReadOnly));
}
