//! Consumers that speak no Nacos, fed by the real binary.

mod every_kind;
mod prometheus;

/// Losses pass at once, so that tests need not wait.
const NO_GUARD: &str = "guard: { zero: { views: 1, over: 0s } }";
