//! The other replicas of an install.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;
use syncline_contract::Period;

use super::Config;

/// The other replicas of this install: daemons that do the same work at the
/// same time and stand for each other.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Peers {
    /// Where we answer replicas, and nobody else: every request has to be
    /// signed with the install's key.
    #[schemars(with = "Option<String>", extend("examples" = ["10.0.0.1:8850"]))]
    pub listen: Option<SocketAddr>,
    /// Where the replicas answer, as `host:port`. Our own address may be among
    /// them, so that all replicas can have one configuration.
    #[schemars(extend("examples" = [["10.0.0.1:8850", "10.0.0.2:8850"]]))]
    pub addresses: Vec<String>,
    /// A link that has not seen its source for so long lets go of what a
    /// replica that sees it does not hold. At least 10 s.
    pub let_go_after: Period,
}

impl Default for Peers {
    fn default() -> Self {
        Self {
            listen: None,
            addresses: Vec::new(),
            let_go_after: Period::from_secs(60),
        }
    }
}

impl Peers {
    /// Whether there are any.
    pub fn are_there(&self) -> bool {
        self.listen.is_some() || !self.addresses.is_empty()
    }
}

/// What the keys say about each other, each fault with the key it is about.
pub(super) fn faults(config: &Config) -> Vec<(&'static str, String)> {
    let (peers, install) = (&config.peers, &config.install);
    let mut faults = Vec::new();
    if !peers.are_there() {
        return faults;
    }
    if install.replicas < 2 || install.id.is_none() || install.key.is_none() {
        let message = "`peers` needs `install` with `id`, `key`, and `replicas` of 2 or more";
        faults.push(("", message.to_owned()));
    }
    if let Some(address) = peers.addresses.iter().find(|a| !is_address(a)) {
        let message = format!("`{address}` is no host:port, such as 10.0.0.2:8850");
        faults.push(("addresses", message));
    }
    if peers.let_go_after < Period::from_secs(10) {
        let message = "`let_go_after` must be at least 10s: for less, the loss of a source can \
                       go unnoticed";
        faults.push(("let_go_after", message.to_owned()));
    }
    faults
}

fn is_address(text: &str) -> bool {
    let parts = text.rsplit_once(':');
    parts.is_some_and(|(host, port)| {
        let odd = |c: char| c.is_whitespace() || matches!(c, '/' | '@' | '?');
        !host.is_empty() && !host.contains(odd) && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        for good in ["10.0.0.2:8850", "syncline-b:8850", "[::1]:8850"] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "10.0.0.2",
            ":8850",
            "http://10.0.0.2:8850",
            "a:0",
            "a b:1",
            "",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
