//! One look at one service, and the second opinion before a removal.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use syncline_contract::{Class, Failure};
use syncline_model::{InstanceKey, NamespaceId, Seen, ServiceKey, Truth, View};
use syncline_nacos::grpc::GrpcConnection;
use syncline_nacos::http::{ConsumerApi, ConsumerList, ListedService, RawService, Route, ServerId};
use syncline_nacos::version::{BulkApi, Negotiated};
use tokio::time::{Instant, sleep};

use super::Reader;
use super::reach::is_refusal;
use crate::config::ReadingView;
use crate::convert::{self, Health, Shown, service_ref};
use crate::failure;

/// How long members may disagree: one lags another by up to 1.7 s, and a read
/// lags a write by 0.7 s (measured, 2.2.4).
const DISAGREE_FOR: Duration = Duration::from_secs(5);

/// The wait before members that disagree are asked again, and between the two
/// questions to a single one.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What one member showed of one service.
pub(super) struct Look {
    pub(super) shown: Shown,
    pub(super) truth: Truth,
    pub(super) server: ServerId,
}

/// What a second member said.
enum Opinion {
    /// It agrees.
    Same(ServerId),
    /// It shows so many instances, or others.
    Other(usize, ServerId),
    /// There is nobody else, or nobody else answers.
    None,
}

impl Reader {
    /// Reads a service once.
    pub(super) async fn refresh(&self, service: &ServiceKey) -> View {
        match self.look(service, &Route::Any).await {
            Ok(look) => look.shown.read(look.truth),
            Err(failure) => View::Failed(failure.chain().into()),
        }
    }

    /// Reads a service, and has another member confirm it where there is one.
    pub(super) async fn confirm(&self, service: &ServiceKey) -> View {
        let deadline = Instant::now() + DISAGREE_FOR;
        loop {
            let first = match self.look(service, &Route::Any).await {
                Ok(first) => first,
                Err(failure) => return View::Failed(failure.chain().into()),
            };
            match self.second_opinion(service, &first).await {
                Ok(Opinion::Same(second)) => return self.trusted(first, Some(&second)).await,
                Ok(Opinion::None) => return self.trusted(first, None).await,
                Ok(Opinion::Other(count, server)) if Instant::now() >= deadline => {
                    let why = format!(
                        "members disagree: {} shows {} instances, {server} {count} or others",
                        first.server,
                        first.shown.set.len(),
                    );
                    return first.shown.read(first.truth).doubted(why);
                }
                Ok(Opinion::Other(..)) => sleep(ASK_AGAIN).await,
                Err(failure) => {
                    let why = format!("a second member does not confirm it: {}", failure.chain());
                    return first.shown.read(first.truth).doubted(why);
                }
            }
        }
    }

    /// What members agree on, unless each of them was away a moment ago.
    async fn trusted(&self, first: Look, second: Option<&ServerId>) -> View {
        let view = first.shown.read(first.truth);
        let Some(mut why) = self.of_member(&first.server).await else {
            return view;
        };
        if let Some(second) = second.filter(|second| **second != first.server) {
            match self.of_member(second).await {
                Some(also) => why = format!("{why}; {also}").into(),
                None => return view,
            }
        }
        view.doubted(why)
    }

    /// Asks somebody else; where there is nobody, a consumer's view is asked for
    /// once more.
    async fn second_opinion(&self, service: &ServiceKey, first: &Look) -> Result<Opinion, Failure> {
        let several = self.cluster.http().await?.servers().distinct_members() > 1;
        if several && self.memory.lock().second_opinion() {
            let route = Route::OtherThan(first.server.clone());
            return match self.look(service, &route).await {
                Ok(second) => Ok(compare(first, &second)),
                Err(failure) if no_answer(&failure) => {
                    tracing::warn!(%service, "no second member answers: {}", failure.chain());
                    self.memory.lock().silent_since = Some(Instant::now());
                    Ok(Opinion::None)
                }
                Err(failure) => Err(failure),
            };
        }
        if first.truth == Truth::Raw {
            return Ok(Opinion::None);
        }
        sleep(ASK_AGAIN).await;
        let second = self.look(service, &Route::Any).await?;
        Ok(compare(first, &second))
    }

    /// Reads a service with the best eyes that are permitted.
    pub(super) async fn look(&self, service: &ServiceKey, route: &Route) -> Result<Look, Failure> {
        let server = self.cluster.negotiated().await?;
        if let Some(api) = self.raw_api(&server, &service.namespace) {
            match self.look_raw(api, service, route).await? {
                Some(look) => return Ok(look),
                None => tracing::debug!(%service, "raw lists are refused"),
            }
        }
        self.look_as_consumer(&server, service, route).await
    }

    /// The raw list to read a namespace by, if any.
    pub(super) fn raw_api(&self, server: &Negotiated, namespace: &NamespaceId) -> Option<BulkApi> {
        let refused = || self.memory.lock().refusal(namespace).is_some();
        match self.cluster.config().view {
            ReadingView::Consumer => None,
            ReadingView::Auto if refused() => None,
            ReadingView::Auto => Some(server.features.bulk),
        }
    }

    /// Remembers that raw lists of a namespace are refused.
    pub(super) fn note_refusal(&self, namespace: &NamespaceId, why: Arc<str>) {
        tracing::info!(endpoint = %self.cluster.endpoint(), %namespace, %why,
            "raw lists are refused; reading as a consumer");
        let refused = (Instant::now(), why);
        self.memory
            .lock()
            .refused
            .insert(namespace.clone(), refused);
    }

    /// `None` where raw lists are not permitted.
    async fn look_raw(
        &self,
        api: BulkApi,
        service: &ServiceKey,
        route: &Route,
    ) -> Result<Option<Look>, Failure> {
        let http = self.cluster.http().await?;
        let answered = match http.raw_service(api, service, route).await {
            Ok(answered) => answered,
            Err(error) if is_refusal(&error) => {
                self.note_refusal(&service.namespace, failure::reason(&error));
                return Ok(None);
            }
            Err(error) => return Err(self.cluster.failure(&format!("read {service}"), error)),
        };
        let shown = match answered.value {
            RawService::Listed(listed) => self.shown_raw(listed),
            RawService::Absent => convert::shown(Vec::new(), &[], Health::Told, &self.texts),
            RawService::Rejected(rejected) => {
                let doing = format!("{}: read {service}", self.cluster.endpoint());
                return Err(Failure::new(Class::Malformed, doing).because(rejected.why.to_string()));
            }
        };
        Ok(Some(Look {
            shown,
            truth: Truth::Raw,
            server: answered.server,
        }))
    }

    pub(super) fn shown_raw(&self, listed: ListedService) -> Shown {
        convert::shown(
            listed.instances,
            &listed.rejected,
            Health::Told,
            &self.texts,
        )
    }

    async fn look_as_consumer(
        &self,
        server: &Negotiated,
        service: &ServiceKey,
        route: &Route,
    ) -> Result<Look, Failure> {
        if server.features.v1_client.worth_trying() {
            let http = self.cluster.http().await?;
            let listed = http
                .instance_list(ConsumerApi::V1, service, &[], route)
                .await;
            match listed {
                Ok(listed) => {
                    return Ok(Look {
                        shown: self.shown_over_http(listed.value),
                        truth: Truth::Consumer,
                        server: listed.server,
                    });
                }
                // 3.0 and 3.1 with the calls of 1.x switched off.
                Err(error) if server.features.grpc.worth_trying() && is_refusal(&error) => {}
                Err(error) => return Err(self.cluster.failure(&format!("read {service}"), error)),
            }
        }
        self.look_over_grpc(service, route).await
    }

    fn shown_over_http(&self, list: ConsumerList) -> Shown {
        // 1.x protects without saying so, but never shows one unhealthy then.
        let health = match list.protected {
            Seen::Known(false) => Health::Told,
            Seen::Unknown if list.instances.iter().any(|i| !i.healthy) => Health::Told,
            Seen::Known(true) | Seen::Unknown => Health::Hidden,
        };
        convert::shown(list.instances, &list.rejected, health, &self.texts)
    }

    async fn look_over_grpc(&self, service: &ServiceKey, route: &Route) -> Result<Look, Failure> {
        let (server, connection) = self.connection(route).await?;
        let info = connection.query(&service_ref(service), "").await;
        let info = info.map_err(|error| {
            let doing = format!("{}: read {service}", self.cluster.endpoint());
            failure::of_call(doing, error)
        })?;
        Ok(Look {
            shown: convert::shown_to_consumers(info, &self.texts),
            truth: Truth::Consumer,
            server,
        })
    }

    /// A connection for questions to a member of that route.
    pub(super) async fn connection(
        &self,
        route: &Route,
    ) -> Result<(ServerId, GrpcConnection), Failure> {
        let servers = self.cluster.http().await?.servers();
        let server = match route {
            Route::Any => Some(servers.current().id().clone()),
            Route::Only(server) => Some(server.clone()),
            Route::OtherThan(first) => servers
                .addresses()
                .iter()
                .map(|address| address.id().clone())
                .find(|id| id != first),
        };
        let Some(server) = server else {
            let doing = format!("{}: find a second member", self.cluster.endpoint());
            return Err(Failure::new(Class::Transient, doing));
        };
        let known = self.memory.lock().connections.get(&server).cloned();
        if let Some(connection) = known.filter(|connection| connection.lost().is_none()) {
            return Ok((server, connection));
        }
        let connection = self.cluster.connect(&server).await?;
        let mut memory = self.memory.lock();
        memory
            .connections
            .insert(server.clone(), connection.clone());
        Ok((server, connection))
    }
}

/// Whether the one who was asked is not there, as opposed to saying no.
fn no_answer(failure: &Failure) -> bool {
    matches!(failure.class, Class::Transient | Class::NotReady)
}

/// Whether two members show the same instances. Their contents may differ for a
/// moment, and no removal follows from a content.
fn compare(first: &Look, second: &Look) -> Opinion {
    let keys = |look: &Look| -> BTreeSet<InstanceKey> {
        let instances = look.shown.set.instances();
        instances.iter().map(|i| i.key.clone()).collect()
    };
    if keys(first) == keys(second) {
        Opinion::Same(second.server.clone())
    } else {
        Opinion::Other(second.shown.set.len(), second.server.clone())
    }
}
