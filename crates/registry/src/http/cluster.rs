//! Health by hand: a cluster's checker, and an instance's health.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use syncline_model::ClusterName;

use super::Site;
use super::failure::{Failure, ok};
use super::instance::named;
use super::params::Params;
use crate::store::EditError;

/// What names a checker's kind.
#[derive(Deserialize)]
struct Checker {
    r#type: String,
}

pub(super) async fn update(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    let service = params.service()?;
    let cluster = ClusterName::from(params.required("clusterName")?);
    params.integer("checkPort")?;
    params.required("useInstancePort4Check")?;
    let checker = params.required("healthChecker")?;
    serde_json::from_str::<Checker>(checker)?;
    let checker: Arc<str> = Arc::from(checker);
    let updated = site
        .registry
        .act(|store, now| store.set_checker(&service, cluster, checker, now));
    updated.map_err(|_| Failure::Refused(format!("service not found:{}", service.grouped())))?;
    site.registry.saved().await?;
    Ok(ok())
}

pub(super) async fn set_health(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, Failure> {
    let service = params.service()?;
    let instance = named(&site.registry, &params)?;
    let healthy = match params.get("valid") {
        Some(_) => params.flag_or("valid", false),
        None => {
            params.required("healthy")?;
            params.flag_or("healthy", false)
        }
    };
    let unchecked = |checker: &str| {
        let checker = serde_json::from_str::<Checker>(checker);
        checker.is_ok_and(|checker| checker.r#type == "NONE")
    };
    let set = site
        .registry
        .act(|store, now| store.set_health(&service, &instance, healthy, unchecked, now));
    set.map_err(|error| match error {
        EditError::CheckerWorking => Failure::Refused(format!(
            "health check is still working, service: {}, cluster: {}",
            service.grouped(),
            instance.cluster
        )),
        other => Failure::of_edit(other, &service.grouped()),
    })?;
    site.registry.saved().await?;
    Ok(ok())
}
