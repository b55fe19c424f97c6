//! Health by hand: a cluster's checker, and an instance's health.

use axum::extract::State;
use axum::response::Response;
use syncline_model::{ClusterName, Metadata, ServiceKey};

use super::Site;
use super::failure::{Code, Failure, ok};
use super::instance::named;
use super::params::Params;
use crate::checks::{Checker, ClusterRecord};
use crate::registry::Registry;
use crate::store::EditError;

pub(super) async fn update(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    set_cluster(&site.registry, &params, &params.service()?).await?;
    Ok(ok())
}

/// Sets the cluster that the parameters name.
pub(super) async fn set_cluster(
    registry: &Registry,
    params: &Params,
    service: &ServiceKey,
) -> Result<(), Failure> {
    let cluster = ClusterName::from(params.required("clusterName")?);
    let check_port = params.integer("checkPort")?;
    params.required("useInstancePort4Check")?;
    let metadata = || params.metadata(&registry.inner.interner);
    let record = ClusterRecord {
        checker: Checker::parse(params.required("healthChecker")?)?,
        check_port: check_port.try_into().unwrap_or_default(),
        own_port: params.flag_or("useInstancePort4Check", true),
        metadata: metadata()?.unwrap_or_else(Metadata::empty),
    };
    let updated = registry.act(|store, now| store.set_cluster(service, cluster, record, now));
    updated.map_err(|_| {
        let text = if registry.settings().version.has_v3() {
            let ServiceKey { group, name, .. } = service;
            format!("service not found groupName: {group},serviceName: {name}")
        } else {
            format!("service not found:{}", service.grouped())
        };
        Failure::Refused(Code::Server, text)
    })?;
    Ok(registry.saved().await?)
}

pub(super) async fn set_health(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, Failure> {
    set_health_of(&site.registry, &params, &params.service()?).await?;
    Ok(ok())
}

/// Sets the health of the instance that the parameters name.
pub(super) async fn set_health_of(
    registry: &Registry,
    params: &Params,
    service: &ServiceKey,
) -> Result<(), Failure> {
    let instance = named(registry, params)?;
    let healthy = match params.get("valid") {
        Some(_) => params.flag_or("valid", false),
        None => {
            params.required("healthy")?;
            params.flag_or("healthy", false)
        }
    };
    let set = registry.act(|store, now| store.set_health(service, &instance, healthy, now));
    set.map_err(|error| match error {
        EditError::CheckerWorking if !registry.settings().version.is_first_generation() => {
            let (grouped, cluster) = (service.grouped(), &instance.cluster);
            let text =
                format!("health check is still working, service: {grouped}, cluster: {cluster}");
            Failure::Refused(Code::Server, text)
        }
        other => Failure::of_edit(other, service.grouped()),
    })?;
    Ok(registry.saved().await?)
}
