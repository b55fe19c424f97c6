//! The Nacos protocol against recordings, fakes and real servers.

#[cfg(test)]
mod grpc;
mod http;
