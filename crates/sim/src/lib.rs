//! Syncline's core in a simulated world, watched by oracles.
//!
//! The core is a state machine without I/O, so a whole world fits around it in
//! one thread: registries with a true history, links in any graph, a disk,
//! operators, and faults of every kind, all drawn from one seed. Time is virtual,
//! and the same seed gives the same run to the last effect.
//!
//! * [`setup`] and [`workload`]: what a seed's world is made of, and what happens
//!   in it;
//! * [`world`]: runs it, from the beginning to its rest;
//! * [`oracle`]: what watches;
//! * [`shrink`]: the shortest story that still goes wrong;
//! * [`campaign`]: many seeds;
//! * `bank`: whether it sees mistakes that are planted in the core.
//!
//! `cargo xtask sim` runs it, and `docs/testing.md` tells how to read what it
//! prints. This crate is for tests only. It is none of the testkit's, which must
//! not know the rooms whose tests use it.
//!
//! ```
//! use syncline_sim::{campaign, setup::Setup, workload, world};
//!
//! let setup = Setup::draw(7, 200);
//! let ended = world::run(&setup, &workload::draw(&setup), world::Run::default());
//! assert_eq!(ended.violation, None);
//! # let _: Option<campaign::Failure> = None;
//! ```

#[cfg(feature = "planted-bugs")]
pub mod bank;
pub mod campaign;
pub mod chance;
pub mod deed;
mod disk;
pub mod fault;
pub mod graph;
pub mod oracle;
mod registry;
pub mod setup;
pub mod shrink;
pub mod tally;
pub mod workload;
pub mod world;
