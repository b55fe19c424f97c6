//! The Nacos naming protocol, both sides: its messages, and the client.
//!
//! What a Nacos of any version says on the wire is known here and nowhere
//! else. The embedded registry answers with the same [`message`] types that
//! the client reads, so that the two cannot drift apart.
//!
//! This crate knows nothing of links, plans or guards. It never decides that
//! an instance is gone: it says what a server answered, whether the answer was
//! complete, and what in it could not be understood.
//!
//! * [`message`]: the messages over gRPC, and the instances and services that
//!   gRPC and HTTP share.
//! * [`grpc`]: the gRPC client: one connection, and a session that heals itself.
//! * [`http`]: the HTTP client, and UDP pushes.
//! * [`version`]: what each version can do.

mod codec;
pub mod grpc;
pub mod http;
pub mod message;
pub mod version;
