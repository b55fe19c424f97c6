//! A JSON or YAML file, or one per service, as a target: whole lists, atomically
//! replaced, valid at every instant.
//!
//! The document has a stable order and no moments in it, so that equal content
//! is equal bytes, and a file that would not change is not written. This crate
//! decides nothing: what belongs into the list is the engine's business.

pub mod config;
mod document;
mod output;
mod yaml;

pub use config::{FileConfig, Layout};
pub use output::FileOutput;
