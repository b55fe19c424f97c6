//! Envoy and gRPC clients, which take services from the daemon's control plane:
//! the real programs, between the real binary and servers that count.
//!
//! * [`http`]: a backend, and requests that go on all the time and remember
//!   what failed;
//! * [`program`]: what the testbed runs;
//! * [`envoy`]: Envoy balances HTTP while instances come, change and go;
//! * [`grpc`]: gRPC clients find their servers by xDS alone.

mod envoy;
mod grpc;
mod http;
mod program;

use std::net::SocketAddr;

use crate::daemon::process::{Setup, Syncline};
use crate::daemon::registry::Nacos;

/// The daemon with one link, from a registry to a control plane.
fn feed(mut setup: Setup, source: Nacos, more: &str) -> anyhow::Result<(Syncline, SocketAddr)> {
    let plane = setup.address()?;
    let daemon = setup.run(&format!(
        "endpoints:
  source: {{ kind: nacos, {} }}
  plane: {{ kind: xds, listen: \"{plane}\", {more} }}
links:
  - {{ name: link, from: source, to: plane, guard: {{ zero: {{ views: 1, over: 0s }} }} }}
",
        source.servers()
    ))?;
    Ok((daemon, plane))
}
