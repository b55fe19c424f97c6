//! Fuzzy watch of Nacos 3: names of services that match a pattern.
//!
//! A pattern is `namespace>>group>>service`; a key is
//! `namespace@@group@@service`.

use serde::{Deserialize, Serialize};

use super::lenient::{self, Lenient};
use super::{calls, messages, requests};

/// Starts or ends a watch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FuzzyWatchType {
    /// Start, or compare again.
    #[default]
    Watch,
    /// End.
    CancelWatch,
    /// Anything else; refused by servers.
    #[serde(other)]
    Unknown,
}

/// Watches the services that match a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamingFuzzyWatchRequest {
    /// The namespace id.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub namespace: String,
    /// The pattern.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub group_key_pattern: String,
    /// Start or end.
    #[serde(default)]
    pub watch_type: FuzzyWatchType,
    /// Whether the client knows nothing yet and wants a FINISH after the last
    /// batch.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub initializing: bool,
    /// Keys that the client knows; servers fail on null.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub received_group_keys: Vec<String>,
}

/// The watch stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamingFuzzyWatchResponse {}

/// Why a sync push comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FuzzySync {
    /// A batch of the first answer.
    #[serde(rename = "FUZZY_WATCH_INIT_NOTIFY")]
    Init,
    /// The first answer is complete.
    #[serde(rename = "FINISH_FUZZY_WATCH_INIT_NOTIFY")]
    Finish,
    /// What differs from the keys that the client named; no FINISH follows.
    #[serde(rename = "FUZZY_WATCH_DIFF_SYNC_NOTIFY")]
    Diff,
    /// One service changed.
    #[serde(rename = "FUZZY_WATCH_RESOURCE_CHANGED")]
    Changed,
    /// Anything else.
    #[serde(other)]
    Unknown,
}

/// What happened to a service. 3.0.3 reports a removal when the service
/// empties, not when it is cleaned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FuzzyChange {
    /// It has instances, or was created.
    AddService,
    /// It has none any more.
    DeleteService,
    /// Anything else.
    #[serde(other)]
    Unknown,
}

/// One service of a sync push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FuzzyWatchContext {
    /// The key.
    pub service_key: String,
    /// What happened.
    pub changed_type: FuzzyChange,
}

/// The server pushes a batch of at most 10 keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamingFuzzyWatchSyncRequest {
    /// Why.
    pub sync_type: FuzzySync,
    /// The pattern that was watched.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub group_key_pattern: String,
    /// The services; absent or empty on FINISH.
    #[serde(default = "no_contexts")]
    pub contexts: Lenient<FuzzyWatchContext>,
    /// How many batches there are.
    #[serde(default, deserialize_with = "lenient::integer")]
    pub total_batch: i64,
    /// Which batch this is, from 1.
    #[serde(default, deserialize_with = "lenient::integer")]
    pub current_batch: i64,
}

fn no_contexts() -> Lenient<FuzzyWatchContext> {
    Lenient::from(Vec::new())
}

/// The batch arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamingFuzzyWatchSyncResponse {}

/// The server pushes one change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamingFuzzyWatchChangeNotifyRequest {
    /// Always [`FuzzySync::Changed`].
    pub sync_type: FuzzySync,
    /// The key.
    pub service_key: String,
    /// What happened.
    pub changed_type: FuzzyChange,
}

/// The change arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamingFuzzyWatchChangeNotifyResponse {}

messages!(
    NamingFuzzyWatchRequest,
    NamingFuzzyWatchResponse,
    NamingFuzzyWatchSyncRequest,
    NamingFuzzyWatchSyncResponse,
    NamingFuzzyWatchChangeNotifyRequest,
    NamingFuzzyWatchChangeNotifyResponse,
);
requests!("naming": NamingFuzzyWatchRequest, NamingFuzzyWatchSyncRequest, NamingFuzzyWatchChangeNotifyRequest);
calls!(
    NamingFuzzyWatchRequest => NamingFuzzyWatchResponse,
    NamingFuzzyWatchSyncRequest => NamingFuzzyWatchSyncResponse,
    NamingFuzzyWatchChangeNotifyRequest => NamingFuzzyWatchChangeNotifyResponse,
);
