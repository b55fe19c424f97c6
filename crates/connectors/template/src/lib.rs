//! Templates as a target: a file rendered from the list, checked, put in place
//! and reloaded.
//!
//! For nginx, HAProxy, dnsmasq and everything else that reads a file of its own
//! kind. What is written is decided by the operator's template; what data says
//! is quoted by the place that it stands in (`quote`), so that a name or
//! metadata from a registry never becomes a directive. What is put in place has
//! passed the operator's check, what a failed reload leaves is undone, and it is
//! tried again until what consumers applied is what was rendered (`pipeline`).
//!
//! This crate decides nothing about what belongs into the list, and starts
//! programs in one file alone (`hook`): those that the configuration names,
//! word by word, never through a shell.

pub mod config;
mod data;
mod digest;
mod environment;
mod hook;
mod name;
mod output;
mod pipeline;
mod place;
mod quote;
mod runtime;
mod weight;

pub use config::{Context, TemplateConfig};
pub use output::TemplateOutput;
