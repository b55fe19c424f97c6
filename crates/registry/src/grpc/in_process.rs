//! A connection without sockets, for tests that keep time by hand.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use syncline_nacos::message::ConnectionSetupRequest;
use syncline_nacos::message::payload::Payload;

use super::outbox::Outbox;
use super::requests;
use super::transport::Transport;
use crate::registry::Registry;

pub(crate) struct InProcess {
    registry: Registry,
    transport: Transport,
    outbox: Arc<Outbox>,
}

impl InProcess {
    pub(crate) fn new(registry: &Registry) -> Self {
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
        Self {
            registry: registry.clone(),
            transport: Transport::new(registry, peer),
            outbox: Arc::new(Outbox::new(registry.settings().push.retry_after)),
        }
    }

    pub(crate) fn set_up(&self, setup: &ConnectionSetupRequest) {
        self.transport.set_up(&self.outbox, setup);
    }

    pub(crate) fn call(&self, request: &Payload) -> Payload {
        requests::answer(&self.registry, &self.transport, request)
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.transport.tear_down(&self.outbox);
    }
}
