//! The registry as a target: a link is one more client of it.

use async_trait::async_trait;
use parking_lot::Mutex;
use syncline_contract::{Class, Ending, Failure, Hold, Target, TargetReport, Unavailable, Write};
use syncline_model::{Identity, LinkName};
use syncline_registry::{LinkClient, PresentedVersion, Registry};

/// An embedded registry, written by one link.
pub struct EmbeddedTarget {
    /// `None` once the link has ended.
    client: Mutex<Option<LinkClient>>,
    presented: PresentedVersion,
}

impl EmbeddedTarget {
    pub(crate) fn new(registry: &Registry, link: &LinkName) -> Self {
        Self {
            client: Mutex::new(Some(registry.link_client(link))),
            presented: registry.settings().version,
        }
    }
}

#[async_trait]
impl Target for EmbeddedTarget {
    async fn describe(&self) -> Result<TargetReport, Failure> {
        Ok(TargetReport {
            product: super::product(self.presented),
            identity: Identity::AddressAndCluster,
            // It lives and ends with this process, as a connection does.
            hold: Hold::Connection,
            unavailable: Unavailable::WeightAndHealth,
            advice: Vec::new(),
        })
    }

    async fn apply(&self, write: Write) -> Result<(), Failure> {
        let client = self.client.lock();
        let Some(client) = client.as_ref() else {
            let doing = format!("publish {}: the link has ended", write.service);
            return Err(Failure::new(Class::Fatal, doing));
        };
        if write.accepted.is_empty() {
            client.withdraw(&write.service);
        } else {
            client.publish(&write.service, write.accepted);
        }
        Ok(())
    }

    async fn close(&self, ending: Ending) {
        let Some(client) = self.client.lock().take() else {
            return;
        };
        match ending {
            Ending::Stop => client.keep(),
            Ending::Remove => drop(client),
        }
    }
}
