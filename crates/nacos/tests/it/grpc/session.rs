//! A session: what is wanted stands again after whatever happens.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use syncline_nacos::grpc::{
    ErrorClass, GrpcOptions, GrpcServer, ServiceRef, Session, SessionError, SessionEvent,
    SessionEvents, SessionOptions, SessionState, Subject, Timeouts,
};
use syncline_nacos::message::Instance;
use syncline_testkit::fault::{Fault, FaultProxy};
use syncline_testkit::{eventually, patience};
use tokio::time::timeout;

use super::fake::{Fake, server_at};

const SOON: Duration = Duration::from_secs(10);

fn service(name: &str) -> ServiceRef {
    ServiceRef::new("public", "G", name)
}

fn set(ips: &[&str]) -> Arc<[Instance]> {
    let instance = |ip: &&str| Instance {
        ip: (*ip).to_owned(),
        port: 80,
        ..Instance::default()
    };
    ips.iter().map(instance).collect()
}

/// Options that notice a dead server within a second, and prefer the first.
fn options(servers: Vec<GrpcServer>) -> SessionOptions {
    let connection = GrpcOptions {
        timeouts: Timeouts {
            connect: Duration::from_millis(500),
            setup: Duration::from_secs(1),
            call: Duration::from_millis(500),
            health_interval: Duration::from_millis(100),
            ..Timeouts::default()
        },
        ..GrpcOptions::default()
    };
    SessionOptions {
        backoff: Duration::from_millis(10),
        reconnect_cap: Duration::from_millis(100),
        retry_cap: Duration::from_millis(100),
        ..SessionOptions::new(servers, Arc::new(connection), SEED_OF_FIRST)
    }
}

/// A seed by which a session begins with the first of two servers.
const SEED_OF_FIRST: u64 = 3;

async fn connected(session: &Session, epoch: u64) -> Arc<str> {
    let mut state = session.state();
    let reached = state.wait_for(
        |state| matches!(state, SessionState::Connected { epoch: now, .. } if *now >= epoch),
    );
    let reached = timeout(patience(SOON), reached)
        .await
        .expect("connected in time");
    match &*reached.unwrap() {
        SessionState::Connected { server, .. } => server.clone(),
        other => panic!("{other:?}"),
    }
}

async fn event(
    events: &mut SessionEvents,
    mut wanted: impl FnMut(&SessionEvent) -> bool,
) -> SessionEvent {
    let search = async {
        loop {
            let event = events.next().await.expect("an event");
            if wanted(&event) {
                return event;
            }
        }
    };
    timeout(patience(SOON), search)
        .await
        .expect("the event in time")
}

async fn standing(fake: &Fake, name: &str, ips: &[&str]) {
    let key = format!("public/G@@{name}");
    eventually(SOON, || async {
        let published = fake.state.published(&key);
        published
            .iter()
            .map(|instance| instance.ip.as_str())
            .eq(ips.iter().copied())
    })
    .await;
}

#[tokio::test]
async fn what_is_wanted_stands_again_after_the_server_was_gone() {
    let fake = Fake::start().await;
    let proxy = FaultProxy::start(fake.addr()).await.unwrap();
    let (session, mut events) = Session::start(options(vec![server_at(proxy.addr())]));
    connected(&session, 1).await;
    session
        .publish(service("a"), set(&["10.0.0.1", "10.0.0.2"]))
        .await
        .unwrap();
    session
        .publish(service("b"), set(&["10.0.1.1"]))
        .await
        .unwrap();
    session.subscribe(service("a")).await.unwrap();

    proxy.set(Fault::Reset);
    event(&mut events, |event| {
        matches!(event, SessionEvent::Lost { .. })
    })
    .await;
    eventually(SOON, || async { fake.state.services() == 0 }).await;
    let error = session
        .publish(service("b"), set(&["10.0.1.2"]))
        .await
        .unwrap_err();
    assert!(
        matches!(error, SessionError::NotConnected { .. }),
        "{error:?}"
    );
    assert!(!session.stands(&Subject::Publication(service("b"))));

    proxy.set(Fault::None);
    connected(&session, 2).await;
    standing(&fake, "a", &["10.0.0.1", "10.0.0.2"]).await;
    // What was asked for while there was no connection.
    standing(&fake, "b", &["10.0.1.2"]).await;
    let restored = |event: &SessionEvent| matches!(event, SessionEvent::Restored { epoch: 2 });
    let mut renewed = false;
    event(&mut events, |event| {
        renewed |=
            matches!(event, SessionEvent::Subscribed { service: of, .. } if *of == service("a"));
        restored(event)
    })
    .await;
    assert_eq!(fake.state.subscribers("public/G@@a"), 1);
    assert!(session.stands(&Subject::Publication(service("b"))));
    assert_eq!(session.pending(), 0);
    if !renewed {
        event(&mut events, |event| {
            matches!(event, SessionEvent::Subscribed { .. })
        })
        .await;
    }

    fake.state.push_service("G", "a", &["10.0.0.7"], 9);
    let pushed = event(&mut events, |event| {
        matches!(event, SessionEvent::Pushed { .. })
    })
    .await;
    if let SessionEvent::Pushed { service: of, info } = pushed {
        assert_eq!(of, service("a"));
        assert_eq!(info.hosts.items[0].ip, "10.0.0.7");
    }
}

#[tokio::test]
async fn an_answer_that_was_overtaken_by_a_push_is_not_told() {
    let fake = Fake::start().await;
    fake.state.behaviour.lock().overtaken_answers = true;
    let (session, mut events) = Session::start(options(vec![fake.server()]));
    connected(&session, 1).await;
    session.subscribe(service("a")).await.unwrap();
    session.close().await;
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        if let SessionEvent::Pushed { info, .. } | SessionEvent::Subscribed { info, .. } = event {
            seen.push(info.last_ref_time);
        }
    }
    assert_eq!(seen, [99]);
}

#[tokio::test]
async fn another_server_takes_over() {
    for fault in [Fault::Reset, Fault::BlackHole] {
        let (first, second) = (Fake::start().await, Fake::start().await);
        let proxy = FaultProxy::start(first.addr()).await.unwrap();
        let servers = vec![server_at(proxy.addr()), second.server()];
        let (session, _events) = Session::start(options(servers));
        assert_eq!(&*connected(&session, 1).await, proxy.addr().to_string());
        session
            .publish(service("a"), set(&["10.0.0.1"]))
            .await
            .unwrap();
        proxy.set(fault);
        assert_eq!(&*connected(&session, 2).await, second.addr().to_string());
        standing(&second, "a", &["10.0.0.1"]).await;
    }
}

#[tokio::test]
async fn a_server_that_answers_garbage_is_passed_over() {
    let (garbage, good) = (Fake::start().await, Fake::start().await);
    let page = ("text/html".to_owned(), b"<html>".to_vec());
    garbage
        .state
        .behaviour
        .lock()
        .garble
        .insert("ServerCheckRequest", page);
    let (session, _events) = Session::start(options(vec![garbage.server(), good.server()]));
    assert_eq!(&*connected(&session, 1).await, good.addr().to_string());
}

#[tokio::test]
async fn a_server_that_forgets_the_connection_is_asked_again() {
    let fake = Fake::start().await;
    let (session, _events) = Session::start(options(vec![fake.server()]));
    connected(&session, 1).await;
    fake.state
        .behaviour
        .lock()
        .refuse
        .insert("BatchInstanceRequest", vec![301]);
    let error = session
        .publish(service("a"), set(&["10.0.0.1"]))
        .await
        .unwrap_err();
    match error {
        SessionError::Call(error) => assert_eq!(error.class(), ErrorClass::Unregistered),
        SessionError::NotConnected { .. } => {}
        SessionError::Closed => panic!("closed"),
    }
    connected(&session, 2).await;
    standing(&fake, "a", &["10.0.0.1"]).await;
}

#[tokio::test]
async fn a_refusal_is_told_and_a_failure_is_tried_again() {
    let fake = Fake::start().await;
    let (session, mut events) = Session::start(options(vec![fake.server()]));
    connected(&session, 1).await;

    fake.state
        .behaviour
        .lock()
        .refuse
        .insert("BatchInstanceRequest", vec![400]);
    let error = session
        .publish(service("a"), set(&["10.0.0.1"]))
        .await
        .unwrap_err();
    match error {
        SessionError::Call(error) => assert_eq!(error.class(), ErrorClass::InvalidParam),
        other => panic!("{other:?}"),
    }
    let refused = event(&mut events, |event| {
        matches!(event, SessionEvent::Refused { .. })
    })
    .await;
    if let SessionEvent::Refused { subject, .. } = refused {
        assert_eq!(subject, Subject::Publication(service("a")));
    }
    assert_eq!(session.pending(), 0);

    fake.state
        .behaviour
        .lock()
        .refuse
        .insert("BatchInstanceRequest", vec![500, 503, 300]);
    session
        .publish(service("b"), set(&["10.0.0.2"]))
        .await
        .unwrap_err();
    standing(&fake, "b", &["10.0.0.2"]).await;
    eventually(SOON, || async {
        session.stands(&Subject::Publication(service("b")))
    })
    .await;
    // The refused one waits for the next connection or another wish.
    assert!(fake.state.published("public/G@@a").is_empty());
    session
        .publish(service("a"), set(&["10.0.0.1"]))
        .await
        .unwrap();
}

#[tokio::test]
async fn the_latest_set_of_many_stands() {
    let fake = Fake::start().await;
    fake.state.behaviour.lock().slow_batches = Duration::from_millis(50);
    let (session, _events) = Session::start(options(vec![fake.server()]));
    connected(&session, 1).await;
    let first = session.publish(service("a"), set(&["10.0.0.1"]));
    let others = async {
        eventually(SOON, || async { fake.state.most_batches() == 1 }).await;
        let sets: Vec<_> = (2..20)
            .map(|last| set(&[&format!("10.0.0.{last}")]))
            .collect();
        join_all(
            sets.into_iter()
                .map(|set| session.publish(service("a"), set)),
        )
        .await
    };
    let (first, others) = tokio::join!(first, others);
    first.unwrap();
    for published in others {
        published.unwrap();
    }
    standing(&fake, "a", &["10.0.0.19"]).await;
    // The first, and one for all that came while it was on its way.
    assert_eq!(fake.state.calls("BatchInstanceRequest").len(), 2);
}

#[tokio::test]
async fn calls_in_flight_are_bounded() {
    let fake = Fake::start().await;
    fake.state.behaviour.lock().slow_batches = Duration::from_millis(20);
    let options = SessionOptions {
        in_flight: 8,
        ..options(vec![fake.server()])
    };
    let (session, _events) = Session::start(options);
    connected(&session, 1).await;
    let names: Vec<_> = (0..100).map(|number| format!("s{number}")).collect();
    let publishing = names
        .iter()
        .map(|name| session.publish(service(name), set(&["10.0.0.1"])));
    for published in join_all(publishing).await {
        published.unwrap();
    }
    assert_eq!(fake.state.services(), 100);
    assert_eq!(fake.state.most_batches(), 8);
}

#[tokio::test]
async fn what_is_withdrawn_goes_and_stays_away() {
    let fake = Fake::start().await;
    let proxy = FaultProxy::start(fake.addr()).await.unwrap();
    let (session, _events) = Session::start(options(vec![server_at(proxy.addr())]));
    connected(&session, 1).await;
    for name in ["a", "b", "c"] {
        session
            .publish(service(name), set(&["10.0.0.1"]))
            .await
            .unwrap();
    }
    session.withdraw(service("a")).await.unwrap();
    session.publish(service("b"), set(&[])).await.unwrap();
    session.withdraw(service("never published")).await.unwrap();
    assert_eq!(fake.state.services(), 1);
    let withdrawal = fake.state.calls("InstanceRequest").remove(0).body;
    assert_eq!(withdrawal["instance"]["ip"], "10.0.0.1");

    proxy.set(Fault::Reset);
    let mut state = session.state();
    state
        .wait_for(|state| matches!(state, SessionState::Reconnecting { .. }))
        .await
        .unwrap();
    session.withdraw(service("c")).await.unwrap();
    session
        .publish(service("d"), set(&["10.0.0.4"]))
        .await
        .unwrap_err();
    proxy.set(Fault::None);
    standing(&fake, "d", &["10.0.0.4"]).await;
    eventually(SOON, || async { fake.state.services() == 1 }).await;
}

#[tokio::test]
async fn a_server_without_batches_takes_sets_of_one() {
    let fake = Fake::start().await;
    let (session, _events) = Session::start(options(vec![fake.server()]));
    connected(&session, 1).await;
    fake.state
        .behaviour
        .lock()
        .refuse
        .insert("BatchInstanceRequest", vec![302, 302]);
    session
        .publish(service("a"), set(&["10.0.0.1"]))
        .await
        .unwrap();
    standing(&fake, "a", &["10.0.0.1"]).await;
    let two = session
        .publish(service("b"), set(&["10.0.0.1", "10.0.0.2"]))
        .await;
    match two.unwrap_err() {
        SessionError::Call(error) => assert_eq!(error.class(), ErrorClass::NotSupported),
        other => panic!("{other:?}"),
    }
}

/// A session that holds `a` and is being moved from the first to the second
/// server, whose answer takes a while.
async fn moving(old: &Fake, new: &Fake) -> (Session, SessionEvents) {
    let (session, events) = Session::start(options(vec![old.server(), new.server()]));
    connected(&session, 1).await;
    session
        .publish(service("a"), set(&["10.0.0.1"]))
        .await
        .unwrap();
    new.state.behaviour.lock().slow_batches = Duration::from_millis(200);
    let http_port = (new.addr().port() - 1000).to_string();
    let hint = json!({"serverIp": "127.0.0.1", "serverPort": http_port});
    old.state.push("ConnectResetRequest", hint);
    eventually(SOON, || async { new.state.most_batches() == 1 }).await;
    (session, events)
}

#[tokio::test]
async fn a_move_lets_the_old_connection_go_when_the_new_one_holds_everything() {
    let (old, new) = (Fake::start().await, Fake::start().await);
    let (session, mut events) = moving(&old, &new).await;
    assert_eq!(old.state.services(), 1, "still held by the old server");
    standing(&new, "a", &["10.0.0.1"]).await;
    eventually(SOON, || async { old.state.services() == 0 }).await;
    assert_eq!(&*connected(&session, 2).await, new.addr().to_string());
    event(&mut events, |event| {
        assert!(!matches!(event, SessionEvent::Lost { .. }));
        matches!(event, SessionEvent::Restored { epoch: 2 })
    })
    .await;
}

#[tokio::test]
async fn what_is_withdrawn_during_a_move_goes_from_both_servers() {
    let (old, new) = (Fake::start().await, Fake::start().await);
    let (session, _events) = moving(&old, &new).await;
    session.withdraw(service("a")).await.unwrap();
    assert_eq!((old.state.services(), new.state.services()), (0, 0));
}

#[tokio::test]
async fn a_move_that_nobody_takes_changes_nothing() {
    let fake = Fake::start().await;
    let proxy = FaultProxy::start(fake.addr()).await.unwrap();
    proxy.set(Fault::Reset);
    let options = options(vec![fake.server(), server_at(proxy.addr())]);
    let (session, _events) = Session::start(options);
    connected(&session, 1).await;
    session
        .publish(service("a"), set(&["10.0.0.1"]))
        .await
        .unwrap();
    // Neither the other server nor this one takes the next connection.
    fake.state
        .behaviour
        .lock()
        .refuse
        .insert("ServerCheckRequest", vec![300]);
    let checks = || fake.state.calls("ServerCheckRequest").len();
    fake.state.push("ConnectResetRequest", json!({}));
    eventually(SOON, || async { checks() == 2 }).await;
    session
        .publish(service("b"), set(&["10.0.0.2"]))
        .await
        .unwrap();
    connected(&session, 1).await;
    assert_eq!(fake.state.services(), 2);
    // Asked again, it finds this one ready: the same server, another connection.
    fake.state.push("ConnectResetRequest", json!({}));
    connected(&session, 2).await;
    standing(&fake, "a", &["10.0.0.1"]).await;
}

#[tokio::test]
async fn closing_releases_everything() {
    let fake = Fake::start().await;
    let (session, mut events) = Session::start(options(vec![fake.server()]));
    connected(&session, 1).await;
    session
        .publish(service("a"), set(&["10.0.0.1"]))
        .await
        .unwrap();
    let clone = session.clone();
    session.close().await;
    eventually(SOON, || async { fake.state.services() == 0 }).await;
    let error = clone
        .publish(service("b"), set(&["10.0.0.1"]))
        .await
        .unwrap_err();
    assert!(matches!(error, SessionError::Closed));
    assert!(matches!(*clone.state().borrow(), SessionState::Closed));
    while events.next().await.is_some() {}
}

#[tokio::test]
async fn without_servers_nothing_happens() {
    let (session, _events) = Session::start(options(Vec::new()));
    let error = session.subscribe(service("a")).await.unwrap_err();
    assert!(matches!(
        error,
        SessionError::NotConnected { last_error: None }
    ));
    session.close().await;
}
