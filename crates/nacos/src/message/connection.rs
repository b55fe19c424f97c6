//! Messages that set up a connection and keep it alive.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::lenient;
use super::{calls, messages, requests};

/// Names in an ability table.
pub mod ability {
    /// The server takes `PersistentInstanceRequest` (2.3 and later).
    pub const PERSISTENT_INSTANCE_BY_GRPC: &str = "supportPersistentInstanceByGrpc";
    /// Either side knows fuzzy watch (3.0 and later).
    pub const FUZZY_WATCH: &str = "fuzzyWatch";
}

/// Asks, before anything else, whether the server is ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerCheckRequest {}

/// The server is ready for a [`ConnectionSetupRequest`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerCheckResponse {
    /// The name that the server gave to this transport.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub connection_id: String,
    /// Whether the server will answer an ability table with a
    /// [`SetupAckRequest`] (2.3 and later; absent before).
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub support_ability_negotiation: bool,
}

/// The first message on the stream: who the client is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionSetupRequest {
    /// For example `Nacos-Java-Client:v2.5.1`.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub client_version: String,
    /// The namespace; informational, since each request names its own.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub tenant: String,
    /// `source`, `module` and whatever the client adds. Without
    /// `module=naming` servers from 2.3 on refuse registrations.
    #[serde(default, deserialize_with = "lenient::metadata")]
    pub labels: BTreeMap<String, String>,
    /// What the client can do. Servers from 2.3 on answer with a
    /// [`SetupAckRequest`] exactly if this is present, even if empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ability_table: Option<BTreeMap<String, bool>>,
}

/// What the server can do; pushed once, needs no acknowledgement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetupAckRequest {
    /// Ability names, see [`ability`].
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub ability_table: BTreeMap<String, bool>,
}

/// Keeps a connection alive; to be sent every 5 seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheckRequest {}

/// The connection is known to the server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheckResponse {}

/// The server asks whether an idle client is still there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientDetectionRequest {}

/// The client is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientDetectionResponse {}

/// The server asks the client to go elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectResetRequest {
    /// Where to go, if the server minds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_ip: Option<String>,
    /// The HTTP port there, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_port: Option<String>,
    /// The connection that is meant (2.3 and later).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<String>,
}

/// The client will go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectResetResponse {}

messages!(
    ServerCheckRequest,
    ServerCheckResponse,
    ConnectionSetupRequest,
    SetupAckRequest,
    HealthCheckRequest,
    HealthCheckResponse,
    ClientDetectionRequest,
    ClientDetectionResponse,
    ConnectResetRequest,
    ConnectResetResponse,
);
requests!("internal": ServerCheckRequest, ConnectionSetupRequest, SetupAckRequest, HealthCheckRequest,
    ClientDetectionRequest, ConnectResetRequest);
calls!(
    ServerCheckRequest => ServerCheckResponse,
    HealthCheckRequest => HealthCheckResponse,
    ClientDetectionRequest => ClientDetectionResponse,
    ConnectResetRequest => ConnectResetResponse,
);
