//! Messages that register, read and push services.
//!
//! `namespace` and `groupName` have no defaults over gRPC: a blank namespace
//! is a namespace of its own, and a blank group is refused from 2.3 on.

use serde::{Deserialize, Serialize};

use super::instance::{Instance, ServiceInfo};
use super::lenient::{self, Lenient};
use super::{calls, messages, requests};

/// What an instance request asks for; the texts are part of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InstanceOperation {
    /// Register or replace.
    RegisterInstance,
    /// Remove.
    DeregisterInstance,
    /// Register a whole set in place of whatever was there.
    BatchRegisterInstance,
    /// Anything else; refused by servers.
    #[serde(other)]
    Unknown,
}

/// Registers or removes what this connection publishes for a service.
///
/// A connection holds one publish per service: registering a second instance
/// replaces the first, and removal ignores which instance is named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceRequest {
    /// The namespace id, `public` for the default one.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub namespace: String,
    /// The service's name without its group.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub service_name: String,
    /// The group.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub group_name: String,
    /// Register or deregister.
    #[serde(rename = "type")]
    pub operation: InstanceOperation,
    /// The instance; servers refuse a request without one.
    #[serde(default)]
    pub instance: Option<Instance>,
}

/// An ephemeral instance was registered or removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceResponse {
    /// The operation; absent from 2.0 and 2.1.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<InstanceOperation>,
}

/// Replaces what this connection publishes for a service by a whole set
/// (2.1.1 and later).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchInstanceRequest<L = Lenient<Instance>> {
    /// The namespace id, `public` for the default one.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub namespace: String,
    /// The service's name without its group.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub service_name: String,
    /// The group.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub group_name: String,
    /// Always [`InstanceOperation::BatchRegisterInstance`].
    #[serde(rename = "type")]
    pub operation: InstanceOperation,
    /// The new set. Servers accept an empty one, which leaves an empty publish
    /// behind. A sender may borrow its list here.
    pub instances: L,
}

/// A set was registered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchInstanceResponse {
    /// The operation; absent from 2.1.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<InstanceOperation>,
}

/// Registers or removes one persistent instance (2.3 and later). Not bound to
/// the connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersistentInstanceRequest(
    /// The same fields as for an ephemeral instance.
    pub InstanceRequest,
);

/// Starts or ends the pushes of a service to this connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscribeServiceRequest {
    /// The namespace id, `public` for the default one.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub namespace: String,
    /// The service's name without its group.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub service_name: String,
    /// The group.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub group_name: String,
    /// True to subscribe, false to unsubscribe.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub subscribe: bool,
    /// Comma-separated clusters to see; empty for all. A second subscription
    /// replaces the filter of the first.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub clusters: String,
}

/// The service at the moment of subscription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscribeServiceResponse<S = ServiceInfo> {
    /// The service.
    pub service_info: S,
}

/// Reads a service once, as a consumer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceQueryRequest {
    /// The namespace id, `public` for the default one.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub namespace: String,
    /// The service's name without its group.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub service_name: String,
    /// The group.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub group_name: String,
    /// Comma-separated clusters to see; empty for all.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub cluster: String,
    /// Leave unhealthy instances out.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub healthy_only: bool,
    /// Unused over gRPC.
    #[serde(default, deserialize_with = "lenient::integer")]
    pub udp_port: i64,
}

/// A service as a consumer sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryServiceResponse<S = ServiceInfo> {
    /// The service.
    pub service_info: S,
}

/// Lists the names of a group's services, page by page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceListRequest {
    /// The namespace id, `public` for the default one.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub namespace: String,
    /// Unused, but sent by the Java client.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub service_name: String,
    /// The group.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub group_name: String,
    /// The page, from 1.
    #[serde(default, deserialize_with = "lenient::integer")]
    pub page_no: i64,
    /// Names to a page.
    #[serde(default, deserialize_with = "lenient::integer")]
    pub page_size: i64,
    /// Ignored by servers.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub selector: String,
}

/// A page of names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceListResponse {
    /// All services of the group; on 2.0.0 to 2.0.3 those of this page. Only an
    /// empty page is a sure end.
    #[serde(default, deserialize_with = "lenient::integer")]
    pub count: i64,
    /// Names without their group.
    pub service_names: Vec<String>,
}

/// The server pushes a subscribed service, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotifySubscriberRequest<S = ServiceInfo> {
    /// The namespace. Absent from every version recorded so far, so that a
    /// connection cannot tell equal names in two namespaces apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The service.
    pub service_info: S,
}

/// The push arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifySubscriberResponse {}

messages!(
    InstanceRequest,
    InstanceResponse,
    BatchInstanceRequest<L>,
    BatchInstanceResponse,
    PersistentInstanceRequest,
    SubscribeServiceRequest,
    SubscribeServiceResponse<S>,
    ServiceQueryRequest,
    QueryServiceResponse<S>,
    ServiceListRequest,
    ServiceListResponse,
    NotifySubscriberRequest<S>,
    NotifySubscriberResponse,
);
requests!("naming": InstanceRequest, BatchInstanceRequest<L>, PersistentInstanceRequest, SubscribeServiceRequest,
    ServiceQueryRequest, ServiceListRequest, NotifySubscriberRequest<S>);
calls!(
    InstanceRequest => InstanceResponse,
    BatchInstanceRequest<L> => BatchInstanceResponse,
    PersistentInstanceRequest => InstanceResponse,
    SubscribeServiceRequest => SubscribeServiceResponse,
    ServiceQueryRequest => QueryServiceResponse,
    ServiceListRequest => ServiceListResponse,
    NotifySubscriberRequest<S> => NotifySubscriberResponse,
);
