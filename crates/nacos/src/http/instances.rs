//! Lists of the instances of one service.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use syncline_model::{ClusterName, Seen, ServiceKey};

use super::client::{Answered, HttpClient};
use super::error::HttpError;
use super::names::{Store, WHOLE};
use super::servers::Route;
use super::transport::{Answer, Request};
use crate::message::{Instance, Lenient, Rejected, split_grouped};

/// The call that shows a service as a consumer sees it: disabled instances are
/// left out, and under the protect threshold all are shown healthy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConsumerApi {
    /// `GET /v1/ns/instance/list`: 1.x to 3.1.
    V1,
    /// `GET /v2/ns/instance/list`: 2.2 up to 3.0.
    V2,
    /// `GET /v3/client/ns/instance/list`: 3.0 and later. 3.0 and 3.1 show only
    /// the cluster `DEFAULT` unless clusters are named.
    V3,
    /// `GET /v1/ns/upgrade/ops/instance/list`: 2.0.2 to 2.1.2.
    UpgradeOps(Store),
}

/// A service as a consumer sees it.
#[derive(Clone, PartialEq, Debug)]
pub struct ConsumerList {
    /// The instances as they were sent.
    pub instances: Vec<Instance>,
    /// Instances that could not be read.
    pub rejected: Vec<Rejected>,
    /// Whether the protect threshold was reached, so that the health shown is
    /// not the true one. 1.x protects without saying so, v3 lists do as well.
    pub protected: Seen<bool>,
    /// How often the server wants to be asked. On 1.x 10 s mean that a UDP
    /// subscription was accepted, 3 s that it was not.
    pub poll_every: Option<Duration>,
}

/// Instances as they are registered: disabled ones and true health included.
#[derive(Clone, PartialEq, Debug)]
pub struct RawList {
    /// The instances as they were sent.
    pub instances: Vec<Instance>,
    /// Instances that could not be read.
    pub rejected: Vec<Rejected>,
}

/// The object that v1 and v2 lists and UDP pushes carry.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListBody {
    pub(crate) name: String,
    hosts: Lenient<Instance>,
    #[serde(default)]
    cache_millis: Option<u64>,
    #[serde(default)]
    reach_protection_threshold: Option<bool>,
    #[serde(default)]
    pub(crate) clusters: Option<String>,
}

impl From<ListBody> for ConsumerList {
    fn from(body: ListBody) -> Self {
        Self {
            instances: body.hosts.items,
            rejected: body.hosts.rejected,
            protected: match body.reach_protection_threshold {
                Some(reached) => Seen::Known(reached),
                None => Seen::Unknown,
            },
            poll_every: body.cache_millis.map(Duration::from_millis),
        }
    }
}

/// Where pushes about a service shall go, for a UDP subscription.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PushTo {
    pub(crate) ip: String,
    pub(crate) port: u16,
}

impl HttpClient {
    /// A service as a consumer sees it, all clusters or those named. An unknown
    /// service is an empty list, in every version.
    ///
    /// # Errors
    /// Any failure, and an answer about another service.
    pub async fn instance_list(
        &self,
        api: ConsumerApi,
        service: &ServiceKey,
        clusters: &[ClusterName],
        route: &Route,
    ) -> Result<Answered<ConsumerList>, HttpError> {
        let request = list_request(api, service, clusters, None);
        self.ask(&request, route, |answer| read_list(api, service, answer))
            .await
    }

    pub(crate) async fn subscribing_list(
        &self,
        service: &ServiceKey,
        push_to: &PushTo,
        route: &Route,
    ) -> Result<Answered<ConsumerList>, HttpError> {
        let request = list_request(ConsumerApi::V1, service, &[], Some(push_to));
        let read = |answer: &Answer| read_list(ConsumerApi::V1, service, answer);
        self.ask(&request, route, read).await
    }

    /// The instances of one cluster of a service as they are registered, by the
    /// v1 catalog (1.x and 2.x).
    ///
    /// # Errors
    /// Any failure; an unknown service or cluster is [`super::Class::NotFound`].
    pub async fn catalog_instances(
        &self,
        service: &ServiceKey,
        cluster: &ClusterName,
        route: &Route,
    ) -> Result<Answered<RawList>, HttpError> {
        let request = about(
            "list the raw instances",
            service,
            "/v1/ns/catalog/instances",
        )
        .query("namespaceId", service.namespace.to_string())
        .query("serviceName", service.grouped())
        .query("clusterName", cluster.to_string())
        .query("pageNo", "1")
        .query("pageSize", WHOLE.to_string());
        self.ask(&request, route, read_catalog_list).await
    }

    /// The instances of one cluster of a service as they are registered, by the
    /// admin API of 3.x.
    ///
    /// # Errors
    /// Any failure; an unknown service or cluster is [`super::Class::NotFound`].
    pub async fn admin_instances(
        &self,
        service: &ServiceKey,
        cluster: &ClusterName,
        route: &Route,
    ) -> Result<Answered<RawList>, HttpError> {
        let request = about("list the raw instances", service, "/ns/instance/list")
            .query("namespaceId", service.namespace.to_string())
            .query("groupName", service.group.to_string())
            .query("serviceName", service.name.to_string())
            .query("clusterName", cluster.to_string())
            // The console's twin of this call has pages, the admin call has none.
            .query("pageNo", "1")
            .query("pageSize", WHOLE.to_string());
        self.ask_admin(request, route, read_admin_list).await
    }
}

/// A call that reads something of a service.
pub(super) fn about(what: &str, service: &ServiceKey, path: &'static str) -> Request {
    Request::get(format!("{what} of {service}"), path).about(service.grouped())
}

fn list_request(
    api: ConsumerApi,
    service: &ServiceKey,
    clusters: &[ClusterName],
    push_to: Option<&PushTo>,
) -> Request {
    let (path, clusters_name) = match api {
        ConsumerApi::V1 => ("/v1/ns/instance/list", "clusters"),
        ConsumerApi::V2 => ("/v2/ns/instance/list", "clusterName"),
        ConsumerApi::V3 => ("/v3/client/ns/instance/list", "clusterName"),
        ConsumerApi::UpgradeOps(_) => ("/v1/ns/upgrade/ops/instance/list", "clusters"),
    };
    let mut request = about("list the instances", service, path)
        .query("namespaceId", service.namespace.to_string());
    request = match api {
        ConsumerApi::V1 | ConsumerApi::UpgradeOps(_) => {
            request.query("serviceName", service.grouped())
        }
        ConsumerApi::V2 | ConsumerApi::V3 => request
            .query("groupName", service.group.to_string())
            .query("serviceName", service.name.to_string()),
    };
    if let ConsumerApi::UpgradeOps(store) = api {
        request = request.query("ver", store.wire());
    }
    if !clusters.is_empty() {
        let names: Vec<&str> = clusters.iter().map(ClusterName::as_str).collect();
        request = request.query(clusters_name, names.join(","));
    }
    match push_to {
        Some(PushTo { ip, port }) => request
            .query("udpPort", port.to_string())
            .query("clientIP", ip.clone()),
        None => request,
    }
}

pub(super) fn read_list(
    api: ConsumerApi,
    service: &ServiceKey,
    answer: &Answer,
) -> Result<ConsumerList, HttpError> {
    let body: ListBody = match api {
        ConsumerApi::V1 | ConsumerApi::UpgradeOps(_) => answer.json()?,
        ConsumerApi::V2 => answer.data()?,
        ConsumerApi::V3 => {
            let hosts: Lenient<Instance> = answer.data()?;
            return Ok(ConsumerList {
                instances: hosts.items,
                rejected: hosts.rejected,
                protected: Seen::Unknown,
                poll_every: None,
            });
        }
    };
    // An empty list of another service must not be taken for this one's. v2, for
    // one, answers a question about `G@@s` with `DEFAULT_GROUP@@G`.
    let (group, name) = split_grouped(&body.name).unwrap_or((service.group.as_str(), &body.name));
    if group != service.group.as_str() || name != service.name.as_str() {
        return Err(answer.malformed(format!("the answer is about {}", body.name)));
    }
    Ok(body.into())
}

fn read_catalog_list(answer: &Answer) -> Result<RawList, HttpError> {
    #[derive(Deserialize)]
    struct Page {
        count: usize,
        list: Lenient<Instance>,
    }
    let page: Page = answer.json()?;
    whole(answer, page.list, page.count)
}

/// The admin API answers with a list, the console with a page.
pub(super) fn read_admin_list(answer: &Answer) -> Result<RawList, HttpError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page {
        total_count: usize,
        page_items: Lenient<Instance>,
    }
    let raw: &RawValue = answer.data()?;
    if raw.get().starts_with('{') {
        let page: Page = answer.data()?;
        return whole(answer, page.page_items, page.total_count);
    }
    let list: Lenient<Instance> = answer.data()?;
    Ok(list.into())
}

/// A list that must not lack any of its entries.
fn whole(answer: &Answer, list: Lenient<Instance>, count: usize) -> Result<RawList, HttpError> {
    if list.items.len() + list.rejected.len() < count {
        return Err(answer.malformed("a part of the list where all of it is due"));
    }
    Ok(list.into())
}

impl From<Lenient<Instance>> for RawList {
    fn from(list: Lenient<Instance>) -> Self {
        Self {
            instances: list.items,
            rejected: list.rejected,
        }
    }
}
