//! The HTTP half of the client: everything that Nacos says over HTTP, 1.x to
//! 3.x, and its UDP pushes.
//!
//! [`HttpClient`] speaks to one cluster. It stays with one server while that
//! answers, logs in where that is needed, and says with every answer which
//! member gave it. What a server can do is found out by [`HttpClient::probe`]
//! and named by [`crate::version::Features`].
//!
//! Two kinds of lists must not be confused. *Raw* ones show what is registered:
//! [`HttpClient::services`] (everything, page by page),
//! [`HttpClient::raw_service`], [`HttpClient::catalog_instances`] and
//! [`HttpClient::admin_instances`]. A *consumer's view*
//! ([`HttpClient::instance_list`], UDP pushes) hides disabled instances and,
//! under protection, the true health.
//!
//! A call that fails gives an error and never a list. A list that comes in
//! pages is complete only when its reader says so. Entries that cannot be read
//! come beside those that can, and as long as there are any, nothing may be
//! said to be absent that they could have been.

mod address;
mod aliyun;
mod answer;
mod auth;
mod bulk;
mod client;
mod decode;
mod error;
mod instances;
mod names;
mod namespaces;
mod paging;
mod pass_on;
mod probe;
mod raw;
#[cfg(test)]
mod recorded;
mod retry_after;
mod secret;
mod servers;
mod tls;
mod transport;
mod udp;
mod write;

pub use address::{DEFAULT_CONTEXT_PATH, DEFAULT_PORT, ServerAddress, ServerId};
pub use aliyun::AccessKey;
pub use auth::{Credentials, Presented, User};
pub use bulk::{PAGE_SIZE, Page, Read, ServiceReader, Step};
pub use client::{Answered, ClientOptions, HttpClient};
pub use decode::{ListedService, Namespace, RejectedService, ServiceSummary};
pub use error::{Call, Class, HttpError};
pub use instances::{ConsumerApi, ConsumerList, RawList};
pub use names::{Fingerprint, Listing, NamesAgain, NamesApi, NamespaceNames, Store};
pub use namespaces::{Member, Namespaces};
pub use pass_on::{Passed, PassedBack};
pub use probe::GrpcPort;
pub use raw::RawService;
pub use retry_after::retry_after;
pub use secret::Secret;
pub use servers::{Members, Route, ServerList};
pub use tls::{SetupError, TlsOptions};
pub use transport::TransportOptions;
pub use udp::{Push, PushSocket, local_address_towards};
pub use write::{Beat, WriteApi};
