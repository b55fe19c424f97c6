//! What writing over HTTP has in common, whatever keeps a registration alive.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use syncline_contract::{Class, Failure, Whose};
use syncline_model::{EndpointName, Identity, Instance, InstanceKey, ServiceKey};
use syncline_nacos::http::{HttpClient, HttpError, Route, WriteApi};
use syncline_nacos::message as wire;
use syncline_nacos::version::{Generation, Negotiated};
use tokio::sync::Semaphore;

use super::rules;
use crate::failure;

/// The API to write by: 3.2 has none of the others, and what is before 3.0 does
/// not have that of 3.0.
pub(super) fn write_api(server: &Negotiated) -> WriteApi {
    match server.generation {
        Generation::V1 | Generation::V2 => WriteApi::V1,
        Generation::V3 => WriteApi::V3,
    }
}

/// Where to write, and how.
pub(super) struct Way {
    pub(super) endpoint: EndpointName,
    pub(super) http: Arc<HttpClient>,
    pub(super) api: WriteApi,
    /// How the servers tell instances apart that come over HTTP.
    pub(super) identity: Identity,
    /// Calls of one service that are under way at the same time.
    pub(super) in_flight: usize,
    /// Writes of all services that are under way at the same time.
    pub(super) writes: Semaphore,
    /// What is sent for an instance.
    pub(super) registration: fn(&ServiceKey, &Instance) -> wire::Instance,
    /// Whether the first instance of a service is registered alone.
    pub(super) first_alone: bool,
}

/// Whether servers lose instances that are registered together when their
/// service is new: 1.3.0 makes the service twice then, and confirms what it
/// writes to the one that it drops (measured: of 400 new services with four
/// instances, 3 to 6 never showed one of them).
pub(super) fn loses_the_first(server: &Negotiated) -> bool {
    server.generation == Generation::V1
}

/// How the writes of several instances went.
#[derive(Default)]
pub(super) struct Written {
    pub(super) done: Vec<Instance>,
    pub(super) failed: Vec<InstanceKey>,
    pub(super) failures: Vec<Failure>,
}

impl Way {
    /// Registers one instance, or replaces its content.
    pub(super) async fn register(
        &self,
        service: &ServiceKey,
        instance: &Instance,
    ) -> Result<(), HttpError> {
        // It is never closed, and without a permit the call is made all the same.
        let _permit = self.writes.acquire().await;
        let registration = (self.registration)(service, instance);
        let written = self
            .http
            .register(self.api, service, &registration, &Route::Any);
        written.await.map(|_| ())
    }

    /// Deregisters one instance.
    pub(super) async fn deregister(
        &self,
        service: &ServiceKey,
        instance: &Instance,
    ) -> Result<(), HttpError> {
        let _permit = self.writes.acquire().await;
        let registration = (self.registration)(service, instance);
        let removed = self
            .http
            .deregister(self.api, service, &registration, &Route::Any);
        removed.await.map(|_| ())
    }

    /// Registers several instances; one that is refused stops none of the others.
    /// A service is `known` when an instance of it was registered before.
    pub(super) async fn register_all(
        &self,
        service: &ServiceKey,
        instances: Vec<Instance>,
        known: bool,
    ) -> Written {
        let mut written = Written::default();
        let mut left = instances.into_iter();
        while self.first_alone
            && !known
            && written.done.is_empty()
            && let Some(first) = left.next()
        {
            written.add(self.try_register(service, first).await);
        }
        let calls = left.map(|instance| self.try_register(service, instance));
        let outcomes = stream::iter(calls).buffer_unordered(self.in_flight);
        written.add_all(outcomes).await;
        written
    }

    async fn try_register(
        &self,
        service: &ServiceKey,
        instance: Instance,
    ) -> (Instance, Result<(), Failure>) {
        let outcome = self.register(service, &instance).await;
        let failure = |error| self.register_failed(service, &instance, error);
        let outcome = outcome.map_err(failure);
        (instance, outcome)
    }

    /// Deregisters several instances.
    pub(super) async fn deregister_all(
        &self,
        service: &ServiceKey,
        instances: Vec<Instance>,
    ) -> Written {
        let calls = instances.into_iter().map(|instance| async move {
            let outcome = self.deregister(service, &instance).await.map_err(|error| {
                let doing = format!("{}: deregister {}", self.endpoint, instance.key);
                failure::of_http(doing, error)
            });
            (instance, outcome)
        });
        let mut written = Written::default();
        let outcomes = stream::iter(calls).buffer_unordered(self.in_flight);
        written.add_all(outcomes).await;
        written
    }

    fn register_failed(
        &self,
        service: &ServiceKey,
        instance: &Instance,
        error: HttpError,
    ) -> Failure {
        let doing = format!("{}: register {} of {service}", self.endpoint, instance.key);
        let refused = error
            .status()
            .is_some_and(|status| status.is_client_error());
        let failure = failure::of_http(doing, error);
        if !refused || failure.class != Class::Fatal {
            return failure;
        }
        let objection = rules::objection(instance).or_else(|| rules::objection_to_name(service));
        match objection {
            Some(why) => {
                let doing = format!("{}: register {}: {why}", self.endpoint, instance.key);
                Failure::new(Class::Fatal, doing)
                    .blaming(Whose::Peer)
                    .because(failure)
            }
            None => failure.blaming(Whose::Peer),
        }
    }

    /// Instances that the servers would take for another one of the same write.
    pub(super) fn clashes(&self, service: &ServiceKey, keys: &[InstanceKey]) -> Vec<Failure> {
        let clash = |key: &InstanceKey| {
            let doing = format!(
                "{}: register {key} of {service}: another instance has this address, and these \
                 servers do not tell clusters apart over HTTP",
                self.endpoint
            );
            Failure::new(Class::Conflict, doing).blaming(Whose::Configuration)
        };
        keys.iter().map(clash).collect()
    }
}

impl Written {
    fn add(&mut self, (instance, outcome): (Instance, Result<(), Failure>)) {
        match outcome {
            Ok(()) => self.done.push(instance),
            Err(failure) => {
                self.failed.push(instance.key);
                self.failures.push(failure);
            }
        }
    }

    async fn add_all(
        &mut self,
        outcomes: impl stream::Stream<Item = (Instance, Result<(), Failure>)>,
    ) {
        let mut outcomes = std::pin::pin!(outcomes);
        while let Some(outcome) = outcomes.next().await {
            self.add(outcome);
        }
    }
}
