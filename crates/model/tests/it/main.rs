//! What holds for any input, module by module.

mod guard;
mod guard_thresholds;
mod mapping;
mod ownership;
mod plan;
mod rings;
mod scenario;
mod scope;
