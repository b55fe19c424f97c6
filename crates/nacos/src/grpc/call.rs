//! Calls over a connection.

use std::borrow::Cow;
use std::time::Duration;

use tokio::time::timeout;

use super::connection::{Core, GrpcConnection};
use super::error::same_service;
use super::{CallCause, CallError, ErrorClass, Lost, ServiceRef};
use crate::message::generated::Metadata;
use crate::message::payload::{Payload, ResponseError, decode_response, encode_request};
use crate::message::{
    BatchInstanceRequest, Call, FuzzyWatchType, Headers, Instance, InstanceOperation,
    InstanceRequest, NamingFuzzyWatchRequest, PersistentInstanceRequest, ServiceInfo,
    ServiceListRequest, ServiceListResponse, ServiceQueryRequest, SubscribeServiceRequest,
};

impl GrpcConnection {
    /// Publishes one ephemeral instance, in place of whatever this connection
    /// published for the service before.
    ///
    /// # Errors
    /// [`ErrorClass::InvalidParam`] also where the service is persistent.
    pub async fn register(
        &self,
        service: &ServiceRef,
        instance: Instance,
    ) -> Result<(), CallError> {
        let request = instance_request(service, InstanceOperation::RegisterInstance, instance);
        self.call(format!("register in {service}"), service, &request)
            .await?;
        Ok(())
    }

    /// Removes whatever this connection published for the service. The server
    /// does not look at the instance, but its parameter checker (2.3 and
    /// later) wants a plausible one.
    ///
    /// # Errors
    /// See [`ErrorClass`].
    pub async fn deregister(
        &self,
        service: &ServiceRef,
        instance: Instance,
    ) -> Result<(), CallError> {
        let request = instance_request(service, InstanceOperation::DeregisterInstance, instance);
        self.call(format!("deregister from {service}"), service, &request)
            .await?;
        Ok(())
    }

    /// Publishes a whole set of ephemeral instances, in place of whatever this
    /// connection published for the service before (2.1.1 and later).
    ///
    /// # Errors
    /// [`ErrorClass::NotSupported`] before 2.1.1, [`ErrorClass::TooLarge`]
    /// beyond 10 MiB.
    pub async fn batch_register(
        &self,
        service: &ServiceRef,
        instances: &[Instance],
    ) -> Result<(), CallError> {
        let request = BatchInstanceRequest {
            namespace: service.namespace.to_string(),
            service_name: service.name.to_string(),
            group_name: service.group.to_string(),
            operation: InstanceOperation::BatchRegisterInstance,
            instances,
        };
        let timeouts = &self.core.options.timeouts;
        let count = u32::try_from(instances.len()).unwrap_or(u32::MAX);
        let per_instances = timeouts.call_per_instance.saturating_mul(count);
        let deadline = timeouts.call.saturating_add(per_instances);
        let attempted = format!("register {count} instances in {service}");
        let core = &self.core;
        core.call(attempted.into(), &request, Some(service), deadline)
            .await?;
        Ok(())
    }

    /// Registers or replaces one persistent instance (2.3 and later). It
    /// outlives the connection.
    ///
    /// # Errors
    /// [`ErrorClass::NotSupported`] before 2.3; [`ErrorClass::InvalidParam`]
    /// where the service is ephemeral.
    pub async fn persistent_register(
        &self,
        service: &ServiceRef,
        instance: Instance,
    ) -> Result<(), CallError> {
        let request = instance_request(service, InstanceOperation::RegisterInstance, instance);
        let request = PersistentInstanceRequest(request);
        let attempted = format!("register a persistent instance in {service}");
        self.call(attempted, service, &request).await?;
        Ok(())
    }

    /// Removes one persistent instance, whoever registered it (2.3 and later).
    ///
    /// # Errors
    /// As for [`GrpcConnection::persistent_register`].
    pub async fn persistent_deregister(
        &self,
        service: &ServiceRef,
        instance: Instance,
    ) -> Result<(), CallError> {
        let request = instance_request(service, InstanceOperation::DeregisterInstance, instance);
        let request = PersistentInstanceRequest(request);
        let attempted = format!("deregister a persistent instance from {service}");
        self.call(attempted, service, &request).await?;
        Ok(())
    }

    /// Subscribes to a service, known to the server or not, and returns how it
    /// stands. Pushes follow as events, the first within a second.
    ///
    /// A second subscription replaces the clusters of the first, comma
    /// separated and empty for all.
    ///
    /// # Errors
    /// [`ErrorClass::Clash`] if this connection is subscribed to the same
    /// group and name in another namespace: pushes could not be told apart.
    pub async fn subscribe(
        &self,
        service: &ServiceRef,
        clusters: &str,
    ) -> Result<ServiceInfo, CallError> {
        let attempted = format!("subscribe to {service}");
        let fresh = self.core.claim(service).map_err(|cause| CallError {
            attempted: attempted.clone().into(),
            server: self.core.server.clone(),
            cause,
        })?;
        let request = subscription(service, clusters, true);
        let answer = self.call(attempted.clone(), service, &request).await;
        let info = answer.and_then(|answer| {
            same_service(&service.name, &service.group, answer.service_info)
                .map_err(|cause| self.core.error(attempted, cause))
        });
        if info.is_err() && fresh {
            self.core.release(service);
        }
        info
    }

    /// Ends the pushes of a service.
    ///
    /// # Errors
    /// See [`ErrorClass`]. Pushes are no longer passed on even so.
    pub async fn unsubscribe(&self, service: &ServiceRef, clusters: &str) -> Result<(), CallError> {
        self.core.release(service);
        let request = subscription(service, clusters, false);
        self.call(format!("unsubscribe from {service}"), service, &request)
            .await?;
        Ok(())
    }

    /// Reads a service once, as a consumer sees it. Clusters are comma
    /// separated, empty for all.
    ///
    /// # Errors
    /// See [`ErrorClass`].
    pub async fn query(
        &self,
        service: &ServiceRef,
        clusters: &str,
    ) -> Result<ServiceInfo, CallError> {
        let request = ServiceQueryRequest {
            namespace: service.namespace.to_string(),
            service_name: service.name.to_string(),
            group_name: service.group.to_string(),
            cluster: clusters.to_owned(),
            healthy_only: false,
            udp_port: 0,
        };
        let attempted = format!("query {service}");
        let answer = self.call(attempted.clone(), service, &request).await?;
        same_service(&service.name, &service.group, answer.service_info)
            .map_err(|cause| self.core.error(attempted, cause))
    }

    /// Lists one page of a group's service names, counted from 1. Only an
    /// empty page is a sure end: 2.0.0 to 2.0.3 count the page, not the group.
    ///
    /// # Errors
    /// See [`ErrorClass`].
    pub async fn list_services(
        &self,
        namespace: &str,
        group: &str,
        page: i64,
        size: i64,
    ) -> Result<ServiceListResponse, CallError> {
        let request = ServiceListRequest {
            namespace: namespace.to_owned(),
            service_name: String::new(),
            group_name: group.to_owned(),
            page_no: page,
            page_size: size,
            selector: String::new(),
        };
        let about = ServiceRef::new(namespace, group, "");
        let attempted = format!("list the services of {namespace}/{group}");
        self.call(attempted, &about, &request).await
    }

    /// Watches the names of services that match `namespace>>group>>service`,
    /// where group and service may begin or end with `*` (3.0 and later, see
    /// [`crate::message::ability::FUZZY_WATCH`]).
    ///
    /// # Errors
    /// [`ErrorClass::OverLimit`]. A watch over the limit of matches stands even
    /// so, but does not tell all of them.
    pub async fn fuzzy_watch(&self, namespace: &str, pattern: &str) -> Result<(), CallError> {
        self.fuzzy(namespace, pattern, FuzzyWatchType::Watch).await
    }

    /// Ends a fuzzy watch.
    ///
    /// # Errors
    /// See [`ErrorClass`].
    pub async fn cancel_fuzzy_watch(
        &self,
        namespace: &str,
        pattern: &str,
    ) -> Result<(), CallError> {
        self.fuzzy(namespace, pattern, FuzzyWatchType::CancelWatch)
            .await
    }

    async fn fuzzy(
        &self,
        namespace: &str,
        pattern: &str,
        watch_type: FuzzyWatchType,
    ) -> Result<(), CallError> {
        let request = NamingFuzzyWatchRequest {
            namespace: namespace.to_owned(),
            group_key_pattern: pattern.to_owned(),
            watch_type,
            initializing: watch_type == FuzzyWatchType::Watch,
            received_group_keys: Vec::new(),
        };
        let attempted = format!("watch {pattern}").into();
        let deadline = self.core.options.timeouts.call;
        self.core.call(attempted, &request, None, deadline).await?;
        Ok(())
    }

    async fn call<T: Call>(
        &self,
        attempted: String,
        service: &ServiceRef,
        request: &T,
    ) -> Result<T::Response, CallError> {
        let deadline = self.core.options.timeouts.call;
        self.core
            .call(attempted.into(), request, Some(service), deadline)
            .await
    }
}

impl Core {
    /// Calls, once more with fresh headers if the server refused the old ones.
    /// A server that does not know the connection ends it.
    async fn call<T: Call>(
        &self,
        attempted: Cow<'static, str>,
        request: &T,
        service: Option<&ServiceRef>,
        within: Duration,
    ) -> Result<T::Response, CallError> {
        let mut answer = self.identified(request, service, within).await;
        if let Err(cause) = &answer
            && matches!(cause, CallCause::Refused(_))
            && cause.class() == ErrorClass::Forbidden
            && self.options.headers.refused().await
        {
            answer = self.identified(request, service, within).await;
        }
        if let Err(cause) = &answer
            && cause.class() == ErrorClass::Unregistered
        {
            self.end(Lost::Unregistered);
        }
        answer.map_err(|cause| self.error(attempted, cause))
    }

    async fn identified<T: Call>(
        &self,
        request: &T,
        service: Option<&ServiceRef>,
        within: Duration,
    ) -> Result<T::Response, CallCause> {
        let headers = timeout(within, self.options.headers.headers(service)).await;
        let headers = headers.map_err(|_| CallCause::Timeout(within))?;
        let headers = headers.map_err(CallCause::Headers)?;
        self.exchange(request, headers, within).await
    }

    /// Sends a request and reads its answer.
    pub(super) async fn exchange<T: Call>(
        &self,
        request: &T,
        headers: Headers,
        within: Duration,
    ) -> Result<T::Response, CallCause> {
        if let Some(lost) = self.lost() {
            return Err(CallCause::Lost(lost));
        }
        let payload = encode_request(request, None, headers).map_err(CallCause::Encode)?;
        let payload = self.with_client_ip(payload);
        let mut client = self.client.clone();
        let answer = tokio::select! {
            // An answer that is there counts, even if it is the last.
            biased;
            answer = timeout(within, client.request(payload)) => answer,
            lost = self.ended() => return Err(CallCause::Lost(lost)),
        };
        let answer = answer.map_err(|_| CallCause::Timeout(within))?;
        let answer = answer.map_err(|status| CallCause::Status(Box::new(status)))?;
        decode_response(answer.get_ref()).map_err(|error| match error {
            ResponseError::Refused(refusal) => CallCause::Refused(refusal),
            ResponseError::Malformed(error) => CallCause::Malformed(error),
        })
    }

    pub(super) fn error(
        &self,
        attempted: impl Into<Cow<'static, str>>,
        cause: CallCause,
    ) -> CallError {
        CallError {
            attempted: attempted.into(),
            server: self.server.clone(),
            cause,
        }
    }

    pub(super) fn with_client_ip(&self, mut payload: Payload) -> Payload {
        let metadata = payload.metadata.get_or_insert_with(Metadata::default);
        metadata.client_ip.clone_from(&self.client_ip);
        payload
    }

    /// Notes that pushes of this name are about this service; says whether
    /// that is new.
    fn claim(&self, service: &ServiceRef) -> Result<bool, CallCause> {
        let mut subscribed = self.subscribed.lock();
        match subscribed.get(&service.grouped()) {
            None => {
                subscribed.insert(service.grouped(), service.clone());
                Ok(true)
            }
            Some(known) if known.namespace == service.namespace => Ok(false),
            Some(known) => Err(CallCause::NamespaceClash {
                other: known.namespace.clone(),
            }),
        }
    }

    fn release(&self, service: &ServiceRef) {
        let mut subscribed = self.subscribed.lock();
        if subscribed.get(&service.grouped()) == Some(service) {
            subscribed.remove(&service.grouped());
        }
    }
}

fn instance_request(
    service: &ServiceRef,
    operation: InstanceOperation,
    instance: Instance,
) -> InstanceRequest {
    InstanceRequest {
        namespace: service.namespace.to_string(),
        service_name: service.name.to_string(),
        group_name: service.group.to_string(),
        operation,
        instance: Some(instance),
    }
}

fn subscription(service: &ServiceRef, clusters: &str, subscribe: bool) -> SubscribeServiceRequest {
    SubscribeServiceRequest {
        namespace: service.namespace.to_string(),
        service_name: service.name.to_string(),
        group_name: service.group.to_string(),
        subscribe,
        clusters: clusters.to_owned(),
    }
}
