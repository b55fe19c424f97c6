//! What has to be known of configurations in order to pass their calls on:
//! which calls those are, and what a server says of its own accord. Everything
//! else is passed on unread.

use serde::{Deserialize, Serialize};

use super::{messages, requests};

/// The server says that a configuration changed, to whoever listens to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigChangeNotifyRequest {
    /// Which.
    pub data_id: String,
    /// In which group.
    pub group: String,
    /// In which namespace; absent for the one without a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// The client will ask for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigChangeNotifyResponse {}

messages!(ConfigChangeNotifyRequest, ConfigChangeNotifyResponse);
requests!("config": ConfigChangeNotifyRequest);

/// The type of the answer to a call about configurations (2.0 and later);
/// `None` for every other call.
pub fn answer_to(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "ConfigQueryRequest" => "ConfigQueryResponse",
        "ConfigPublishRequest" => "ConfigPublishResponse",
        "ConfigRemoveRequest" => "ConfigRemoveResponse",
        "ConfigBatchListenRequest" => "ConfigChangeBatchListenResponse",
        "ConfigFuzzyWatchRequest" => "ConfigFuzzyWatchResponse",
        _ => return None,
    })
}
