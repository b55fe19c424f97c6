//! What can be said of a DNS zone in a configuration.

use std::fmt;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;
use syncline_contract::Period;
use syncline_model::mapping::Network;

use crate::answer::Facts;
use crate::name::Name;
use crate::zone::NAMESERVER;

/// An authoritative DNS server for one zone.
#[derive(Clone, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DnsConfig {
    /// The address, over UDP and TCP. Clients that are to find it without saying
    /// a port look at port 53.
    #[serde(deserialize_with = "address")]
    #[schemars(with = "String", extend("examples" = ["127.0.0.1:15353", "[::1]:53"]))]
    pub listen: SocketAddr,

    /// The name below which all services stand.
    #[schemars(with = "String", extend("examples" = ["nacos.internal", "svc.example.com"]))]
    pub zone: ZoneName,

    /// How long answers may be kept.
    pub ttl: Period,

    /// How long it may be kept that there is no such name or no such record.
    pub negative_ttl: Period,

    /// The name of this server where the zone is delegated to it; its address
    /// is for the zone above to tell then.
    #[schemars(with = "Option<String>")]
    pub nameserver: Option<ZoneName>,

    /// The networks whose questions are answered; all others are refused.
    #[serde(deserialize_with = "networks")]
    #[schemars(with = "Vec<String>", extend("examples" = [["10.0.0.0/8", "fd00::/8"]]))]
    pub clients: Vec<Network>,

    /// How many answers a second go over UDP to one /24 or /56. What is more is
    /// told to come over TCP, or not answered.
    pub answers_per_second: u32,
}

impl Default for DnsConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 15353)),
            zone: ZoneName(Name::of(["nacos", "internal"])),
            ttl: Period::from_secs(5),
            negative_ttl: Period::from_secs(1),
            nameserver: None,
            clients: PRIVATE
                .iter()
                .filter_map(|text| text.parse().ok())
                .collect(),
            answers_per_second: 5_000,
        }
    }
}

/// What no router carries through the internet.
const PRIVATE: [&str; 9] = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

/// The longest time that resolvers keep, and we believe.
const DAY: Period = Period::from_secs(86_400);

impl DnsConfig {
    /// What does not fit together: the key in question, and what is wrong, as
    /// it reads on from the key.
    pub fn contradictions(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        for (key, period) in [("ttl", self.ttl), ("negative_ttl", self.negative_ttl)] {
            if period.get().subsec_nanos() != 0 || period > DAY {
                let what = "must be a whole number of seconds, at most a day";
                found.push((key, what.to_owned()));
            }
        }
        if self.clients.is_empty() {
            found.push(("clients", "names nobody who would be answered".to_owned()));
        }
        if self.answers_per_second == 0 {
            found.push(("answers_per_second", "must be at least 1".to_owned()));
        }
        found
    }

    pub(crate) fn facts(&self, listen: SocketAddr) -> Facts {
        let seconds = |period: Period| u32::try_from(period.get().as_secs()).unwrap_or(u32::MAX);
        let zone = self.zone.0.clone();
        let known = self.nameserver.is_none() && !listen.ip().is_unspecified();
        let nameserver = match &self.nameserver {
            Some(name) => name.0.clone(),
            None => Name::of([NAMESERVER]).below(&zone),
        };
        Facts {
            zone,
            nameserver,
            address: known.then_some(listen.ip()),
            ttl: seconds(self.ttl),
            negative_ttl: seconds(self.negative_ttl),
        }
    }
}

fn address<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        serde::de::Error::custom("must be an IP address and a port, such as 127.0.0.1:15353")
    })
}

fn networks<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Network>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let networks = texts.iter().map(|text| text.parse());
    networks
        .collect::<Result<_, _>>()
        .map_err(serde::de::Error::custom)
}

/// The name of a zone or of a server, such as `nacos.internal`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct ZoneName(Name);

/// The longest zone below which the longest names of instances fit into the 255
/// bytes that DNS has for a name.
const LONGEST: usize = 64;

impl TryFrom<String> for ZoneName {
    type Error = BadZone;

    fn try_from(text: String) -> Result<Self, BadZone> {
        let name = Name::parse(&text).ok_or(BadZone::NotOne)?;
        match name.as_bytes().len() <= LONGEST {
            true => Ok(Self(name)),
            false => Err(BadZone::TooLong),
        }
    }
}

/// Without the dot at its end.
impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_string().trim_end_matches('.'))
    }
}

/// What is wrong with the name of a zone, as it reads on from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadZone {
    /// No name.
    #[error("must be a name of labels with letters, digits and hyphens, such as nacos.internal")]
    NotOne,
    /// Names below it would be too long.
    #[error("is too long: services below it need room, so a zone has at most 63 characters")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_names() {
        let zone = |text: &str| ZoneName::try_from(text.to_owned());
        assert_eq!(
            zone("Nacos.Internal.").map(|zone| zone.to_string()),
            Ok("nacos.internal".into())
        );
        assert_eq!(zone("nacos internal"), Err(BadZone::NotOne));
        assert_eq!(
            zone(&format!("{}.{}", "a".repeat(40), "b".repeat(30))),
            Err(BadZone::TooLong)
        );
    }

    #[test]
    fn what_nobody_can_mean_is_told() {
        let none = DnsConfig::default();
        assert_eq!(none.contradictions(), []);
        assert_eq!(none.clients.len(), PRIVATE.len());
        let wrong = DnsConfig {
            ttl: Period::from_millis(1500),
            negative_ttl: Period::from_secs(100_000),
            clients: Vec::new(),
            answers_per_second: 0,
            ..none
        };
        let keys: Vec<_> = wrong
            .contradictions()
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        assert_eq!(
            keys,
            ["ttl", "negative_ttl", "clients", "answers_per_second"]
        );
    }
}
