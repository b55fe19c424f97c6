//! What Syncline's tests stand on: real servers, recorded answers, and faults on demand.
//!
//! * [`nacos`]: real Nacos servers of four versions, alone or as clusters, that end with the test program
//! * [`client`]: genuine clients in Java, Go, Python and JavaScript, to register and subscribe as applications do;
//!   [`java`] where it is always Java
//! * [`recordings`]: what real servers from 1.3.0 to 3.0.3 answered, exchange by exchange
//! * [`fault`]: a TCP proxy that delays, swallows, or cuts
//! * [`output`]: what every output owes its consumers, as one suite
//! * [`eventually`]: waiting for a condition with a deadline, in place of sleeping
//! * [`run`]: tiers, and the honest way to skip: counted as skipped, never as passed
//! * [`ports`]: ports that no other test, in this process or the next, will take
//!
//! Never shipped: rooms depend on it as a dev-dependency only. It knows none of them but the model and the
//! contract, so that a test of any other room may use it without a circle. The servers and the clients come from the `testbed/` folder beside the crates.
//!
//! # Environment
//!
//! `cargo xtask test` sets these; a plain `cargo test` works without.
//!
//! | variable | meaning |
//! |---|---|
//! | `SYNCLINE_TIER` | `ci` (default) or `all`: which tests run, see [`run::in_tier`] |
//! | `SYNCLINE_STRICT` | `1`: a test that would be skipped fails |
//! | `SYNCLINE_SKIP_LOG` | a file that collects what was skipped |
//! | `SYNCLINE_TESTBED_MISSING` | a reason why real servers and Java clients cannot run here |
//! | `SYNCLINE_TESTBED_MISSING_GO`, `_PYTHON`, `_NODE` | a reason why that client cannot |
//! | `SYNCLINE_TESTBED_MISSING_SPRING` | a reason why the application of Spring Cloud Alibaba cannot |
//! | `SYNCLINE_TESTBED_MISSING_NGINX`, `_HAPROXY`, `_PROMETHEUS`, `_DIG`, `_UNBOUND` | a reason why that consumer cannot |
//! | `SYNCLINE_TESTBED_MISSING_ENVOY`, `_GRPC_CLIENT` | a reason why that program cannot |
//! | `SYNCLINE_PATIENCE` | a factor on every deadline, for slow machines |
//! | `SYNCLINE_TEST_PORTS` | `FIRST-LAST`: where [`ports::PortBlock`] looks, instead of its own ranges |
//!
//! # Example
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use std::time::Duration;
//! use syncline_testkit::{eventually, nacos::{RealNacos, Version}, run};
//!
//! if !run::require_real_servers() {
//!     return Ok(()); // counted as skipped
//! }
//! let nacos = RealNacos::shared(Version::V2_1_1).await?;
//! nacos.call("POST", "/nacos/v1/ns/instance?serviceName=s&ip=10.0.0.1&port=80").await?;
//! eventually(Duration::from_secs(5), || async {
//!     let list = nacos.call("GET", "/nacos/v1/ns/instance/list?serviceName=s").await;
//!     list.is_ok_and(|answer| answer.body.contains("10.0.0.1"))
//! })
//! .await;
//! # Ok(())
//! # }
//! ```

pub mod client;
pub mod fault;
pub mod java;
mod keeper;
pub mod nacos;
pub mod output;
mod patience;
pub mod ports;
pub mod recordings;
pub mod run;
mod testbed;

pub use patience::{eventually, eventually_some, patience};
