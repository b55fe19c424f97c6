//! What holds for any input, module by module.

mod guard;
mod mapping;
mod ownership;
mod scope;
