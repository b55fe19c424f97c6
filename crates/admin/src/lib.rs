//! Syncline's control API: what commands, scripts and the console ask a running
//! daemon.
//!
//! This crate plans nothing and writes nothing by itself: it asks the engine
//! and tells it what an operator decided. It is HTTP with JSON, on a unix
//! socket in the state directory and, where configured, on a TCP address.
//!
//! * [`api`]: the types of requests and answers, which are a promise to scripts;
//! * [`server`]: the routes;
//! * [`client`]: how our own commands ask;
//! * [`peers`]: how replicas ask each other;
//! * [`takeover`]: how a new process takes over what a running one holds.

mod adopt;
pub mod api;
pub mod client;
mod convert;
mod exchange;
mod origins;
mod pages;
pub mod peers;
pub mod server;
pub mod takeover;
mod verify;

pub use adopt::AdoptQuery;
pub use client::{ControlClient, ControlError};
pub use convert::{evacuation, holds, plan, status};
pub use origins::{OriginsQuery, Registries};
pub use server::{AdminError, Looked, serve_tcp, serve_unix};
