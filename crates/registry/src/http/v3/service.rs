//! Services as administrators see them over v3.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use syncline_model::ServiceKey;

use crate::checks::{Checker, ClusterRecord};
use crate::http::Site;
use crate::http::catalog::{self, Summary};
use crate::http::failure::{Failure, InResult, result};
use crate::http::params::Params;
use crate::http::{service, subscribers};
use crate::page::page;
use crate::registry::Registry;
use crate::store::Snapshot;
use crate::wire::{ShownInstance, ShownMetadata, ShownOrEmpty};

/// A page of anything.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    total_count: usize,
    page_number: i64,
    pages_available: usize,
    page_items: Vec<T>,
}

/// Which page is asked for.
pub(super) struct Wanted {
    page_no: i64,
    page_size: i64,
}

impl Wanted {
    pub(super) fn of(params: &Params) -> Result<Self, Failure> {
        let positive = |name: &'static str, default| {
            let number = params.integer_or(name, default)?;
            if number < 1 {
                return Err(Failure::invalid(format!(
                    "Required parameter '{name}' should be positive integer, current is {number}"
                )));
            }
            Ok(number)
        };
        Ok(Self {
            page_no: positive("pageNo", 1)?,
            page_size: positive("pageSize", 100)?,
        })
    }

    pub(super) fn cut<'a, T>(&self, list: &'a [T]) -> &'a [T] {
        page(list, self.page_no, self.page_size)
    }

    pub(super) fn page<T>(&self, total: usize, items: Vec<T>) -> Page<T> {
        let size = usize::try_from(self.page_size).unwrap_or(usize::MAX);
        Page {
            total_count: total,
            page_number: self.page_no,
            // One more than there are where the last one is full (3.0).
            pages_available: match total {
                0 => 0,
                _ => total / size + 1,
            },
            page_items: items,
        }
    }
}

pub(super) async fn list(State(site): State<Site>, params: Params) -> Result<Response, InResult> {
    let wanted = Wanted::of(&params)?;
    let registry = &site.registry;
    let mut services = catalog::matching(registry, &params)?;
    if params.strict_flag("ignoreEmptyService") {
        services = catalog::having_instances(registry, services);
    }
    let names: Vec<String> = wanted
        .cut(&services)
        .iter()
        .map(ServiceKey::grouped)
        .collect();
    let shown = catalog::snapshots(registry, wanted.cut(&services));
    if params.strict_flag("withInstances") {
        let whole = shown.iter().zip(&names);
        let whole = whole.map(|(snapshot, name)| Whole::new(registry, snapshot, name));
        return Ok(result(wanted.page(services.len(), whole.collect())));
    }
    let summaries = shown.iter().map(|snapshot| Summary::new(snapshot));
    Ok(result(wanted.page(services.len(), summaries.collect())))
}

/// A service with its instances. What Nacos 3.0 leaves null is null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    namespace_id: (),
    service_name: &'a str,
    group_name: &'a str,
    cluster_map: BTreeMap<&'a str, Cluster<'a>>,
    metadata: ShownOrEmpty<'a>,
    protect_threshold: f64,
    selector: (),
    ephemeral: (),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cluster<'a> {
    cluster_name: Option<&'a str>,
    health_checker: Option<&'a Checker>,
    healthy_check_port: i32,
    use_instance_port_for_check: bool,
    metadata: Option<ShownMetadata<'a>>,
    hosts: Option<Vec<ShownInstance<'a>>>,
}

impl<'a> Whole<'a> {
    fn new(registry: &'a Registry, snapshot: &'a Snapshot, grouped: &'a str) -> Self {
        // Whatever was set for them (3.0).
        let usual = ClusterRecord::default();
        let clusters = catalog::by_cluster(snapshot.set.instances()).into_iter();
        let clusters = clusters.map(|(name, instances)| {
            let cluster = Cluster {
                cluster_name: None,
                health_checker: None,
                healthy_check_port: usual.check_port,
                use_instance_port_for_check: usual.own_port,
                metadata: None,
                hosts: Some(catalog::raw(registry, snapshot, grouped, &instances)),
            };
            (name.as_str(), cluster)
        });
        Self {
            namespace_id: (),
            service_name: snapshot.key.name.as_str(),
            group_name: snapshot.key.group.as_str(),
            cluster_map: clusters.collect(),
            metadata: ShownOrEmpty(snapshot),
            protect_threshold: snapshot.threshold().unwrap_or(0.0),
            selector: (),
            ephemeral: (),
        }
    }
}

pub(super) async fn detail(State(site): State<Site>, params: Params) -> Result<Response, InResult> {
    /// A service without its instances.
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Detail<'a> {
        namespace_id: &'a str,
        service_name: &'a str,
        group_name: &'a str,
        cluster_map: BTreeMap<&'a str, Cluster<'a>>,
        metadata: ShownOrEmpty<'a>,
        protect_threshold: f64,
        selector: serde_json::Value,
        ephemeral: bool,
    }
    let key = params.service_and_group()?;
    let snapshot = site.registry.look(&key);
    let snapshot = snapshot.ok_or_else(|| Failure::UnknownService(key.clone()))?;
    let version = site.registry.settings().version;
    let clusters = service::clusters(&snapshot, version);
    let clusters = clusters.iter().map(|(name, record)| {
        let cluster = Cluster {
            cluster_name: Some(name.as_str()),
            health_checker: Some(&record.checker),
            healthy_check_port: record.check_port,
            use_instance_port_for_check: record.own_port,
            metadata: Some(ShownMetadata(&record.metadata)),
            hosts: None,
        };
        (name.as_str(), cluster)
    });
    Ok(result(Detail {
        namespace_id: key.namespace.as_str(),
        service_name: key.name.as_str(),
        group_name: key.group.as_str(),
        cluster_map: clusters.collect(),
        metadata: ShownOrEmpty(&snapshot),
        protect_threshold: snapshot.threshold().unwrap_or(0.0),
        selector: service::selector(&snapshot, version),
        ephemeral: snapshot.ephemeral,
    }))
}

pub(super) async fn subscribers(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    /// A subscription. The port is where changes are pushed to over UDP.
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Shown<'a> {
        namespace_id: &'a str,
        group_name: &'a str,
        service_name: &'a str,
        ip: IpAddr,
        port: u16,
        agent: &'a str,
        app_name: &'a str,
        address: String,
    }
    let service = params.service_and_group()?;
    let wanted = Wanted::of(&params)?;
    let all = subscribers::of_service(&site.registry, &service);
    let shown = wanted.cut(&all).iter().map(|subscription| {
        let (ip, port) = (subscription.ip, subscription.port);
        Shown {
            namespace_id: service.namespace.as_str(),
            group_name: service.group.as_str(),
            service_name: service.name.as_str(),
            ip,
            port,
            agent: &subscription.agent,
            app_name: &subscription.app,
            address: format!("{ip}:{port}"),
        }
    });
    Ok(result(wanted.page(all.len(), shown.collect())))
}
