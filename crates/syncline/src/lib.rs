//! Syncline as a library: what the `syncline` command is made of.
//!
//! * [`config`]: endpoints and links, from YAML files or URLs, checked as a
//!   whole;
//! * [`daemon`]: a configuration, running;
//! * [`demo`]: the whole job on one machine, without any server;
//! * [`output`]: how services, changes and plans look on a screen;
//! * [`cli`]: the commands.

pub mod cli;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod output;
