//! Streams, stepped by hand.

mod incremental;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use syncline_contract::Snapshot;
use syncline_model::{Instance, Port, ServiceKey, ServiceSet};

use super::*;
use crate::config::XdsConfig;
use crate::resources::ALL_ROUTES;

use Kind::{Cluster, Endpoint, Listener, Route};

/// What a link gives, and the resources made of it.
#[derive(Default)]
struct Services {
    snapshot: Snapshot,
    resources: Resources,
}

impl Services {
    fn of(services: &[(&str, u16)]) -> Self {
        let mut all = Self::default();
        for (name, port) in services {
            all.snapshot.insert(key(name), instance_at(*port));
        }
        all.render(&[]);
        all
    }

    /// A service with one instance, by which its content is told.
    fn put(&mut self, name: &str, port: u16) {
        self.change(name, Some(instance_at(port)));
    }

    fn remove(&mut self, name: &str) {
        self.change(name, None);
    }

    fn change(&mut self, name: &str, set: Option<Arc<ServiceSet>>) {
        match set {
            Some(set) => drop(self.snapshot.insert(key(name), set)),
            None => drop(self.snapshot.remove(&key(name))),
        }
        self.render(&[key(name)]);
    }

    fn render(&mut self, changed: &[ServiceKey]) {
        let config = XdsConfig {
            listener: Some(SocketAddr::from(([127, 0, 0, 1], 10_000))),
            ..XdsConfig::default()
        };
        self.resources = self.resources.next(&self.snapshot, changed, &config).0;
    }

    fn shared(&self) -> Arc<Resources> {
        Arc::new(self.resources.clone())
    }
}

fn key(name: &str) -> ServiceKey {
    ServiceKey::new("public", "g", name)
}

fn instance_at(port: u16) -> Arc<ServiceSet> {
    let instance = Instance::new("10.0.0.1", Port::new(port).expect("not zero"));
    Arc::new(ServiceSet::new(vec![instance]))
}

fn whole(kind: Kind, names: &[&str], nonce: &str) -> Request {
    Request {
        kind,
        nonce: nonce.to_owned(),
        refusal: None,
        wants: Wants::Whole {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            version: String::new(),
        },
    }
}

fn delta(kind: Kind, subscribe: &[&str], unsubscribe: &[&str], nonce: &str) -> Request {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Request {
        kind,
        nonce: nonce.to_owned(),
        refusal: None,
        wants: Wants::Delta {
            subscribe: owned(subscribe),
            unsubscribe: owned(unsubscribe),
            known: HashMap::new(),
        },
    }
}

fn refusing(request: Request) -> Request {
    Request {
        refusal: Some("no such thing".to_owned()),
        ..request
    }
}

/// Sends a request, and gives what comes back.
fn ask(session: &mut Session, request: Request) -> Vec<Answer> {
    session.request(request).expect("few names");
    session.answers()
}

fn replace(session: &mut Session, services: &Services) -> Vec<Answer> {
    session.replace(services.shared());
    session.answers()
}

/// The one answer, as its kind, the names in it without what all share, and its
/// nonce.
fn only(answers: Vec<Answer>) -> (Kind, Vec<String>, String) {
    assert_eq!(answers.len(), 1, "{answers:#?}");
    let answer = &answers[0];
    (answer.kind, names(answer), answer.nonce.clone())
}

fn names(answer: &Answer) -> Vec<String> {
    let resources = answer
        .resources
        .iter()
        .map(|resource| short(&resource.name));
    let removed = answer
        .removed
        .iter()
        .map(|name| format!("-{}", short(name)));
    resources.chain(removed).collect()
}

fn short(name: &str) -> String {
    name.replace("public/g/", "")
}

/// A client of the state of the world that has all clusters and the endpoints
/// of `names`, and said so.
fn settled(services: &Services, names: &[&str]) -> (Session, String, String) {
    let mut session = Session::new(Protocol::Whole);
    session.replace(services.shared());
    let (_, _, clusters) = only(ask(&mut session, whole(Cluster, &[], "")));
    assert!(ask(&mut session, whole(Cluster, &[], &clusters)).is_empty());
    let (_, _, endpoints) = only(ask(&mut session, whole(Endpoint, names, "")));
    assert!(ask(&mut session, whole(Endpoint, names, &endpoints)).is_empty());
    (session, clusters, endpoints)
}

#[test]
fn nobody_is_answered_before_there_is_a_whole_list() {
    let mut session = Session::new(Protocol::Whole);
    assert!(ask(&mut session, whole(Cluster, &[], "")).is_empty());
    let answer = replace(&mut session, &Services::of(&[("a", 1), ("b", 1)]));
    assert_eq!(
        only(answer),
        (Cluster, vec!["a".into(), "b".into()], "1".into())
    );
}

#[test]
fn a_list_without_services_is_an_answer() {
    let mut services = Services::of(&[("a", 1)]);
    services.remove("a");
    let mut session = Session::new(Protocol::Whole);
    session.replace(services.shared());
    let (_, names, nonce) = only(ask(&mut session, whole(Cluster, &[], "")));
    assert_eq!(names, Vec::<String>::new());
    assert!(ask(&mut session, whole(Cluster, &[], &nonce)).is_empty());
}

#[test]
fn of_a_change_in_one_service_its_endpoints_alone_are_sent() {
    let mut services = Services::of(&[("a", 1), ("b", 1)]);
    let (mut session, ..) = settled(&services, &["public/g/a", "public/g/b"]);
    services.put("b", 2);
    let (kind, names, _) = only(replace(&mut session, &services));
    assert_eq!((kind, names), (Endpoint, vec!["b".to_owned()]));
}

#[test]
fn what_did_not_change_is_not_sent_again() {
    let mut services = Services::of(&[("a", 1)]);
    let (mut session, ..) = settled(&services, &["public/g/a"]);
    services.put("a", 1);
    assert!(replace(&mut session, &services).is_empty());
}

#[test]
fn a_slow_client_is_given_the_latest_and_no_backlog() {
    let mut services = Services::of(&[("a", 1)]);
    let (mut session, ..) = settled(&services, &["public/g/a"]);
    services.put("a", 2);
    let (_, _, nonce) = only(replace(&mut session, &services));
    for port in 3..10 {
        services.put("a", port);
        assert!(replace(&mut session, &services).is_empty());
    }
    let answers = ask(&mut session, whole(Endpoint, &["public/g/a"], &nonce));
    let now = services.resources.of(Endpoint).get("public/g/a");
    assert_eq!(answers[0].resources.first(), now);
}

#[test]
fn a_new_service_is_known_before_the_route_to_it_and_gone_after() {
    let mut services = Services::of(&[("a", 1)]);
    let (mut session, ..) = settled(&services, &["public/g/a"]);
    let (_, _, routes) = only(ask(&mut session, whole(Route, &[&ALL_ROUTES], "")));
    assert!(ask(&mut session, whole(Route, &[&ALL_ROUTES], &routes)).is_empty());

    services.put("b", 1);
    let (kind, _, added) = only(replace(&mut session, &services));
    assert_eq!(kind, Cluster);
    // Envoy asks for the endpoints, and says that it has the cluster when it is
    // warm.
    let both = ["public/g/a", "public/g/b"];
    let (kind, names, endpoints) = only(ask(&mut session, whole(Endpoint, &both, "2")));
    assert_eq!((kind, names), (Endpoint, vec!["b".to_owned()]));
    assert!(ask(&mut session, whole(Endpoint, &both, &endpoints)).is_empty());
    let (kind, _, routes) = only(ask(&mut session, whole(Cluster, &[], &added)));
    assert_eq!(kind, Route);
    assert!(ask(&mut session, whole(Route, &[&ALL_ROUTES], &routes)).is_empty());

    services.remove("a");
    let (kind, _, routes) = only(replace(&mut session, &services));
    assert_eq!(kind, Route);
    let gone = only(ask(&mut session, whole(Route, &[&ALL_ROUTES], &routes)));
    assert_eq!((gone.0, gone.1), (Cluster, vec!["b".to_owned()]));
    // Envoy drops the cluster and asks for its endpoints no more.
    assert!(ask(&mut session, whole(Endpoint, &["public/g/b"], &endpoints)).is_empty());
    assert!(ask(&mut session, whole(Cluster, &[], &gone.2)).is_empty());
}

#[test]
fn one_service_in_place_of_another_stands_beside_it_for_a_while() {
    let mut services = Services::of(&[("a", 1)]);
    let (mut session, ..) = settled(&services, &["public/g/a"]);
    let (_, _, routes) = only(ask(&mut session, whole(Route, &[&ALL_ROUTES], "")));
    ask(&mut session, whole(Route, &[&ALL_ROUTES], &routes));
    services.put("b", 1);
    services.remove("a");
    let (kind, names, nonce) = only(replace(&mut session, &services));
    assert_eq!(
        (kind, names),
        (Cluster, vec!["a".to_owned(), "b".to_owned()])
    );
    let (kind, _, routes) = only(ask(&mut session, whole(Cluster, &[], &nonce)));
    assert_eq!(kind, Route);
    let (kind, names, _) = only(ask(&mut session, whole(Route, &[&ALL_ROUTES], &routes)));
    assert_eq!((kind, names), (Cluster, vec!["b".to_owned()]));
}

#[test]
fn a_changed_cluster_is_given_its_endpoints_once_more() {
    let services = Services::of(&[("a", 1), ("b", 1)]);
    let (mut session, ..) = settled(&services, &["public/g/a", "public/g/b"]);
    let other = XdsConfig {
        panic_threshold: Some(0),
        ..XdsConfig::default()
    };
    let changed = Resources::default().next(&services.snapshot, &[], &other).0;
    session.replace(Arc::new(changed));
    let answers = session.answers();
    let kinds: Vec<Kind> = answers.iter().map(|answer| answer.kind).collect();
    assert_eq!(kinds, [Cluster, Endpoint]);
    assert_eq!(names(&answers[1]), ["a", "b"]);
}

#[test]
fn what_is_refused_is_not_sent_again_until_it_changes() {
    let mut services = Services::of(&[("a", 1)]);
    let (mut session, ..) = settled(&services, &["public/g/a"]);
    services.put("a", 2);
    let (_, _, nonce) = only(replace(&mut session, &services));
    let request = refusing(whole(Endpoint, &["public/g/a"], &nonce));
    let refused = session
        .request(request)
        .expect("few names")
        .expect("a refusal");
    assert_eq!(refused.culprit.as_deref(), Some("public/g/a"));
    assert_eq!(refused.reason, "no such thing");
    assert!(session.answers().is_empty());
    assert!(replace(&mut session, &services).is_empty());
    services.put("a", 3);
    assert_eq!(only(replace(&mut session, &services)).1, ["a"]);
}

#[test]
fn refused_clusters_keep_what_stands_and_everything_goes_on() {
    let mut services = Services::of(&[("a", 1)]);
    let (mut session, ..) = settled(&services, &["public/g/a"]);
    services.put("b", 1);
    let (_, _, nonce) = only(replace(&mut session, &services));
    assert!(ask(&mut session, refusing(whole(Cluster, &[], &nonce))).is_empty());
    services.put("a", 2);
    assert_eq!(only(replace(&mut session, &services)).0, Endpoint);
    services.remove("b");
    services.put("c", 1);
    let answers = replace(&mut session, &services);
    assert_eq!(
        answers.iter().map(|answer| answer.kind).next(),
        Some(Cluster)
    );
}

/// Refuses every answer that holds the bad one, and counts its words.
fn converse(
    session: &mut Session,
    mut answers: Vec<Answer>,
    bad: &str,
    all: &[&str],
) -> (usize, Vec<String>) {
    let (mut refusals, mut accepted) = (0, Vec::new());
    while let Some(answer) = answers.pop() {
        let names = names(&answer);
        let request = delta(Endpoint, &[], &[], &answer.nonce);
        let request = match names.iter().any(|name| name == bad) {
            true => {
                refusals += 1;
                refusing(request)
            }
            false => {
                accepted.extend(names);
                request
            }
        };
        assert!(refusals <= all.len(), "a client is asked again and again");
        answers.extend(ask(session, request));
    }
    accepted.sort();
    (refusals, accepted)
}

#[test]
fn one_bad_resource_spoils_no_other() {
    let names: Vec<String> = (0..40).map(|number| format!("s{number:02}")).collect();
    let services: Vec<(&str, u16)> = names.iter().map(|name| (&**name, 1)).collect();
    let services = Services::of(&services);
    let full: Vec<String> = names
        .iter()
        .map(|name| format!("public/g/{name}"))
        .collect();
    let full: Vec<&str> = full.iter().map(|name| &**name).collect();
    let mut session = Session::new(Protocol::Delta);
    session.replace(services.shared());
    let answers = ask(&mut session, delta(Endpoint, &full, &[], ""));
    let (refusals, accepted) = converse(&mut session, answers, "s17", &full);
    let others: Vec<&String> = names.iter().filter(|name| *name != "s17").collect();
    assert_eq!(accepted.iter().collect::<Vec<_>>(), others);
    assert!(refusals <= 12, "{refusals}");
}

#[test]
fn a_late_word_about_an_earlier_answer_still_says_what_is_wanted() {
    let mut services = Services::of(&[("a", 1), ("b", 1)]);
    let (mut session, _, first) = settled(&services, &["public/g/a"]);
    services.put("a", 2);
    let (_, _, second) = only(replace(&mut session, &services));
    let both = ["public/g/a", "public/g/b"];
    assert!(ask(&mut session, whole(Endpoint, &both, &first)).is_empty());
    assert_eq!(
        only(ask(&mut session, whole(Endpoint, &both, &second))).1,
        ["b"]
    );
}

#[test]
fn endpoints_of_a_service_that_is_not_there_are_none() {
    let mut services = Services::of(&[("a", 1)]);
    let mut session = Session::new(Protocol::Whole);
    session.replace(services.shared());
    let wants = ["public/g/a", "public/g/later"];
    let answers = ask(&mut session, whole(Endpoint, &wants, ""));
    assert_eq!(names(&answers[0]), ["a", "later"]);
    assert_eq!(
        *answers[0].resources[1],
        crate::resources::of_nobody(&Arc::from(wants[1]))
    );
    assert!(ask(&mut session, whole(Endpoint, &wants, &answers[0].nonce)).is_empty());
    services.put("later", 1);
    let (_, names, nonce) = only(replace(&mut session, &services));
    assert_eq!(names, ["later"]);
    ask(&mut session, whole(Endpoint, &wants, &nonce));
    services.remove("a");
    assert_eq!(only(replace(&mut session, &services)).1, ["a"]);
}

#[test]
fn names_end_the_subscription_to_all_and_none_then_mean_none() {
    let mut services = Services::of(&[("a", 1), ("b", 1)]);
    let mut session = Session::new(Protocol::Whole);
    session.replace(services.shared());
    let (_, names, nonce) = only(ask(&mut session, whole(Cluster, &[], "")));
    assert_eq!(names, ["a", "b"]);
    let (_, names, nonce) = only(ask(&mut session, whole(Cluster, &["public/g/a"], &nonce)));
    assert_eq!(names, ["a"]);
    assert!(ask(&mut session, whole(Cluster, &[], &nonce)).is_empty());
    services.put("c", 1);
    assert!(replace(&mut session, &services).is_empty());
}

#[test]
fn grpc_clients_are_given_the_listener_that_they_name_and_envoy_is_not() {
    let services = Services::of(&[("a", 1)]);
    let mut envoy = Session::new(Protocol::Whole);
    envoy.replace(services.shared());
    assert_eq!(
        only(ask(&mut envoy, whole(Listener, &[], ""))).1,
        [&**ALL_ROUTES]
    );
    let mut grpc = Session::new(Protocol::Whole);
    grpc.replace(services.shared());
    assert_eq!(
        only(ask(&mut grpc, whole(Listener, &["a.g.public"], ""))).1,
        ["a.g.public"]
    );
    let missing = only(ask(
        &mut grpc,
        whole(Listener, &["a.g.public", "b.g.public"], "1"),
    ));
    assert_eq!(missing.1, ["a.g.public"], "what is left out is not there");
}

#[test]
fn who_comes_back_with_the_version_that_stands_is_sent_nothing() {
    let mut services = Services::of(&[("a", 1), ("b", 1)]);
    let mut session = Session::new(Protocol::Whole);
    session.replace(services.shared());
    let version = ask(&mut session, whole(Cluster, &[], ""))[0]
        .version
        .clone();
    let resume = |services: &Services| {
        let mut session = Session::new(Protocol::Whole);
        session.replace(services.shared());
        let mut request = whole(Cluster, &[], "");
        request.wants = Wants::Whole {
            names: Vec::new(),
            version: version.clone(),
        };
        let answers = ask(&mut session, request);
        (session, answers)
    };
    let (mut resumed, answers) = resume(&services);
    assert!(answers.is_empty());
    services.put("c", 1);
    assert_eq!(only(replace(&mut resumed, &services)).1, ["a", "b", "c"]);
    assert_eq!(only(resume(&services).1).1, ["a", "b", "c"]);
}

#[test]
fn nobody_subscribes_to_more_names_than_there_could_be() {
    let mut session = Session::new(Protocol::Delta);
    let names: Vec<String> = (0..=200_000).map(|number| number.to_string()).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    assert!(session.request(delta(Endpoint, &names, &[], "")).is_err());
}
