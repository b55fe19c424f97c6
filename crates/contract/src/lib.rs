//! What a connector is: the traits through which the engine reads registries
//! and writes to registries and consumers, and the words in which both sides
//! speak of success and failure.
//!
//! This crate knows no connector and no engine. A connector implements
//! [`Source`], [`Target`] or [`Output`] and knows nothing of links, plans or
//! guards; the engine calls them and knows nothing of protocols.
//!
//! * [`source`]: list, read and watch; each gives views that say how far they
//!   can be trusted;
//! * [`observation`]: the queue through which a watch reports, one entry per
//!   service at most;
//! * [`interest`]: what is watched, by scope and by name;
//! * [`target`]: apply a service's set;
//! * [`output`]: render a whole snapshot, offer a page;
//! * [`failure`]: what went wrong, in the terms in which the engine decides;
//! * [`secret`] and [`setting`]: values that every configuration is made of;

pub mod failure;
pub mod interest;
pub mod observation;
pub mod output;
pub mod secret;
pub mod setting;
pub mod source;
pub mod target;

pub use failure::{Class, Failure, Whose};
pub use interest::{Follow, Followed, Interest};
pub use observation::{Observation, ObservationSink, Observations, observations};
pub use output::{Debounce, Lasting, Output, OutputReport, Page, Snapshot};
pub use secret::Secret;
pub use setting::{FilePath, Period};
pub use source::{Area, Coverage, ListEnd, Listed, Purpose, Rejected, Source, SourceReport};
pub use target::{Ending, Hold, Target, TargetReport, Unavailable, Write};
