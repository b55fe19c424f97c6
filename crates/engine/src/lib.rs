//! Syncline's reconciliation engine.
//!
//! * [`core`]: every decision, as a state machine without I/O:
//!   `step(now, event) → effects`;
//! * [`shell`]: the tokio tasks that perform effects and feed back what came of
//!   them;
//! * [`store`]: cache and ledger on disk;
//! * [`journal`]: what was done and why, append-only.
//!
//! The engine names no connector: it knows the traits of `syncline-contract`
//! and is handed what implements them.

pub mod core;
pub mod journal;
pub mod shell;
pub mod store;

pub use shell::{
    EndpointSpec, Engine, EngineHandle, EngineSpec, Estate, Filling, LinkSpec, Mode, Retired, Sink,
    State, StateError, Stopped, Strategy,
};
