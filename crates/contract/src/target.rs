//! Writing to a registry: apply, let go.

use std::sync::Arc;

use async_trait::async_trait;
use syncline_model::plan::Change;
use syncline_model::{Identity, Instance, ServiceKey, ServiceSet};

use crate::failure::Failure;

/// A registry that one link writes to.
///
/// There is one target per link, since Nacos keeps one publish per connection
/// and service: two links must never share a connection.
#[async_trait]
pub trait Target: Send + Sync + 'static {
    /// What the registry can do, found out by asking it.
    ///
    /// # Errors
    /// When it cannot be reached, refuses us, or speaks something else.
    async fn describe(&self) -> Result<TargetReport, Failure>;

    /// Makes the service hold exactly the accepted set, as far as it is ours.
    /// Idempotent, and make before break: nothing that stays is ever absent.
    ///
    /// # Errors
    /// When any part of it is not known to have arrived; it is tried again as a
    /// whole.
    async fn apply(&self, write: Write) -> Result<(), Failure>;

    /// Ends the link's writing: keeps or lets go of registrations as the hold
    /// says, and returns when that is done.
    async fn close(&self, ending: Ending);
}

/// One service's write.
#[derive(Clone, Debug)]
pub struct Write {
    /// The service at the target.
    pub service: ServiceKey,
    /// All that this link gives the target for the service; empty to let it go.
    pub accepted: Arc<ServiceSet>,
    /// How that differs from what this link gave before.
    pub changes: Arc<[Change]>,
    /// What others left at the target and the link has taken over: where it
    /// would stand beside ours, it is taken away once ours stands. Whatever
    /// somebody still keeps alive stays.
    pub taken_over: Arc<[Instance]>,
}

/// How a link ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The process stops: registrations stay as far as the hold can keep them.
    Stop,
    /// The link is removed: all that is ours goes.
    Remove,
}

/// What is known of a target after asking it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetReport {
    /// What it is, such as `Nacos 2.2.4`.
    pub product: String,
    /// How it tells instances apart.
    pub identity: Identity,
    /// How registrations stay alive, and what a crash of ours does to them.
    pub hold: Hold,
    /// What it shows of an instance that is to take no traffic.
    pub unavailable: Unavailable,
    /// What an operator should know, such as a slow way to the target.
    pub advice: Vec<String>,
}

/// How registrations stay alive at a target.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Hold {
    /// By a gRPC connection: gone half a second after a crash of ours.
    Connection,
    /// By beats: stays for the beat timeout after a crash of ours.
    Beat,
    /// By the target itself: survives everything.
    Persistent,
    /// By being written: a file or a table.
    Written,
}

impl Hold {
    /// The mode as the configuration names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Beat => "beat",
            Self::Persistent => "persistent",
            Self::Written => "written",
        }
    }

    /// Whether an addition has to be on disk before it is written: what
    /// outlives us must be remembered.
    pub fn needs_durable_additions(self) -> bool {
        match self {
            Self::Beat | Self::Persistent => true,
            Self::Connection | Self::Written => false,
        }
    }
}

/// How a target can say that an instance takes no traffic without removing it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Unavailable {
    /// Weight 0 and unhealthy.
    WeightAndHealth,
    /// Weight 0 alone: beats turn an instance healthy.
    Weight,
}
