//! Every decoder against what real servers answered, 1.3.0 to 3.0.3.

mod answers;
mod lists;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use reqwest::StatusCode;
use serde_json::Value;
use syncline_testkit::recordings::{Http, NAMES, Recording};

use super::decode::ServicePage;
use super::error::Call;
use super::instances::ConsumerList;
use super::transport::Answer;
use crate::message::Instance;

/// All recordings, read once.
fn recordings() -> &'static [Recording] {
    static ALL: LazyLock<Vec<Recording>> = LazyLock::new(|| {
        let load = |name: &&str| Recording::load(name).expect("a recording");
        NAMES.iter().map(load).collect()
    });
    &ALL
}

fn answer(http: &Http) -> Answer {
    Answer {
        call: Call {
            attempted: http.note.clone().into(),
            server: "recorded".into(),
        },
        body: Bytes::copy_from_slice(http.body.as_bytes()),
        ..blank(http.status)
    }
}

fn blank(status: u16) -> Answer {
    Answer {
        call: Call {
            attempted: "try".into(),
            server: "a:8848".into(),
        },
        status: StatusCode::from_u16(status).expect("a status"),
        location: None,
        retry_after: None,
        body: Bytes::new(),
    }
}

/// Calls `check` with each recorded answer to a GET of that path, and says how
/// many there were with status 200, by recording.
fn each(
    path: &str,
    mut check: impl FnMut(&'static str, &Http, Answer),
) -> BTreeMap<&'static str, usize> {
    let mut good = BTreeMap::new();
    for recording in recordings() {
        for http in recording.http_to("GET", path) {
            if http.status == 200 {
                *good.entry(recording.name).or_default() += 1;
            }
            check(recording.name, http, answer(http));
        }
    }
    good
}

fn json(http: &Http) -> Value {
    serde_json::from_str(&http.body).expect("recorded JSON")
}

/// All instances of a recorded service with clusters, as (cluster, host).
fn hosts_of(service: &Value) -> Vec<(&str, &Value)> {
    let clusters = service["clusterMap"].as_object().expect("clusters");
    clusters
        .iter()
        .flat_map(|(cluster, content)| {
            let hosts = content["hosts"].as_array().expect("hosts");
            hosts.iter().map(move |host| (cluster.as_str(), host))
        })
        .collect()
}

/// Compares instances with what was recorded, field by field and in any order.
fn assert_same_instances(found: &[Instance], recorded: &[(&str, &Value)], health: &str) {
    assert_eq!(found.len(), recorded.len());
    for (cluster, host) in recorded {
        let same = |instance: &&Instance| {
            let weight = match &host["weight"] {
                Value::String(text) => text == "NaN" && instance.weight.is_nan(),
                number => number.as_f64() == Some(instance.weight),
            };
            let metadata = host["metadata"].as_object().expect("metadata");
            let metadata: BTreeMap<String, String> = metadata
                .iter()
                .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
                .collect();
            host["ip"] == instance.ip.as_str()
                && host["port"] == instance.port
                && host[health] == instance.healthy
                && host["enabled"] == instance.enabled
                && instance.cluster_name == *cluster
                && weight
                && metadata == instance.metadata
        };
        assert!(found.iter().any(|i| same(&i)), "{host} is not in {found:?}");
    }
}

fn assert_same_services(page: &ServicePage, recorded: &[Value], health: &str) {
    assert_eq!(page.entries(), recorded.len());
    for rejected in &page.rejected {
        assert!(rejected.why.reason.contains("has no"), "{rejected:?}");
    }
    for service in &page.services {
        assert!(service.rejected.is_empty(), "{:?}", service.rejected);
        let same = |v: &&Value| {
            v["serviceName"] == service.name.as_str() && v["groupName"] == service.group.as_str()
        };
        let recorded = recorded.iter().find(same).expect("recorded as well");
        assert_same_instances(&service.instances, &hosts_of(recorded), health);
    }
}

fn assert_same_list(list: &ConsumerList, hosts: &Value) {
    let hosts = hosts.as_array().expect("hosts");
    let recorded: Vec<_> = hosts
        .iter()
        .map(|host| (host["clusterName"].as_str().expect("a cluster"), host))
        .collect();
    assert!(list.rejected.is_empty(), "{:?}", list.rejected);
    assert_same_instances(&list.instances, &recorded, "healthy");
}
