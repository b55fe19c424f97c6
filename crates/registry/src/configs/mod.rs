//! Calls about configurations, from clients that use one address for both.
//!
//! The registry holds no configurations. It passes these calls on to the Nacos
//! that does, with the caller's credentials and none of ours, or refuses them.
//! It never says of its own that a configuration does not exist: a client
//! throws its snapshot away then, and an application starts with defaults.
//!
//! The same becomes of an application without a snapshot after any other
//! failure: a Java client (1.4 to 3.x) hands it nothing. Only after 403 it
//! throws, so who asks for a configuration that cannot be had is told 403: an
//! application that starts meanwhile fails, one that runs keeps what it has.

mod grpc;
mod http;

use std::sync::Arc;

use syncline_nacos::grpc::GrpcOptions;
use syncline_nacos::http::HttpClient;

pub(crate) use grpc::{Line, answer};
pub(crate) use http::{log_in, routes};

/// What is said where nothing is passed on, under code 403.
const REFUSED: &str = "Syncline serves no configurations here: its configuration names no \
                       `configs_from` to pass these calls on to";

/// The Nacos whose configurations clients may ask for through us.
#[derive(Clone)]
pub struct ConfigUpstream {
    http: Arc<HttpClient>,
    grpc: GrpcOptions,
}

impl ConfigUpstream {
    /// Neither of the two should present credentials: they would be lent to
    /// everybody who reaches the registry.
    pub fn new(http: Arc<HttpClient>, grpc: GrpcOptions) -> Self {
        Self { http, grpc }
    }
}

impl std::fmt::Debug for ConfigUpstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "ConfigUpstream({})",
            self.http.servers().addresses().len()
        )
    }
}

/// An error and its causes, for a client.
fn whole(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
