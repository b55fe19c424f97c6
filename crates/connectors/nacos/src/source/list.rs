//! Reading everything that the scopes select.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use syncline_contract::{Area, Coverage, ListEnd, Listed};
use syncline_model::scope::Scope;
use syncline_model::{GroupName, NamespaceId, ServiceKey, Truth, View};
use syncline_nacos::http::{PAGE_SIZE, Page, Route, ServerId, Step};
use syncline_nacos::version::{BulkApi, Negotiated};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::names::NoNames;
use super::reach::{Plot, Reach, everywhere, is_refusal};
use super::suspicion::{self, Fingerprint};
use super::{Reader, advice};
use crate::config::ListApi;
use crate::failure;

/// Services that are read one by one at the same time.
const IN_FLIGHT: usize = 32;

/// Above so many names of a namespace, its services are read all together.
const SINGLY: usize = 64;

/// Says of a service whether it is to be sent.
type Wanted<'a> = dyn FnMut(&ServiceKey) -> bool + Send + 'a;

/// How the bulk reading of a plot went.
enum Bulk {
    Ended(Coverage),
    /// Raw lists are not permitted here.
    Refused,
}

impl Reader {
    pub(super) async fn list(&self, scopes: &[Scope], sink: &mpsc::Sender<Listed>) -> ListEnd {
        let server = match self.cluster.negotiate().await {
            Ok(server) => server,
            Err(failure) => {
                let coverage = Coverage::Failed(failure.chain().into());
                return ListEnd::of(vec![everywhere(coverage)]);
            }
        };
        self.take_fingerprint(&server).await;
        let reach = self.reach(scopes, &server).await;
        ListEnd {
            areas: self.list_reach(&server, &reach, sink).await,
            show_names: reach.show_names,
        }
    }

    /// Notices a cluster that is not what it was.
    async fn take_fingerprint(&self, server: &Negotiated) {
        let members = match self.cluster.http().await {
            Ok(http) => http.members(&Route::Any).await.ok(),
            Err(_) => None,
        };
        let found = Fingerprint {
            version: server.known.to_string(),
            members: members.map(|told| told.value.into_iter().map(|m| m.address).collect()),
        };
        self.memory.lock().suspicions.found(Instant::now(), found);
    }

    /// Reads what was laid out, plot by plot.
    pub(super) async fn list_reach(
        &self,
        server: &Negotiated,
        reach: &Reach,
        sink: &mpsc::Sender<Listed>,
    ) -> Vec<Area> {
        let mut areas = reach.doubts.clone();
        for plot in &reach.plots {
            areas.extend(self.list_plot(server, reach, plot, sink).await);
        }
        if let Some(why) = self.suspicion().await {
            doubt(&mut areas, &why);
        }
        areas
    }

    /// Why nothing that the servers show is to be believed, if there is a
    /// reason.
    async fn suspicion(&self) -> Option<Arc<str>> {
        let changed = self.memory.lock().suspicions.of_cluster(Instant::now());
        if changed.is_some() {
            return changed;
        }
        let servers = self.cluster.http().await.ok()?.servers();
        self.of_member(servers.current().id()).await
    }

    /// Why a member is not to be believed alone, if there is a reason. A server
    /// without peers has nothing to load from them.
    pub(super) async fn of_member(&self, member: &ServerId) -> Option<Arc<str>> {
        let servers = self.cluster.http().await.ok()?.servers();
        if servers.distinct_members() < 2 {
            return None;
        }
        suspicion::of_member(&member.to_string(), servers.back_for(member))
    }

    async fn list_plot(
        &self,
        server: &Negotiated,
        reach: &Reach,
        plot: &Plot,
        sink: &mpsc::Sender<Listed>,
    ) -> Vec<Area> {
        self.memory.lock().sample = Some(plot.namespace.clone());
        let raw = self.raw_api(server, &plot.namespace);
        let by_name = plot.services.is_some() || self.cluster.config().list_api != ListApi::Auto;
        if let Some(api) = raw.filter(|_| !by_name) {
            let group = only_group(plot);
            let mut selects = |service: &ServiceKey| reach.selects(service);
            match self.list_bulk(api, plot, group, &mut selects, sink).await {
                Bulk::Ended(coverage) => {
                    return vec![area(&plot.namespace, group.cloned(), coverage)];
                }
                Bulk::Refused => {}
            }
        }
        let coverage = self.list_by_name(server, reach, plot, sink).await;
        match &plot.groups {
            None => vec![area(&plot.namespace, None, coverage)],
            Some(groups) => groups
                .iter()
                .map(|group| area(&plot.namespace, Some(group.clone()), coverage.clone()))
                .collect(),
        }
    }

    /// Pages through everything in the namespace, or in one group of it, and
    /// sends what is wanted of it.
    async fn list_bulk(
        &self,
        api: BulkApi,
        plot: &Plot,
        group: Option<&GroupName>,
        wanted: &mut Wanted<'_>,
        sink: &mpsc::Sender<Listed>,
    ) -> Bulk {
        let http = match self.cluster.http().await {
            Ok(http) => http,
            Err(failure) => return Bulk::Ended(Coverage::Failed(failure.chain().into())),
        };
        let mut reader = http.services(api, &plot.namespace, group, PAGE_SIZE, Route::Any);
        let mut nameless = 0;
        loop {
            match reader.next().await {
                Ok(Step::Page(page)) => {
                    nameless += page.rejected.iter().filter(|r| r.service.is_none()).count();
                    if !self.send_page(&plot.namespace, page, wanted, sink).await {
                        return Bulk::Ended(Coverage::Failed("nobody listens any more".into()));
                    }
                }
                Ok(Step::Complete(read)) => {
                    let services = read.services + read.rejected;
                    return Bulk::Ended(if nameless > 0 {
                        let why =
                            format!("{nameless} services cannot be read, not even their names");
                        Coverage::Partial(why.into())
                    } else {
                        self.whole(plot, group, services, Truth::Raw)
                    });
                }
                Err(error) if is_refusal(&error) => {
                    self.note_refusal(&plot.namespace, failure::reason(&error));
                    return Bulk::Refused;
                }
                Err(error) => return Bulk::Ended(Coverage::Failed(failure::reason(&error))),
            }
        }
    }

    /// How far a list that was read to its end can be believed.
    fn whole(
        &self,
        plot: &Plot,
        group: Option<&GroupName>,
        services: usize,
        truth: Truth,
    ) -> Coverage {
        if services == 0 && plot.vanished {
            return Coverage::Suspect(vanished(&plot.namespace));
        }
        let place = (plot.namespace.clone(), group.cloned());
        let suspicions = &mut self.memory.lock().suspicions;
        match suspicions.listed(Instant::now(), place, services) {
            Some(why) => Coverage::Suspect(why),
            None => Coverage::Complete(truth),
        }
    }

    /// `false` when nobody listens.
    async fn send_page(
        &self,
        namespace: &NamespaceId,
        page: Page,
        wanted: &mut Wanted<'_>,
        sink: &mpsc::Sender<Listed>,
    ) -> bool {
        for listed in page.services {
            let service = ServiceKey {
                namespace: namespace.clone(),
                group: GroupName::new(self.texts.share(listed.group.as_str())),
                name: listed.name.clone(),
            };
            if !wanted(&service) {
                continue;
            }
            let (view, rejected) = self.shown_raw(listed).listed(Truth::Raw);
            let listed = Listed {
                service,
                view,
                rejected,
            };
            if sink.send(listed).await.is_err() {
                return false;
            }
        }
        for rejected in page.rejected {
            let Some((group, name)) = rejected.service else {
                continue;
            };
            let listed = Listed {
                service: ServiceKey {
                    namespace: namespace.clone(),
                    group,
                    name,
                },
                view: View::Failed(rejected.why.to_string().into()),
                rejected: Vec::new(),
            };
            if wanted(&listed.service) && sink.send(listed).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Finds the names first, and then what is behind them.
    async fn list_by_name(
        &self,
        server: &Negotiated,
        reach: &Reach,
        plot: &Plot,
        sink: &mpsc::Sender<Listed>,
    ) -> Coverage {
        let mut names = match self.names(server, reach, plot).await {
            Ok(names) => names,
            Err(NoNames::Failed(failure)) => return Coverage::Failed(failure.chain().into()),
            Err(refused) => {
                return Coverage::Partial(advice::groups(server, &refused.reason()));
            }
        };
        let found = names.len();
        let raw = self.raw_api(server, &plot.namespace);
        if let Some(api) = raw.filter(|_| names.len() > SINGLY) {
            let mut named = |service: &ServiceKey| names.remove(service);
            match self.list_bulk(api, plot, None, &mut named, sink).await {
                Bulk::Ended(Coverage::Complete(_)) | Bulk::Refused => {}
                Bulk::Ended(doubt) => return doubt,
            }
        }
        match self.list_singly(server, plot, names, sink).await {
            Coverage::Complete(truth) => self.whole(plot, None, found, truth),
            doubt => doubt,
        }
    }

    /// Reads each service by itself.
    async fn list_singly(
        &self,
        server: &Negotiated,
        plot: &Plot,
        names: BTreeSet<ServiceKey>,
        sink: &mpsc::Sender<Listed>,
    ) -> Coverage {
        let mut looks = stream::iter(names)
            .map(|service| async move {
                let look = self.look(&service, &Route::Any).await;
                (service, look)
            })
            .buffer_unordered(IN_FLIGHT);
        let mut least = match self.raw_api(server, &plot.namespace) {
            Some(_) => Truth::Raw,
            None => Truth::Consumer,
        };
        while let Some((service, look)) = looks.next().await {
            let (view, rejected) = match look {
                Ok(look) => {
                    least = least.min(look.truth);
                    look.shown.listed(look.truth)
                }
                Err(failure) => (View::Failed(failure.chain().into()), Vec::new()),
            };
            let listed = Listed {
                service,
                view,
                rejected,
            };
            if sink.send(listed).await.is_err() {
                return Coverage::Failed("nobody listens any more".into());
            }
        }
        Coverage::Complete(least)
    }
}

/// The group of a plot that has just one.
fn only_group(plot: &Plot) -> Option<&GroupName> {
    let groups = plot.groups.as_ref()?;
    groups.first().filter(|_| groups.len() == 1)
}

fn area(namespace: &NamespaceId, group: Option<GroupName>, coverage: Coverage) -> Area {
    Area {
        namespace: Some(namespace.clone()),
        group,
        coverage,
    }
}

fn vanished(namespace: &NamespaceId) -> Arc<str> {
    format!("the namespace {namespace} was listed before, and is neither listed nor used now")
        .into()
}

/// Takes from what was read the power to remove anything.
fn doubt(areas: &mut [Area], why: &Arc<str>) {
    for area in areas {
        if matches!(area.coverage, Coverage::Complete(_)) {
            area.coverage = Coverage::Suspect(Arc::clone(why));
        }
    }
}
