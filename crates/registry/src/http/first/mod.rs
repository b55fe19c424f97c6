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
use axum::routing::{get, put};
use syncline_model::ServiceKey;

use super::failure::{Code, Failure};
use super::{Site, console, operator};

pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/instance", put(instance::update))
        .route("/instance/list", get(instance::list))
        .route("/service/list", get(service::list))
        .route("/service/names", get(service::names))
        .route("/service/subscribers", get(service::subscribers))
        .route("/catalog/services", get(catalog::services))
        .route("/catalog/instances", get(catalog::instances))
        .route("/operator/distro/status", get(operator::distro_status))
        .route("/operator/metrics", get(console::first_metrics))
        .route("/ops/metrics", get(console::first_metrics))
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
