//! What a link writes to: hands resources to the streams of clients.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use syncline_contract::{Failure, Lasting, Output, OutputReport, Snapshot};
use syncline_model::{InstanceKey, ServiceKey};
use tokio::sync::watch;

use crate::config::XdsConfig;
use crate::resources::{Remarks, Resources};

/// The services of a link, as clients of a control plane see them.
#[derive(Clone, Debug)]
pub struct XdsOutput {
    config: Arc<XdsConfig>,
    published: Arc<watch::Sender<Option<Arc<Resources>>>>,
    told: Arc<Mutex<Told>>,
}

/// What operators were told already.
#[derive(Debug, Default)]
struct Told {
    left_out: BTreeMap<ServiceKey, Vec<InstanceKey>>,
    renamed: BTreeMap<ServiceKey, Arc<str>>,
}

impl XdsOutput {
    /// An output that nobody was given anything of yet.
    pub fn new(config: XdsConfig) -> Self {
        Self {
            config: Arc::new(config),
            published: Arc::new(watch::Sender::new(None)),
            told: Arc::default(),
        }
    }

    /// What there is, from now on.
    pub(crate) fn follow(&self) -> watch::Receiver<Option<Arc<Resources>>> {
        self.published.subscribe()
    }
}

#[async_trait]
impl Output for XdsOutput {
    fn describe(&self) -> OutputReport {
        OutputReport {
            product: format!("xDS on {}", self.config.listen),
            debounce: self.config.debounce,
            lasting: Lasting::Ends,
        }
    }

    async fn render(&self, snapshot: &Snapshot, changed: &[ServiceKey]) -> Result<(), Failure> {
        let before = self.published.borrow().clone().unwrap_or_default();
        let (next, remarks) = before.next(snapshot, changed, &self.config);
        self.told.lock().tell(remarks);
        self.published.send_replace(Some(Arc::new(next)));
        Ok(())
    }
}

impl Told {
    /// Tells what is new.
    fn tell(&mut self, remarks: Remarks) {
        for (service, instances) in remarks.left_out {
            let before = match instances.is_empty() {
                true => self.left_out.remove(&service),
                false => self.left_out.insert(service.clone(), instances.clone()),
            };
            let before = before.unwrap_or_default();
            for instance in instances
                .iter()
                .filter(|instance| !before.contains(instance))
            {
                tracing::warn!(%service, %instance,
                    "left out for Envoy and gRPC clients, which take IP addresses only");
            }
        }
        for (service, host) in remarks.renamed {
            if self
                .renamed
                .insert(service.clone(), Arc::clone(&host))
                .is_none()
            {
                tracing::warn!(%service, %host, "another service has the host that one would expect");
            }
        }
    }
}
