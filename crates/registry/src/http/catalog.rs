//! The catalog: services and instances as the console sees them, raw.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use syncline_model::{ClusterName, Instance, InstanceKey, ServiceKey};

use super::Site;
use super::failure::{Code, Failure, result};
use super::params::Params;
use super::pattern::Pattern;
use super::service;
use crate::page::page;
use crate::registry::Registry;
use crate::store::Snapshot;
use crate::wire::{ShownInstance, ShownMetadata, ShownOrEmpty};

/// How many services are looked at before others get the store.
const AT_ONCE: usize = 256;

pub(super) async fn services(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, Failure> {
    let page_no = int_parameter(&params, "pageNo")?;
    let page_size = int_parameter(&params, "pageSize")?;
    let registry = &site.registry;
    let mut services = matching(registry, &params)?;
    let with_instances = params.strict_flag("withInstances");
    if !with_instances && params.strict_flag("hasIpCount") {
        services = having_instances(registry, services);
    }
    let shown = snapshots(registry, page(&services, page_no, page_size));
    if with_instances {
        let shown: Vec<Whole<'_>> = shown.iter().map(|s| Whole::new(s)).collect();
        return Ok(Json(shown).into_response());
    }
    let service_list: Vec<Summary<'_>> = shown.iter().map(|s| Summary::new(s)).collect();
    let body = Json(Summaries {
        count: services.len(),
        service_list,
    });
    Ok(body.into_response())
}

/// A parameter that Nacos declares as a number that may be missing, and then
/// cannot do without.
pub(super) fn int_parameter(params: &Params, name: &'static str) -> Result<i64, Failure> {
    match params.get(name) {
        Some(_) => params.integer(name),
        None => Err(Failure::unreadable(format!(
            "Optional int parameter '{name}' is present but cannot be translated into a null value \
             due to being declared as a primitive type. Consider declaring it as object wrapper \
             for the corresponding primitive type."
        ))),
    }
}

/// The services of a namespace whose name and group match the patterns.
pub(super) fn matching(registry: &Registry, params: &Params) -> Result<Vec<ServiceKey>, Failure> {
    let pattern = |name| params.get(name).map(Pattern::parse).transpose();
    let names = pattern("serviceNameParam")?;
    let groups = pattern("groupNameParam")?;
    let finds = |pattern: &Option<Pattern>, text: &str| match pattern {
        Some(pattern) => pattern.finds(text),
        None => Ok(true),
    };
    let mut found = Vec::new();
    for service in registry.services(&params.namespace()) {
        if finds(&names, service.name.as_str())? && finds(&groups, service.group.as_str())? {
            found.push(service);
        }
    }
    Ok(found)
}

pub(super) fn having_instances(registry: &Registry, services: Vec<ServiceKey>) -> Vec<ServiceKey> {
    having(registry, services, |_| true)
}

/// The services that have an instance of some kind. Looks at what was
/// registered, since putting together how each service is shown takes long.
pub(super) fn having(
    registry: &Registry,
    services: Vec<ServiceKey>,
    wanted: impl Fn(&InstanceKey) -> bool,
) -> Vec<ServiceKey> {
    let mut having = Vec::new();
    for services in services.chunks(AT_ONCE) {
        registry.act(|store, _| {
            let some = services.iter().filter(|service| {
                let mut publications = store.publications(service);
                publications.any(|(_, _, publication)| {
                    let mut instances = publication.instances().iter();
                    instances.any(|instance| wanted(&instance.key))
                })
            });
            having.extend(some.cloned());
        });
    }
    having
}

pub(super) fn snapshots(registry: &Registry, services: &[ServiceKey]) -> Vec<Arc<Snapshot>> {
    let mut snapshots = Vec::with_capacity(services.len());
    for services in services.chunks(AT_ONCE) {
        registry.act(|store, _| {
            let found = services
                .iter()
                .filter_map(|service| store.snapshot(service));
            snapshots.extend(found);
        });
    }
    snapshots
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summaries<'a> {
    pub(super) count: usize,
    pub(super) service_list: Vec<Summary<'a>>,
}

/// A service without its instances.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary<'a> {
    name: &'a str,
    group_name: &'a str,
    cluster_count: usize,
    ip_count: usize,
    healthy_instance_count: usize,
    /// A truth value as text.
    trigger_flag: &'static str,
}

impl<'a> Summary<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        let instances = snapshot.set.instances();
        let healthy = instances.iter().filter(|i| i.healthy.or(true)).count();
        let clusters = by_cluster(instances).len();
        let share = healthy as f64 / instances.len() as f64;
        // Without instances the share is no number, and triggers nothing.
        let triggered = share <= snapshot.threshold().unwrap_or(0.0);
        Self {
            name: snapshot.key.name.as_str(),
            group_name: snapshot.key.group.as_str(),
            cluster_count: clusters,
            ip_count: instances.len(),
            healthy_instance_count: healthy,
            trigger_flag: if triggered { "true" } else { "false" },
        }
    }
}

/// A service with its instances. What Nacos 2.2 leaves null is null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    namespace: (),
    service_name: &'a str,
    group_name: &'a str,
    cluster_map: BTreeMap<&'a str, Hosts<'a>>,
    metadata: ShownOrEmpty<'a>,
    protect_threshold: f64,
    selector: (),
    ephemeral: (),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Hosts<'a> {
    cluster_name: (),
    health_checker: (),
    metadata: (),
    hosts: Vec<BulkInstance<'a>>,
}

/// An instance in a bulk read: its health is called `valid`, and nothing says
/// whether it is ephemeral.
#[derive(Serialize)]
pub(super) struct BulkInstance<'a> {
    valid: bool,
    metadata: ShownMetadata<'a>,
    port: u16,
    ip: &'a str,
    weight: f64,
    enabled: bool,
}

impl<'a> Whole<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        let clusters = by_cluster(snapshot.set.instances());
        let cluster_map = clusters.into_iter().map(|(cluster, instances)| {
            let hosts = instances.into_iter().map(BulkInstance::new).collect();
            let hosts = Hosts {
                cluster_name: (),
                health_checker: (),
                metadata: (),
                hosts,
            };
            (cluster.as_str(), hosts)
        });
        Self {
            namespace: (),
            service_name: snapshot.key.name.as_str(),
            group_name: snapshot.key.group.as_str(),
            cluster_map: cluster_map.collect(),
            metadata: ShownOrEmpty(snapshot),
            protect_threshold: snapshot.threshold().unwrap_or(0.0),
            selector: (),
            ephemeral: (),
        }
    }
}

impl<'a> BulkInstance<'a> {
    pub(super) fn new(instance: &'a Instance) -> Self {
        Self {
            valid: instance.healthy.or(true),
            metadata: ShownMetadata(&instance.metadata),
            port: instance.key.port.get(),
            ip: instance.key.host.as_str(),
            weight: instance.weight.get(),
            enabled: instance.enabled,
        }
    }
}

pub(super) fn by_cluster(instances: &[Instance]) -> BTreeMap<&ClusterName, Vec<&Instance>> {
    let mut clusters: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for instance in instances {
        clusters
            .entry(&instance.key.cluster)
            .or_default()
            .push(instance);
    }
    clusters
}

pub(super) async fn service(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    if params.get("serviceName").is_none() {
        return Err(unknown_service("@@"));
    }
    let service = params.service()?;
    let grouped = service.grouped();
    let snapshot = look(&site.registry, &service)?;
    let version = site.registry.settings().version;
    let clusters = service::clusters(&snapshot, version);
    let own_port = match version.has_v3() {
        true => "useIpPort4Check",
        false => "useIPPort4Check",
    };
    let clusters: Vec<_> = clusters
        .iter()
        .map(|(name, cluster)| {
            serde_json::json!({
                "serviceName": grouped,
                "name": name.as_str(),
                "healthChecker": service::checker(cluster, version),
                "defaultPort": 80,
                "defaultCheckPort": cluster.check_port,
                own_port: cluster.own_port,
                "metadata": ShownMetadata(&cluster.metadata),
            })
        })
        .collect();
    let body = serde_json::json!({
        "service": {
            "name": service.name.as_str(),
            "groupName": service.group.as_str(),
            "protectThreshold": snapshot.threshold().unwrap_or(0.0),
            "selector": service::selector(&snapshot, version),
            "metadata": service::metadata(&snapshot)?,
        },
        "clusters": clusters,
    });
    Ok(Json(body).into_response())
}

pub(super) async fn instances(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, Failure> {
    /// A page of a cluster's instances.
    #[derive(Serialize)]
    struct Page<'a> {
        list: Vec<ShownInstance<'a>>,
        count: usize,
    }
    let found = page_of_instances(&site.registry, &params)?;
    Ok(Json(Page {
        list: found.shown(&site.registry),
        count: found.count,
    })
    .into_response())
}

/// A page of the instances of a cluster.
pub(super) struct PageOfInstances {
    pub(super) snapshot: Arc<Snapshot>,
    grouped: String,
    page: Vec<Instance>,
    /// Of all pages.
    pub(super) count: usize,
}

impl PageOfInstances {
    pub(super) fn shown<'a>(&'a self, registry: &'a Registry) -> Vec<ShownInstance<'a>> {
        let page: Vec<&Instance> = self.page.iter().collect();
        raw(registry, &self.snapshot, &self.grouped, &page)
    }
}

/// The page that the parameters ask for.
pub(super) fn page_of_instances(
    registry: &Registry,
    params: &Params,
) -> Result<PageOfInstances, Failure> {
    let service = params.declared_service()?;
    let cluster = ClusterName::from(params.declared("clusterName")?);
    params.declared("pageNo")?;
    params.declared("pageSize")?;
    let page_no = params.integer("pageNo")?;
    let page_size = params.integer("pageSize")?;
    let snapshot = look(registry, &service)?;
    let instances = of_cluster(&snapshot, &cluster)?;
    // Unlike the pages of other lists, a page 0 of this one is empty.
    let shown = if page_no < 1 {
        &[]
    } else {
        page(&instances, page_no, page_size)
    };
    Ok(PageOfInstances {
        page: shown.iter().copied().cloned().collect(),
        count: instances.len(),
        grouped: service.grouped(),
        snapshot,
    })
}

/// A page of all instances of a service, of whichever cluster (v2).
pub(super) async fn instances_in_result(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, Failure> {
    /// Without instances where there are none on the page.
    #[derive(Serialize)]
    struct Page<'a> {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        instances: Vec<ShownInstance<'a>>,
        count: usize,
    }
    // Unlike in most of v2, the group stands in the name, and a refusal in no
    // result.
    let service = params.declared_service()?;
    params.declared("pageNo")?;
    params.declared("pageSize")?;
    let page_no = params.integer("pageNo")?;
    let page_size = params.integer("pageSize")?;
    let Some(snapshot) = site.registry.look(&service) else {
        return Ok(result(serde_json::json!({ "count": 0 })));
    };
    let is_as = |wanted: &str, flag: bool| match params.get(wanted) {
        Some(_) => params.strict_flag(wanted) == flag,
        None => true,
    };
    let instances = snapshot.set.instances().iter();
    let instances: Vec<&Instance> = instances
        .filter(|i| is_as("healthyOnly", i.healthy.or(true)) && is_as("enabledOnly", i.enabled))
        .collect();
    let grouped = service.grouped();
    let shown = page(&instances, page_no, page_size);
    Ok(result(Page {
        instances: raw(&site.registry, &snapshot, &grouped, shown),
        count: instances.len(),
    }))
}

/// A service as it stands; here an unknown one is not found.
pub(super) fn look(registry: &Registry, service: &ServiceKey) -> Result<Arc<Snapshot>, Failure> {
    let snapshot = registry.look(service);
    snapshot.ok_or_else(|| unknown_service(&service.grouped()))
}

fn unknown_service(grouped: &str) -> Failure {
    Failure::NotFound(Code::Server, format!("service {grouped} is not found!"))
}

/// All instances of one cluster, which has to have some.
pub(super) fn of_cluster<'a>(
    snapshot: &'a Snapshot,
    cluster: &ClusterName,
) -> Result<Vec<&'a Instance>, Failure> {
    let instances = snapshot.set.instances().iter();
    let instances: Vec<_> = instances.filter(|i| i.key.cluster == *cluster).collect();
    if instances.is_empty() {
        let text = format!("cluster {cluster} is not found!");
        return Err(Failure::NotFound(Code::Server, text));
    }
    Ok(instances)
}

/// Instances as they are, whatever a consumer would be shown of them.
pub(super) fn raw<'a>(
    registry: &'a Registry,
    snapshot: &'a Snapshot,
    grouped: &'a str,
    instances: &[&'a Instance],
) -> Vec<ShownInstance<'a>> {
    let shown = instances.iter().map(|instance| ShownInstance {
        instance,
        snapshot,
        grouped,
        protected: false,
        life: &registry.settings().life,
    });
    shown.collect()
}
