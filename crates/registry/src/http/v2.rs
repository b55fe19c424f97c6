//! The part of v2 that clients use. Answers are wrapped in a result, and names
//! are given without their group, which stands beside them.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post, put};
use serde::Serialize;
use syncline_model::GroupName;

use super::Site;
use super::age::aged;
use super::clients::{self, Words};
use super::failure::{Failure, InResult, result};
use super::instance::{self, Found};
use super::params::Params;
use super::service;
use super::{batch, catalog, cluster, console, member, operator};
use crate::page::page;
use crate::store::{Clusters, Kind, Names};
use crate::wire::ShownMetadata;

/// No page is longer.
const LONGEST_PAGE: i64 = 500;

pub(super) fn routes() -> Router<Site> {
    let switches = || get(operator::switches_in_result).put(operator::set_switch_in_result);
    Router::new()
        .route(
            "/instance",
            post(register)
                .delete(deregister)
                .put(update)
                // It wants the group in the name and answers without a result.
                .patch(instance::patch)
                .get(detail),
        )
        .route(
            "/instance/metadata/batch",
            put(batch::put_in_result).delete(batch::take_in_result),
        )
        .route("/instance/list", get(list))
        .route("/instance/statuses/{key}", get(statuses))
        .route("/catalog/instances", get(catalog::instances_in_result))
        .route("/instance/beat", put(beat))
        .route(
            "/service",
            post(create_service)
                .delete(delete_service)
                .put(update_service)
                .get(service_detail),
        )
        .route("/service/list", get(service_list))
        .merge(clients::routes(Words::V2))
        .route("/health", put(set_health))
        .route("/health/instance", put(set_health))
        .route("/operator/switches", switches())
        .route("/ops/switches", switches())
        .route("/operator/metrics", get(console::metrics_in_result))
        .route("/ops/metrics", get(console::metrics_in_result))
}

pub(super) fn about_members() -> Router<Site> {
    Router::new()
        .route("/list", get(member::nodes_in_result))
        .route("/self", get(member::self_in_result))
}

pub(super) async fn register(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    instance::put_in(&site.registry, &params, &params.service_and_group()?).await?;
    Ok(result("ok"))
}

pub(super) async fn deregister(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    instance::take_out(&site.registry, &params, &params.service_and_group()?).await?;
    Ok(result("ok"))
}

pub(super) async fn update(State(site): State<Site>, params: Params) -> Result<Response, InResult> {
    instance::override_with(&site.registry, &params, &params.service_and_group()?).await?;
    Ok(result("ok"))
}

/// Sets an instance's health by hand.
pub(super) async fn set_health(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    cluster::set_health_of(&site.registry, &params, &params.service_and_group()?).await?;
    Ok(result("ok"))
}

async fn detail(State(site): State<Site>, params: Params) -> Result<Response, InResult> {
    /// The v2 form of one instance.
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Detail<'a> {
        service_name: &'a str,
        #[serde(flatten)]
        found: Found<'a>,
    }
    let service = params.service_and_group()?;
    let (snapshot, instance) = instance::find(&site.registry, &params, &service)?;
    let grouped = service.grouped();
    Ok(result(Detail {
        service_name: &grouped,
        found: Found::new(&snapshot, &instance, &grouped),
    }))
}

/// It answers without a result.
async fn statuses(State(site): State<Site>, Path(key): Path<String>) -> Result<Response, Failure> {
    instance::statuses_of(&site, &key)
}

async fn list(State(site): State<Site>, params: Params) -> Result<Response, InResult> {
    let service = params.service_and_group()?;
    let clusters = Clusters::new(params.or("clusterName", ""));
    let healthy_only = params.strict_flag("healthyOnly");
    let grouped = service.grouped();
    let age = site.registry.age_of(&service);
    let answer = site.registry.shown(service, clusters, healthy_only)?;
    Ok(aged(age, result(answer.shown_as(&grouped))))
}

/// The one v2 call that wants the group in the name, and answers without a
/// result.
async fn beat(state: State<Site>, params: Params) -> Result<Response, Failure> {
    if !params.required("serviceName")?.contains("@@") {
        return Err(Failure::invalid(
            "Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName'",
        ));
    }
    instance::beat(state, params).await
}

pub(super) async fn create_service(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    // Unlike v1, v2 lets one create an ephemeral service.
    let kind = Kind::of(params.flag_or("ephemeral", false));
    service::create_as(&site.registry, &params, &params.service_and_group()?, kind).await?;
    Ok(result("ok"))
}

pub(super) async fn delete_service(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    service::delete_empty(&site.registry, &params.service_and_group()?).await?;
    Ok(result("ok"))
}

pub(super) async fn update_service(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    service::set(&site.registry, &params, &params.service_and_group()?).await?;
    Ok(result("ok"))
}

async fn service_detail(State(site): State<Site>, params: Params) -> Result<Response, InResult> {
    let service = params.service_and_group()?;
    let snapshot = site.registry.look(&service);
    let snapshot = snapshot.ok_or_else(|| Failure::UnknownService(service.clone()))?;
    let version = site.registry.settings().version;
    let clusters: serde_json::Map<String, serde_json::Value> =
        service::clusters(&snapshot, version)
            .iter()
            .map(|(name, cluster)| {
                let cluster = serde_json::json!({
                    "clusterName": name.as_str(),
                    "healthChecker": service::checker(cluster, version),
                    "metadata": ShownMetadata(&cluster.metadata),
                    "hosts": null,
                });
                (name.to_string(), cluster)
            })
            .collect();
    Ok(result(serde_json::json!({
        "namespace": service.namespace.as_str(),
        "serviceName": service.name.as_str(),
        "groupName": service.group.as_str(),
        "clusterMap": clusters,
        "metadata": service::metadata(&snapshot)?,
        "protectThreshold": snapshot.threshold().unwrap_or(0.0),
        "selector": service::selector(&snapshot, version),
        "ephemeral": snapshot.ephemeral,
    })))
}

async fn service_list(State(site): State<Site>, params: Params) -> Result<Response, InResult> {
    /// A page of names.
    #[derive(Serialize)]
    struct Page<'a> {
        count: usize,
        services: Vec<&'a str>,
    }
    let page_no = params.integer_or("pageNo", 1)?;
    let page_size = params.integer_or("pageSize", 20)?.min(LONGEST_PAGE);
    let group = GroupName::from(params.or("groupName", GroupName::DEFAULT));
    let namespace = params.namespace();
    let names = site.registry.act(|store, _| store.names(&namespace));
    let names = Names::of_group(&names, &group);
    let services = page(names, page_no, page_size).iter();
    Ok(result(Page {
        count: names.len(),
        services: services.map(|(_, name)| name.as_str()).collect(),
    }))
}
