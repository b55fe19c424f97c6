//! Health checks of persistent instances, as Nacos does them: nobody sends
//! beats for these, so the registry looks for itself whether they are there.
//!
//! How a cluster's instances are checked is the cluster's [`Checker`]; a TCP
//! connection where nothing was said. When each is looked at next and what
//! follows from it is decided in the store, by [`Streak`] and [`Pace`]; here is
//! what is tried, and how often at most. What connections and beats keep alive,
//! and what links publish, is never looked at.

mod address;
mod checker;
mod pool;
mod probe;
mod settings;
mod streak;

pub(crate) use checker::{Checker, ClusterRecord};
pub(crate) use pool::run;
pub use settings::{CheckSettings, Pace};
pub(crate) use streak::{Outcome, Streak};
