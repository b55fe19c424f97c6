//! The catalog as 1.x has it.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use syncline_model::{InstanceKey, ServiceKey};

use crate::http::Site;
use crate::http::catalog::{
    BulkInstance, Summaries, Summary, by_cluster, having, having_instances, int_parameter,
    matching, page_of_instances, snapshots,
};
use crate::http::failure::Failure;
use crate::http::params::Params;
use crate::page::page;
use crate::registry::Registry;
use crate::store::Snapshot;
use crate::wire::{ShownInstance, ShownOrEmpty};

/// What every instance belongs to that names no application.
const APP: &str = "DEFAULT";

/// Pages count from 1, and from 0 where they come with instances.
pub(super) async fn services(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, Failure> {
    let page_no = int_parameter(&params, "pageNo")?;
    let page_size = int_parameter(&params, "pageSize")?;
    let registry = &site.registry;
    let mut services = matching(registry, &params)?;
    if params.strict_flag("withInstances") {
        let page_no = page_no.saturating_add(1);
        let shown = snapshots(registry, page_or_all(&services, page_no, page_size));
        let shown: Vec<Whole<'_>> = shown.iter().map(|s| Whole::new(s)).collect();
        return Ok(Json(shown).into_response());
    }
    if params.strict_flag("hasIpCount") {
        services = having_instances(registry, services);
    }
    if let Some(instance) = params.get("instance") {
        services = having_instance(registry, services, instance);
    }
    let shown = snapshots(registry, page_or_all(&services, page_no, page_size));
    let service_list: Vec<Summary<'_>> = shown.iter().map(|s| Summary::new(s)).collect();
    let body = Json(Summaries {
        // Past the end there is nothing to count.
        count: if service_list.is_empty() {
            0
        } else {
            services.len()
        },
        service_list,
    });
    Ok(body.into_response())
}

/// A page; of a list that fits into one, every page is the whole list. Who
/// counts pages with instances from 1 as well would miss it otherwise.
fn page_or_all(services: &[ServiceKey], page_no: i64, page_size: i64) -> &[ServiceKey] {
    match usize::try_from(page_size) {
        Ok(size) if size >= services.len() => services,
        _ => page(services, page_no, page_size),
    }
}

/// The services that have an instance with that address: `ip`, or `ip:port`.
fn having_instance(
    registry: &Registry,
    services: Vec<ServiceKey>,
    address: &str,
) -> Vec<ServiceKey> {
    let (ip, port) = match address.split_once(':') {
        Some((ip, port)) => (ip, Some(port)),
        None => (address, None),
    };
    let has_it = |key: &InstanceKey| {
        let port_fits = || port.is_none_or(|port| key.port.get().to_string() == port);
        key.host.as_str() == ip && port_fits()
    };
    having(registry, services, has_it)
}

/// A service with its instances.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    service_name: &'a str,
    group_name: &'a str,
    cluster_map: BTreeMap<&'a str, Hosts<'a>>,
    metadata: ShownOrEmpty<'a>,
}

#[derive(Serialize)]
struct Hosts<'a> {
    hosts: Vec<BulkInstance<'a>>,
}

impl<'a> Whole<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        let clusters = by_cluster(snapshot.set.instances()).into_iter();
        let cluster_map = clusters.map(|(cluster, instances)| {
            let hosts = instances.into_iter().map(BulkInstance::new).collect();
            (cluster.as_str(), Hosts { hosts })
        });
        Self {
            service_name: snapshot.key.name.as_str(),
            group_name: snapshot.key.group.as_str(),
            cluster_map: cluster_map.collect(),
            metadata: ShownOrEmpty(snapshot),
        }
    }
}

pub(super) async fn instances(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, Failure> {
    /// An instance, with what only 1.x tells.
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Shown<'a> {
        #[serde(flatten)]
        instance: ShownInstance<'a>,
        last_beat: u64,
        marked: bool,
        app: &'static str,
    }
    #[derive(Serialize)]
    struct Page<'a> {
        list: Vec<Shown<'a>>,
        count: usize,
    }
    let found = page_of_instances(&site.registry, &params)?;
    let last_beat = found.snapshot.stamp.unix_millis();
    let list = found.shown(&site.registry).into_iter();
    let list = list.map(|instance| Shown {
        instance,
        last_beat,
        marked: false,
        app: APP,
    });
    let page = Page {
        list: list.collect(),
        count: found.count,
    };
    Ok(Json(page).into_response())
}
