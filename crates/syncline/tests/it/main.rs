//! The façade and the command, from outside.

mod bridge;
mod cli;
mod clients;
mod cluster;
mod config;
mod daemon;
mod dns;
mod docs;
mod hold;
mod moves;
mod outputs;
mod real;
mod replicas;
mod sdk;
mod security;
mod webhook;
mod xds;
