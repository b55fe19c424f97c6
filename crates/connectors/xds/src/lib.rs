//! A control plane for Envoy and for gRPC clients that speak xDS: the services
//! of a link as clusters, endpoints, listeners and routes.
//!
//! * `resources`: what clients can ask for, made from the services; pure;
//! * `session`: one client's stream as a machine without I/O: what it wants,
//!   what it has and refused, and so what it is sent, and in which order;
//! * [`ControlPlane`]: the port, and the streams of clients;
//! * [`XdsOutput`]: what a link writes to.
//!
//! Nothing is answered before there is a whole list: clients keep what they
//! have until then. This crate decides nothing about services: what belongs
//! into the list is the engine's business.

pub mod config;
mod name;
mod output;
mod proto;
mod resources;
mod server;
mod session;
mod stream;

pub use config::XdsConfig;
pub use output::XdsOutput;
pub use server::{ControlPlane, ServeError};
