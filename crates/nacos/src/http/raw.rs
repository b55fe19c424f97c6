//! Reading one service as it is registered, without reading all.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use serde::de::IgnoredAny;
use syncline_model::{ClusterName, ServiceKey};

use super::address::ServerId;
use super::bulk::{BulkList, PAGE_SIZE, keys};
use super::client::{Answered, HttpClient};
use super::decode::{ListedService, RejectedService, ServicePage, exact_pattern, searchable};
use super::error::{Class, HttpError};
use super::instances::{RawList, about};
use super::names::{MAX_ROUNDS, Search};
use super::paging::Next;
use super::servers::Route;
use super::transport::Answer;
use crate::version::BulkApi;

/// As many clusters as are read one by one.
const MAX_CLUSTERS: usize = 4;

/// One service as a raw list shows it.
#[derive(Clone, PartialEq, Debug)]
pub enum RawService {
    /// It is there, perhaps without instances.
    Listed(ListedService),
    /// It is there and could not be read; or something that could not be read
    /// is there, and may be it.
    Rejected(RejectedService),
    /// The member that answered does not have it.
    Absent,
}

impl HttpClient {
    /// Reads one service as it is registered, whatever its clusters.
    ///
    /// The bulk call can search by name, but the server matches the pattern
    /// with every service it has: 25 to 45 ms of its time among 4,000 services
    /// (measured). So the names of its clusters and these one by one are read
    /// first, at a cost that does not grow with the registry; the search
    /// follows only where they change meanwhile or show nothing at all.
    ///
    /// # Errors
    /// Any failure, and a list that kept changing while it was searched.
    pub async fn raw_service(
        &self,
        api: BulkApi,
        service: &ServiceKey,
        route: &Route,
    ) -> Result<Answered<RawService>, HttpError> {
        let clusters = match self.clusters(api, service, route).await {
            Err(error) if error.class() == Class::Unsupported => {
                return self.by_search(api, service, route.clone()).await;
            }
            outcome => outcome?,
        };
        let server = clusters.server;
        let found = match clusters.value {
            None => Some(RawService::Absent),
            Some(clusters) => self.by_clusters(api, service, &clusters, &server).await?,
        };
        match found {
            Some(value) => Ok(Answered { value, server }),
            None => self.by_search(api, service, Route::Only(server)).await,
        }
    }

    /// Reads these clusters of a service and makes sure that nothing moved
    /// between them meanwhile. `None` where something did, and where there are
    /// no clusters, as for the first half second of a service on 2.x (measured).
    async fn by_clusters(
        &self,
        api: BulkApi,
        service: &ServiceKey,
        clusters: &[ClusterName],
        server: &ServerId,
    ) -> Result<Option<RawService>, HttpError> {
        if !(1..=MAX_CLUSTERS).contains(&clusters.len()) {
            return Ok(None);
        }
        let route = Route::Only(server.clone());
        let Some(list) = self.each_cluster(api, service, clusters, &route).await? else {
            return Ok(None);
        };
        // What is equal in two readings of several clusters was so between them.
        if clusters.len() > 1 {
            let again = self.each_cluster(api, service, clusters, &route).await?;
            if again.as_ref() != Some(&list) {
                return Ok(None);
            }
        }
        let after = self.clusters(api, service, &route).await?.value;
        if after.as_deref() != Some(clusters) {
            return Ok(None);
        }
        Ok(Some(RawService::Listed(ListedService {
            group: service.group.clone(),
            name: service.name.clone(),
            instances: list.instances,
            rejected: list.rejected,
        })))
    }

    /// The instances of these clusters together; `None` where one is gone.
    async fn each_cluster(
        &self,
        api: BulkApi,
        service: &ServiceKey,
        clusters: &[ClusterName],
        route: &Route,
    ) -> Result<Option<RawList>, HttpError> {
        let mut all = RawList {
            instances: Vec::new(),
            rejected: Vec::new(),
        };
        for cluster in clusters {
            let list = match api {
                BulkApi::Catalog(_) => self.catalog_instances(service, cluster, route).await,
                BulkApi::Admin => self.admin_instances(service, cluster, route).await,
            };
            match list {
                Ok(list) => {
                    all.instances.extend(list.value.instances);
                    all.rejected.extend(list.value.rejected);
                }
                Err(error) if error.class() == Class::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(all))
    }

    /// The clusters of a service, sorted; `None` where there is no such service.
    async fn clusters(
        &self,
        api: BulkApi,
        service: &ServiceKey,
        route: &Route,
    ) -> Result<Answered<Option<Vec<ClusterName>>>, HttpError> {
        const WHAT: &str = "list the clusters";
        match api {
            BulkApi::Catalog(_) => {
                let request = about(WHAT, service, "/v1/ns/catalog/service")
                    .query("namespaceId", service.namespace.to_string())
                    .query("serviceName", service.grouped());
                self.ask_then(&request, route, read_catalog_clusters, none_if_missing)
                    .await
            }
            BulkApi::Admin => {
                let request = about(WHAT, service, "/ns/service")
                    .query("namespaceId", service.namespace.to_string())
                    .query("groupName", service.group.to_string())
                    .query("serviceName", service.name.to_string());
                self.ask_admin_then(request, route, read_admin_clusters, none_if_missing)
                    .await
            }
        }
    }

    /// Searches for a service by exactly its name. Where that finds nothing,
    /// which is also what a server answers that takes patterns literally, by a
    /// part of the name: absence is never taken from the first.
    async fn by_search(
        &self,
        api: BulkApi,
        service: &ServiceKey,
        mut route: Route,
    ) -> Result<Answered<RawService>, HttpError> {
        let group = exact_pattern(service.group.as_str());
        let name = exact_pattern(service.name.as_str());
        if let (Some(group), Some(name)) = (group, name) {
            let search = Search { group, name };
            let found = self.search(api, service, search, route).await?;
            if found.value != RawService::Absent {
                return Ok(found);
            }
            route = Route::Only(found.server);
        }
        let search = Search {
            group: searchable(service.group.as_str()).to_owned(),
            name: searchable(service.name.as_str()).to_owned(),
        };
        self.search(api, service, search, route).await
    }

    async fn search(
        &self,
        api: BulkApi,
        service: &ServiceKey,
        search: Search,
        mut route: Route,
    ) -> Result<Answered<RawService>, HttpError> {
        let list = BulkList {
            api,
            namespace: service.namespace.clone(),
            search,
            page_size: PAGE_SIZE,
        };
        let mut nameless = None;
        for _ in 0..MAX_ROUNDS {
            let mut walk = list.walk();
            let mut seen = HashSet::new();
            let at_once = loop {
                let page = list.page(self, walk.page(), &route).await?;
                route = Route::Only(page.server.clone());
                let entries = page.value.entries();
                let new = keys(&page.value).filter(|k| seen.insert(k.clone())).count();
                nameless = nameless.or_else(|| first_nameless(&page.value));
                if let Some(value) = pick(page.value, service) {
                    let server = page.server;
                    return Ok(Answered { value, server });
                }
                match walk.received(entries, new) {
                    Next::Page => {}
                    Next::End { at_once: true } => break Some(page.server),
                    Next::End { at_once: false } => break None,
                    Next::Endless => return Err(self.unsettled(list.request(walk.page()))),
                }
            };
            let absent = match at_once {
                Some(server) => Some(server),
                // It was on none of several pages, which may have shifted.
                None => {
                    let names = self.search_summaries(api, &list.namespace, &list.search, &route);
                    let names = names.await?;
                    let mut items = names.value.items.iter();
                    let listed = items.any(|s| s.group == service.group && s.name == service.name);
                    (!listed).then_some(names.server)
                }
            };
            if let Some(server) = absent {
                let value = nameless.map_or(RawService::Absent, RawService::Rejected);
                return Ok(Answered { value, server });
            }
        }
        Err(self.unsettled(list.request(0)))
    }
}

/// The service among those of a page, which the server matched loosely.
fn pick(page: ServicePage, service: &ServiceKey) -> Option<RawService> {
    let mut services = page.services.into_iter();
    let found = services.find(|s| s.group == service.group && s.name == service.name);
    if let Some(found) = found {
        return Some(RawService::Listed(found));
    }
    let mut rejected = page.rejected.into_iter();
    let found = rejected.find(|r| {
        let names = r.service.as_ref();
        names.is_some_and(|(group, name)| *group == service.group && *name == service.name)
    });
    found.map(RawService::Rejected)
}

/// An entry of a page that could be any service.
fn first_nameless(page: &ServicePage) -> Option<RejectedService> {
    let mut rejected = page.rejected.iter();
    rejected.find(|r| r.service.is_none()).cloned()
}

fn none_if_missing<T>(outcome: Result<T, HttpError>) -> Result<Option<T>, HttpError> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.class() == Class::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn read_catalog_clusters(answer: &Answer) -> Result<Vec<ClusterName>, HttpError> {
    #[derive(Deserialize)]
    struct Detail {
        clusters: Vec<Cluster>,
    }
    #[derive(Deserialize)]
    struct Cluster {
        name: String,
    }
    let detail: Detail = answer.json()?;
    let names = detail.clusters.into_iter().map(|cluster| cluster.name);
    Ok(sorted(names))
}

pub(super) fn read_admin_clusters(answer: &Answer) -> Result<Vec<ClusterName>, HttpError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Detail {
        cluster_map: BTreeMap<String, IgnoredAny>,
    }
    let detail: Detail = answer.data()?;
    Ok(sorted(detail.cluster_map.into_keys()))
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<ClusterName> {
    let mut names: Vec<ClusterName> = names.map(ClusterName::from).collect();
    names.sort();
    names
}
