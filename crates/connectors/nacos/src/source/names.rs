//! The names of the services of a namespace, by the cheapest call there is.

use std::collections::BTreeSet;

use syncline_contract::{Class, Failure};
use syncline_model::{GroupName, NamespaceId, ServiceKey, ServiceName};
use syncline_nacos::http::{Fingerprint, NamesAgain, NamesApi, Route, Store};
use syncline_nacos::version::{Generation, Negotiated, Support};

use super::Reader;
use super::reach::{Plot, Reach};
use crate::config::ListApi;
use crate::failure;

/// Names that a page of a group holds: more than most groups have, so that one
/// request tells all.
const PAGE: usize = 10_000;

/// Names that a page of the upgrade API holds, which is asked for page by page.
const UPGRADE_OPS_PAGE: usize = 500;

/// As many groups as are listed one by one; more are found faster among all.
pub(super) const GROUPS_SINGLY: usize = 4;

/// A page without an end is given up after so many.
const MOST_PAGES: i64 = 10_000;

/// The names of a plot, asked for once more.
pub(super) enum Again {
    /// Those of the answer before.
    Same,
    /// Others, and which answer that was, where it can be told from the next.
    Others(Option<Fingerprint>, Vec<ServiceKey>),
}

/// Why there are no names.
pub(super) enum NoNames {
    /// It is not permitted, or the server cannot.
    Refused(Failure),
    /// It failed.
    Failed(Failure),
}

impl From<Failure> for NoNames {
    fn from(failure: Failure) -> Self {
        if is_refused(&failure) {
            Self::Refused(failure)
        } else {
            Self::Failed(failure)
        }
    }
}

fn is_refused(failure: &Failure) -> bool {
    matches!(
        failure.class,
        Class::Forbidden | Class::Unauthenticated | Class::Unsupported
    )
}

impl NoNames {
    /// Why, on one line.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Refused(failure) | Self::Failed(failure) => failure.chain(),
        }
    }
}

impl Reader {
    /// The selected services of a plot, by the call that the configuration asks
    /// for.
    pub(super) async fn names(
        &self,
        server: &Negotiated,
        reach: &Reach,
        plot: &Plot,
    ) -> Result<BTreeSet<ServiceKey>, NoNames> {
        if let Some(services) = &plot.services {
            return Ok(services.clone());
        }
        let all = match self.cluster.config().list_api {
            ListApi::UpgradeOps => self.names_by_upgrade_ops(server, reach, plot).await?,
            ListApi::Auto => self.names_by_the_best_call(server, plot).await?,
        };
        Ok(all.into_iter().filter(|s| reach.selects(s)).collect())
    }

    /// All services of a plot, selected or not, by the cheapest call.
    pub(super) async fn names_by_the_best_call(
        &self,
        server: &Negotiated,
        plot: &Plot,
    ) -> Result<Vec<ServiceKey>, NoNames> {
        let namespace = &plot.namespace;
        if let Some(services) = &plot.services {
            return Ok(services.iter().cloned().collect());
        }
        let Some(groups) = &plot.groups else {
            return Ok(self.names_of_namespace(server, namespace).await?);
        };
        if groups.len() > GROUPS_SINGLY {
            match self.names_of_namespace(server, namespace).await {
                Err(failure) if is_refused(&failure) => {}
                outcome => return Ok(outcome?),
            }
        }
        let mut names = Vec::new();
        for group in groups {
            names.extend(self.names_of_group(server, namespace, group).await?);
        }
        Ok(names)
    }

    /// All services of a plot, unless the answer is the one before.
    pub(super) async fn names_again(
        &self,
        server: &Negotiated,
        plot: &Plot,
        before: Option<Fingerprint>,
    ) -> Result<Again, NoNames> {
        let whole = plot.groups.is_none() && plot.services.is_none();
        if !whole || server.generation != Generation::V2 {
            let all = self.names_by_the_best_call(server, plot).await?;
            return Ok(Again::Others(None, all));
        }
        let namespace = &plot.namespace;
        let http = self.cluster.http().await?;
        if let Ok(asked) = http.names_again(namespace, before, &Route::Any).await {
            match asked.value {
                NamesAgain::Same => return Ok(Again::Same),
                NamesAgain::Others(answer, names) => {
                    if let Some(all) = grouped(namespace, names) {
                        return Ok(Again::Others(Some(answer), all));
                    }
                }
            }
        }
        let all = self.names_by_summaries(server, namespace).await?;
        Ok(Again::Others(None, all))
    }

    /// The services of every group.
    async fn names_of_namespace(
        &self,
        server: &Negotiated,
        namespace: &NamespaceId,
    ) -> Result<Vec<ServiceKey>, Failure> {
        let http = self.cluster.http().await?;
        // Without instances and their number, so cheaper than a catalog. A
        // single service with a bad name makes it fail.
        if server.generation == Generation::V2
            && let Ok(names) = http.names_by_namespace(Some(namespace), &Route::Any).await
            && let Some(names) = grouped(namespace, names.value)
        {
            return Ok(names);
        }
        self.names_by_summaries(server, namespace).await
    }

    /// The services of every group by a call that minds no bad name.
    async fn names_by_summaries(
        &self,
        server: &Negotiated,
        namespace: &NamespaceId,
    ) -> Result<Vec<ServiceKey>, Failure> {
        let http = self.cluster.http().await?;
        let listed = http
            .service_summaries(server.features.bulk, namespace, &Route::Any)
            .await
            .map_err(|error| {
                self.cluster
                    .failure(&format!("list the services of {namespace}"), error)
            })?;
        let key = |group, name| ServiceKey {
            namespace: namespace.clone(),
            group,
            name,
        };
        let items = listed.value.items.into_iter().map(|s| key(s.group, s.name));
        // What could not be read is there all the same.
        let rejected = listed.value.rejected.into_iter().filter_map(|r| r.service);
        let rejected = rejected.map(|(group, name)| key(group, name));
        Ok(items.chain(rejected).collect())
    }

    async fn names_of_group(
        &self,
        server: &Negotiated,
        namespace: &NamespaceId,
        group: &GroupName,
    ) -> Result<Vec<ServiceKey>, Failure> {
        if server.features.v1_client.worth_trying() {
            match self
                .page_through(NamesApi::V1, namespace, group, PAGE)
                .await
            {
                Err(failure)
                    if server.features.grpc.worth_trying()
                        && failure.class == Class::Unsupported => {}
                outcome => return outcome,
            }
        }
        self.names_over_grpc(namespace, group).await
    }

    async fn page_through(
        &self,
        api: NamesApi,
        namespace: &NamespaceId,
        group: &GroupName,
        size: usize,
    ) -> Result<Vec<ServiceKey>, Failure> {
        let http = self.cluster.http().await?;
        let names = http
            .service_names(api, namespace, group, size, &Route::Any)
            .await
            .map_err(|error| {
                let doing = format!("list the services of {namespace}/{group}");
                self.cluster.failure(&doing, error)
            })?;
        let key = |name| key(namespace, group, name);
        Ok(names.value.items.into_iter().map(key).collect())
    }

    /// 2.0.0 to 2.0.3 count the page and not the group, so only an empty page
    /// is the end.
    async fn names_over_grpc(
        &self,
        namespace: &NamespaceId,
        group: &GroupName,
    ) -> Result<Vec<ServiceKey>, Failure> {
        let doing = || format!("{}: list {namespace}/{group}", self.cluster.endpoint());
        let (_, connection) = self.connection(&Route::Any).await?;
        let size = i64::try_from(PAGE).unwrap_or(i64::MAX);
        let mut names = BTreeSet::new();
        for page in 1..=MOST_PAGES {
            let listed = connection
                .list_services(namespace.as_str(), group.as_str(), page, size)
                .await
                .map_err(|error| failure::of_call(doing(), error))?;
            let before = names.len();
            names.extend(listed.service_names);
            if names.len() == before {
                let key = |name: String| key(namespace, group, name.into());
                return Ok(names.into_iter().map(key).collect());
            }
        }
        Err(Failure::new(Class::Malformed, doing()).because("the list has no end"))
    }

    /// Each group by the upgrade API, page by page.
    async fn names_by_upgrade_ops(
        &self,
        server: &Negotiated,
        reach: &Reach,
        plot: &Plot,
    ) -> Result<Vec<ServiceKey>, NoNames> {
        if let Some(failure) = self.lacks_upgrade_ops(server) {
            return Err(NoNames::Failed(failure));
        }
        let namespace = &plot.namespace;
        let groups = match &plot.groups {
            Some(groups) => groups.clone(),
            None => self.groups(server, reach, namespace).await?,
        };
        let api = NamesApi::UpgradeOps(Store::V2);
        let mut names = Vec::new();
        for group in &groups {
            names.extend(
                self.page_through(api, namespace, group, UPGRADE_OPS_PAGE)
                    .await?,
            );
        }
        Ok(names)
    }

    /// Why `list_api` cannot be as it is configured, if it cannot.
    pub(super) fn lacks_upgrade_ops(&self, server: &Negotiated) -> Option<Failure> {
        let wanted = self.cluster.config().list_api == ListApi::UpgradeOps;
        (wanted && server.features.upgrade_ops == Support::No).then(|| {
            let doing = format!(
                "{}: use `list_api: upgrade-ops`, which 2.0.2 to 2.1.2 have and Nacos {} does not",
                self.cluster.endpoint(),
                server.known
            );
            Failure::new(Class::Fatal, doing)
        })
    }

    /// The upgrade API lists one group at a time and tells of none.
    async fn groups(
        &self,
        server: &Negotiated,
        reach: &Reach,
        namespace: &NamespaceId,
    ) -> Result<BTreeSet<GroupName>, Failure> {
        let services = self.names_of_namespace(server, namespace).await?;
        let groups = services.into_iter().map(|service| service.group);
        Ok(groups
            .filter(|group| reach.selects_group(namespace, group))
            .collect())
    }
}

fn key(namespace: &NamespaceId, group: &GroupName, name: ServiceName) -> ServiceKey {
    ServiceKey {
        namespace: namespace.clone(),
        group: group.clone(),
        name,
    }
}

/// The names of one namespace with their groups; `None` where some lack it, as
/// on 1.x.
fn grouped(
    namespace: &NamespaceId,
    names: Vec<syncline_nacos::http::NamespaceNames>,
) -> Option<Vec<ServiceKey>> {
    let services = names
        .into_iter()
        .filter(|names| names.namespace == *namespace)
        .flat_map(|names| names.services);
    services
        .map(|(group, name)| group.map(|group| key(namespace, &group, name)))
        .collect()
}
