//! The façade and the command, from outside.

mod cli;
mod config;
