//! The HTTP side against what a real Nacos 2.2.4 answered, call by call.
//!
//! The calls of the recording are sent in order, at the recorded times of a
//! clock that stands still in between, so that beats run out as they did.
//! Whatever differs is listed here with its reason, and what is listed has to
//! differ.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::Value;
use syncline_testkit::recordings::{Http, Recording};
use tokio::time::Instant;
use tower::ServiceExt;

use super::*;
use crate::settings::Settings;

/// Where the part of the recording ends that gRPC takes no part in.
const BEFORE_GRPC: u32 = 981;

/// Routes that are answered as unknown.
const MISSING: &[&str] = &[
    "/nacos/v1/core/cluster/nodes",
    "/nacos/v1/core/cluster/self",
    "/nacos/v1/ns/health/checkers",
    "/nacos/v1/ns/instance/metadata/batch",
    "/nacos/v1/ns/operator/distro/client",
    "/nacos/v1/ns/operator/switches",
    "/nacos/v1/ns/service/selector/types",
    "/nacos/v1/ns/service/subscribers",
    "/nacos/v2/core/cluster/node/list",
    "/nacos/v2/ns/catalog/instances",
    "/nacos/v2/ns/client",
    "/nacos/v2/ns/health",
    "/nacos/v2/ns/instance/metadata/batch",
    "/nacos/v2/ns/instance/statuses",
    "/nacos/v2/ns/operator/switches",
];

/// Steps whose answer differs, by a part of their note.
const DIFFERENT: &[(&str, &str)] = &[
    ("state: v1 console", NO_CONSOLE),
    ("health liveness", NO_CONSOLE),
    ("health readiness", NO_CONSOLE),
    ("namespaces list", NO_CONSOLE),
    ("v1 namespace id exists?", NO_CONSOLE),
    ("v1 namespace detail", NO_CONSOLE),
    ("weight NaN", IMPOSSIBLE),
    ("register: port 70000", IMPOSSIBLE),
    ("register: port 65536", IMPOSSIBLE),
    ("register: port 0", IMPOSSIBLE),
    ("register: port -1", IMPOSSIBLE),
    ("v2 register port 70000", IMPOSSIBLE),
    ("v2 detail", NO_ID),
    (
        "v1 list: a@@b",
        "the id that 2.2.4 derives has the part that it drops",
    ),
    ("after batch metadata", NO_BATCH),
    ("after DELETE", NO_BATCH),
    ("after register again", NO_BATCH),
    ("v2 list after updates", NO_BATCH),
    ("v2 patch", "clients do not use it"),
    ("beat: bad JSON", JAVA_TEXT),
    ("v1 cluster PUT not JSON", JAVA_TEXT),
    ("v2 service create, protectThreshold abc", JAVA_TEXT),
    ("v2 service list bad pageNo", JAVA_TEXT),
    ("create, label selector", NO_SELECTOR),
    ("service detail, selector", NO_SELECTOR),
    ("v2 register no", V2_ERROR),
    ("v2 register ephemeral into persistent", V2_ERROR),
    ("v2 list no serviceName", V2_ERROR),
    ("v2 service detail, no name", V2_ERROR),
    ("v2 service delete, no name", V2_ERROR),
    ("v2 deregister no port", V2_ERROR),
    ("list default group", REFUSED_BEFORE),
    ("v1 service names: all", REFUSED_BEFORE),
    ("v1 service names: public", REFUSED_BEFORE),
    ("v1 service names: responsibleOnly", REFUSED_BEFORE),
    ("reg-a, reg-c: disabled and unhealthy", REFUSED_BEFORE),
    ("of size 100", PAST_THE_END),
    ("v1 health PUT with NONE", HEALTH_BY_HAND),
    ("v1 health PUT, short path", HEALTH_BY_HAND),
];

const NO_CONSOLE: &str = "the recorded server has no console";
const IMPOSSIBLE: &str = "nothing could use such an instance";
const NO_ID: &str = "2.2.4 derives no id for what came by v2 or gRPC";
const NO_BATCH: &str = "batch metadata is missing";
const JAVA_TEXT: &str = "the text is that of a Java exception";
const NO_SELECTOR: &str = "there is no selector but none";
const V2_ERROR: &str = "worded as by 2.5.1, whose errors are results";
const REFUSED_BEFORE: &str = "it counts what was refused before";
const PAST_THE_END: &str = "2.2.4 repeats a list that is shorter than a page on every page";
const HEALTH_BY_HAND: &str = "2.x refuses it by a fault";

#[tokio::test(start_paused = true)]
async fn answers_as_nacos_2_2_4_did() {
    let recording = Recording::load("2.2.4-x86").expect("it is part of the testkit");
    let routes = routes(Site {
        registry: Registry::new(Settings::default()),
        port: 8848,
    });
    let started = Instant::now();
    let mut unexpected = Vec::new();
    let mut unseen: BTreeSet<&str> = MISSING.iter().copied().collect();
    unseen.extend(DIFFERENT.iter().map(|(note, _)| note));
    let mut compared = 0;
    for http in recording.http().filter(|http| http.n < BEFORE_GRPC) {
        let at = started + Duration::from_secs_f64(http.t);
        tokio::time::advance(at.saturating_duration_since(Instant::now())).await;
        let answer = call(&routes, http).await;
        let differences = compare(http, &answer);
        if differences.is_empty() {
            compared += 1;
            continue;
        }
        let missing = MISSING.iter().find(|path| http.path.starts_with(**path));
        let missing = missing.filter(|_| matches!(answer.status, 404 | 501));
        let mut different = DIFFERENT
            .iter()
            .filter(|(note, _)| http.note.contains(note));
        if let Some(path) = missing {
            unseen.remove(path);
        } else if let Some((note, _)) = different.next() {
            unseen.remove(note);
        } else {
            unexpected.push(format!(
                "#{} {} {} [{}] {:?}: {differences:#?}",
                http.n, http.method, http.path, http.note, http.query
            ));
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    assert!(unseen.is_empty(), "no longer different: {unseen:?}");
    assert!(compared > 700, "{compared}");
}

struct Answer {
    status: u16,
    content_type: Option<String>,
    body: String,
}

async fn call(routes: &Router, http: &Http) -> Answer {
    let uri = format!("{}?{}", http.path, encoded(&http.query));
    let mut request = Request::builder().method(http.method.as_str()).uri(uri);
    let body = match &http.form {
        Some(form) => {
            let form_type = "application/x-www-form-urlencoded";
            request = request.header(header::CONTENT_TYPE, form_type);
            Body::from(encoded(form))
        }
        None => Body::empty(),
    };
    let request = request.body(body).expect("a request");
    let response = routes.clone().oneshot(request).await.expect("infallible");
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.map(|value| value.to_str().expect("ASCII").to_owned());
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
    let body = body.expect("a body in memory").to_vec();
    Answer {
        status,
        content_type,
        body: String::from_utf8(body).expect("UTF-8"),
    }
}

fn encoded(pairs: &BTreeMap<String, String>) -> String {
    let percent = |text: &str| -> String { text.bytes().map(|b| format!("%{b:02X}")).collect() };
    let pairs = pairs.iter();
    let pairs = pairs.map(|(key, value)| format!("{}={}", percent(key), percent(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn compare(http: &Http, answer: &Answer) -> Vec<String> {
    let mut differences = Vec::new();
    let (mut wanted, mut got) = (json_of(&http.body), json_of(&answer.body));
    if let (Value::String(text), Value::Object(result)) = (&wanted, &got)
        && result.get("data") == Some(&Value::String(text.clone()))
        && http.path.contains("/v2/")
    {
        // The recorded artefact lacks what puts errors of v2 into results.
        return differences;
    }
    if http.status != answer.status {
        differences.push(format!("status {} became {}", http.status, answer.status));
    }
    if kind_of(http.content_type.as_deref()) != kind_of(answer.content_type.as_deref()) {
        differences.push(format!("content type {:?}", answer.content_type));
    }
    forget_impossible(&mut wanted);
    for value in [&mut wanted, &mut got] {
        normalise(value);
        if is_page(http) {
            count_lists(value);
        }
    }
    diff("", &wanted, &got, &mut differences);
    differences
}

fn kind_of(content_type: Option<&str>) -> Option<&str> {
    content_type?.split(';').next()
}

fn json_of(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned()))
}

/// Pages show different parts of a list whose order is another.
fn is_page(http: &Http) -> bool {
    let lists = ["/service/list", "/catalog/services"];
    lists.iter().any(|list| http.path.ends_with(list)) && http.query.contains_key("pageNo")
        || http.note.contains("no paging")
        || http.note == "v2 service list no paging"
}

fn count_lists(value: &mut Value) {
    match value {
        Value::Array(list) => *value = Value::from(list.len()),
        Value::Object(object) => object.values_mut().for_each(count_lists),
        _ => {}
    }
}

/// Drops what cannot be registered here: instances that cannot be reached, and
/// metadata that says nothing.
fn forget_impossible(value: &mut Value) {
    match value {
        Value::Array(list) => {
            list.retain(|item| {
                let port = item.get("port").and_then(Value::as_i64);
                port.is_none_or(|port| (1..=65_535).contains(&port)) && item["weight"] != "NaN"
            });
            list.iter_mut().for_each(forget_impossible);
        }
        Value::Object(object) => {
            if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
                metadata.retain(|_, value| !value.is_null());
            }
            object.values_mut().for_each(forget_impossible);
        }
        _ => {}
    }
}

/// Drops what differs from run to run, and orders what has no order.
fn normalise(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if object.remove("timestamp").is_some() {
                // An official server has it, the recorded artefact has not.
                object.remove("message");
            }
            for volatile in ["lastRefTime", "allIps", "cpu", "load", "mem"] {
                object.remove(volatile);
            }
            object.values_mut().for_each(normalise);
        }
        Value::Array(list) => {
            list.iter_mut().for_each(normalise);
            list.sort_by_key(|item| match item.get("ip") {
                // Before the id, which one side may lack.
                Some(ip) => format!("{ip}{}{}", item["port"], item["metadata"]),
                None => item.to_string(),
            });
        }
        _ => {}
    }
}

fn diff(at: &str, wanted: &Value, got: &Value, differences: &mut Vec<String>) {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            for (key, value) in wanted {
                match got.get(key) {
                    Some(other) => diff(&format!("{at}/{key}"), value, other, differences),
                    None => differences.push(format!("{at}/{key} is missing: {value}")),
                }
            }
            // Ids are derived for all instances here.
            let new = got.keys().filter(|key| *key != "instanceId");
            let new = new.filter(|key| !wanted.contains_key(*key));
            differences.extend(new.map(|key| format!("{at}/{key} is new: {}", got[key])));
        }
        (Value::Array(wanted), Value::Array(got)) if wanted.len() == got.len() => {
            for (index, (wanted, got)) in wanted.iter().zip(got).enumerate() {
                diff(&format!("{at}/{index}"), wanted, got, differences);
            }
        }
        _ if wanted == got => {}
        _ => differences.push(format!("{at}: {wanted} became {got}")),
    }
}
