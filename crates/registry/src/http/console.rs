//! What a client may ask about the server itself.

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Site;
use super::failure::{Failure, result};
use super::namespaces;
use super::params::Params;
use crate::registry::Registry;

/// The console's part of v1, which 3.x has elsewhere.
pub(super) fn v1() -> Router<Site> {
    Router::new()
        .route(
            "/v1/console/namespaces",
            get(namespaces::read_v1)
                .post(namespaces::create_v1)
                .put(namespaces::update_v1)
                .delete(namespaces::delete_v1),
        )
        .route("/v1/console/server/state", get(state))
        .route("/v1/console/health/liveness", get(|| async { "OK" }))
        .route("/v1/console/health/readiness", get(|| async { "OK" }))
}

/// The console's part of v2.
pub(super) fn v2() -> Router<Site> {
    Router::new()
        .route(
            "/v2/console/namespace/list",
            get(namespaces::list_in_result),
        )
        .route(
            "/v2/console/namespace",
            get(namespaces::one_in_result)
                .post(namespaces::create_v2)
                .put(namespaces::update_in_result)
                .delete(namespaces::delete_in_result),
        )
        .route(
            "/v2/console/health/liveness",
            get(|| async { result("ok") }),
        )
        .route(
            "/v2/console/health/readiness",
            get(|| async { result("ok") }),
        )
}

async fn state(State(site): State<Site>) -> Response {
    Json(state_of(&site)).into_response()
}

/// What the server is; all values are texts or null.
pub(super) fn state_of(site: &Site) -> serde_json::Value {
    let version = site.registry.settings().version;
    if !version.has_v2() {
        return serde_json::json!({
            "version": version.to_string(),
            "standalone_mode": "standalone",
            "function_mode": null,
        });
    }
    serde_json::json!({
        "version": version.to_string(),
        "startup_mode": "standalone",
        "function_mode": "naming",
        "server_port": site.port.to_string(),
        "auth_enabled": site.registry.has_users().to_string(),
    })
}

pub(super) async fn metrics(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    if params.or("onlyStatus", "true") == "true" {
        return Ok(Json(serde_json::json!({ "status": "UP" })).into_response());
    }
    let mut all = all_metrics(&site.registry);
    // v2 leaves this one out.
    all["responsibleInstanceCount"] = all["instanceCount"].clone();
    if !site.registry.settings().version.has_v2() {
        all["responsibleServiceCount"] = all["serviceCount"].clone();
        all["raftNotifyTaskCount"] = 0.into();
    }
    Ok(Json(all).into_response())
}

/// What 1.x tells whatever is asked for.
pub(super) async fn first_metrics(State(site): State<Site>) -> Response {
    let figures = site.registry.figures();
    let (services, instances) = (figures.services, figures.published_instances);
    let body = serde_json::json!({
        "status": "UP",
        "serviceCount": services,
        "instanceCount": instances,
        "raftNotifyTaskCount": 0,
        "responsibleServiceCount": services,
        "responsibleInstanceCount": instances,
        "cpu": 0.0,
        "load": 0.0,
        "mem": 0.0,
    });
    Json(body).into_response()
}

/// Counts under Nacos's names. The load of the machine is not looked at.
fn all_metrics(registry: &Registry) -> serde_json::Value {
    let figures = registry.figures();
    let clients =
        figures.connections + figures.beat_addresses + figures.persistent_addresses + figures.links;
    serde_json::json!({
        "status": "UP",
        "serviceCount": figures.services,
        "instanceCount": figures.published_instances,
        "subscribeCount": figures.subscriptions,
        "clientCount": clients,
        "connectionBasedClientCount": figures.connections,
        "ephemeralIpPortClientCount": figures.beat_addresses,
        "persistentIpPortClientCount": figures.persistent_addresses,
        "responsibleClientCount": clients,
        "cpu": 0.0,
        "load": 0.0,
        "mem": 0.0,
    })
}

pub(super) async fn metrics_in_result(State(site): State<Site>, params: Params) -> Response {
    if params.or("onlyStatus", "true") == "true" {
        result(serde_json::json!({ "status": "UP" }))
    } else {
        result(all_metrics(&site.registry))
    }
}
