//! What the measurements and the bench of faults stand on: real servers, Syncline as its users run it, and clients that
//! are nothing but the protocol.
//!
//! Not a room and never shipped: the programs `xtask-bench` and `xtask-faults` share it. Without the feature `bench` it
//! is empty, so that the other chores need no room to compile.
//!
//! * `fleet`: what is registered
//! * `bare`: clients that register and subscribe
//! * `servers`, `syncline`, `process`: what runs, and what it uses
//! * `compare`: whether a copy is right
//! * `table`, `report`: what is told in the end

#![cfg(feature = "bench")]
// Figures are what these programs are for.
#![allow(clippy::print_stderr)]

pub mod bare;
pub mod compare;
pub mod fleet;
pub mod process;
pub mod report;
pub mod servers;
pub mod syncline;
pub mod table;
