//! Services over v1: create, delete, update, read, list.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use syncline_model::{ClusterName, GroupName, NamespaceId, ServiceKey};

use super::Site;
use super::failure::{Code, Failure, ok};
use super::first;
use super::params::Params;
use super::pattern::Pattern;
use crate::checks::{Checker, ClusterRecord};
use crate::page::page;
use crate::presented::PresentedVersion;
use crate::registry::Registry;
use crate::selector::Selector;
use crate::store::{EditError, Kind, Names, ServiceRecord, Snapshot};
use crate::wire::ShownMetadata;

/// 2.2.1 to 3.1 give names under this key.
const ODD_NAMES_KEY: &str = "META-INF/services";

/// Others give them under this one.
pub(super) const NAMES_KEY: &str = "services";

pub(super) async fn create(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    let service = params.declared_service()?;
    // A service that is created by v1 is persistent, whatever is asked for.
    create_as(&site.registry, &params, &service, Kind::Persistent).await?;
    Ok(ok())
}

pub(super) async fn create_as(
    registry: &Registry,
    params: &Params,
    service: &ServiceKey,
    kind: Kind,
) -> Result<(), Failure> {
    let record = described(registry, params)?;
    if registry.settings().version.is_first_generation() {
        first::check_name(service)?;
    }
    let created = registry.act(|store, now| store.create_service(service, kind, record, now));
    created.map_err(|error| Failure::of_edit(error, service.grouped()))?;
    Ok(registry.saved().await?)
}

pub(super) async fn delete(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    delete_empty(&site.registry, &params.declared_service()?).await?;
    Ok(ok())
}

pub(super) async fn delete_empty(registry: &Registry, service: &ServiceKey) -> Result<(), Failure> {
    let deleted = registry.act(|store, _| store.delete_service(service));
    deleted.map_err(|error| match error {
        EditError::ServiceMissing => Failure::NothingToDelete(service.grouped()),
        other => Failure::of_edit(other, service.grouped()),
    })?;
    Ok(registry.saved().await?)
}

pub(super) async fn update(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    let service = params.service()?;
    params.required("protectThreshold")?;
    set(&site.registry, &params, &service).await?;
    Ok(ok())
}

/// Sets all that can be set; what is not named is as if it was never set.
pub(super) async fn set(
    registry: &Registry,
    params: &Params,
    service: &ServiceKey,
) -> Result<(), Failure> {
    let record = described(registry, params)?;
    let set = registry.act(|store, now| store.update_service(service, record, now));
    set.map_err(|error| Failure::of_edit(error, service.grouped()))?;
    Ok(registry.saved().await?)
}

pub(super) async fn detail(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    let service = params.declared_service()?;
    let snapshot = site.registry.look(&service);
    let snapshot = snapshot.ok_or_else(|| Failure::UnknownService(service.clone()))?;
    let version = site.registry.settings().version;
    let clusters = clusters(&snapshot, version);
    let clusters: Vec<_> = clusters
        .iter()
        .map(|(name, cluster)| {
            serde_json::json!({
                "name": name.as_str(),
                "healthChecker": checker(cluster, version),
                "metadata": ShownMetadata(&cluster.metadata),
            })
        })
        .collect();
    let body = serde_json::json!({
        "namespaceId": service.namespace.as_str(),
        "groupName": service.group.as_str(),
        "name": service.name.as_str(),
        "protectThreshold": snapshot.threshold().unwrap_or(0.0),
        "metadata": metadata(&snapshot)?,
        "selector": selector(&snapshot, version),
        "clusters": clusters,
    });
    Ok(Json(body).into_response())
}

pub(super) async fn list(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    /// A page of names.
    #[derive(Serialize)]
    struct Page<'a> {
        count: usize,
        doms: Vec<&'a str>,
    }
    let (page_no, page_size) = params.page_of_names()?;
    let group = GroupName::from(params.or("groupName", GroupName::DEFAULT));
    let namespace = params.namespace();
    let names = site.registry.act(|store, _| store.names(&namespace));
    let names = Names::of_group(&names, &group);
    Ok(Json(Page {
        count: names.len(),
        doms: page(names, page_no, page_size)
            .iter()
            .map(|(_, name)| name.as_str())
            .collect(),
    })
    .into_response())
}

pub(super) async fn names(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    let found = names_by_namespace(&site.registry, &params, ServiceKey::grouped)?;
    let count: usize = found.values().map(Vec::len).sum();
    let key = match site.registry.settings().version.names_oddly() {
        true => ODD_NAMES_KEY,
        false => NAMES_KEY,
    };
    let body = serde_json::json!({ key: found, "count": count });
    Ok(Json(body).into_response())
}

/// The services that match `expr`, of the namespace that is named or of all,
/// each as `shown`.
pub(super) fn names_by_namespace(
    registry: &Registry,
    params: &Params,
    shown: impl Fn(&ServiceKey) -> String,
) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let pattern = params.get("expr").map(Pattern::parse).transpose()?;
    let namespaces = match params.get("namespaceId") {
        Some(namespace) => vec![NamespaceId::from(namespace)],
        None => registry.namespaces(),
    };
    let mut found = BTreeMap::new();
    for namespace in namespaces {
        let mut names = Vec::new();
        for service in registry.services(&namespace) {
            let wanted = match &pattern {
                Some(pattern) => pattern.finds(service.name.as_str())?,
                None => true,
            };
            names.extend(wanted.then(|| shown(&service)));
        }
        found.insert(namespace.as_str().to_owned(), names);
    }
    Ok(found)
}

/// The clusters of a service's instances, with what was set for them; in 1.x
/// also those that have no instances.
pub(super) fn clusters(
    snapshot: &Snapshot,
    version: PresentedVersion,
) -> BTreeMap<&ClusterName, Arc<ClusterRecord>> {
    let set = snapshot.record.iter().flat_map(|record| &record.clusters);
    let set: BTreeMap<_, _> = set.collect();
    let usual = Arc::<ClusterRecord>::default();
    let mut clusters = BTreeMap::new();
    for instance in snapshot.set.instances() {
        let cluster = &instance.key.cluster;
        let record = || Arc::clone(set.get(cluster).copied().unwrap_or(&usual));
        clusters.entry(cluster).or_insert_with(record);
    }
    if version.is_first_generation() {
        clusters.extend(set.into_iter().map(|(name, record)| (name, record.clone())));
    }
    clusters
}

/// A cluster's checker. For the one that checks nothing 1.3 has no name but
/// that of its class.
pub(super) fn checker(cluster: &ClusterRecord, version: PresentedVersion) -> serde_json::Value {
    match &cluster.checker {
        Checker::None if !version.is_since_1_4() => {
            serde_json::json!({ "type": "AbstractHealthChecker$None" })
        }
        checker => serde_json::json!(checker),
    }
}

/// A service's own metadata.
pub(super) fn metadata(snapshot: &Snapshot) -> Result<serde_json::Value, Failure> {
    match &snapshot.record {
        Some(record) => Ok(serde_json::to_value(ShownMetadata(&record.metadata))?),
        None => Ok(serde_json::json!({})),
    }
}

/// A service's selector. From 2.0 on it says what it would look at.
pub(super) fn selector(snapshot: &Snapshot, version: PresentedVersion) -> serde_json::Value {
    let set = snapshot.record.as_deref().map(|record| &record.selector);
    let (mut shown, context) = match set {
        None | Some(Selector::None) => (serde_json::json!({ "type": "none" }), "NONE"),
        Some(Selector::Label { expression, labels }) => (
            serde_json::json!({ "type": "label", "expression": expression, "labels": labels }),
            "CMDB",
        ),
    };
    if !version.is_first_generation() {
        shown["contextType"] = context.into();
    }
    shown
}

fn threshold(params: &Params) -> Result<f64, Failure> {
    let text = params.or("protectThreshold", "0");
    let threshold = text.parse::<f64>();
    threshold.map_err(|_| {
        Failure::unreadable(format!(
            "Failed to convert value of type 'java.lang.String' to required type 'float'; \
             nested exception is java.lang.NumberFormatException: For input string: \"{text}\";\
             caused: For input string: \"{text}\""
        ))
    })
}

/// What the parameters set for a service. What is not named is as if it was
/// never set.
fn described(registry: &Registry, params: &Params) -> Result<ServiceRecord, Failure> {
    let protect_threshold = threshold(params)?;
    let selector = wanted_selector(registry.settings().version, params)?;
    let metadata = params.metadata(&registry.inner.interner)?;
    Ok(ServiceRecord {
        protect_threshold,
        metadata: metadata.unwrap_or_else(syncline_model::Metadata::empty),
        selector,
        ..ServiceRecord::default()
    })
}

fn wanted_selector(version: PresentedVersion, params: &Params) -> Result<Selector, Failure> {
    #[derive(serde::Deserialize)]
    struct Said {
        r#type: String,
        expression: Option<String>,
    }
    let Some(text) = params.get("selector") else {
        return Ok(Selector::None);
    };
    let no_type = |text: String| Err(Failure::Refused(Code::Selector, text));
    match serde_json::from_str::<Said>(text) {
        Ok(said) if said.r#type == "none" => Ok(Selector::None),
        Ok(said) if said.r#type == "label" => {
            let selector = Selector::label(said.expression.as_deref().unwrap_or_default());
            selector.map_err(|bad| match version.is_first_generation() {
                true => Failure::Refused(Code::Selector, bad.to_string()),
                false => Failure::Failed(Code::Server, format!("Selector parses failed: {bad}")),
            })
        }
        Ok(said) if version.is_first_generation() => no_type(format!(
            "No enum constant com.alibaba.nacos.api.selector.SelectorType.{}",
            said.r#type
        )),
        _ => no_type("not match any type of selector!".to_owned()),
    }
}
