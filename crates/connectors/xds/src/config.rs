//! What can be said of a control plane in a configuration.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;
use syncline_contract::Debounce;

/// A control plane for Envoy and for gRPC clients that speak xDS.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct XdsConfig {
    /// The address that clients connect to.
    #[schemars(with = "String", extend("examples" = ["127.0.0.1:18000"]))]
    pub listen: SocketAddr,

    /// Everybody who reaches the address may read all services. Must be said
    /// where other machines reach it.
    pub open: bool,

    /// Where each Envoy that asks for listeners is to take HTTP requests, which
    /// it then routes by their host, `service.group.namespace`. It has to bring
    /// listeners of its own where this is missing.
    #[schemars(with = "Option<String>", extend("examples" = ["0.0.0.0:10000"]))]
    pub listener: Option<SocketAddr>,

    /// Below this percentage of healthy instances Envoy takes the unhealthy
    /// ones too, rather than overload the rest; 0 for never. Envoy's own is 50.
    #[schemars(range(max = 100))]
    pub panic_threshold: Option<u8>,

    /// How many streams are open at once, at most; most clients have one.
    pub max_streams: NonZeroU32,

    /// How long changes are gathered.
    pub debounce: Debounce,
}

const MAX_STREAMS: NonZeroU32 = match NonZeroU32::new(1_000) {
    Some(streams) => streams,
    None => NonZeroU32::MIN,
};

impl Default for XdsConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 18_000)),
            open: false,
            listener: None,
            panic_threshold: None,
            max_streams: MAX_STREAMS,
            debounce: Debounce::default(),
        }
    }
}

impl XdsConfig {
    /// What does not fit together: the key in question, and what is wrong, as
    /// it reads on from the key.
    pub fn contradictions(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if !self.listen.ip().is_loopback() && !self.open {
            let exposed = "is reached by other machines, which could read all services: allow it with `open: true`";
            found.push(("listen", exposed.to_owned()));
        }
        if self.panic_threshold.is_some_and(|percent| percent > 100) {
            found.push((
                "panic_threshold",
                "must be a percentage, 0 to 100".to_owned(),
            ));
        }
        let debounce = self.debounce.contradiction();
        found.extend(debounce.map(|why| ("debounce", why)));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_others_reach_it_somebody_has_to_say_that_they_may() {
        let mut config = XdsConfig::default();
        assert_eq!(config.contradictions(), []);
        config.listen = SocketAddr::from(([0, 0, 0, 0], 18_000));
        assert_eq!(config.contradictions()[0].0, "listen");
        config.open = true;
        assert_eq!(config.contradictions(), []);
        config.panic_threshold = Some(101);
        assert_eq!(config.contradictions()[0].0, "panic_threshold");
    }
}
