//! A webhook as a target: each change of a service is posted as JSON to a URL
//! of the consumer's.
//!
//! The engine gives a target one service at a time, in order, and again until it
//! was taken: so posts about one service come in order, each at least once.
//! What is decided here is what changed since the last post that was taken
//! (`memory`), how that looks (`event`), how it is signed
//! (`signature`), where a post may go (`guarded`), and what an answer means
//! (`answer`). `target` posts.
//!
//! This crate must never follow a redirect, nor connect to an address that the
//! operator of the receiver's name server, and not of Syncline, chose to be our
//! own.

mod answer;
pub mod config;
mod event;
mod guarded;
mod memory;
mod signature;
mod target;

pub use config::WebhookConfig;
pub use target::WebhookTarget;
