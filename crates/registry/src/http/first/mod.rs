//! v1 as 1.x has it, where its answers have shapes of their own. What a call
//! does is decided where the other generations decide it.
//!
//! The registry models services as 2.x does, whatever it presents: a service
//! is ephemeral or persistent, an address registers once in it, and what is
//! set for an instance lies over what its publisher says.

mod catalog;
mod instance;
mod service;

use axum::Router;
use axum::routing::{get, post, put};
use syncline_model::ServiceKey;

use super::failure::{Code, Failure};
use super::{Site, batch, catalog as raw, cluster, console, operator};
use super::{instance as writes, service as services};
use crate::presented::PresentedVersion;

pub(super) fn routes(version: PresentedVersion) -> Router<Site> {
    let health = || put(cluster::set_health);
    let routes = Router::new()
        .route(
            "/instance",
            post(writes::register)
                .delete(writes::deregister)
                .put(instance::update)
                .patch(writes::patch)
                .get(writes::detail),
        )
        .route("/instance/list", get(instance::list))
        .route("/instance/beat", put(writes::beat))
        .route("/instance/statuses", get(writes::statuses))
        .route(
            "/service",
            post(services::create)
                .delete(services::delete)
                .put(services::update)
                .get(services::detail),
        )
        .route("/service/list", get(service::list))
        .route("/service/names", get(service::names))
        .route("/service/subscribers", get(service::subscribers))
        .route("/catalog/services", get(catalog::services))
        .route("/catalog/service", get(raw::service))
        .route("/catalog/instances", get(catalog::instances))
        .route("/cluster", put(cluster::update))
        .route("/health", health())
        .route("/health/instance", health())
        .route("/operator/distro/status", get(operator::distro_status))
        .route("/operator/metrics", get(console::first_metrics))
        .route("/ops/metrics", get(console::first_metrics));
    match version.is_since_1_4() {
        true => routes.route(
            "/instance/metadata/batch",
            put(batch::put).delete(batch::take),
        ),
        false => routes,
    }
}

/// 1.x takes no names of services but these, groups included.
pub(super) fn check_name(service: &ServiceKey) -> Result<(), Failure> {
    let grouped = service.grouped();
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"@.:_-".contains(&byte);
    if grouped.bytes().all(legal) {
        return Ok(());
    }
    let characters = "dom name can only have these characters: 0-9a-zA-Z-._:";
    Err(Failure::invalid(format!(
        "{characters}, current: {grouped}"
    )))
}

/// A service that does not exist has no instance to show.
pub(super) fn no_service(service: &ServiceKey) -> Failure {
    let text = format!("no service {} found!", service.grouped());
    Failure::NotFound(Code::NotFound, text)
}
