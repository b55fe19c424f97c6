//! The registry as clients meet it: over sockets, and from within the process.

mod access;
mod checks;
mod client;
mod configs;
mod connection;
mod fuzzy;
mod garbage;
mod http;
mod java;
mod liveness;
mod namespaces;
mod naming;
mod quotas;
mod sdk;
mod selectors;
mod server;
mod tls;
mod udp;
mod upstream;
mod within;
