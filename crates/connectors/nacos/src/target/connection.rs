//! Registrations held by gRPC connections: whole sets, over a few connections,
//! on two members of a cluster at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use syncline_contract::{Class, Failure, Whose, Write};
use syncline_model::{EndpointName, Instance, ServiceKey, ServiceSet};
use syncline_nacos::grpc::{ServiceRef, Session, SessionError, SessionState};
use syncline_nacos::http::{self, HttpClient, Route, ServerId, WriteApi};
use syncline_nacos::message as wire;
use syncline_nacos::version::{Generation, Negotiated};
use tokio::time::timeout;

use super::parts::parts;
use super::rules;
use super::seats::Seats;
use crate::client::{Cluster, Dialer};
use crate::convert::{registration, service_ref};
use crate::failure;

/// On how many members of a cluster each set is held unless told otherwise.
const COPIES_ON_CLUSTERS: usize = 2;

/// How long a write waits for the first connection to be tried.
const FIRST_TRY: Duration = Duration::from_secs(5);

/// How long a connection that broke may take to come back before writes fail.
const BLINK: Duration = Duration::from_secs(1);

/// All connections of one link to its target.
///
/// A connection belongs to one link and to nobody else: Nacos keeps one
/// publication for each connection and service.
pub(super) struct Connections {
    endpoint: EndpointName,
    dialer: Dialer,
    /// How many members hold each set.
    copies: usize,
    http: Arc<HttpClient>,
    /// How registrations over HTTP are taken back.
    api: WriteApi,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seats: Seats,
    lanes: Vec<Arc<Lane>>,
    /// What was published last, where an instance that is refused falls back to.
    last: HashMap<ServiceKey, Arc<ServiceSet>>,
    closed: bool,
}

/// Sessions that publish the same: one for each copy.
struct Lane {
    copies: Vec<Session>,
}

impl Connections {
    pub(super) async fn new(cluster: &Cluster, server: &Negotiated) -> Result<Self, Failure> {
        let dialer = cluster.dialer().await?;
        let members = dialer.members().len();
        let wanted = cluster.config().copies.map(usize::from);
        let copies = match members {
            // Behind one address nobody knows how many there are.
            0 => wanted.unwrap_or(1),
            _ => wanted.unwrap_or(COPIES_ON_CLUSTERS).min(members),
        };
        Ok(Self {
            endpoint: cluster.endpoint().clone(),
            dialer,
            copies,
            http: Arc::clone(cluster.http().await?),
            api: match server.generation {
                Generation::V1 | Generation::V2 => WriteApi::V1,
                Generation::V3 => WriteApi::V3,
            },
            state: Mutex::default(),
        })
    }

    pub(super) async fn apply(&self, write: &Write) -> Result<(), Failure> {
        let (service, accepted) = (&write.service, &write.accepted);
        match self.publish(service, accepted).await {
            Ok(()) => self.take_away(service, &write.taken_over).await,
            Err(failure) if failure.class == Class::Conflict => {
                self.publish_the_rest(service, accepted, failure).await
            }
            Err(failure) => Err(failure),
        }
    }

    /// Deregisters what was left over HTTP and stands beside ours now: nobody
    /// beats for it, so that it would look sick and then go by itself (Nacos
    /// 2.x: after 15 s and 30 s). What another connection holds stays.
    async fn take_away(&self, service: &ServiceKey, left: &[Instance]) -> Result<(), Failure> {
        for instance in left {
            let registration = registration(service, instance);
            let removed = self
                .http
                .deregister(self.api, service, &registration, &Route::Any)
                .await;
            match removed {
                Err(error) if error.class() != http::Class::NotFound => {
                    let doing = format!(
                        "{}: deregister {}, which was left there, of {service}",
                        self.endpoint, instance.key
                    );
                    return Err(failure::of_http(doing, error));
                }
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Closes every connection; the servers remove at once what they held.
    pub(super) async fn close(&self) {
        let (lanes, services) = {
            let mut state = self.state.lock();
            state.closed = true;
            (std::mem::take(&mut state.lanes), state.last.len())
        };
        if services > 0 {
            tracing::info!(endpoint = %self.endpoint, services,
                "closing the connections: their registrations go with them");
        }
        let sessions = lanes.iter().flat_map(|lane| lane.copies.iter().cloned());
        join_all(sessions.map(Session::close)).await;
    }

    /// Publishes a service's set in place of the one before.
    async fn publish(&self, service: &ServiceKey, set: &Arc<ServiceSet>) -> Result<(), Failure> {
        let parts = parts(service, set);
        let (before, lanes) = self.seat(service, parts.len())?;
        let name = service_ref(service);
        let failed =
            |error| failure::of_session(format!("{}: register {service}", self.endpoint), error);
        // Whatever moves from one part to another is in its new place first.
        let mut order: Vec<usize> = (0..parts.len()).collect();
        if parts.len() > before {
            order.reverse();
        }
        for at in order {
            let published = lanes[at].publish(&name, &parts[at]).await;
            published.map_err(failed)?;
        }
        for lane in &lanes[parts.len()..] {
            lane.withdraw(&name).await.map_err(failed)?;
        }
        let mut state = self.state.lock();
        state.seats.give_up(service, parts.len());
        if parts.is_empty() {
            state.last.remove(service);
        } else {
            state.last.insert(service.clone(), Arc::clone(set));
        }
        Ok(())
    }

    /// How many parts a service had, and the connections of all that it has or
    /// had.
    fn seat(&self, service: &ServiceKey, parts: usize) -> Result<(usize, Vec<Arc<Lane>>), Failure> {
        let mut state = self.state.lock();
        if state.closed {
            let doing = format!("{}: register {service}", self.endpoint);
            return Err(failure::of_session(doing, SessionError::Closed));
        }
        let before = state.seats.of(service).len();
        let seats = match parts.max(before) {
            0 => Vec::new(),
            parts => state.seats.take(service, parts),
        };
        for seat in &seats {
            while state.lanes.len() <= *seat {
                let lane = self.open(state.lanes.len());
                state.lanes.push(Arc::new(lane));
            }
        }
        let lanes = seats.iter().map(|at| Arc::clone(&state.lanes[*at]));
        Ok((before, lanes.collect()))
    }

    fn open(&self, number: usize) -> Lane {
        let teams = teams(&self.dialer.members(), self.copies, number);
        Lane {
            copies: teams.iter().map(|team| self.dialer.dial(team).0).collect(),
        }
    }

    /// The server refused something: publishes all that it cannot have meant,
    /// and fails with what it can.
    async fn publish_the_rest(
        &self,
        service: &ServiceKey,
        accepted: &ServiceSet,
        refusal: Failure,
    ) -> Result<(), Failure> {
        let refused: Vec<(&Instance, String)> = accepted
            .instances()
            .iter()
            .filter_map(|instance| Some((instance, rules::objection(instance)?)))
            .collect();
        let Some((first, why)) = refused.first() else {
            return Err(match rules::objection_to_name(service) {
                Some(why) => self.hopeless(format!("register {service}: {why}"), refusal),
                None => refusal,
            });
        };
        let last = self.state.lock().last.get(service).cloned();
        let rest = without(accepted, &refused, last.as_deref());
        self.publish(service, &Arc::new(rest)).await?;
        let others = match refused.len() {
            1 => String::new(),
            n => format!(" ({} others like it)", n - 1),
        };
        let doing = format!("register {} of {service}: {why}{others}", first.key);
        Err(self.hopeless(doing, refusal))
    }

    fn hopeless(&self, doing: String, cause: Failure) -> Failure {
        Failure::new(Class::Fatal, format!("{}: {doing}", self.endpoint))
            .blaming(Whose::Peer)
            .because(cause)
    }
}

impl Lane {
    async fn publish(
        &self,
        service: &ServiceRef,
        instances: &Arc<[wire::Instance]>,
    ) -> Result<(), SessionError> {
        let publish = |session: &Session| {
            let session = session.clone();
            let (service, instances) = (service.clone(), Arc::clone(instances));
            async move {
                stands(&session).await;
                session.publish(service, instances).await
            }
        };
        verdict(join_all(self.copies.iter().map(publish)).await)
    }

    async fn withdraw(&self, service: &ServiceRef) -> Result<(), SessionError> {
        let withdraw = |session: &Session| {
            let session = session.clone();
            let service = service.clone();
            async move { session.withdraw(service).await }
        };
        verdict(join_all(self.copies.iter().map(withdraw)).await)
    }
}

/// Waits a moment for a connection that is coming about: its first one, or the
/// next after it broke. One that has been away for longer keeps nobody waiting.
async fn stands(session: &Session) {
    let mut state = session.state();
    let tried = |state: &SessionState| {
        !matches!(
            state,
            SessionState::Reconnecting {
                last_error: None,
                ..
            }
        )
    };
    // The outcome, whichever it is, is told by the call that follows.
    drop(timeout(FIRST_TRY, state.wait_for(tried)).await);
    let away = match &*state.borrow() {
        SessionState::Reconnecting { since, .. } => since.elapsed(),
        SessionState::Connected { .. } | SessionState::Closed => return,
    };
    let back = |state: &SessionState| !matches!(state, SessionState::Reconnecting { .. });
    drop(timeout(BLINK.saturating_sub(away), state.wait_for(back)).await);
}

/// One copy that stands is enough: the sessions of the others bring theirs about
/// as soon as they can. A refusal is none the less one.
fn verdict(outcomes: Vec<Result<(), SessionError>>) -> Result<(), SessionError> {
    let stands = outcomes.iter().any(Result::is_ok);
    let later = |error: &SessionError| match error {
        SessionError::NotConnected { .. } => true,
        SessionError::Call(call) => call.class().is_transient(),
        SessionError::Closed => false,
    };
    let mut errors = outcomes.into_iter().filter_map(Result::err);
    match errors.find(|error| !stands || !later(error)) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// The members that each copy may be held on: no two copies share one, and the
/// copies of the next connection begin with the next member.
fn teams(members: &[ServerId], copies: usize, number: usize) -> Vec<Vec<ServerId>> {
    if members.is_empty() || copies <= 1 {
        // No names mean all servers.
        return vec![Vec::new(); copies.max(1)];
    }
    let mut teams = vec![Vec::new(); copies];
    for at in 0..members.len() {
        teams[at % copies].push(members[(at + number) % members.len()].clone());
    }
    teams
}

/// The set without what is refused, which stays as it was before.
fn without(
    accepted: &ServiceSet,
    refused: &[(&Instance, String)],
    last: Option<&ServiceSet>,
) -> ServiceSet {
    let is_refused = |i: &Instance| refused.iter().any(|(refused, _)| *refused == i);
    let kept = accepted.instances().iter().filter(|i| !is_refused(i));
    let before = refused.iter().flat_map(|(refused, _)| {
        let last = last.map_or(&[][..], |last| last.get(&refused.key));
        last.iter().filter(|i| rules::objection(i).is_none())
    });
    ServiceSet::new(kept.chain(before).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_model::{Metadata, Port};

    fn members(names: &[&str]) -> Vec<ServerId> {
        let address =
            |name: &&str| syncline_nacos::http::ServerAddress::parse(name, "").expect("an address");
        names
            .iter()
            .map(|name| address(name).id().clone())
            .collect()
    }

    fn not_connected() -> Result<(), SessionError> {
        Err(SessionError::NotConnected { last_error: None })
    }

    #[test]
    fn copies_never_meet_on_one_member() {
        let members = members(&["a", "b", "c"]);
        for number in 0..6 {
            let teams = teams(&members, 2, number);
            assert_eq!(teams.iter().map(Vec::len).sum::<usize>(), 3);
            assert!(teams[0].iter().all(|member| !teams[1].contains(member)));
        }
        assert_ne!(teams(&members, 2, 0), teams(&members, 2, 1));
        assert_eq!(teams(&members, 1, 0), [Vec::new()], "any member will do");
        assert_eq!(teams(&[], 2, 0), [Vec::new(), Vec::new()]);
    }

    #[test]
    fn one_copy_that_stands_is_enough() {
        assert!(verdict(vec![Ok(()), not_connected()]).is_ok());
        assert!(verdict(vec![not_connected(), not_connected()]).is_err());
        assert!(verdict(vec![Ok(()), Err(SessionError::Closed)]).is_err());
    }

    #[test]
    fn what_is_refused_stays_as_it_was() {
        let instance = |host: &str, value: &str| {
            let mut instance = Instance::new(host, Port::new(80).expect("not zero"));
            instance.metadata = Metadata::from_pairs([("k", value)]);
            instance
        };
        let long = "v".repeat(2_000);
        let last = ServiceSet::new(vec![instance("10.0.0.1", "old")]);
        let accepted = ServiceSet::new(vec![
            instance("10.0.0.1", &long),
            instance("10.0.0.2", &long),
            instance("10.0.0.3", "new"),
        ]);
        let instances = accepted.instances();
        let refused = [
            (&instances[0], String::new()),
            (&instances[1], String::new()),
        ];
        let rest = without(&accepted, &refused, Some(&last));
        assert_eq!(
            rest.instances(),
            [instance("10.0.0.1", "old"), instance("10.0.0.3", "new")]
        );
    }
}
