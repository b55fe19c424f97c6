//! The servers of one cluster: which one to ask, and which one next.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::address::{ServerAddress, ServerId};
use super::client::Answered;
use super::error::HttpError;
use super::tls::SetupError;

/// How long a server that failed is left alone, the first time.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// How long a server that keeps failing is left alone at most.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// What the configured addresses are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Members {
    /// Each address is a member of the cluster.
    #[default]
    Listed,
    /// The addresses are where to ask for the members.
    Discover,
    /// The addresses lead to some member each time (a virtual address or a load
    /// balancer), so none of them can be told from another.
    Vip,
}

/// Which server a call may go to.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum Route {
    /// The current server, and the next ones if it fails.
    #[default]
    Any,
    /// This server and no other.
    Only(ServerId),
    /// A member that is surely not this one, for a second opinion.
    OtherThan(ServerId),
}

/// The servers of one cluster.
///
/// Calls stay with one server while it answers, so that reads see one member's
/// state; when it fails the next takes over and the failed one is left alone
/// for a while, longer each time. With every server failing the one that has
/// rested longest is tried: a list of servers never refuses to try.
#[derive(Debug)]
pub struct ServerList {
    members: Members,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    current: usize,
    servers: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    address: Arc<ServerAddress>,
    /// Whether it is known to be a member of its own.
    distinct: bool,
    failures: u32,
    rests_until: Option<Instant>,
    presence: Presence,
}

/// Whether a server was away since it answered first. What it shows after that
/// may not be all yet: a member that starts answers before it has loaded what
/// its peers know (2.1.0, alibaba/nacos#12160).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Presence {
    /// It never answered, so nobody knows what it was before.
    Unknown,
    /// It has answered ever since.
    There,
    /// It answered once, and then nobody was there or it was starting.
    Away,
    /// It answers again since that moment.
    Back(Instant),
}

impl Presence {
    fn answered(&mut self, now: Instant) {
        *self = match *self {
            Self::Unknown => Self::There,
            Self::Away => Self::Back(now),
            Self::There | Self::Back(_) => return,
        };
    }

    fn away(&mut self) {
        if *self != Self::Unknown {
            *self = Self::Away;
        }
    }
}

impl Entry {
    fn new(address: ServerAddress, distinct: bool) -> Self {
        Self {
            address: Arc::new(address),
            distinct,
            failures: 0,
            rests_until: None,
            presence: Presence::Unknown,
        }
    }

    fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }
}

impl ServerList {
    /// # Errors
    /// No address, or the same one twice.
    pub fn new(addresses: Vec<ServerAddress>, members: Members) -> Result<Self, SetupError> {
        if addresses.is_empty() {
            return Err(SetupError::Invalid("no server is named".into()));
        }
        for (at, address) in addresses.iter().enumerate() {
            if addresses[..at].iter().any(|a| a.id() == address.id()) {
                return Err(SetupError::Invalid(format!(
                    "server {} is named twice",
                    address.id()
                )));
            }
        }
        let distinct = members == Members::Listed;
        Ok(Self {
            members,
            state: Mutex::new(State {
                current: 0,
                servers: addresses
                    .into_iter()
                    .map(|address| Entry::new(address, distinct))
                    .collect(),
            }),
        })
    }

    /// What the configured addresses are.
    pub fn members(&self) -> Members {
        self.members
    }

    /// All servers, in their order.
    pub fn addresses(&self) -> Vec<Arc<ServerAddress>> {
        let state = self.state.lock();
        state.servers.iter().map(|s| s.address.clone()).collect()
    }

    /// How many members can be told apart, and so be asked for a second opinion.
    pub fn distinct_members(&self) -> usize {
        let state = self.state.lock();
        state.servers.iter().filter(|s| s.distinct).count()
    }

    /// The server that calls go to at present.
    pub fn current(&self) -> Arc<ServerAddress> {
        let state = self.state.lock();
        state.servers[state.current].address.clone()
    }

    /// For how long a server has been answering again that was away since it
    /// answered first; `None` for one that never was.
    pub fn back_for(&self, id: &ServerId) -> Option<Duration> {
        let state = self.state.lock();
        let server = state.servers.iter().find(|s| s.address.id() == id)?;
        match server.presence {
            Presence::Back(since) => Some(since.elapsed()),
            Presence::Unknown | Presence::There | Presence::Away => None,
        }
    }

    /// Takes the members that a cluster named, for [`Members::Discover`]. The
    /// addresses known before stay at the end of the list, in case none of the
    /// members can be reached from here.
    pub fn discovered(&self, members: Vec<ServerAddress>) {
        if self.members != Members::Discover || members.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        let current = state.servers[state.current].address.id().clone();
        let known = std::mem::take(&mut state.servers);
        state.servers = members
            .into_iter()
            .map(|address| Entry::new(address, true))
            .collect();
        for mut old in known {
            let listed = state
                .servers
                .iter_mut()
                .find(|s| s.address.id() == old.address.id());
            match listed {
                Some(listed) => {
                    listed.failures = old.failures;
                    listed.rests_until = old.rests_until;
                    listed.presence = old.presence;
                }
                None => {
                    old.distinct = false;
                    state.servers.push(old);
                }
            }
        }
        // A seed may be one of the members by another name, so calls move on
        // from it: only then can a second member be told from the first.
        state.current = state
            .servers
            .iter()
            .position(|s| s.distinct && *s.address.id() == current)
            .unwrap_or(0);
    }

    /// Begins a call that may go from server to server.
    pub(crate) fn attempts<'a>(&'a self, route: &'a Route) -> Attempts<'a> {
        Attempts {
            servers: self,
            route,
            tried: Vec::new(),
            first: None,
        }
    }

    /// The next server to try for a call of that route that was already tried
    /// in vain at others; `None` when there is none left.
    fn choose(&self, route: &Route, tried: &[ServerId]) -> Option<Arc<ServerAddress>> {
        let now = Instant::now();
        let state = self.state.lock();
        let count = state.servers.len();
        let distinct = |id: &ServerId| {
            let known = state.servers.iter().find(|s| s.address.id() == id);
            known.is_some_and(|s| s.distinct)
        };
        let candidates = (0..count)
            .map(|step| &state.servers[(state.current + step) % count])
            .filter(|s| !tried.contains(s.address.id()))
            .filter(|s| match route {
                Route::Any => true,
                Route::Only(id) => s.address.id() == id,
                Route::OtherThan(id) => s.distinct && s.address.id() != id && distinct(id),
            });
        // `min_by_key` takes the first of equals: the order of the ring.
        candidates
            .min_by_key(|s| s.rests_until.filter(|_| s.rests(now)))
            .map(|s| s.address.clone())
    }

    /// A server answered: it is trusted again, and calls stay with it if the
    /// one they went to before had failed.
    fn answered(&self, id: &ServerId) {
        let now = Instant::now();
        let mut state = self.state.lock();
        let Some(at) = state.servers.iter().position(|s| s.address.id() == id) else {
            return;
        };
        state.servers[at].failures = 0;
        state.servers[at].rests_until = None;
        state.servers[at].presence.answered(now);
        let current = state.current;
        if state.servers[current].rests(now) {
            state.current = at;
        }
    }

    /// A server failed: it is left alone for a while. `away`: nobody was there,
    /// or it was starting.
    fn failed(&self, id: &ServerId, away: bool) {
        let now = Instant::now();
        let mut state = self.state.lock();
        let Some(server) = state.servers.iter_mut().find(|s| s.address.id() == id) else {
            return;
        };
        if away {
            server.presence.away();
        }
        // Several calls failing at once are one failure.
        if server.rests(now) {
            return;
        }
        let backoff = FIRST_BACKOFF
            .saturating_mul(1 << server.failures.min(8))
            .min(MAX_BACKOFF);
        server.failures = server.failures.saturating_add(1);
        server.rests_until = Some(now + backoff);
    }
}

/// One call on its way from server to server.
pub(crate) struct Attempts<'a> {
    servers: &'a ServerList,
    route: &'a Route,
    tried: Vec<ServerId>,
    first: Option<HttpError>,
}

impl Attempts<'_> {
    /// The next server to try.
    pub(crate) fn next(&self) -> Option<Arc<ServerAddress>> {
        self.servers.choose(self.route, &self.tried)
    }

    /// Takes in what a server did. An outcome ends the call; `None`: the server
    /// is to blame, so another may do better.
    pub(crate) fn outcome<T>(
        &mut self,
        server: &ServerAddress,
        outcome: Result<T, HttpError>,
    ) -> Option<Result<Answered<T>, HttpError>> {
        match outcome {
            Err(error) if error.blames_server() => {
                tracing::debug!(%error, "a server failed");
                self.servers.failed(server.id(), error.is_away());
                self.tried.push(server.id().clone());
                self.first.get_or_insert(error);
                None
            }
            outcome => {
                self.servers.answered(server.id());
                Some(outcome.map(|value| Answered {
                    value,
                    server: server.id().clone(),
                }))
            }
        }
    }

    /// Every server failed: what the first one did, since calls would go there.
    pub(crate) fn exhausted(self, attempted: Cow<'static, str>) -> HttpError {
        self.first.unwrap_or_else(|| HttpError::NotAsked {
            attempted,
            why: match self.route {
                Route::OtherThan(_) => "there is no second member that can be told from the first",
                Route::Any | Route::Only(_) => "there is no such server",
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str], members: Members) -> ServerList {
        let addresses = names
            .iter()
            .map(|name| ServerAddress::parse(name, "/nacos").expect("an address"))
            .collect();
        ServerList::new(addresses, members).expect("a list")
    }

    fn id(name: &str) -> ServerId {
        let address = ServerAddress::parse(name, "").expect("an address");
        address.id().clone()
    }

    fn choice(list: &ServerList, route: &Route, tried: &[ServerId]) -> Option<String> {
        list.choose(route, tried).map(|s| s.host().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn calls_stay_with_a_server_until_it_fails() {
        let list = list(&["a", "b", "c"], Members::Listed);
        assert_eq!(choice(&list, &Route::Any, &[]).as_deref(), Some("a"));
        list.failed(&id("a"), true);
        assert_eq!(choice(&list, &Route::Any, &[]).as_deref(), Some("b"));
        list.answered(&id("b"));
        // `a` has rested, yet nobody goes back to it for that alone.
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(choice(&list, &Route::Any, &[]).as_deref(), Some("b"));
        assert_eq!(list.current().host(), "b");
    }

    #[tokio::test(start_paused = true)]
    async fn with_all_down_the_longest_rested_is_tried_and_each_only_once_a_call() {
        let list = list(&["a", "b"], Members::Listed);
        list.failed(&id("b"), true);
        tokio::time::advance(Duration::from_millis(100)).await;
        list.failed(&id("a"), true);
        assert_eq!(choice(&list, &Route::Any, &[]).as_deref(), Some("b"));
        assert_eq!(choice(&list, &Route::Any, &[id("b")]).as_deref(), Some("a"));
        assert_eq!(choice(&list, &Route::Any, &[id("a"), id("b")]), None);
    }

    #[tokio::test(start_paused = true)]
    async fn rest_grows_with_failures_and_ends_with_an_answer() {
        let list = list(&["a", "b"], Members::Listed);
        for rest in [1, 2, 4, 8, 16, 30, 30] {
            list.failed(&id("a"), true);
            tokio::time::advance(Duration::from_secs(rest) - Duration::from_millis(1)).await;
            assert_eq!(choice(&list, &Route::Any, &[]).as_deref(), Some("b"));
            tokio::time::advance(Duration::from_millis(2)).await;
            assert_eq!(choice(&list, &Route::Any, &[]).as_deref(), Some("a"));
        }
        list.failed(&id("a"), true);
        list.answered(&id("a"));
        assert_eq!(choice(&list, &Route::Any, &[]).as_deref(), Some("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_was_away_is_known_to_be_back() {
        let list = list(&["a", "b"], Members::Listed);
        let back = || list.back_for(&id("a"));
        list.failed(&id("a"), true);
        list.answered(&id("a"));
        assert_eq!(back(), None, "what it was before is not known");
        list.failed(&id("a"), false);
        list.answered(&id("a"));
        assert_eq!(back(), None, "a late answer is no restart");
        list.failed(&id("a"), true);
        assert_eq!(back(), None, "it is still away");
        list.answered(&id("a"));
        tokio::time::advance(Duration::from_secs(7)).await;
        list.answered(&id("a"));
        assert_eq!(back(), Some(Duration::from_secs(7)));
        assert_eq!(list.back_for(&id("b")), None);
    }

    #[test]
    fn a_second_opinion_never_comes_from_the_same_member() {
        let listed = list(&["a", "b"], Members::Listed);
        let other = Route::OtherThan(id("a"));
        assert_eq!(choice(&listed, &other, &[]).as_deref(), Some("b"));
        assert_eq!(choice(&listed, &other, &[id("b")]), None);

        let vip = list(&["a", "b"], Members::Vip);
        assert_eq!(choice(&vip, &other, &[]), None);
        assert_eq!(vip.distinct_members(), 0);
        assert_eq!(
            choice(&vip, &Route::Only(id("b")), &[]).as_deref(),
            Some("b")
        );
    }

    #[test]
    fn discovered_members_come_first_and_the_seed_stays() {
        let list = list(&["seed"], Members::Discover);
        assert_eq!(list.distinct_members(), 0);
        let members = ["a", "b"].map(|name| ServerAddress::parse(name, "/nacos").expect("one"));
        list.discovered(members.into());
        assert_eq!(list.distinct_members(), 2);
        let hosts: Vec<_> = list
            .addresses()
            .iter()
            .map(|a| a.host().to_owned())
            .collect();
        assert_eq!(hosts, ["a", "b", "seed"]);
        assert_eq!(list.current().host(), "a");
        let other_than = |name| choice(&list, &Route::OtherThan(id(name)), &[]);
        assert_eq!(other_than("a").as_deref(), Some("b"));
        // The seed may well be one of the members by another name.
        assert_eq!(other_than("seed"), None);
    }

    #[test]
    fn lists_that_make_no_sense_are_refused() {
        assert!(ServerList::new(Vec::new(), Members::Listed).is_err());
        let twice = ["a", "a:8848"].map(|n| ServerAddress::parse(n, "").expect("one"));
        assert!(ServerList::new(twice.into(), Members::Listed).is_err());
    }
}
