//! The simulator as a whole, bounded for every change.

mod campaign;
mod crash;
