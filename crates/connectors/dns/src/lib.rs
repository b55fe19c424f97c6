//! A DNS zone as a target: an authoritative server, over UDP and TCP, for the
//! services of the links that fill it.
//!
//! | name below the zone | answers |
//! |---|---|
//! | `service.group.namespace` | A, AAAA, SRV |
//! | `service.group` | the same, in the public namespace |
//! | `service` | the same, in the default group of the public namespace |
//! | `_service._tcp`, with the same endings | SRV |
//! | `10-0-0-1.service.group.namespace` | A or AAAA: what SRV records name |
//!
//! What is decided is decided by pure functions: `label` turns names that DNS
//! cannot hold into labels that it can, `records` makes one service's records,
//! `zone` knows which names there are, `request` reads a question, `answer`
//! answers it, `reply` writes the answer down, `limit` says who gets it.
//! `serve` alone touches sockets.
//!
//! A server that only answers for its own zone reads one question and one OPT
//! record and writes six types of records, so the wire format stands here in
//! full: a library would read forty types that nobody may send us.
//!
//! This crate must never resolve, forward or cache for others.

mod answer;
pub mod config;
mod label;
mod limit;
mod name;
mod records;
mod reply;
mod request;
mod responder;
mod serve;
mod target;
#[cfg(test)]
mod tests;
mod wire;
mod zone;

pub use config::DnsConfig;
pub use serve::{ServeError, Sockets};
pub use target::{DnsTarget, ServedZone};
