//! Instances and clusters as administrators see and set them over v3: raw.

use axum::extract::State;
use axum::response::Response;
use syncline_model::{ClusterName, Instance};

use crate::http::Site;
use crate::http::failure::{InResult, result};
use crate::http::params::Params;
use crate::http::{catalog, cluster, instance};

/// All instances of one cluster, disabled ones too, with their true health.
pub(super) async fn instances(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    let service = params.service_and_group()?;
    let cluster = ClusterName::from(params.or("clusterName", ClusterName::DEFAULT));
    let healthy_only = params.strict_flag("healthyOnly");
    let snapshot = catalog::look(&site.registry, &service)?;
    let instances: Vec<&Instance> = catalog::of_cluster(&snapshot, &cluster)?
        .into_iter()
        .filter(|instance| !healthy_only || instance.healthy.or(true))
        .collect();
    let grouped = service.grouped();
    let shown = catalog::raw(&site.registry, &snapshot, &grouped, &instances);
    Ok(result(shown))
}

pub(super) async fn instance(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    let service = params.service_and_group()?;
    let (snapshot, found) = instance::find(&site.registry, &params, &service)?;
    let grouped = service.grouped();
    let shown = catalog::raw(&site.registry, &snapshot, &grouped, &[&found]);
    Ok(result(shown.first()))
}

pub(super) async fn change_instance(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    instance::change(&site.registry, &params, &params.service_and_group()?).await?;
    Ok(result("ok"))
}

pub(super) async fn set_checker(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    cluster::set_cluster(&site.registry, &params, &params.service_and_group()?).await?;
    Ok(result("ok"))
}
