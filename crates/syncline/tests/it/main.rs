//! The façade and the command, from outside.

mod cli;
mod config;
mod daemon;
mod docs;
mod real;
