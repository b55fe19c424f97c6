//! The server as the only member of its cluster.

use axum::Json;
use axum::extract::State;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Site;
use super::failure::result;

pub(super) async fn nodes(State(site): State<Site>, headers: HeaderMap) -> Response {
    plain(json!([member(&site, &headers)]))
}

pub(super) async fn own(State(site): State<Site>, headers: HeaderMap) -> Response {
    plain(member(&site, &headers))
}

pub(super) async fn nodes_in_result(State(site): State<Site>, headers: HeaderMap) -> Response {
    result([member(&site, &headers)])
}

pub(super) async fn self_in_result(State(site): State<Site>, headers: HeaderMap) -> Response {
    result(member(&site, &headers))
}

/// What v1 wraps some answers in.
fn plain(data: Value) -> Response {
    Json(json!({ "code": 200, "message": null, "data": data })).into_response()
}

/// Under another key and without more around it.
pub(super) fn list_as(key: &str, site: &Site, headers: &HeaderMap) -> Response {
    Json(json!({ key: [member(site, headers)] })).into_response()
}

fn member(site: &Site, headers: &HeaderMap) -> Value {
    let (host, port) = address(site, headers);
    let version = site.registry.settings().version;
    let mut member = json!({
        "ip": host,
        "port": port,
        "state": "UP",
        "address": format!("{host}:{port}"),
        "extendInfo": {
            "version": version.to_string(),
            "readyToUpgrade": true,
        },
        "failAccessCnt": 0,
    });
    if !version.is_first_generation() {
        member["abilities"] = json!({
            "remoteAbility": { "supportRemoteConnection": true },
            "configAbility": { "supportRemoteMetrics": false },
            "namingAbility": { "supportJraft": true },
        });
    }
    if version.has_v2() {
        member["abilities"]["remoteAbility"]["grpcReportEnabled"] = true.into();
    }
    if version.has_v3() {
        member["grpcReportEnabled"] = true.into();
    }
    member
}

/// The address by which whoever asks found the server. A client that looks for
/// members would go to any other one in vain: behind a gateway, or in a
/// container, the server does not know under which it can be reached.
fn address(site: &Site, headers: &HeaderMap) -> (String, u16) {
    let host = headers.get(header::HOST);
    let host = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    match host {
        Some(host) => (host.host().to_owned(), host.port_u16().unwrap_or(80)),
        None => ("127.0.0.1".to_owned(), site.port),
    }
}
