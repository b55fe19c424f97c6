//! The registry as a source: every look is whole and raw, since it is a look
//! into our own memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use syncline_contract::{
    Area, Coverage, Failure, Interest, ListEnd, Listed, Observation, ObservationSink, Purpose,
    Source, SourceReport,
};
use syncline_model::scope::Scope;
use syncline_model::{NamespaceId, ServiceKey, Truth, View};
use syncline_registry::Registry;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// An embedded registry, read.
pub struct EmbeddedSource {
    registry: Registry,
}

impl EmbeddedSource {
    pub(crate) fn new(registry: Registry) -> Self {
        Self { registry }
    }

    /// What stands there now. It is all there is, but says nothing of what clients
    /// that are on their way back had.
    fn view(&self, service: &ServiceKey) -> View {
        View::Complete(Truth::Raw, self.registry.snapshot(service))
    }

    /// Why absence proves nothing now, where it does not.
    fn doubt(&self) -> Option<Arc<str>> {
        let left = self.registry.returning_for()?;
        let seconds = left.as_secs() + 1;
        Some(format!("its clients have {seconds} s more to come back after the start").into())
    }

    /// The namespaces that have services, and those that a scope names exactly.
    fn namespaces(&self, scopes: &[Scope]) -> BTreeSet<NamespaceId> {
        let named = scopes
            .iter()
            .flat_map(|scope| scope.literal_namespaces().unwrap_or_default());
        self.registry
            .namespaces()
            .into_iter()
            .chain(named)
            .collect()
    }
}

#[async_trait]
impl Source for EmbeddedSource {
    async fn describe(&self) -> Result<SourceReport, Failure> {
        Ok(SourceReport {
            product: super::product(self.registry.settings().version),
            reading: "raw view from memory".to_owned(),
            truth: Truth::Raw,
            watching: "every change at once".to_owned(),
            advice: Vec::new(),
        })
    }

    async fn list(&self, scopes: &[Scope], sink: mpsc::Sender<Listed>) -> ListEnd {
        // Before the first look: who comes back during the list may miss it.
        let doubt = self.doubt();
        for namespace in self.namespaces(scopes) {
            for service in self.registry.services(&namespace) {
                if !scopes.iter().any(|scope| scope.selects(&service)) {
                    continue;
                }
                let listed = Listed {
                    view: self.view(&service),
                    service,
                    rejected: Vec::new(),
                };
                if sink.send(listed).await.is_err() {
                    // Whoever asked has gone, and so has the end of the list.
                    return ListEnd::of(Vec::new());
                }
            }
        }
        ListEnd::of(vec![Area {
            namespace: None,
            group: None,
            coverage: match doubt {
                Some(why) => Coverage::Partial(why),
                None => Coverage::Complete(Truth::Raw),
            },
        }])
    }

    async fn read(&self, service: &ServiceKey, _purpose: Purpose) -> View {
        match self.doubt() {
            Some(why) => View::Partial(self.registry.snapshot(service), why),
            None => self.view(service),
        }
    }

    async fn watch(&self, interest: Interest, sink: ObservationSink, cancel: CancellationToken) {
        let mut changes = self.registry.changes();
        // What changed between the last list and now is in no change.
        sink.put(Observation::LookAtAll);
        let mut returning = self.registry.returning_for().is_some();
        loop {
            let services = tokio::select! {
                () = cancel.cancelled() => return,
                // From now on a list proves what is gone.
                () = self.registry.all_returned(), if returning => {
                    returning = false;
                    sink.put(Observation::LookAtAll);
                    continue;
                }
                services = changes.next() => services,
            };
            for service in services {
                let wanted = interest.scopes.iter().any(|scope| scope.selects(&service))
                    || interest.followed.contains(&service);
                if wanted {
                    sink.put(Observation::Content {
                        view: self.view(&service),
                        service,
                        rejected: Vec::new(),
                    });
                }
            }
        }
    }
}
