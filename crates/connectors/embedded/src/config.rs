//! What can be said of an embedded registry in a configuration.

use std::fmt;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;
use syncline_contract::{FilePath, Period};
use syncline_registry::{
    CheckSettings, LifeSettings, PresentedVersion, PushSettings, Quotas, Settings, TlsFiles,
};

pub use crate::access::{AccessConfig, RightConfig, UserConfig};

/// A Nacos-compatible registry inside the process: a replica for consumers, or
/// a place to try things out.
#[derive(Clone, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddedConfig {
    /// The HTTP address. gRPC is served at the port + 1000, as Nacos does.
    #[schemars(with = "String", extend("examples" = ["127.0.0.1:8848", "[::]:8848"]))]
    pub listen: Listen,

    /// The Nacos version whose HTTP answers it gives: 1.3.0 up to 3.1.
    #[schemars(with = "String", extend("examples" = ["2.2.4", "3.0.3"]))]
    pub presents: PresentedVersion,

    /// How long changes of a service are collected before they are pushed.
    pub push_delay: Period,

    /// How long clients may take to come back after a start: so long a link from
    /// here takes nothing away for what is not there.
    pub return_within: Period,

    /// Whether persistent instances are looked at, as Nacos does it: by a TCP
    /// connection, or by the checker that was set for their cluster.
    pub health_checks: bool,

    /// How many of them are looked at in a second, at most.
    #[schemars(range(min = 1))]
    pub health_checks_per_second: u32,

    /// The endpoint (of kind nacos) to which clients' calls about configurations
    /// are passed on. They are refused where there is none.
    #[schemars(with = "Option<String>")]
    pub configs_from: Option<Box<str>>,

    /// Who may use it, and for what. Must be said where other machines reach it.
    pub access: AccessConfig,

    /// Clients may look and subscribe, and change nothing. Links still write.
    pub read_only: bool,

    /// TLS at both ports, which then speak nothing else.
    pub tls: Option<ServerTlsConfig>,

    /// How much clients may bring. What links write is not counted.
    pub limits: QuotaConfig,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            listen: Listen(SocketAddr::from(([127, 0, 0, 1], 8848))),
            presents: PresentedVersion::default(),
            push_delay: PushSettings::default().delay.into(),
            return_within: LifeSettings::default().return_within.into(),
            health_checks: true,
            health_checks_per_second: CheckSettings::default().per_second,
            configs_from: None,
            access: AccessConfig::default(),
            read_only: false,
            tls: None,
            limits: QuotaConfig::default(),
        }
    }
}

impl EmbeddedConfig {
    /// What does not fit together: the key in question, and what is wrong, as
    /// it reads on from the key.
    pub fn contradictions(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if !self.listen.0.ip().is_loopback() && self.access.is_silent() {
            found.push(("listen", EXPOSED.to_owned()));
        }
        if self.health_checks_per_second == 0 {
            let what = "must be at least 1; `health_checks: false` looks at nothing";
            found.push(("health_checks_per_second", what.to_owned()));
        }
        let faults = self.access.faults().into_iter();
        found.extend(faults.map(|fault| ("access", fault)));
        found
    }

    /// How the registry behaves.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings {
            version: self.presents,
            ..Settings::default()
        };
        settings.push.delay = self.push_delay.get();
        settings.life.return_within = self.return_within.get();
        settings.checks.enabled = self.health_checks;
        settings.checks.per_second = self.health_checks_per_second;
        settings.limits.quotas = self.limits.quotas();
        settings.access = self.access.settings();
        settings.access.read_only = self.read_only;
        settings
    }
}

/// Why an address that others reach needs a word about who may.
const EXPOSED: &str = "is reached by other machines: say who may use it with `access: { users: … }`, or let \
                       everybody with `access: { open: true }`";

/// Files that make a server's identity.
#[derive(Clone, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerTlsConfig {
    /// The certificate chain (PEM) that clients are shown.
    pub cert: FilePath,
    /// The key (PEM) of the certificate.
    pub key: FilePath,
    /// Certificates (PEM) of whoever issues those that clients have to show.
    /// They need none where this is missing.
    #[serde(default)]
    pub client_ca: Option<FilePath>,
}

impl ServerTlsConfig {
    /// The files.
    pub fn files(&self) -> TlsFiles {
        TlsFiles {
            cert: self.cert.as_path().to_owned(),
            key: self.key.as_path().to_owned(),
            client_ca: self.client_ca.as_ref().map(|ca| ca.as_path().to_owned()),
        }
    }
}

/// How much clients may bring. Nothing is limited where nothing is said.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QuotaConfig {
    /// Services in one namespace.
    pub services_per_namespace: Option<u32>,
    /// Instances in one namespace.
    pub instances_per_namespace: Option<u32>,
    /// Instances of one service.
    pub instances_per_service: Option<u32>,
    /// Instances of one connection, or of one address over HTTP.
    pub instances_per_client: Option<u32>,
    /// Services that one connection subscribes to.
    pub subscriptions_per_client: Option<u32>,
}

impl QuotaConfig {
    fn quotas(self) -> Quotas {
        let quota = |most: Option<u32>| most.map(|most| most as usize);
        Quotas {
            services_per_namespace: quota(self.services_per_namespace),
            instances_per_namespace: quota(self.instances_per_namespace),
            instances_per_service: quota(self.instances_per_service),
            instances_per_client: quota(self.instances_per_client),
            subscriptions_per_client: quota(self.subscriptions_per_client),
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
    fn where_others_reach_it_somebody_has_to_say_who_may() {
        let mut config = EmbeddedConfig::default();
        assert_eq!(config.contradictions(), []);
        config.listen = Listen(SocketAddr::from(([0, 0, 0, 0], 8848)));
        let found = config.contradictions();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "listen");
        config.access.open = true;
        assert_eq!(config.contradictions(), []);
    }

    #[test]
    fn checks_are_on_as_at_any_nacos_and_can_be_off() {
        let mut config = EmbeddedConfig::default();
        assert!(config.settings().checks.enabled);
        config.health_checks = false;
        assert!(!config.settings().checks.enabled);
        config.health_checks_per_second = 0;
        let found = config.contradictions();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "health_checks_per_second");
    }

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
