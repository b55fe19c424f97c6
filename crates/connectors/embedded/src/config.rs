//! What can be said of an embedded registry in a configuration.

use std::fmt;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;
use syncline_contract::Period;
use syncline_registry::{LifeSettings, PresentedVersion, PushSettings};

/// A Nacos-compatible registry inside the process: a replica for consumers, or
/// a place to try things out.
#[derive(Clone, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddedConfig {
    /// The HTTP address. gRPC is served at the port + 1000, as Nacos does.
    #[schemars(with = "String", extend("examples" = ["127.0.0.1:8848", "[::]:8848"]))]
    pub listen: Listen,

    /// The Nacos version whose HTTP answers it gives: 2.2.0 up to 3.1.
    #[schemars(with = "String", extend("examples" = ["2.2.4", "3.0.3"]))]
    pub presents: PresentedVersion,

    /// How long changes of a service are collected before they are pushed.
    pub push_delay: Period,

    /// How long clients may take to come back after a start: so long a link from
    /// here takes nothing away for what is not there.
    pub return_within: Period,

    /// The endpoint (of kind nacos) to which clients' calls about configurations
    /// are passed on. They are refused where there is none.
    #[schemars(with = "Option<String>")]
    pub configs_from: Option<Box<str>>,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            listen: Listen(SocketAddr::from(([127, 0, 0, 1], 8848))),
            presents: PresentedVersion::default(),
            push_delay: PushSettings::default().delay.into(),
            return_within: LifeSettings::default().return_within.into(),
            configs_from: None,
        }
    }
}

/// An address to listen on, with room above its port for the gRPC port.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Listen(SocketAddr);

impl Listen {
    /// The HTTP address; port 0 takes a free pair.
    pub fn http(self) -> SocketAddr {
        self.0
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl TryFrom<String> for Listen {
    type Error = BadListen;

    fn try_from(text: String) -> Result<Self, BadListen> {
        let address: SocketAddr = text.parse().map_err(|_| BadListen::NotOne)?;
        match address.port().checked_add(1000) {
            Some(_) => Ok(Self(address)),
            None => Err(BadListen::TooHigh),
        }
    }
}

/// What is wrong with an address to listen on, as it reads on from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadListen {
    /// Not an IP address with a port.
    #[error("must be an IP address and a port, such as 127.0.0.1:8848")]
    NotOne,
    /// No room for the gRPC port.
    #[error("leaves no room for the gRPC port, which is 1000 higher")]
    TooHigh,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grpc_port_needs_room() {
        let listen = |text: &str| Listen::try_from(text.to_owned());
        assert!(listen("[::1]:8848").is_ok());
        assert!(listen("127.0.0.1:0").is_ok());
        assert_eq!(listen("127.0.0.1:64536"), Err(BadListen::TooHigh));
        assert_eq!(listen("localhost:8848"), Err(BadListen::NotOne));
        assert_eq!(listen("8848"), Err(BadListen::NotOne));
    }
}
