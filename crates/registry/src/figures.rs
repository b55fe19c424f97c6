//! How much there is, and how much was done.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::Counts;

/// How much a registry holds, and how much it did since it was made.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Figures {
    /// Services that exist.
    pub services: usize,
    /// Instances as published, each publisher's counted.
    pub published_instances: usize,
    /// Subscriptions of services, over gRPC and UDP.
    pub subscriptions: usize,
    /// Clients that hold a gRPC connection.
    pub connections: usize,
    /// Addresses that live by beats.
    pub beat_addresses: usize,
    /// Addresses with persistent instances.
    pub persistent_addresses: usize,
    /// Links that publish.
    pub links: usize,
    /// HTTP requests answered.
    pub http_requests: u64,
    /// gRPC requests answered.
    pub grpc_requests: u64,
    /// Pushes sent, repetitions included.
    pub pushes: u64,
    /// Bytes of pushes sent.
    pub push_bytes: u64,
    /// Pushes that were acknowledged.
    pub acknowledged: u64,
    /// Pushes that were repeated for want of an acknowledgement.
    pub repeated: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) http_requests: Counter,
    pub(crate) grpc_requests: Counter,
    pub(crate) pushes: Counter,
    pub(crate) push_bytes: Counter,
    pub(crate) acknowledged: Counter,
    pub(crate) repeated: Counter,
}

#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn figures(&self, counts: Counts) -> Figures {
        Figures {
            services: counts.services,
            published_instances: counts.published_instances,
            subscriptions: counts.subscriptions,
            connections: counts.connections,
            beat_addresses: counts.beat_addresses,
            persistent_addresses: counts.persistent_addresses,
            links: counts.links,
            http_requests: self.http_requests.get(),
            grpc_requests: self.grpc_requests.get(),
            pushes: self.pushes.get(),
            push_bytes: self.push_bytes.get(),
            acknowledged: self.acknowledged.get(),
            repeated: self.repeated.get(),
        }
    }
}
