//! The embedded registry as a source and a target of links.
//!
//! Reading it is a look into our own memory: always whole, always raw. Writing
//! it makes the link one more client of the registry, beside the applications
//! that register there. This crate decides nothing and serves nothing: the
//! registry's ports are opened by whoever runs it.

mod access;
pub mod config;
mod source;
mod target;

use syncline_model::LinkName;
use syncline_registry::{PresentedVersion, Registry};

pub use config::EmbeddedConfig;
pub use source::EmbeddedSource;
pub use target::EmbeddedTarget;

/// The registry as a source.
pub fn source(registry: &Registry) -> EmbeddedSource {
    EmbeddedSource::new(registry.clone())
}

/// The registry as the target of a link.
pub fn target(registry: &Registry, link: &LinkName) -> EmbeddedTarget {
    EmbeddedTarget::new(registry, link)
}

fn product(presented: PresentedVersion) -> String {
    format!("embedded registry (presents Nacos {presented})")
}

#[cfg(test)]
mod tests;
