//! The gRPC client of Nacos 2.0 and later.
//!
//! [`GrpcConnection`] is one connection: one HTTP/2 transport, one stream of
//! pushes, and whatever was published and subscribed over it. When it ends, the
//! server forgets all of that at once. [`Session`] is what most callers want:
//! it holds what should be published and subscribed, and sees to it that some
//! server knows, whatever happens to servers and connections.
//!
//! Neither decides anything about what pushes mean. A push shows a service as
//! a consumer sees it: without disabled instances, and with every instance
//! healthy while the protection threshold is reached.

mod call;
mod connection;
mod error;
mod latest;
mod options;
mod pass_on;
mod pushes;
mod service;
mod session;
mod transport;

pub use connection::{ConnectionEvent, ConnectionEvents, GrpcConnection};
pub use error::{CallCause, CallError, ErrorClass, Lost};
pub use options::{Anonymous, GrpcOptions, GrpcServer, HeaderError, HeaderSource, Timeouts};
pub use service::ServiceRef;
pub use session::{
    Session, SessionError, SessionEvent, SessionEvents, SessionOptions, SessionState, Subject,
};
