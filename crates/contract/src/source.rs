//! Reading a registry: list, read, watch.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use syncline_model::scope::Scope;
use syncline_model::{GroupName, NamespaceId, ServiceKey, Truth, View};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::interest::Interest;
use crate::observation::ObservationSink;

/// A registry that can be read.
///
/// A source never filters for the engine and never guesses: it says what it
/// saw and how far that can be trusted. There is one per endpoint, however many
/// links read from it.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// What was found out about the registry by asking it.
    ///
    /// # Errors
    /// When it cannot be reached, refuses us, or speaks something else.
    async fn describe(&self) -> Result<SourceReport, Failure>;

    /// Reads all that the scopes select, service by service, and says at the
    /// end which areas were read whole. A service that is not sent is absent
    /// only if its area is complete.
    async fn list(&self, scopes: &[Scope], sink: mpsc::Sender<Listed>) -> ListEnd;

    /// Reads one service as truly as the registry permits, never from a cache.
    async fn read(&self, service: &ServiceKey, purpose: Purpose) -> View;

    /// Tells what happens from now on, until cancelled: contents as they are
    /// pushed, and hints to look again. It heals its own connections and may
    /// miss things: the engine lists again from time to time.
    async fn watch(&self, interest: Interest, sink: ObservationSink, cancel: CancellationToken);
}

/// Why one service is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// To see what it is now.
    Refresh,
    /// Before a removal: where the registry has several members, more than one
    /// is asked, and a disagreement makes the view suspect.
    ConfirmRemoval,
}

/// One service of a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Which service.
    pub service: ServiceKey,
    /// What was seen of it.
    pub view: View,
    /// Instances that were there but make no sense.
    pub rejected: Vec<Rejected>,
}

/// An instance that cannot be used, and why. It spoils nothing but itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejected {
    /// As much of its address as could be read.
    pub what: String,
    /// What is wrong with it.
    pub why: String,
}

/// How a list ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListEnd {
    /// What was tried to be read whole, and how that went.
    pub areas: Vec<Area>,
    /// The show names of namespaces, as far as they were looked up: scopes may
    /// select by them.
    pub show_names: Vec<(NamespaceId, String)>,
}

impl ListEnd {
    /// The end of a list that looked up no show names.
    pub fn of(areas: Vec<Area>) -> Self {
        Self {
            areas,
            show_names: Vec::new(),
        }
    }
}

/// A part of a registry that is read as a whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Area {
    /// The namespace; `None` where not even the namespaces could be listed.
    pub namespace: Option<NamespaceId>,
    /// The group; `None` for every group of the namespace.
    pub group: Option<GroupName>,
    /// How far the absence of a service from this list can be believed.
    pub coverage: Coverage,
}

impl Area {
    /// Whether a service belongs to this area.
    pub fn holds(&self, service: &ServiceKey) -> bool {
        self.namespace
            .as_ref()
            .is_none_or(|n| *n == service.namespace)
            && self.group.as_ref().is_none_or(|g| *g == service.group)
    }
}

/// How far a list of an area can be believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Coverage {
    /// All that such eyes can see was read.
    Complete(Truth),
    /// Permissions or an error hid a part.
    Partial(Arc<str>),
    /// It was read, but something speaks against believing it.
    Suspect(Arc<str>),
    /// It could not be read.
    Failed(Arc<str>),
}

impl Coverage {
    /// Why the area is not complete.
    pub fn doubt(&self) -> Option<&Arc<str>> {
        match self {
            Self::Complete(_) => None,
            Self::Partial(why) | Self::Suspect(why) | Self::Failed(why) => Some(why),
        }
    }
}

/// What is known of a registry after asking it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceReport {
    /// What it is, such as `Nacos 2.1.1`.
    pub product: String,
    /// How lists are read, such as `raw view over v1 catalog`.
    pub reading: String,
    /// Whose eyes lists are seen with.
    pub truth: Truth,
    /// How changes are learnt, such as `gRPC subscription, new names every 2 s`.
    pub watching: String,
    /// What hides a part of the scope, and what to grant or name instead.
    pub advice: Vec<String>,
}

impl fmt::Display for SourceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.product, self.reading)
    }
}
