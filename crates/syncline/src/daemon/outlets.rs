//! What consumers come to, and that is not theirs: it outlives a change of the
//! configuration.

use super::pages::Pages;
use super::planes::Planes;
use super::zones::Zones;

/// Whatever of outputs is the daemon's own; nothing where nobody is served.
#[derive(Clone, Default)]
pub(super) struct Outlets {
    /// What outputs show over HTTP.
    pub(super) pages: Pages,
    /// The control planes that are served.
    pub(super) planes: Planes,
    /// The DNS zones that are served.
    pub(super) zones: Zones,
}
