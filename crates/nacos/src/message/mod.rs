//! The messages of Nacos naming over gRPC, as both sides need them.
//!
//! A message on the wire is a [`Payload`]: a type name, headers, and a JSON
//! body. [`payload`] turns payloads into messages and back; the other modules
//! hold the bodies. Every body is an ordinary serde type with public fields,
//! spelled as Nacos spells them, so that the client and the embedded server
//! share one definition and cannot drift apart.
//!
//! Decoding is tolerant where tolerance is harmless: unknown fields are
//! ignored, absent or `null` fields take Nacos's defaults, and one malformed
//! instance leaves the rest of its list usable ([`Lenient`]). It is strict
//! where a default would look like an answer: a service without `hosts`, a
//! list without `serviceNames` and a response without `resultCode` are errors.

pub mod configs;
mod connection;
mod error_code;
mod fuzzy;
mod head;
mod instance;
mod lenient;
mod naming;
pub mod payload;

pub use configs::{ConfigChangeNotifyRequest, ConfigChangeNotifyResponse};
pub use connection::{
    ClientDetectionRequest, ClientDetectionResponse, ConnectResetRequest, ConnectResetResponse,
    ConnectionSetupRequest, HealthCheckRequest, HealthCheckResponse, ServerCheckRequest,
    ServerCheckResponse, SetupAckRequest, ability,
};
pub use error_code::ErrorCode;
pub use fuzzy::{
    FuzzyChange, FuzzySync, FuzzyWatchContext, FuzzyWatchType, NamingFuzzyWatchChangeNotifyRequest,
    NamingFuzzyWatchChangeNotifyResponse, NamingFuzzyWatchRequest, NamingFuzzyWatchResponse,
    NamingFuzzyWatchSyncRequest, NamingFuzzyWatchSyncResponse,
};
pub use instance::{Instance, ServiceInfo, Timing, split_grouped};
pub use lenient::{Lenient, Rejected};
pub use naming::{
    BatchInstanceRequest, BatchInstanceResponse, InstanceOperation, InstanceRequest,
    InstanceResponse, NotifySubscriberRequest, NotifySubscriberResponse, PersistentInstanceRequest,
    QueryServiceResponse, ServiceListRequest, ServiceListResponse, ServiceQueryRequest,
    SubscribeServiceRequest, SubscribeServiceResponse,
};
pub use payload::{ErrorResponse, Headers, Payload};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A body with a name.
pub trait Message {
    /// The name in `metadata.type`, which is the simple name of Nacos's class.
    const TYPE: &'static str;
}

/// A body that either side sends of its own accord.
pub trait Request: Message + Serialize {
    /// The part of Nacos that it belongs to, `naming` or `internal`.
    /// Informational; Java sends it.
    const MODULE: &'static str;
}

/// A request that is answered.
pub trait Call: Request {
    /// The body of the answer when it is not an error.
    type Response: Message + DeserializeOwned;
}

/// Names messages after their Rust types, which are named after Nacos's.
macro_rules! messages {
    ($($name:ident $(<$body:ident>)?),* $(,)?) => {$(
        impl $(<$body>)? $crate::message::Message for $name $(<$body>)? {
            const TYPE: &'static str = stringify!($name);
        }
    )*};
}

/// Says which messages are requests, and of which module.
macro_rules! requests {
    ($module:literal: $($name:ident $(<$body:ident>)?),* $(,)?) => {$(
        impl $(<$body: serde::Serialize>)? $crate::message::Request for $name $(<$body>)? {
            const MODULE: &'static str = $module;
        }
    )*};
}

/// Pairs requests with their answers.
macro_rules! calls {
    ($($name:ident $(<$body:ident>)? => $response:ident),* $(,)?) => {$(
        impl $(<$body: serde::Serialize>)? $crate::message::Call for $name $(<$body>)? {
            type Response = $response;
        }
    )*};
}

use {calls, messages, requests};

/// The code that tonic generates from `proto/nacos.proto`.
pub mod generated {
    // Generated code documents nothing, knows no visibility below `pub`, and
    // takes its names from the protocol.
    #![allow(missing_docs, unreachable_pub, non_camel_case_types, clippy::all)]
    tonic::include_proto!("_");
}

#[cfg(test)]
mod tests;
