//! Who asks, as far as pushes over UDP go by it.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use syncline_model::ServiceKey;

use super::failure::Failure;
use super::params::Params;
use crate::registry::Registry;
use crate::store::Clusters;
use crate::udp::{self, Program, Subscriber};

/// Where a request came from, over TCP.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// What is known of a client besides its parameters.
pub(super) struct Asker {
    peer: Option<Peer>,
    agent: String,
}

/// What comes of a client's wish to hear of changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    /// It had none.
    Unasked,
    /// Changes will be pushed to it.
    ByPush,
    /// It has to poll, and should do so more often.
    ByPolling,
}

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Nacos looks at the second name where there is nothing by the first.
        let agent = text(&parts.headers, header::USER_AGENT.as_str());
        let agent = agent.or_else(|| text(&parts.headers, "client-version"));
        Ok(Self {
            peer: parts.extensions.get().copied(),
            agent: agent.unwrap_or_default(),
        })
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

impl Asker {
    /// Whether it is a Java client of 1.0 or later, to which 1.x talks
    /// otherwise than to others.
    pub(super) fn is_java_of_1(&self) -> bool {
        udp::is_java_since_1(&self.agent)
    }

    /// Subscribes the client if its list call names a port.
    pub(super) fn listen(
        &self,
        registry: &Registry,
        params: &Params,
        service: &ServiceKey,
        clusters: &Clusters,
    ) -> Result<Heard, Failure> {
        let port = params.integer_or("udpPort", 0)?;
        if port <= 0 {
            return Ok(Heard::Unasked);
        }
        let named = params.or("clientIP", "");
        let address = match (self.peer, u16::try_from(port)) {
            (Some(Peer(peer)), Ok(port)) if udp::takes_pushes(&self.agent) => {
                udp::destination(peer, named, port, udp::is_of_this_host)
            }
            _ => None,
        };
        let subscribed = address.is_some_and(|address| {
            let subscriber = Subscriber {
                address,
                service: service.clone(),
                clusters: clusters.clone(),
            };
            let program = || Program::new(&self.agent, params.or("app", ""));
            registry.subscribe_udp(subscriber, program)
        });
        Ok(if subscribed {
            Heard::ByPush
        } else {
            Heard::ByPolling
        })
    }
}
