//! The daemon as its users meet it: the real binary with a configuration and a
//! state folder, between registries and consumers that know nothing of it.
//!
//! What these tests stand on, and those against real servers too:
//!
//! * [`process`]: the binary, started, killed and started again;
//! * [`seen`]: a service and an instance as everybody sees them;
//! * [`feed`]: the real binary with one link, from a Nacos into a file;
//! * [`registry`]: any Nacos, real or embedded, by its own HTTP API;
//! * [`application`]: an application that registers over gRPC;
//! * [`population`]: instances that come, change and leave all the time, and
//!   whether a consumer saw what it had to;
//! * [`subscriber`] and [`reader`]: consumers that remember all they ever saw.

pub(crate) mod adopt;
mod bad_input;
mod bad_instances;
mod evacuate;
mod faults;
mod files;
mod forgery;
mod guard;
mod last_known;
mod life;
mod mapping;
mod narrowed;
mod overload;
mod reload;
mod removal;
mod restart;
mod retired;
mod source_lost;
mod strategy;
mod template;
mod verify;

pub(crate) mod application;
pub(crate) mod fake;
pub(crate) mod feed;
pub(crate) mod population;
pub(crate) mod process;
pub(crate) mod reader;
pub(crate) mod registry;
pub(crate) mod seen;
pub(crate) mod subscriber;

use std::time::Duration;

/// How long anything that must happen may take. A server that was away is not
/// believed about removals for 30 s, and the look after that may be 30 s off.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
