//! Names that the server tells, by fuzzy watch.

use std::sync::Arc;

use futures_util::future::FutureExt;
use syncline_contract::Observation;
use syncline_model::ServiceKey;
use syncline_nacos::grpc::{CallError, Session};
use syncline_nacos::message::{FuzzyChange, ability};

use super::{Lane, NAMES, Watch};
use crate::source::fuzzy::Pattern;
use crate::source::reach::Reach;
use crate::source::watch::Way;

impl Watch<'_> {
    /// Has the server tell names, where it can: over the first connection.
    pub(super) async fn watch_names(&mut self) {
        let Some(reach) = self.reach.clone() else {
            return;
        };
        for Pattern { namespace, text } in self.fuzzy.want(&reach) {
            self.unwatch_names(namespace.as_str(), &text);
        }
        if self.lanes.is_empty()
            && self.may_be_told
            && !self.fuzzy.is_empty()
            && let Err(failure) = self.open_lane().await
        {
            let why = failure.chain().into();
            return self.pulse.down(Way::Lane(NAMES), why, self.sink);
        }
        let session = self.lanes.get(NAMES).map(|lane| &lane.session);
        let connection = session.and_then(Session::connection);
        let is_able = connection.is_some_and(|it| it.is_able(ability::FUZZY_WATCH));
        if let Some(session) = session.filter(|_| is_able) {
            for Pattern { namespace, text } in self.fuzzy.ask() {
                // Its outcome comes as an event.
                drop(session.watch_names(namespace.as_str(), text).now_or_never());
            }
        }
        self.tell_who_is_told();
    }

    /// The server does not tell the names of a pattern, or not all of them.
    pub(super) fn names_refused(&mut self, namespace: &str, pattern: &str, error: &CallError) {
        // The session asks for it again by itself.
        if error.class().is_transient() {
            return;
        }
        tracing::info!(endpoint = %self.reader.cluster.endpoint(), pattern, %error,
            "no fuzzy watch; asking for names instead");
        self.fuzzy.refused(pattern);
        self.unwatch_names(namespace, pattern);
        self.tell_who_is_told();
    }

    /// Asks for names where they are not told in time.
    pub(super) fn give_names_up(&mut self) {
        let useless = self.fuzzy.give_up();
        for Pattern { namespace, text } in &useless {
            tracing::info!(endpoint = %self.reader.cluster.endpoint(), pattern = %text,
                "a fuzzy watch does not tell all names; asking for them instead");
            self.unwatch_names(namespace.as_str(), text);
        }
        if !useless.is_empty() {
            self.tell_who_is_told();
        }
    }

    fn unwatch_names(&self, namespace: &str, pattern: &str) {
        if let Some(Lane { session }) = self.lanes.get(NAMES) {
            drop(session.unwatch_names(namespace, pattern).now_or_never());
        }
    }

    /// Tells who asks for names which of them are told, and people too.
    pub(super) fn tell_who_is_told(&mut self) {
        let learns = self.fuzzy.learns().filter(|_| self.may_be_told);
        if learns != self.learns {
            if let Some(how) = &learns {
                self.sink.put(Observation::Learns(how.as_str().into()));
            }
            self.learns = learns;
        }
        let told = self.fuzzy.told();
        self.tell.send_if_modified(|before| {
            let changes = *before != told;
            *before = told;
            changes
        });
    }

    /// A name came or went, by a fuzzy watch: reasons to look, and no more.
    pub(super) async fn name_changed(&mut self, service: ServiceKey, change: FuzzyChange) {
        let selects = |reach: &Arc<Reach>| reach.selects(&service);
        if !self.reach.as_ref().is_some_and(selects) {
            return;
        }
        match change {
            FuzzyChange::AddService => {
                self.fuzzy.hear(&service);
                self.unnamed.remove(&service);
                if let Some(named) = self.named.get_mut(&service.namespace) {
                    named.insert(service.clone());
                }
                self.subscribe(&service).await;
            }
            FuzzyChange::DeleteService => self.sink.put(Observation::Look(service)),
            FuzzyChange::Unknown => {}
        }
    }
}
