//! Giving whole lists to a consumer that speaks no Nacos.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use syncline_model::{ServiceKey, ServiceSet};

use crate::failure::Failure;
use crate::setting::Period;

/// The lists that an output gives its consumers. A service without instances
/// is not in it.
pub type Snapshot = BTreeMap<ServiceKey, Arc<ServiceSet>>;

/// A consumer that is given whole lists: a file, a template, a page.
///
/// What belongs into a list is the engine's business, and so is when: an output
/// is given nothing before a whole list is known, keeps what it has while the
/// source is lost, and is given an empty snapshot only where the source is known
/// to be empty. An instance that is to stay without traffic comes with weight 0
/// and unhealthy.
#[async_trait]
pub trait Output: Send + Sync + 'static {
    /// What it is to the engine. Asks nobody.
    fn describe(&self) -> OutputReport;

    /// Makes what consumers see equal to the snapshot, or leaves it as it was.
    /// `changed` names all that may differ from what was rendered before: after
    /// a start every service, after a failure what failed once more.
    ///
    /// # Errors
    /// When it could not be written; consumers still have the former list.
    async fn render(&self, snapshot: &Snapshot, changed: &[ServiceKey]) -> Result<(), Failure>;
}

/// What an output says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutputReport {
    /// What it is, such as a path, for status lines.
    pub product: String,
    /// How long changes are gathered.
    pub debounce: Debounce,
    /// What consumers have when this process ended.
    pub lasting: Lasting,
}

/// What consumers have of an output when this process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lasting {
    /// What they were given last, as in a file: after a start it stands until a
    /// whole list is known.
    Stays,
    /// Nothing, as from a page: after a start they are given what the ledger
    /// says that they had, until a whole list is known.
    Ends,
}

/// How long changes are gathered before a consumer is given the whole list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Debounce {
    /// The list is given when nothing came for this long.
    pub quiet: Period,
    /// And at the latest this long after the first change.
    pub max: Period,
}

impl Default for Debounce {
    fn default() -> Self {
        Self {
            quiet: Period::from_millis(5),
            max: Period::from_millis(500),
        }
    }
}

impl Debounce {
    /// Why the two do not fit together, if they do not.
    pub fn contradiction(&self) -> Option<String> {
        let Self { quiet, max } = self;
        (quiet.get() > max.get())
            .then(|| format!("has a `quiet` of {quiet} that is longer than its `max` of {max}"))
    }
}

/// A page that an output offers over HTTP, which whoever serves HTTP mounts.
pub trait Page: Send + Sync + 'static {
    /// Where it is, such as `/sd/prometheus`.
    fn path(&self) -> &'static str;

    /// Answers a `GET`. It may take as long as it takes to write a large body,
    /// so it is called apart from the async runtime.
    fn answer(&self, request: &Request<()>) -> Response<Bytes>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_longer_than_the_most_would_never_count() {
        let debounce = Debounce {
            quiet: Period::from_secs(2),
            ..Debounce::default()
        };
        assert_eq!(
            debounce.contradiction().as_deref(),
            Some("has a `quiet` of 2s that is longer than its `max` of 500ms")
        );
        assert_eq!(Debounce::default().contradiction(), None);
    }
}
