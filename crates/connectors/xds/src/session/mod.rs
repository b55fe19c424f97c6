//! One client's stream, as a machine without I/O: requests and resources go in,
//! answers come out.
//!
//! Both protocols, state of the world and delta, are the same machine: they
//! differ in how a subscription is said, and in what an answer may leave out.
//!
//! * Of each kind one answer is under way at a time. What changes meanwhile
//!   waits for the client's word and goes out as it is then, so that a slow
//!   client is given the latest and never a backlog.
//! * Additions go out in the order of [`Kind`]. A cluster is warm when Envoy
//!   acknowledges it, so routes wait for that; and a cluster goes only after
//!   the routes to it have gone.
//! * What a client refuses is not sent again until it changes. A refused
//!   answer of several resources is sent in halves, until the one that is
//!   refused stands alone: it spoils nothing else.

mod subscription;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;

use crate::resources::{Kind, Resource, Resources};
use watch::Watch;

pub(crate) use subscription::TooMany;

/// How answers are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    /// State of the world: a request names all that the client wants, and an
    /// answer about clusters or listeners holds all of them.
    Whole,
    /// Requests and answers say what is different.
    Delta,
}

/// A client's word about one kind of resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    /// The kind.
    pub(crate) kind: Kind,
    /// The answer that it is a reply to; empty for none.
    pub(crate) nonce: String,
    /// Why the client refuses that answer, if it does.
    pub(crate) refusal: Option<String>,
    /// What it wants.
    pub(crate) wants: Wants,
}

/// How a request says what the client wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Wants {
    /// State of the world.
    Whole {
        /// All that it wants.
        names: Vec<String>,
        /// The version that it has.
        version: String,
    },
    /// Delta.
    Delta {
        /// What it wants beside what it wanted.
        subscribe: Vec<String>,
        /// What it wants no longer.
        unsubscribe: Vec<String>,
        /// What it has from an earlier stream, with its version.
        known: HashMap<String, String>,
    },
}

/// What a client is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    /// The kind of its resources.
    pub(crate) kind: Kind,
    /// By which the client will refer to it.
    pub(crate) nonce: String,
    /// The version of its content as a whole.
    pub(crate) version: String,
    /// The resources.
    pub(crate) resources: Vec<Arc<Resource>>,
    /// What is not there, of what the client had or asked for. Delta alone.
    pub(crate) removed: Vec<Arc<str>>,
}

/// What a client refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refused {
    /// The kind.
    pub(crate) kind: Kind,
    /// How many resources were in the answer.
    pub(crate) resources: usize,
    /// The one that it cannot be but, where it is known.
    pub(crate) culprit: Option<Arc<str>>,
    /// The client's reason.
    pub(crate) reason: String,
}

/// One client's stream.
pub(crate) struct Session {
    protocol: Protocol,
    resources: Option<Arc<Resources>>,
    watches: [Option<Watch>; Kind::ALL.len()],
    nonces: u64,
}

impl Session {
    /// A stream on which nothing was asked yet.
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            resources: None,
            watches: [const { None }; Kind::ALL.len()],
            nonces: 0,
        }
    }

    /// Takes a client's request.
    ///
    /// # Errors
    /// When the client subscribes to more than anybody needs.
    pub(crate) fn request(&mut self, request: Request) -> Result<Option<Refused>, TooMany> {
        let slot = &mut self.watches[request.kind as usize];
        let is_first = slot.is_none();
        let watch = slot.get_or_insert_with(|| Watch::new(request.kind, self.protocol));
        let refused = watch.reply(&request.nonce, request.refusal);
        watch.subscribe(request.wants, is_first)?;
        Ok(refused)
    }

    /// Takes other resources.
    pub(crate) fn replace(&mut self, resources: Arc<Resources>) {
        for (kind, watch) in Kind::ALL.iter().zip(&mut self.watches) {
            let before = self.resources.as_ref().map(|before| before.of(*kind));
            let same = before.is_some_and(|before| Arc::ptr_eq(before, resources.of(*kind)));
            if let Some(watch) = watch.as_mut().filter(|_| !same) {
                watch.look();
            }
        }
        self.resources = Some(resources);
    }

    /// What is to be sent now; nothing before there is a whole list.
    pub(crate) fn answers(&mut self) -> Vec<Answer> {
        let Some(resources) = self.resources.clone() else {
            return Vec::new();
        };
        let mut answers = Vec::new();
        // Twice: what the routes no longer lead to may go once they are told.
        for kind in Kind::ALL.into_iter().chain([Kind::Cluster, Kind::Endpoint]) {
            if self.may_add(kind) {
                let removals = self.may_remove(kind);
                answers.extend(self.answer(kind, removals, &resources));
            }
        }
        answers
    }

    /// Requests are led to clusters that the client has.
    fn may_add(&self, kind: Kind) -> bool {
        match kind {
            Kind::Cluster | Kind::Endpoint => true,
            Kind::Listener | Kind::Route => self.is(Kind::Cluster, Watch::has_all),
        }
    }

    /// No request is led to what goes.
    fn may_remove(&self, kind: Kind) -> bool {
        let is_settled = |kind| self.is(kind, Watch::is_settled);
        let unused = is_settled(Kind::Listener) && is_settled(Kind::Route);
        match kind {
            Kind::Cluster => unused,
            Kind::Endpoint => unused && is_settled(Kind::Cluster),
            Kind::Listener | Kind::Route => true,
        }
    }

    /// Whether that holds for what the client watches of a kind; it does where
    /// it watches nothing.
    fn is(&self, kind: Kind, state: impl Fn(&Watch) -> bool) -> bool {
        self.watches[kind as usize].as_ref().is_none_or(state)
    }

    fn answer(&mut self, kind: Kind, removals: bool, resources: &Resources) -> Option<Answer> {
        let watch = self.watches[kind as usize].as_mut()?;
        let content = watch.next(resources.of(kind), removals)?;
        self.nonces += 1;
        let nonce = self.nonces.to_string();
        watch.sent(&nonce, &content);
        // Envoy warms a cluster that was changed with endpoints that come
        // after it, also where these did not change.
        if kind == Kind::Cluster
            && let Some(endpoints) = &mut self.watches[Kind::Endpoint as usize]
        {
            let clusters = content.told.iter();
            clusters.for_each(|name| endpoints.send_again(name));
        }
        Some(Answer {
            kind,
            nonce,
            version: content.version(),
            resources: content.resources,
            // The state of the world takes back what it leaves out.
            removed: match self.protocol {
                Protocol::Whole => Vec::new(),
                Protocol::Delta => content.removed,
            },
        })
    }
}

#[cfg(test)]
mod tests;
