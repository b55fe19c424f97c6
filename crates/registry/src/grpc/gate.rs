//! The door for requests over gRPC.

use std::collections::BTreeMap;

use serde::Deserialize;
use syncline_nacos::message::payload::{Payload, kind};
use syncline_nacos::message::{ErrorCode, Message, NamingFuzzyWatchRequest};

use super::requests::Refused;
use crate::access::{self, Access, Denied};
use crate::registry::Registry;
use crate::store::Pattern;

const BEARER: &str = "Bearer ";

/// Lets through what the caller may do.
pub(super) fn pass(registry: &Registry, access: &Access, request: &Payload) -> Result<(), Refused> {
    /// What matters of a request. Nacos looks for the token also among headers
    /// in the JSON, where some SDKs leave it.
    #[derive(Default, Deserialize)]
    struct Asked {
        #[serde(default)]
        namespace: Option<String>,
        #[serde(default, rename = "groupKeyPattern")]
        pattern: Option<String>,
        #[serde(default)]
        headers: Option<BTreeMap<String, serde_json::Value>>,
    }
    let body = request.body.as_ref().map_or(&[][..], |body| &body.value);
    let asked: Asked = serde_json::from_slice(body)
        .map_err(|error| Refused::new(ErrorCode::BAD_PAYLOAD, error))?;
    // A pattern names the namespace whose names it tells, whatever stands
    // beside it.
    let watched = asked.pattern.as_deref().map(Pattern::new);
    let namespace = match &watched {
        Some(pattern) if kind(request) == NamingFuzzyWatchRequest::TYPE => {
            pattern.namespace().as_str()
        }
        _ => asked.namespace.as_deref().unwrap_or_default(),
    };
    let need = access::of_kind(kind(request), namespace);

    let sent = request.metadata.as_ref().map(|metadata| &metadata.headers);
    let sent = sent.into_iter().flatten();
    let sent = sent.map(|(name, value)| (name.as_str(), value.as_str()));
    let within = asked.headers.iter().flatten();
    let within = within.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    let token = token(sent.chain(within));
    let now = registry.inner.clock.now();
    let allowed = access.allows(&need, || access.caller(token.ok_or(Denied::NoToken)?, now));
    let version = registry.settings().version;
    allowed.map_err(|denied| Refused::new(ErrorCode::NO_RIGHT, denied.text(version)))
}

/// The token among headers.
fn token<'a>(headers: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Option<&'a str> {
    let header = |wanted: &'static str| {
        let mut headers = headers.clone();
        headers.find_map(|(name, value)| name.eq_ignore_ascii_case(wanted).then_some(value))
    };
    header("authorization")
        .and_then(|value| value.strip_prefix(BEARER))
        .or_else(|| header("accessToken"))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}
