//! Reading all services of a namespace with their instances, as registered.

use std::collections::HashMap;

use syncline_model::{GroupName, NamespaceId, ServiceKey};

use super::address::ServerId;
use super::client::{Answered, HttpClient};
use super::decode::{
    Entries, ListedService, RejectedService, ServicePage, searchable, service_page,
};
use super::error::HttpError;
use super::names::{MAX_ROUNDS, Search, key};
use super::paging::{Next, Walk};
use super::raw::RawService;
use super::servers::Route;
use super::transport::{Answer, Request};
use crate::version::{BulkApi, FirstPage};

/// Services that a page of a bulk read holds, unless told otherwise. 1,000
/// services of 10 instances are 1.5 MB on 2.x and 4 MB on 3.x, and take some
/// 40 ms (measured).
pub const PAGE_SIZE: usize = 1_000;

/// As many services as are fetched one by one where the list shifted away from
/// under its reader; more are worth another reading.
const FETCH_SINGLY: usize = 32;

/// What a reader gives next.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// Some services. Each comes once, whatever happens to the list meanwhile.
    Page(Page),
    /// All services came that were there when the reading ended. Only after
    /// this can a service that did not come be said to be absent, and only if
    /// nothing was rejected without a name.
    Complete(Read),
}

/// Some of the services of a namespace.
#[derive(Clone, PartialEq, Debug)]
pub struct Page {
    /// The services with their instances.
    pub services: Vec<ListedService>,
    /// Services that could not be read.
    pub rejected: Vec<RejectedService>,
    /// The member that answered.
    pub server: ServerId,
}

/// What a complete reading took.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Read {
    /// How many services came.
    pub services: usize,
    /// How many instances they have together.
    pub instances: usize,
    /// How many entries could not be read, services and instances.
    pub rejected: usize,
    /// How many requests were made.
    pub requests: usize,
}

/// Reads all services of a namespace, page by page, so that no more than a page
/// is ever held.
///
/// A list of more than one page may change while it is read. So at the end the
/// reader asks for all names at once, and fetches what it has not seen: one by
/// one where that is little, else by reading the pages again.
pub struct ServiceReader<'a> {
    client: &'a HttpClient,
    list: BulkList,
    /// The only group that is wanted, of those that the server sends.
    group: Option<GroupName>,
    route: Route,
    walk: Walk,
    round: usize,
    /// Each service that came, and the last round in which it did.
    seen: HashMap<String, usize>,
    phase: Phase,
    read: Read,
}

#[derive(Debug)]
enum Phase {
    Paging(Option<ServerId>),
    Verifying(ServerId),
    Fetching(ServerId, Vec<ServiceKey>),
    Complete,
    Failed,
}

/// Which list is read.
pub(super) struct BulkList {
    pub(super) api: BulkApi,
    pub(super) namespace: NamespaceId,
    pub(super) search: Search,
    pub(super) page_size: usize,
}

impl BulkList {
    pub(super) fn walk(&self) -> Walk {
        let first = match self.api {
            BulkApi::Catalog(first) => first,
            BulkApi::Admin => FirstPage::One,
        };
        Walk::new(self.page_size, first)
    }

    pub(super) fn request(&self, page: u32) -> Request {
        let path = match self.api {
            BulkApi::Catalog(_) => "/v1/ns/catalog/services",
            BulkApi::Admin => "/ns/service/list",
        };
        let attempted = format!("list the instances of {}, page {page}", self.namespace);
        let request = Request::get(attempted, path)
            .bulk()
            .query("namespaceId", self.namespace.to_string())
            .query("pageNo", page.to_string())
            .query("pageSize", self.page_size.to_string())
            .query("withInstances", "true");
        self.search.add_to(request)
    }

    fn read(&self, page: u32, answer: &Answer) -> Result<ServicePage, HttpError> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct AdminPage<'a> {
            #[serde(borrow)]
            page_items: Entries<'a>,
            #[serde(default)]
            total_count: usize,
        }
        let entries = match self.api {
            BulkApi::Catalog(_) => answer.json::<Entries<'_>>()?,
            BulkApi::Admin => {
                let read: AdminPage<'_> = answer.data()?;
                let entries = read.page_items.len();
                // A first page that is neither full nor all was cut by someone.
                if page == 1 && entries < self.page_size.min(read.total_count) {
                    return Err(answer.malformed("a part of the list where a whole page is due"));
                }
                read.page_items
            }
        };
        Ok(service_page(&entries))
    }

    pub(super) async fn page(
        &self,
        client: &HttpClient,
        page: u32,
        route: &Route,
    ) -> Result<Answered<ServicePage>, HttpError> {
        let request = self.request(page);
        let read = |answer: &Answer| self.read(page, answer);
        match self.api {
            BulkApi::Catalog(_) => client.ask(&request, route, read).await,
            BulkApi::Admin => client.ask_admin(request, route, read).await,
        }
    }
}

impl HttpClient {
    /// Reads all services of a namespace with their instances, or those of one
    /// group.
    pub fn services(
        &self,
        api: BulkApi,
        namespace: &NamespaceId,
        group: Option<&GroupName>,
        page_size: usize,
        route: Route,
    ) -> ServiceReader<'_> {
        let list = BulkList {
            api,
            namespace: namespace.clone(),
            search: Search {
                group: group.map_or("", |g| searchable(g.as_str())).to_owned(),
                name: String::new(),
            },
            page_size: page_size.max(1),
        };
        ServiceReader {
            client: self,
            walk: list.walk(),
            list,
            group: group.cloned(),
            route,
            round: 1,
            seen: HashMap::new(),
            phase: Phase::Paging(None),
            read: Read::default(),
        }
    }
}

/// The keys of all entries of a page, good or bad.
pub(super) fn keys(page: &ServicePage) -> impl Iterator<Item = String> {
    let services = page.services.iter().map(|s| key(&s.group, &s.name));
    services.chain(page.rejected.iter().map(rejected_key))
}

fn rejected_key(rejected: &RejectedService) -> String {
    match &rejected.service {
        Some((group, name)) => key(group, name),
        // Such an entry is told from others by its content alone.
        None => rejected.why.excerpt.clone(),
    }
}

impl ServiceReader<'_> {
    /// The next services, or the end. After an error the reading is over, and
    /// nothing follows from what had not come.
    ///
    /// # Errors
    /// Any failure of any request, and a list that kept changing while it was
    /// read. After an error there are only errors.
    pub async fn next(&mut self) -> Result<Step, HttpError> {
        loop {
            let phase = std::mem::replace(&mut self.phase, Phase::Failed);
            let page = match phase {
                Phase::Paging(server) => self.read_page(server).await?,
                Phase::Verifying(server) => {
                    self.verify(server).await?;
                    None
                }
                Phase::Fetching(server, missing) => Some(self.fetch(server, missing).await?),
                Phase::Complete => {
                    self.phase = Phase::Complete;
                    return Ok(Step::Complete(self.read));
                }
                Phase::Failed => {
                    return Err(HttpError::NotAsked {
                        attempted: self.list.request(self.walk.page()).attempted,
                        why: "reading the list failed before",
                    });
                }
            };
            if let Some(page) = page.filter(|p| !p.services.is_empty() || !p.rejected.is_empty()) {
                return Ok(Step::Page(page));
            }
        }
    }

    async fn read_page(&mut self, server: Option<ServerId>) -> Result<Option<Page>, HttpError> {
        // Members order their lists differently, so a round has one member.
        let route = match &server {
            Some(server) => Route::Only(server.clone()),
            None => self.route.clone(),
        };
        self.read.requests += 1;
        let answer = self.list.page(self.client, self.walk.page(), &route).await;
        let Answered {
            value: page,
            server,
        } = match answer {
            Ok(answer) => answer,
            // The member failed in the middle; another one starts from the front.
            Err(error) if server.is_some() && error.blames_server() && self.start_again() => {
                tracing::debug!(%error, "starting a list again at another member");
                self.phase = Phase::Paging(None);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let entries = page.entries();
        let (page, new) = self.unseen(page, &server);
        self.phase = match self.walk.received(entries, new) {
            Next::Page => Phase::Paging(Some(server)),
            Next::End { at_once } if at_once && self.round == 1 => Phase::Complete,
            Next::End { .. } => Phase::Verifying(server),
            Next::Endless => return Err(self.client.unsettled(self.list.request(0))),
        };
        Ok(Some(page))
    }

    /// Begins another round; `false` when there were enough.
    fn start_again(&mut self) -> bool {
        if self.round == MAX_ROUNDS {
            return false;
        }
        self.round += 1;
        self.walk = self.list.walk();
        true
    }

    /// What of a page is wanted and had not come yet, and how much of all of it
    /// not in this round.
    fn unseen(&mut self, page: ServicePage, server: &ServerId) -> (Page, usize) {
        let mut new = 0;
        let mut fresh = |seen: &mut HashMap<String, usize>, key: String| {
            let before = seen.insert(key, self.round);
            new += usize::from(before != Some(self.round));
            before.is_none()
        };
        let wanted = |group: &GroupName| self.group.as_ref().is_none_or(|g| g == group);
        let mut services = page.services;
        services.retain(|s| fresh(&mut self.seen, key(&s.group, &s.name)) && wanted(&s.group));
        let mut rejected = page.rejected;
        rejected.retain(|r| {
            let named = r.service.as_ref();
            fresh(&mut self.seen, rejected_key(r)) && named.is_none_or(|(g, _)| wanted(g))
        });
        self.read.services += services.len();
        self.read.instances += services.iter().map(|s| s.instances.len()).sum::<usize>();
        let bad_instances: usize = services.iter().map(|s| s.rejected.len()).sum();
        self.read.rejected += rejected.len() + bad_instances;
        let page = Page {
            services,
            rejected,
            server: server.clone(),
        };
        (page, new)
    }

    /// Compares what came with the names of all services at one moment.
    async fn verify(&mut self, server: ServerId) -> Result<(), HttpError> {
        self.read.requests += 1;
        let route = Route::Only(server.clone());
        let names = self
            .client
            .search_summaries(
                self.list.api,
                &self.list.namespace,
                &self.list.search,
                &route,
            )
            .await?;
        let missing: Vec<ServiceKey> = names
            .value
            .items
            .into_iter()
            .filter(|s| !self.seen.contains_key(&key(&s.group, &s.name)))
            .map(|s| ServiceKey::new(self.list.namespace.clone(), s.group, s.name))
            .collect();
        self.phase = if missing.is_empty() {
            Phase::Complete
        } else if missing.len() <= FETCH_SINGLY {
            Phase::Fetching(server, missing)
        } else if self.start_again() {
            Phase::Paging(Some(server))
        } else {
            return Err(self.client.unsettled(self.list.request(0)));
        };
        Ok(())
    }

    async fn fetch(
        &mut self,
        server: ServerId,
        missing: Vec<ServiceKey>,
    ) -> Result<Page, HttpError> {
        let route = Route::Only(server.clone());
        let mut found = ServicePage {
            services: Vec::new(),
            rejected: Vec::new(),
        };
        for service in missing {
            self.read.requests += 1;
            let answer = self
                .client
                .raw_service(self.list.api, &service, &route)
                .await?;
            match answer.value {
                RawService::Listed(service) => found.services.push(service),
                RawService::Rejected(service) => found.rejected.push(service),
                RawService::Absent => {}
            }
        }
        self.phase = Phase::Complete;
        Ok(self.unseen(found, &server).0)
    }
}
