//! The simulator as a whole, bounded for every change.

#[cfg(feature = "planted-bugs")]
mod bank;
mod campaign;
mod crash;
