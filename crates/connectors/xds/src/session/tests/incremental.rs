//! Streams of deltas.

use prost::Message as _;
use syncline_model::Metadata;

use super::*;
use crate::stream::{Delta, Wire as _};

/// A client that has all clusters and the endpoints of `a` and `b`.
fn settled(services: &Services) -> Session {
    let mut session = Session::new(Protocol::Delta);
    session.replace(services.shared());
    let (_, _, nonce) = only(ask(&mut session, delta(Cluster, &[], &[], "")));
    ask(&mut session, delta(Cluster, &[], &[], &nonce));
    let both = ["public/g/a", "public/g/b"];
    let (_, _, nonce) = only(ask(&mut session, delta(Endpoint, &both, &[], "")));
    assert!(ask(&mut session, delta(Endpoint, &[], &[], &nonce)).is_empty());
    session
}

#[test]
fn only_what_differs_is_sent() {
    let mut services = Services::of(&[("a", 1), ("b", 1)]);
    let mut session = settled(&services);
    services.put("c", 1);
    let (kind, names, nonce) = only(replace(&mut session, &services));
    assert_eq!((kind, names), (Cluster, vec!["c".to_owned()]));
    ask(&mut session, delta(Cluster, &[], &[], &nonce));
    services.remove("c");
    assert_eq!(only(replace(&mut session, &services)).1, ["-c"]);
    services.put("b", 2);
    assert_eq!(only(replace(&mut session, &services)).1, ["b"]);
}

#[test]
fn a_change_in_one_service_of_many_is_a_small_answer() {
    let names: Vec<String> = (0..1_000).map(|number| format!("s{number}")).collect();
    let ports: Vec<(&str, u16)> = names.iter().map(|name| (&**name, 1)).collect();
    let mut services = Services::of(&ports);
    let full: Vec<String> = names
        .iter()
        .map(|name| format!("public/g/{name}"))
        .collect();
    let full: Vec<&str> = full.iter().map(|name| &**name).collect();
    let mut session = Session::new(Protocol::Delta);
    session.replace(services.shared());
    let (_, _, nonce) = only(ask(&mut session, delta(Endpoint, &full, &[], "")));
    ask(&mut session, delta(Endpoint, &[], &[], &nonce));
    let ten = (1..=10).map(|last| {
        let mut instance = Instance::new(format!("10.0.0.{last}").as_str(), Port::MIN);
        instance.metadata = Metadata::from_pairs([("version", "1.4.2"), ("zone", "a")]);
        instance
    });
    services.change("s7", Some(Arc::new(ServiceSet::new(ten.collect()))));
    let answers = replace(&mut session, &services);
    assert_eq!(super::names(&answers[0]), ["s7"]);
    let bytes = Delta::response(answers[0].clone()).encoded_len();
    assert!(bytes < 700, "{bytes}");
}

#[test]
fn who_subscribes_again_is_answered_again() {
    let services = Services::of(&[("a", 1), ("b", 1)]);
    let mut session = settled(&services);
    let again = ask(&mut session, delta(Endpoint, &["public/g/a"], &[], ""));
    assert_eq!(only(again).1, ["a"]);
}

#[test]
fn unknown_names_are_said_to_be_missing_at_once_and_come_later() {
    let mut services = Services::of(&[("a", 1)]);
    let mut session = Session::new(Protocol::Delta);
    session.replace(services.shared());
    let (_, names, nonce) = only(ask(&mut session, delta(Cluster, &["public/g/x"], &[], "")));
    assert_eq!(names, ["-x"]);
    assert!(ask(&mut session, delta(Cluster, &[], &[], &nonce)).is_empty());
    services.put("x", 1);
    assert_eq!(only(replace(&mut session, &services)).1, ["x"]);
}

#[test]
fn a_name_given_up_under_all_is_told_once_more() {
    let services = Services::of(&[("a", 1), ("b", 1)]);
    let mut session = Session::new(Protocol::Delta);
    session.replace(services.shared());
    let request = delta(Cluster, &["*", "public/g/a", "public/g/x"], &[], "");
    let (_, names, nonce) = only(ask(&mut session, request));
    assert_eq!(names, ["a", "b", "-x"]);
    let request = delta(Cluster, &[], &["public/g/a", "public/g/x"], &nonce);
    assert_eq!(only(ask(&mut session, request)).1, ["a", "-x"]);
}

#[test]
fn giving_up_all_ends_it() {
    let mut services = Services::of(&[("a", 1), ("b", 1)]);
    let mut session = settled(&services);
    assert!(ask(&mut session, delta(Cluster, &[], &["*"], "")).is_empty());
    services.put("c", 1);
    assert!(replace(&mut session, &services).is_empty());
}

#[test]
fn who_comes_back_is_sent_what_changed_meanwhile() {
    let mut services = Services::of(&[("a", 1), ("b", 1), ("c", 1)]);
    let clusters = services.resources.of(Cluster);
    let known: HashMap<String, String> = clusters
        .iter()
        .map(|cluster| (cluster.name.to_string(), cluster.version_text()))
        .collect();
    services.remove("a");
    services.put("d", 1);
    let mut session = Session::new(Protocol::Delta);
    session.replace(services.shared());
    let mut request = delta(Cluster, &["*"], &[], "");
    if let Wants::Delta { known: told, .. } = &mut request.wants {
        told.extend(known);
        told.insert(
            "public/g/b".to_owned(),
            "of another control plane".to_owned(),
        );
    }
    let answers = ask(&mut session, request);
    assert_eq!(only(answers).1, ["b", "d", "-a"]);
}

#[test]
fn who_comes_back_to_the_same_is_sent_nothing() {
    let services = Services::of(&[("a", 1)]);
    let mut session = Session::new(Protocol::Delta);
    session.replace(services.shared());
    let mut request = delta(Endpoint, &["public/g/a"], &[], "");
    let endpoints = services
        .resources
        .of(Endpoint)
        .get("public/g/a")
        .expect("there");
    if let Wants::Delta { known, .. } = &mut request.wants {
        known.insert(endpoints.name.to_string(), endpoints.version_text());
    }
    assert!(ask(&mut session, request).is_empty());
}
