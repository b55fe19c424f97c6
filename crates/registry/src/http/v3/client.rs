//! What applications use of v3.

use axum::extract::State;
use axum::response::Response;
use syncline_model::ClusterName;

use crate::http::Site;
use crate::http::age::aged;
use crate::http::failure::{Code, InResult, failed_result, result};
use crate::http::instance;
use crate::http::params::Params;
use crate::store::Clusters;

/// A beat is a registration that says so, and registers nothing.
pub(super) async fn register_or_beat(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    let service = params.service_and_group()?;
    if !params.flag_or("heartBeat", false) {
        instance::put_in(&site.registry, &params, &service).await?;
        return Ok(result("ok"));
    }
    let beat = instance::light_beat(&site.registry, &params, &service)?;
    Ok(match beat {
        Some(_) => result("ok"),
        // The client is to register again, and learns so with status 200.
        None => failed_result(Code::InstanceNotFound),
    })
}

/// The instances alone. 3.0 and 3.1 take no cluster for `DEFAULT`, and do not
/// look at `healthyOnly`.
pub(super) async fn list(State(site): State<Site>, params: Params) -> Result<Response, InResult> {
    let service = params.service_and_group()?;
    let clusters = Clusters::new(params.or("clusterName", ClusterName::DEFAULT));
    let age = site.registry.age_of(&service);
    let answer = site.registry.shown(service, clusters, false)?;
    Ok(aged(age, result(answer.hosts())))
}
