//! What holds for any input, module by module.

mod guard;
mod mapping;
mod ownership;
mod plan;
mod scenario;
mod scope;
