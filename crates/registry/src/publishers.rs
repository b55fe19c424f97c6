//! Who publishes what, for whoever looks into the registry from within the
//! process: clients are told nothing of it.

use std::sync::Arc;

use syncline_model::{ServiceKey, ServiceSet};

use crate::grpc::Peer;
use crate::registry::{Origin, Registry};
use crate::store::{Address, Holder};

/// Somebody who publishes something of a service.
#[derive(Clone, PartialEq, Debug)]
pub struct Publisher {
    /// What keeps it alive, or which link of ours it is.
    pub origin: Origin,
    /// The client's name, by which the pages about clients of `/nacos/v2/ns/client`
    /// tell more; empty for one that just left.
    pub client: String,
    /// The kind and version of a client with a connection, as it says.
    pub agent: Option<String>,
    /// What it publishes, before anything was overridden.
    pub published: Arc<ServiceSet>,
}

impl Registry {
    /// Who publishes a service, and what.
    pub fn publishers(&self, service: &ServiceKey) -> Vec<Publisher> {
        let publishers = self.act(|store, _| {
            let publishers = store.publications(service);
            let publishers = publishers.filter_map(|(client, holder, publication)| {
                Some((
                    client,
                    holder.clone(),
                    holder.origin()?,
                    publication.to_set(),
                ))
            });
            publishers.collect::<Vec<_>>()
        });
        let outboxes = self.inner.outboxes.read();
        let publishers = publishers.into_iter();
        publishers
            .map(|(client, holder, origin, published)| {
                let peer = outboxes.peer(client);
                Publisher {
                    origin,
                    client: name_of(&holder, peer.as_deref()).unwrap_or_default(),
                    agent: peer.map(|peer| peer.agent.clone()),
                    published,
                }
            })
            .collect()
    }
}

/// The name of a client: `ip:port#ephemeral` of an address, as Nacos has it.
pub(crate) fn name_of(holder: &Holder, peer: Option<&Peer>) -> Option<String> {
    match holder {
        Holder::Connection => peer.map(|peer| peer.id.clone()),
        Holder::Address(Address { host, port, kind }) => {
            Some(format!("{host}:{port}#{}", kind.is_ephemeral()))
        }
        Holder::Link(name) => Some(format!("link:{name}")),
        // It is nothing beside its subscription.
        Holder::Listener => None,
    }
}
