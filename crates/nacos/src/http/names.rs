//! Lists of services without their instances.

use std::hash::{DefaultHasher, Hasher};

use syncline_model::{GroupName, NamespaceId, ServiceName};

use super::client::{Answered, HttpClient};
use super::decode::{
    NamePage, NamesByNamespace, RejectedService, ServiceSummary, SummaryPage, summaries,
};
use super::error::{Call, HttpError};
use super::paging::{Next, Round};
use super::servers::Route;
use super::transport::{Answer, Request};
use crate::message::{Rejected, split_grouped};
use crate::version::BulkApi;

/// How often a list that changes while it is read is read again.
pub(crate) const MAX_ROUNDS: usize = 3;

/// A page large enough for any list of names known to us, so that it is one
/// moment's truth: 100,000 take some 13 MB.
pub(crate) const WHOLE: usize = 100_000;

/// v2 answers no more than that, whatever is asked for.
const V2_PAGE_LIMIT: usize = 500;

/// The call that lists the services of one group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NamesApi {
    /// `GET /v1/ns/service/list`: 1.x to 3.1.
    V1,
    /// `GET /v2/ns/service/list`: 2.2 up to 3.0.
    V2,
    /// `GET /v1/ns/upgrade/ops/service/list`: 2.0.2 to 2.1.2.
    UpgradeOps(Store),
}

/// Which of its two stores the upgrade API of 2.0.2 to 2.1.2 is asked about.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Store {
    /// The store of 1.x, which is empty once a server was upgraded.
    V1,
    /// The store of 2.x, where everything is: also what the server takes when
    /// none is named.
    #[default]
    V2,
}

impl Store {
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

/// A whole list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing<T> {
    /// The entries, each once.
    pub items: Vec<T>,
    /// Entries that could not be read.
    pub rejected: Vec<RejectedService>,
}

/// The services of one namespace as `service/names` shows them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamespaceNames {
    /// The namespace.
    pub namespace: NamespaceId,
    /// Group and name; 1.x gives the name alone, of all groups together.
    pub services: Vec<(Option<GroupName>, ServiceName)>,
}

/// What tells an answer from another one to the same question, without reading
/// either.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fingerprint(u64);

impl Fingerprint {
    fn of(body: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(body);
        Self(hasher.finish())
    }
}

/// The names of a namespace, for one who asks again and again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NamesAgain {
    /// Byte for byte what was answered before.
    Same,
    /// Something else, and how it is known the next time.
    Others(Fingerprint, Vec<NamespaceNames>),
}

/// Which part of a namespace to list, as far as the server can be told so. The
/// server matches loosely: what comes may be more.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Search {
    pub(crate) group: String,
    pub(crate) name: String,
}

impl Search {
    pub(crate) fn add_to(&self, mut request: Request) -> Request {
        if !self.group.is_empty() {
            request = request.query("groupNameParam", self.group.clone());
        }
        if !self.name.is_empty() {
            request = request.query("serviceNameParam", self.name.clone());
        }
        request
    }
}

/// An entry of a list, or why it is none.
type Entry<T> = Result<T, RejectedService>;

/// One page of a list: its entries by name, and the count beside them.
struct PageOf<T> {
    entries: Vec<(String, Entry<T>)>,
    count: u64,
}

/// A list in pages that count from 1 and come with a count.
trait PagedList {
    type Item;
    /// Whether the request goes to the admin API.
    const ADMIN: bool = false;
    fn request(&self, page: u32) -> Request;
    fn page_size(&self) -> usize;
    fn read(&self, answer: &Answer) -> Result<PageOf<Self::Item>, HttpError>;
}

struct GroupNames<'a> {
    api: NamesApi,
    namespace: &'a NamespaceId,
    group: &'a GroupName,
    page_size: usize,
}

impl PagedList for GroupNames<'_> {
    type Item = ServiceName;

    fn request(&self, page: u32) -> Request {
        let path = match self.api {
            NamesApi::V1 => "/v1/ns/service/list",
            NamesApi::V2 => "/v2/ns/service/list",
            NamesApi::UpgradeOps(_) => "/v1/ns/upgrade/ops/service/list",
        };
        let attempted = format!(
            "list the services of {}/{}, page {page}",
            self.namespace, self.group
        );
        let request = Request::get(attempted, path)
            .bulk()
            .query("pageNo", page.to_string())
            .query("pageSize", self.page_size.to_string())
            .query("groupName", self.group.to_string())
            .query("namespaceId", self.namespace.to_string());
        match self.api {
            NamesApi::UpgradeOps(store) => request.query("ver", store.wire()),
            NamesApi::V1 | NamesApi::V2 => request,
        }
    }

    fn page_size(&self) -> usize {
        self.page_size
    }

    fn read(&self, answer: &Answer) -> Result<PageOf<ServiceName>, HttpError> {
        let page: NamePage = match self.api {
            NamesApi::V1 | NamesApi::UpgradeOps(_) => answer.json()?,
            NamesApi::V2 => answer.data()?,
        };
        let entries = page.doms.into_iter().enumerate().map(|(index, name)| {
            let entry = if name.is_empty() {
                Err(nameless(index))
            } else {
                Ok(ServiceName::from(name.as_str()))
            };
            (name, entry)
        });
        Ok(PageOf {
            entries: entries.collect(),
            count: page.count,
        })
    }
}

/// 1.3.0 to 2.2.4 can be made to hold services without a name.
fn nameless(index: usize) -> RejectedService {
    RejectedService {
        service: None,
        why: Rejected {
            index,
            reason: "the service has no name".into(),
            excerpt: String::new(),
        },
    }
}

struct CatalogSummaries<'a> {
    namespace: &'a NamespaceId,
    search: &'a Search,
}

impl PagedList for CatalogSummaries<'_> {
    type Item = ServiceSummary;

    fn request(&self, page: u32) -> Request {
        let attempted = format!("list the services of {}", self.namespace);
        let request = Request::get(attempted, "/v1/ns/catalog/services")
            .bulk()
            .query("namespaceId", self.namespace.to_string())
            .query("pageNo", page.to_string())
            .query("pageSize", WHOLE.to_string())
            .query("withInstances", "false");
        self.search.add_to(request)
    }

    fn page_size(&self) -> usize {
        WHOLE
    }

    fn read(&self, answer: &Answer) -> Result<PageOf<ServiceSummary>, HttpError> {
        Ok(summary_page(&answer.json()?))
    }
}

struct AdminSummaries<'a>(CatalogSummaries<'a>);

impl PagedList for AdminSummaries<'_> {
    type Item = ServiceSummary;
    const ADMIN: bool = true;

    fn request(&self, page: u32) -> Request {
        let mut request = self.0.request(page);
        request.path = "/ns/service/list".into();
        request
    }

    fn page_size(&self) -> usize {
        WHOLE
    }

    fn read(&self, answer: &Answer) -> Result<PageOf<ServiceSummary>, HttpError> {
        Ok(summary_page(&answer.data()?))
    }
}

fn summary_page(page: &SummaryPage<'_>) -> PageOf<ServiceSummary> {
    let (good, bad) = summaries(&page.service_list);
    let good = good.into_iter().map(|s| (key(&s.group, &s.name), Ok(s)));
    let bad = bad.into_iter().map(|r| (r.why.to_string(), Err(r)));
    PageOf {
        entries: good.chain(bad).collect(),
        count: page.count,
    }
}

/// The one name of a service within its namespace.
pub(crate) fn key(group: &GroupName, name: &ServiceName) -> String {
    format!("{group}@@{name}")
}

impl HttpClient {
    /// The names of the services of one group, read page by page until the list
    /// is whole.
    ///
    /// # Errors
    /// Any failure of any page, and a list that kept changing while it was read.
    pub async fn service_names(
        &self,
        api: NamesApi,
        namespace: &NamespaceId,
        group: &GroupName,
        page_size: usize,
        route: &Route,
    ) -> Result<Answered<Listing<ServiceName>>, HttpError> {
        let limit = if api == NamesApi::V2 {
            V2_PAGE_LIMIT
        } else {
            WHOLE
        };
        let list = GroupNames {
            api,
            namespace,
            group,
            page_size: page_size.clamp(1, limit),
        };
        self.read_whole(&list, route).await
    }

    /// All services of a namespace, of every group, with the number of their
    /// instances: one cheap call that tells where something may have changed.
    ///
    /// # Errors
    /// As [`HttpClient::service_names`].
    pub async fn service_summaries(
        &self,
        api: BulkApi,
        namespace: &NamespaceId,
        route: &Route,
    ) -> Result<Answered<Listing<ServiceSummary>>, HttpError> {
        self.search_summaries(api, namespace, &Search::default(), route)
            .await
    }

    pub(crate) async fn search_summaries(
        &self,
        api: BulkApi,
        namespace: &NamespaceId,
        search: &Search,
        route: &Route,
    ) -> Result<Answered<Listing<ServiceSummary>>, HttpError> {
        let list = CatalogSummaries { namespace, search };
        match api {
            BulkApi::Catalog(_) => self.read_whole(&list, route).await,
            BulkApi::Admin => self.read_whole(&AdminSummaries(list), route).await,
        }
    }

    /// The names of all services of one namespace, or of all namespaces, by
    /// `service/names`. (A single service with a bad name makes this fail on
    /// 1.3.0 to 2.2.4.)
    ///
    /// # Errors
    /// Any failure; [`super::Class::Unsupported`] from 3.0 on.
    pub async fn names_by_namespace(
        &self,
        namespace: Option<&NamespaceId>,
        route: &Route,
    ) -> Result<Answered<Vec<NamespaceNames>>, HttpError> {
        self.ask(&by_namespace(namespace), route, named).await
    }

    /// The same of one namespace, unless the answer is the one of that
    /// fingerprint: ten thousand names are compared without reading them.
    ///
    /// # Errors
    /// Those of [`names_by_namespace`](Self::names_by_namespace).
    pub async fn names_again(
        &self,
        namespace: &NamespaceId,
        before: Option<Fingerprint>,
        route: &Route,
    ) -> Result<Answered<NamesAgain>, HttpError> {
        self.ask(&by_namespace(Some(namespace)), route, |answer| {
            let fingerprint = Fingerprint::of(&answer.body);
            if before == Some(fingerprint) {
                return Ok(NamesAgain::Same);
            }
            Ok(NamesAgain::Others(fingerprint, named(answer)?))
        })
        .await
    }

    /// Reads a list until one reading of it is whole: by what its pages tell, or
    /// by a second reading that shows the same.
    async fn read_whole<L: PagedList>(
        &self,
        list: &L,
        route: &Route,
    ) -> Result<Answered<Listing<L::Item>>, HttpError> {
        let mut previous: Option<Round<Entry<L::Item>>> = None;
        for _ in 0..MAX_ROUNDS {
            let Answered { value, server } = self.read_round(list, route).await?;
            if value.is_whole() || previous.is_some_and(|before| before.same_as(&value)) {
                let value = listing(value.into_entries());
                return Ok(Answered { value, server });
            }
            previous = Some(value);
        }
        Err(self.unsettled(list.request(1)))
    }

    async fn read_round<L: PagedList>(
        &self,
        list: &L,
        route: &Route,
    ) -> Result<Answered<Round<Entry<L::Item>>>, HttpError> {
        let mut round = Round::default();
        let mut route = route.clone();
        loop {
            let request = list.request(round.page());
            let read = |answer: &Answer| list.read(answer);
            let answered = if L::ADMIN {
                self.ask_admin(request, &route, read).await
            } else {
                self.ask(&request, &route, read).await
            };
            let page = match answered {
                Ok(page) => page,
                Err(error) => match (&route, is_past_end(&error)) {
                    (Route::Only(server), true) => {
                        round.past_end();
                        let server = server.clone();
                        return Ok(Answered {
                            value: round,
                            server,
                        });
                    }
                    _ => return Err(error),
                },
            };
            let next = round.received(page.value.entries, page.value.count, list.page_size());
            match next {
                Next::End { .. } => {
                    return Ok(Answered {
                        value: round,
                        server: page.server,
                    });
                }
                Next::Endless => return Err(self.unsettled(list.request(1))),
                // Members order their lists differently, so one reading has one member.
                Next::Page => route = Route::Only(page.server),
            }
        }
    }

    pub(crate) fn unsettled(&self, request: Request) -> HttpError {
        HttpError::Unsettled {
            call: Call {
                attempted: request.attempted,
                server: self.current().id().shared(),
            },
            rounds: MAX_ROUNDS,
        }
    }
}

fn listing<T>(entries: Vec<Entry<T>>) -> Listing<T> {
    let mut listing = Listing {
        items: Vec::with_capacity(entries.len()),
        rejected: Vec::new(),
    };
    for entry in entries {
        match entry {
            Ok(item) => listing.items.push(item),
            Err(rejected) => listing.rejected.push(rejected),
        }
    }
    listing
}

/// 1.1 to 1.3 answer 400 `fromIndex(30) > toIndex(25)` past the end.
fn is_past_end(error: &HttpError) -> bool {
    matches!(error, HttpError::Refused { excerpt, .. } if excerpt.starts_with("fromIndex("))
}

fn by_namespace(namespace: Option<&NamespaceId>) -> Request {
    let only = namespace.map(ToString::to_string).unwrap_or_default();
    Request::get("list the names of all services", "/v1/ns/service/names")
        .bulk()
        .query("namespaceId", only)
}

fn named(answer: &Answer) -> Result<Vec<NamespaceNames>, HttpError> {
    let names: NamesByNamespace = answer.json()?;
    let named = names.services.into_iter();
    let named = named.map(|(id, names)| NamespaceNames {
        namespace: NamespaceId::from_wire(&id),
        services: names.iter().map(|name| grouped(name)).collect(),
    });
    Ok(named.collect())
}

fn grouped(name: &str) -> (Option<GroupName>, ServiceName) {
    match split_grouped(name) {
        Some((group, name)) => (Some(group.into()), name.into()),
        None => (None, name.into()),
    }
}
