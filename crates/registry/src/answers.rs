//! Prepared answers: a service's instances as JSON, written once for all who
//! ask for them or are pushed them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use parking_lot::Mutex;
use serde::ser::{SerializeSeq, Serializer};
use serde_json::value::RawValue;
use syncline_model::ServiceKey;
use syncline_nacos::message::NotifySubscriberRequest;
use syncline_nacos::message::payload::{EncodeError, Payload};

use crate::moment::Moment;
use crate::settings::LifeSettings;
use crate::store::{Clusters, Selection, Snapshot};
use crate::unasked;
use crate::wire::{ShownInstance, ShownService};

/// Bytes that an answer takes beside its instances, where names are short.
const ROOM_AROUND_HOSTS: usize = 384;

/// What a consumer is shown of a service at one revision.
pub(crate) struct Answer {
    key: ServiceKey,
    clusters: Clusters,
    hosts: Box<RawValue>,
    protected: bool,
    stamp: Moment,
    /// The same as a push, once somebody was due one.
    push: OnceLock<Push>,
    /// The same as the body of an answer over HTTP, once somebody asked.
    over_http: OnceLock<Bytes>,
}

/// A push as it goes out to every subscriber with the same clusters. Its id
/// need only be unique to a connection, so they all get the same bytes.
#[derive(Clone)]
pub(crate) struct Push {
    pub(crate) id: u64,
    pub(crate) payload: Payload,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Wanted {
    /// Names the service as well: no two changes share a revision.
    revision: u64,
    clusters: Clusters,
    healthy_only: bool,
}

/// The answers that were given last, up to a number of bytes.
pub(crate) struct Answers {
    capacity_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    answers: HashMap<Wanted, Arc<Answer>>,
    oldest_first: VecDeque<Wanted>,
    bytes: usize,
    last_push: u64,
}

impl Answers {
    pub(crate) fn new(capacity_bytes: usize) -> Self {
        Self {
            capacity_bytes,
            kept: Mutex::default(),
        }
    }

    /// What a consumer is shown of a service.
    pub(crate) fn of(
        &self,
        snapshot: &Snapshot,
        clusters: &Clusters,
        healthy_only: bool,
        life: &LifeSettings,
    ) -> Result<Arc<Answer>, serde_json::Error> {
        let wanted = Wanted {
            revision: snapshot.revision,
            clusters: clusters.clone(),
            healthy_only,
        };
        if let Some(answer) = self.kept.lock().answers.get(&wanted) {
            return Ok(answer.clone());
        }
        let selection = snapshot.select(clusters, healthy_only);
        let answer = Arc::new(Answer {
            key: snapshot.key.clone(),
            clusters: clusters.clone(),
            hosts: write_hosts(snapshot, &selection, life)?,
            protected: selection.protected,
            stamp: snapshot.stamp,
            push: OnceLock::new(),
            over_http: OnceLock::new(),
        });
        self.keep(wanted, &answer);
        Ok(answer)
    }

    /// What a consumer is shown of a service that does not exist.
    pub(crate) fn empty(key: ServiceKey, clusters: Clusters, now: Moment) -> Answer {
        Answer {
            key,
            clusters,
            hosts: no_hosts(),
            protected: false,
            stamp: now,
            push: OnceLock::new(),
            over_http: OnceLock::new(),
        }
    }

    /// The id of a push that is like no other.
    pub(crate) fn next_id(&self) -> u64 {
        let mut kept = self.kept.lock();
        kept.last_push += 1;
        kept.last_push
    }

    /// An answer as a push.
    pub(crate) fn push(&self, answer: &Answer) -> Result<Push, EncodeError> {
        if let Some(push) = answer.push.get() {
            return Ok(push.clone());
        }
        let push = answer.to_push(self.next_id())?;
        Ok(answer.push.get_or_init(|| push).clone())
    }

    fn keep(&self, wanted: Wanted, answer: &Arc<Answer>) {
        let mut kept = self.kept.lock();
        kept.bytes += answer.weight();
        kept.oldest_first.push_back(wanted.clone());
        if let Some(same) = kept.answers.insert(wanted, answer.clone()) {
            // Two asked at once; the first one's place in the queue stays.
            kept.bytes -= same.weight();
            kept.oldest_first.pop_back();
        }
        while kept.bytes > self.capacity_bytes {
            let Some(oldest) = kept.oldest_first.pop_front() else {
                break;
            };
            if let Some(dropped) = kept.answers.remove(&oldest) {
                kept.bytes -= dropped.weight();
            }
        }
    }
}

impl Answer {
    /// The answer as it stands in a gRPC message.
    pub(crate) fn shown(&self) -> ShownService<'_> {
        self.shown_as(self.key.name.as_str())
    }

    /// The answer under another name: HTTP wants the grouped one.
    pub(crate) fn shown_as<'a>(&'a self, name: &'a str) -> ShownService<'a> {
        ShownService::new(
            name,
            self.key.group.as_str(),
            self.clusters.as_str(),
            &self.hosts,
            self.protected,
            self.stamp,
        )
    }

    /// The whole answer as v1 gives it over HTTP.
    pub(crate) fn over_http(&self) -> Result<Bytes, serde_json::Error> {
        if let Some(body) = self.over_http.get() {
            return Ok(body.clone());
        }
        let mut body = Vec::with_capacity(self.hosts.get().len() + ROOM_AROUND_HOSTS);
        serde_json::to_writer(&mut body, &self.shown_as(&self.key.grouped()))?;
        Ok(self.over_http.get_or_init(|| body.into()).clone())
    }

    /// The instances alone, as v3 lists them.
    pub(crate) fn hosts(&self) -> &RawValue {
        &self.hosts
    }

    fn to_push(&self, id: u64) -> Result<Push, EncodeError> {
        let request = NotifySubscriberRequest {
            namespace: None,
            service_info: self.shown(),
        };
        let payload = unasked::encode(request, Some(&id.to_string()))?;
        Ok(Push { id, payload })
    }

    /// Roughly the bytes that it keeps alive, its push and body included.
    fn weight(&self) -> usize {
        3 * self.hosts.get().len() + 2 * ROOM_AROUND_HOSTS
    }
}

fn no_hosts() -> Box<RawValue> {
    serde_json::value::to_raw_value(&[(); 0]).expect("an empty list has a JSON form")
}

fn write_hosts(
    snapshot: &Snapshot,
    selection: &Selection<'_>,
    life: &LifeSettings,
) -> Result<Box<RawValue>, serde_json::Error> {
    struct Hosts<'a> {
        snapshot: &'a Snapshot,
        selection: &'a Selection<'a>,
        grouped: &'a str,
        life: &'a LifeSettings,
    }

    impl serde::Serialize for Hosts<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let hosts = &self.selection.hosts;
            let mut list = serializer.serialize_seq(Some(hosts.len()))?;
            for instance in hosts {
                list.serialize_element(&ShownInstance {
                    instance,
                    snapshot: self.snapshot,
                    grouped: self.grouped,
                    protected: self.selection.protected,
                    life: self.life,
                })?;
            }
            list.end()
        }
    }

    serde_json::value::to_raw_value(&Hosts {
        snapshot,
        selection,
        grouped: &snapshot.key.grouped(),
        life,
    })
}
