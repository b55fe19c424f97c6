//! An embedded registry that is a replica of an upstream and has clients of its
//! own, which are carried upstream.

mod both_ways;
mod java;
mod returning;

use std::net::SocketAddr;

use crate::daemon::registry::Nacos;

/// A configuration with links both ways: `down` fills the registry `local`, and
/// `carry` takes upstream what clients register there. `of_local` is what is
/// said of the registry besides, and `of_links` of each link.
pub(crate) fn both_ways(
    up: Nacos,
    hold: &str,
    (local, of_local): (SocketAddr, &str),
    of_links: &str,
) -> String {
    format!(
        "endpoints:
  up: {{ kind: nacos, {}, hold: {hold} }}
  local: {{ kind: embedded, listen: \"{local}\"{of_local} }}
links:
  - {{ name: down, from: up, to: local{of_links} }}
  - {{ name: carry, from: local, to: up{of_links} }}
",
        up.servers()
    )
}
