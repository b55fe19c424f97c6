//! The gRPC half: messages, connection, session.

mod connection;
mod decoders;
mod fake;
mod real;
mod recordings;
mod session;
mod tls;
