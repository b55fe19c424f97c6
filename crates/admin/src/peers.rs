//! How replicas talk to each other: over HTTP, each request and each answer
//! signed with a key that only the install's replicas have.
//!
//! | request | answers |
//! |---|---|
//! | `GET /peer/v1/report` | how well each link sees its source, a hash of what it holds, and what operators decided |
//! | `POST /peer/v1/compare` | where what we hold differs from what the request says that the asker holds |
//!
//! Nothing can be told this way, only asked: what operators decided is in the
//! reports. So a request that is sent a second time by a listener on the way
//! does nothing, and after 30 s it is refused besides. An answer is signed
//! together with its request, which has a random part, so that no other answer
//! can stand in for it. Names and addresses travel in the clear: the network
//! between replicas has to be as trusted as the one to the registries.

mod client;
mod seal;
mod server;
mod words;

pub use client::{PeerClient, PeerError, Reported};
pub use seal::PeerKey;
pub use server::{PeerSeat, serve_peers};
