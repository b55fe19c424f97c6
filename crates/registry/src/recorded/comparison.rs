//! What counts as a difference.

use serde_json::Value;
use syncline_nacos::message::payload::Payload;
use syncline_testkit::recordings::{Grpc, Http};

use super::Answer;

pub(super) fn compare_http(http: &Http, answer: &Answer) -> Vec<String> {
    let mut differences = Vec::new();
    let (wanted, got) = (json_of(&http.body), json_of(&answer.body));
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
    compare(wanted, got, is_page(http), &mut differences);
    differences
}

pub(super) fn compare_grpc(grpc: &Grpc, answer: &Payload) -> Vec<String> {
    let mut differences = Vec::new();
    let kind = answer.metadata.as_ref().map(|m| m.r#type.as_str());
    if kind != grpc.response_type.as_deref() {
        differences.push(format!("{:?} became {kind:?}", grpc.response_type));
    }
    let wanted = grpc.response.clone().unwrap_or_default();
    let body = answer.body.as_ref().map_or(&[][..], |body| &body.value);
    let got = serde_json::from_slice(body).unwrap_or_default();
    let is_page = grpc.request_type == "ServiceListRequest";
    compare(wanted, got, is_page, &mut differences);
    differences
}

fn compare(mut wanted: Value, mut got: Value, is_page: bool, differences: &mut Vec<String>) {
    forget_impossible(&mut wanted);
    if wanted["timestamp"].is_string() && wanted.get("message").is_none() {
        // An official server has it, the artefact of 2.2.4 has not.
        got.as_object_mut().and_then(|got| got.remove("message"));
    }
    for value in [&mut wanted, &mut got] {
        normalise(value);
        if is_page {
            count_lists(value);
        }
    }
    diff("", &wanted, &got, differences);
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
                let reachable = port.is_none_or(|port| (1..=65_535).contains(&port));
                item.get("weight").is_none() || (reachable && item["weight"] != "NaN")
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
            // A member names itself by any of its host's addresses.
            if object.contains_key("failAccessCnt") {
                object.remove("ip");
                object.remove("address");
            }
            for volatile in [
                "timestamp",
                "lastRefTime",
                // One of 2.x and one of 3.x; both are always there here.
                "allIPs",
                "allIps",
                "lastUpdatedTime",
                // Of 1.x.
                "lastBeat",
                "checksum",
                "extendInfo",
                "connectionId",
                "cpu",
                "load",
                "mem",
            ] {
                object.remove(volatile);
            }
            object.values_mut().for_each(normalise);
        }
        Value::Array(list) => {
            list.iter_mut().for_each(normalise);
            list.sort_by_key(|item| match item.get("ip") {
                // Before the id, which one side may lack. Subscribers have none.
                Some(ip) if item.get("addrStr").is_none() => {
                    format!("{ip}{}{}", item["port"], item["metadata"])
                }
                _ => item.to_string(),
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
