//! Nacos as a source and a target of Syncline, versions 1.1 to 3.x.
//!
//! Which calls a server has, how it numbers its pages and what it says when it
//! refuses is `syncline-nacos`'s business. This crate decides which of them
//! answer the engine's questions, and how far the answers can be trusted. It
//! never decides that something is to be removed, and knows no link, plan or
//! ledger.
//!
//! # Reading
//!
//! [`NacosSource`] prefers raw lists (the v1 catalog, the v3 admin API), which
//! show disabled instances and true health, a thousand services a request.
//! Where they are not permitted, or `view: consumer` asks for it, it finds the
//! names and reads each service as a consumer would; its views then say
//! [`Truth::Consumer`](syncline_model::Truth::Consumer). What permissions hide
//! is [`Coverage::Partial`](syncline_contract::Coverage::Partial) with advice
//! on what to grant or name, never an empty list.
//!
//! An instance that makes no sense (port 0, weight NaN) is told beside the
//! others. In a list or push it changes nothing else: what is missing from
//! those is confirmed by a read anyway. A *read* that it may hide a good
//! instance from is partial, so nothing is removed for it.
//!
//! Before a removal a second member is asked, where the cluster has one that
//! can be told from the first. Members that disagree have 5 s to agree; after
//! that the view is suspect. So is, for a while, what a server shows that was
//! away (30 s), what a cluster shows that is of another version or has other
//! members (60 s), and a list that is empty where ten services or more were
//! listed before (three lists over 30 s). Nothing is removed on a suspicion;
//! what came is added all the same.
//!
//! Changes come by subscription over gRPC (2.x, 3.x) or by asking every 1 to 5 s
//! (1.x, prompted by UDP pushes where there are few services). New services are
//! told by fuzzy watch (3.x, within its limits), or found by a list of names
//! every 2 s. A question never takes more than a
//! twentieth of the time, so both slow down on registries that answer slowly.
//!
//! # Writing
//!
//! [`NacosTarget`] keeps registrations alive as `hold` says; see [`target`].
//!
//! # What it costs a registry
//!
//! | what | how much |
//! |---|---|
//! | a list | a request for each 1,000 services of a namespace, three for the version, one or two for the members and for the namespaces where they are not all named |
//! | new names | 30 requests a minute for each namespace, or for each group where up to four are named; one where the server tells them, for up to 8 of its 20 patterns |
//! | subscriptions | one connection for 4,000 of them, another for a name that stands in several namespaces; 12 health checks a minute for each |
//! | 1.x | 12 lists a minute while nothing changes, 60 at most; 320 requests a minute for the UDP pushes of up to 32 services |
//! | `hold: connection` | one connection for 2,500 services on each of `copies` members, at most 8; nothing else while nothing changes |
//! | `hold: beat` | 4 requests a minute for each instance |
//! | `hold: persistent` | nothing while nothing changes |
//!
//! # What is added to instances
//!
//! Under `hold: beat`, three keys that say how long Nacos waits for a beat
//! (`preserved.heart.beat.interval` 15 s, `preserved.heart.beat.timeout` 60 s,
//! `preserved.ip.delete.timeout` 180 s), unless the instance brings any of them
//! itself. Where all three are read back with these very values, from whomever,
//! they are taken out again, so that they never count as a difference.

mod client;
pub mod config;
mod convert;
mod failure;
mod source;
pub mod target;
mod texts;

pub use client::anonymous;
pub use config::NacosConfig;
pub use source::NacosSource;
pub use target::{NacosTarget, TargetOptions};
