//! The Nacos protocol against recordings, fakes and real servers.

mod certificates;
#[cfg(test)]
mod grpc;
mod http;
