//! Fuzzy watch: clients that hear of names, as Nacos 3.0.3 tells them.

use std::collections::BTreeSet;

use serde_json::Value;
use syncline_model::{NamespaceId, ServiceKey};
use syncline_nacos::message::payload::Payload;
use syncline_nacos::message::{
    ErrorCode, FuzzyChange, FuzzySync, FuzzyWatchContext, FuzzyWatchType, Lenient,
    NamingFuzzyWatchChangeNotifyRequest, NamingFuzzyWatchRequest, NamingFuzzyWatchResponse,
    NamingFuzzyWatchSyncRequest, Request,
};

use super::outbox::Outbox;
use super::requests::{Answered, Call, Refused, read, success};
use super::rounds::Named;
use crate::answers::Push;
use crate::registry::Registry;
use crate::store::{ClientId, Matches, NotWatched, Pattern};
use crate::unasked;

/// Bytes of a pattern or key. No namespace, group and name together are longer.
const LONGEST: usize = 1024;

impl From<NotWatched> for Refused {
    fn from(why: NotWatched) -> Self {
        match why {
            NotWatched::TooManyPatterns => Self::new(
                ErrorCode::FUZZY_PATTERNS_OVER_LIMIT,
                "fuzzy watch pattern over limit",
            ),
            NotWatched::Disconnected => {
                Self::new(ErrorCode::CLIENT_DISCONNECTED, "the connection has ended")
            }
        }
    }
}

impl Call {
    pub(super) fn watch_names(&self, payload: &Payload) -> Answered {
        let request: NamingFuzzyWatchRequest = read(payload)?;
        if request.group_key_pattern.len() > LONGEST {
            let message = format!("a pattern has at most {LONGEST} bytes");
            return Err(Refused::new(ErrorCode::INVALID_PARAM, message));
        }
        let pattern = Pattern::new(&request.group_key_pattern);
        let outbox = self.registry.inner.outboxes.read().of(self.client);
        let outbox = outbox.ok_or(NotWatched::Disconnected)?;
        match request.watch_type {
            FuzzyWatchType::Watch => {
                let matches = self.registry.watch_names(self.client, &pattern)?;
                let full = matches.full;
                self.begin(&outbox, &pattern, matches, &request);
                if full {
                    return Err(Refused::new(
                        ErrorCode::FUZZY_MATCHES_OVER_LIMIT,
                        "fuzzy watch pattern matched count over limit",
                    ));
                }
            }
            FuzzyWatchType::CancelWatch => {
                outbox.end_rounds(pattern.text());
                self.registry
                    .act(|store, _| store.unwatch_names(self.client, &pattern));
            }
            FuzzyWatchType::Unknown => return Err(no_such_type(payload)),
        }
        success(&NamingFuzzyWatchResponse {})
    }

    /// Tells a client in what its names differ from those that match.
    fn begin(
        &self,
        outbox: &Outbox,
        pattern: &Pattern,
        matches: Matches,
        request: &NamingFuzzyWatchRequest,
    ) {
        let most = self.registry.settings().limits.watches.matches;
        let received = request.received_group_keys.iter();
        let received = received.filter_map(|key| key_of(key, pattern));
        let received: BTreeSet<ServiceKey> = received.collect();
        let named = |service: &ServiceKey, known| Named {
            service: service.clone(),
            known,
        };
        let new = matches.names.difference(&received);
        let mut names: Vec<Named> = new.map(|service| named(service, false)).collect();
        // What a full pattern lacks need not be gone.
        let most = if matches.full { 0 } else { most };
        let gone = received.difference(&matches.names).take(most);
        let mut gone: Vec<ServiceKey> = gone.cloned().collect();
        if self.registry.returning_for().is_some() {
            outbox.miss(std::mem::take(&mut gone));
        }
        names.extend(gone.iter().map(|service| named(service, true)));
        outbox.begin_round(pattern.text(), request.initializing, &names);
        // The Java client 3.0.3 takes a removal as a single change only.
        outbox.post_names(gone);
    }
}

fn no_such_type(payload: &Payload) -> Refused {
    let body = payload.body.as_ref().map_or(&[][..], |body| &body.value);
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let told = body["watchType"].as_str().unwrap_or_default();
    let message = format!("Unsupported request type {told}");
    Refused::new(ErrorCode::INVALID_PARAM, message)
}

impl Registry {
    /// Lets a client hear of the names that match a pattern; gives those that
    /// do now.
    fn watch_names(&self, client: ClientId, pattern: &Pattern) -> Result<Matches, NotWatched> {
        let unread = self.act(|store, _| store.watch_names(client, pattern))?;
        let found = unread.map(|names| pattern.among(&names));
        Ok(self.act(|store, _| {
            if let Some(found) = found {
                store.list_watched(pattern, found);
            }
            store.watched(pattern.text())
        }))
    }
}

/// One name that came or went, for a client that watches for it.
pub(super) fn changed(registry: &Registry, client: ClientId, service: &ServiceKey) -> Option<Push> {
    let is_there = registry.act(|store, _| store.watched_name(client, service))?;
    push(
        registry,
        NamingFuzzyWatchChangeNotifyRequest {
            sync_type: FuzzySync::Changed,
            service_key: text_of(service),
            changed_type: change(is_there),
        },
    )
}

/// A batch of a round, as its services are now.
pub(super) fn batch(
    registry: &Registry,
    outbox: &Outbox,
    round: u64,
    number: usize,
) -> Option<Push> {
    let batch = outbox.batch(round, number)?;
    let matches = registry.act(|store, _| store.watched(&batch.pattern));
    let news = batch.names.iter().filter_map(|named| {
        let is_there = matches.names.contains(&named.service);
        let news = is_there != named.known && (is_there || !matches.full);
        news.then(|| FuzzyWatchContext {
            service_key: text_of(&named.service),
            changed_type: change(is_there),
        })
    });
    let sync_type = if batch.first {
        FuzzySync::Init
    } else {
        FuzzySync::Diff
    };
    push(
        registry,
        NamingFuzzyWatchSyncRequest {
            sync_type,
            group_key_pattern: batch.pattern.to_string(),
            contexts: Lenient::from(news.collect::<Vec<_>>()),
            total_batch: count(batch.total),
            current_batch: count(number),
        },
    )
}

/// The word that a round was all.
pub(super) fn finish(registry: &Registry, outbox: &Outbox, round: u64) -> Option<Push> {
    let pattern = outbox.pattern(round)?;
    push(
        registry,
        NamingFuzzyWatchSyncRequest {
            sync_type: FuzzySync::Finish,
            group_key_pattern: pattern.to_string(),
            contexts: Lenient::from(Vec::new()),
            total_batch: 1,
            current_batch: 1,
        },
    )
}

fn push<T: Request>(registry: &Registry, body: T) -> Option<Push> {
    let id = registry.inner.answers.next_id();
    let payload = unasked::encode(body, Some(&id.to_string()));
    let payload = payload.inspect_err(|error| tracing::error!(%error, "cannot tell names"));
    Some(Push {
        id,
        payload: payload.ok()?,
    })
}

fn change(is_there: bool) -> FuzzyChange {
    if is_there {
        FuzzyChange::AddService
    } else {
        FuzzyChange::DeleteService
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// `namespace@@group@@name`.
fn text_of(service: &ServiceKey) -> String {
    let ServiceKey {
        namespace,
        group,
        name,
    } = service;
    format!("{namespace}@@{group}@@{name}")
}

/// A key that a client says it knows, if the pattern could have told it.
fn key_of(text: &str, pattern: &Pattern) -> Option<ServiceKey> {
    if text.len() > LONGEST {
        return None;
    }
    let mut parts = text.splitn(3, "@@");
    let (namespace, group, name) = (parts.next()?, parts.next()?, parts.next()?);
    let key = ServiceKey {
        namespace: NamespaceId::from_wire(namespace),
        group: group.into(),
        name: name.into(),
    };
    pattern.matches(&key).then_some(key)
}
