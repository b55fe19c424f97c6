//! What an operator may read of how the server is set, as Nacos has it where
//! nobody changed anything. Nothing of it can be changed here: what could be is
//! set in a configuration, where the next start finds it again.

use std::time::Duration;

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Site;
use super::failure::{Failure, InResult, ok, result, spring_error};
use super::member;
use super::params::Params;
use crate::checks::Pace;

pub(super) async fn switches(State(site): State<Site>) -> Response {
    Json(all_switches(&site)).into_response()
}

pub(super) async fn switches_in_result(State(site): State<Site>) -> Response {
    result(all_switches(&site))
}

/// Takes a switch that is set to what it is, and refuses any other: an "ok" to
/// what then does not happen would be a lie.
pub(super) async fn set_switch(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, Failure> {
    keep_switch(&site, &params)?;
    Ok(ok())
}

pub(super) async fn set_switch_in_result(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    keep_switch(&site, &params)?;
    Ok(result("ok"))
}

fn keep_switch(site: &Site, params: &Params) -> Result<(), Failure> {
    let entry = params.declared("entry")?;
    let value = params.declared("value")?;
    let all = all_switches(site);
    let is = all.get(entry).map(|is| match is {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    if is.as_deref() == Some(value) {
        return Ok(());
    }
    Err(Failure::invalid(format!(
        "the switch {entry} cannot be set to {value}: the embedded registry is set by its configuration"
    )))
}

fn all_switches(site: &Site) -> Value {
    let settings = site.registry.settings();
    let checks = &settings.checks;
    let mut switches = json!({
        "masters": null,
        "adWeightMap": {},
        "defaultPushCacheMillis": 10_000,
        "clientBeatInterval": 5_000,
        "defaultCacheMillis": 3_000,
        "distroThreshold": 0.7,
        "healthCheckEnabled": checks.enabled,
        "autoChangeHealthCheckEnabled": true,
        "distroEnabled": true,
        "enableStandalone": true,
        "pushEnabled": true,
        "checkTimes": checks.times,
        "httpHealthParams": paced(&checks.http),
        "tcpHealthParams": paced(&checks.tcp),
        "mysqlHealthParams": { "max": 3_000, "min": 2_000, "factor": 0.65 },
        "incrementalList": [],
        "serverStatusSynchronizationPeriodMillis": 2_000,
        "serviceStatusSynchronizationPeriodMillis": 5_000,
        "disableAddIP": false,
        "sendBeatOnly": false,
        "lightBeatEnabled": true,
        "limitedUrlMap": {},
        "distroServerExpiredMillis": 10_000,
        "enableAuthentication": false,
        "overriddenServerStatus": null,
        "defaultInstanceEphemeral": true,
        "healthCheckWhiteList": [],
        "name": "00-00---000-NACOS_SWITCH_DOMAIN-000---00-00",
        "checksum": null,
    });
    if settings.version.has_upgrade_ops() {
        switches["doubleWriteEnabled"] = false.into();
    }
    for (client, version) in [
        ("Go", "0.1.0"),
        ("Java", "0.1.0"),
        ("Python", "0.4.3"),
        ("C", "1.0.12"),
        ("CSharp", "0.9.0"),
    ] {
        if client == "CSharp" && !settings.version.is_since_1_4() {
            continue;
        }
        let key = match (client, settings.version.has_v3()) {
            ("CSharp", true) => "pushVersionOfCsharp".to_owned(),
            (client, true) => format!("pushVersionOf{client}"),
            (client, false) => format!("push{client}Version"),
        };
        switches[key] = version.into();
    }
    switches
}

fn paced(pace: &Pace) -> Value {
    let millis = |wait: Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    json!({ "max": millis(pace.most), "min": millis(pace.least), "factor": pace.inertia })
}

/// The servers, as before 2.2: this one.
pub(super) async fn servers(State(site): State<Site>, headers: HeaderMap) -> Response {
    member::list_as("servers", &site, &headers)
}

/// The servers that share the data, as in 1.x: this one.
pub(super) async fn distro_status(State(site): State<Site>, headers: HeaderMap) -> Response {
    member::list_as("status", &site, &headers)
}

/// Pages about how the servers of a cluster agree. An invented leader would
/// mislead whoever looks for one.
pub(super) async fn no_cluster(OriginalUri(uri): OriginalUri) -> Response {
    let message = "the embedded registry is alone: there is no raft and no distro";
    spring_error(StatusCode::NOT_IMPLEMENTED, message, uri.path())
}

/// The kinds of selectors that a service can have.
const SELECTORS: [&str; 2] = ["label", "none"];

pub(super) async fn selectors() -> Response {
    let body = json!({ "code": 200, "message": null, "data": SELECTORS });
    Json(body).into_response()
}

pub(super) async fn selectors_in_result() -> Response {
    result(SELECTORS)
}

pub(super) async fn checkers() -> Response {
    Json(all_checkers()).into_response()
}

pub(super) async fn checkers_in_result() -> Response {
    result(all_checkers())
}

/// The checkers that a cluster can have, and what can be set of each.
fn all_checkers() -> Value {
    json!({
        "TCP": {},
        "HTTP": { "path": "", "headers": "", "expectedResponseCode": 200 },
        "MYSQL": { "user": null, "pwd": null, "cmd": null },
        "NONE": {},
    })
}
