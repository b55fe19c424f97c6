//! Addresses as the target's consumers reach them.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use crate::instance::{Metadata, Port};
use crate::name::Host;

/// How an address is translated. Of several rules the first that applies
/// decides; an address to which none applies stays as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AddressRule {
    /// Every address of one network to the same place in another of equal size.
    Network {
        /// The network at the source.
        from: Network,
        /// The network as the target's consumers see it.
        to: Network,
    },
    /// One address to another, as port forwarding does.
    Address {
        /// Without a port it applies to all ports.
        from: Address,
        /// Without a port the instance keeps its own.
        to: Address,
    },
    /// To the address (`host` or `host:port`) that the instance itself states
    /// in its metadata; applies where the key is there and not blank.
    Metadata {
        /// The metadata's key.
        key: Arc<str>,
    },
    /// Every address to one gateway, in front of all instances.
    Gateway {
        /// The gateway's host.
        host: Host,
        /// The gateway's port.
        port: Port,
    },
}

/// An address rule that cannot be used, or an address that is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AddressError {
    /// Neither `host`, `host:port` nor `[ipv6]:port`.
    #[error("`{0}` is not an address; expected `host`, `host:port` or `[ipv6]:port`")]
    Address(String),
    /// Not a network.
    #[error("`{0}` is not a network; expected something like `10.0.0.0/16`")]
    Network(String),
    /// The address of a network has bits beyond its prefix.
    #[error("`{given}` reaches into its network; the network itself is `{network}`")]
    Beyond {
        /// As it was written.
        given: String,
        /// What was probably meant.
        network: Network,
    },
    /// Networks of different size or family.
    #[error("`{from}` and `{to}` differ in size; one cannot be mapped to the other")]
    Unequal {
        /// The network at the source.
        from: Network,
        /// The network at the target.
        to: Network,
    },
    /// A network on one side, an address on the other.
    #[error("`{from}` and `{to}` have to be two networks or two addresses")]
    Mixed {
        /// As it was written.
        from: String,
        /// As it was written.
        to: String,
    },
    /// A gateway without a port.
    #[error("the gateway `{0}` needs a port, as in `gateway.example:8080`")]
    NoPort(String),
}

impl AddressRule {
    /// A rule from its two sides: two networks (`10.0.0.0/16`) of one size, or
    /// two addresses (`10.0.0.1`, `10.0.0.1:80`, `[2001:db8::1]:80`, names).
    ///
    /// # Errors
    /// A side is neither, or the two do not go together.
    pub fn parse(from: &str, to: &str) -> Result<Self, AddressError> {
        match (from.contains('/'), to.contains('/')) {
            (true, true) => {
                let (from, to): (Network, Network) = (from.parse()?, to.parse()?);
                if from.prefix == to.prefix && from.address.is_ipv4() == to.address.is_ipv4() {
                    Ok(Self::Network { from, to })
                } else {
                    Err(AddressError::Unequal { from, to })
                }
            }
            (false, false) => Ok(Self::Address {
                from: from.parse()?,
                to: to.parse()?,
            }),
            _ => Err(AddressError::Mixed {
                from: from.to_owned(),
                to: to.to_owned(),
            }),
        }
    }

    /// The rule that puts a gateway in front of everything.
    ///
    /// # Errors
    /// It is not an address with a port.
    pub fn gateway(address: &str) -> Result<Self, AddressError> {
        let Address { host, port } = address.parse()?;
        let port = port.ok_or_else(|| AddressError::NoPort(address.to_owned()))?;
        Ok(Self::Gateway { host, port })
    }

    /// The rule that takes the address out of the metadata.
    pub fn metadata(key: impl Into<Arc<str>>) -> Self {
        Self::Metadata { key: key.into() }
    }

    /// Translates an address; `None` where the rule does not apply to it.
    fn translate(
        &self,
        address: &Address,
        metadata: &Metadata,
    ) -> Result<Option<Address>, StatedAddress> {
        Ok(match self {
            Self::Network { from, to } => from.offset_of(&address.host).map(|offset| Address {
                host: to.host_at(offset),
                port: address.port,
            }),
            Self::Address { from, to } => from.covers(address).then(|| Address {
                host: to.host.clone(),
                port: address.port.map(|port| to.port.unwrap_or(port)),
            }),
            Self::Metadata { key } => match metadata.get(key).map(str::trim) {
                None | Some("") => None,
                Some(stated) => {
                    let stated: Address = stated.parse().map_err(|_| StatedAddress {
                        key: key.clone(),
                        value: stated.into(),
                    })?;
                    Some(Address {
                        port: address.port.map(|port| stated.port.unwrap_or(port)),
                        host: stated.host,
                    })
                }
            },
            Self::Gateway { host, port } => Some(Address {
                host: host.clone(),
                port: address.port.map(|_| *port),
            }),
        })
    }
}

/// The metadata states something as an address that is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct StatedAddress {
    pub(super) key: Arc<str>,
    pub(super) value: Arc<str>,
}

/// Translates an address by the first rule that applies. An address without a
/// port stays without one.
pub(super) fn translate(
    rules: &[AddressRule],
    address: &Address,
    metadata: &Metadata,
) -> Result<Option<Address>, StatedAddress> {
    for rule in rules {
        if let Some(translated) = rule.translate(address, metadata)? {
            return Ok(Some(translated));
        }
    }
    Ok(None)
}

/// Translates the address within a metadata value: `host`, `host:port` or a URL
/// with one. A value that holds no address stays as it is.
pub(super) fn translate_value<'a>(
    rules: &[AddressRule],
    value: &'a str,
    metadata: &Metadata,
) -> Result<Cow<'a, str>, StatedAddress> {
    let start = value.find("://").map_or(0, |at| at + 3);
    let end = value[start..]
        .find(['/', '?', '#'])
        .map_or(value.len(), |at| start + at);
    let start = value[start..end]
        .rfind('@')
        .map_or(start, |at| start + at + 1);
    let Ok(address) = value[start..end].parse::<Address>() else {
        return Ok(Cow::Borrowed(value));
    };
    let translated = translate(rules, &address, metadata)?;
    Ok(translated.map_or(Cow::Borrowed(value), |translated| {
        format!("{}{translated}{}", &value[..start], &value[end..]).into()
    }))
}

/// A host, with a port or without.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// Address or name.
    pub host: Host,
    /// TCP port.
    pub port: Option<Port>,
}

impl Address {
    fn covers(&self, other: &Self) -> bool {
        let same_host = self.host == other.host
            // One IPv6 address can be spelled in several ways.
            || match (self.host.as_str().parse(), other.host.as_str().parse()) {
                (Ok(IpAddr::V6(one)), Ok(IpAddr::V6(two))) => one == two,
                _ => false,
            };
        same_host && (self.port.is_none() || self.port == other.port)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let fail = || AddressError::Address(text.to_owned());
        let (host, port) = if let Some(bracketed) = text.strip_prefix('[') {
            let (host, after) = bracketed.split_once(']').ok_or_else(fail)?;
            let port = match after {
                "" => None,
                after => Some(after.strip_prefix(':').ok_or_else(fail)?),
            };
            (host, port)
        } else if text.parse::<IpAddr>().is_ok() {
            (text, None)
        } else {
            match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        let plain = |c: char| c.is_alphanumeric() || "-._:".contains(c);
        if host.is_empty() || !host.chars().all(plain) {
            return Err(fail());
        }
        let port = match port {
            None => None,
            Some(port) => Some(port.parse().map_err(|_| fail())?),
        };
        let host = Host::new(host);
        Ok(Self { host, port })
    }
}

/// As [`FromStr`] reads it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => fmt::Display::fmt(&self.host, f),
            Some(port) if self.host.as_str().contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
        }
    }
}

/// A network: an address and how many of its first bits count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether an address is in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        let same_family = address.is_ipv4() == self.address.is_ipv4();
        same_family && (bits(address) ^ bits(self.address)) & !self.host_mask() == 0
    }

    /// Where in the network a host stands; `None` for one outside.
    fn offset_of(&self, host: &Host) -> Option<u128> {
        let address: IpAddr = host.as_str().parse().ok()?;
        let offset = bits(address) ^ bits(self.address);
        self.contains(address).then_some(offset)
    }

    fn host_at(&self, offset: u128) -> Host {
        let bits = bits(self.address) | offset;
        Host::new(&self.with_bits(bits).to_string())
    }

    /// The bits that tell hosts of the network apart.
    fn host_mask(&self) -> u128 {
        let width = if self.address.is_ipv4() { 32 } else { 128 };
        let host_bits = u32::from(width - self.prefix);
        u128::MAX.checked_shr(128 - host_bits).unwrap_or(0)
    }

    fn with_bits(&self, bits: u128) -> IpAddr {
        match self.address {
            // Host bits of IPv4 never leave the lower half of the number.
            IpAddr::V4(_) => IpAddr::from((bits as u32).to_be_bytes()),
            IpAddr::V6(_) => IpAddr::from(bits.to_be_bytes()),
        }
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl FromStr for Network {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let parsed = text.split_once('/').and_then(|(address, prefix)| {
            let address: IpAddr = address.parse().ok()?;
            let prefix: u8 = prefix.parse().ok()?;
            let width = if address.is_ipv4() { 32 } else { 128 };
            (prefix <= width).then_some(Self { address, prefix })
        });
        let given = parsed.ok_or_else(|| AddressError::Network(text.to_owned()))?;
        let network = Self {
            address: given.with_bits(bits(given.address) & !given.host_mask()),
            ..given
        };
        if network == given {
            Ok(network)
        } else {
            Err(AddressError::Beyond {
                given: text.to_owned(),
                network,
            })
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(rule: Result<AddressRule, AddressError>, address: &str) -> Option<String> {
        let address = address.parse().expect("legal");
        translate(&[rule.expect("legal")], &address, &Metadata::empty())
            .expect("nothing stated")
            .map(|translated| translated.to_string())
    }

    fn mapped(from: &str, to: &str, address: &str) -> Option<String> {
        one(AddressRule::parse(from, to), address)
    }

    #[test]
    fn a_network_moves_as_a_whole() {
        let to = |address| mapped("10.1.0.0/16", "172.16.0.0/16", address);
        assert_eq!(to("10.1.2.3:80"), Some("172.16.2.3:80".into()));
        assert_eq!(to("10.1.255.255:80"), Some("172.16.255.255:80".into()));
        assert_eq!(to("10.2.0.0:80"), None);
        assert_eq!(to("order.local:80"), None);
        let six = |address| mapped("fd00:1::/32", "fd00:2::/32", address);
        assert_eq!(six("[fd00:1::7]:80"), Some("[fd00:2::7]:80".into()));
        assert_eq!(six("10.1.2.3"), None);
        let all = mapped("0.0.0.0/0", "0.0.0.0/0", "1.2.3.4");
        assert_eq!(all, Some("1.2.3.4".into()));
        assert_eq!(
            mapped("10.0.0.1/32", "10.0.0.2/32", "10.0.0.1"),
            Some("10.0.0.2".into())
        );
        assert_eq!(
            mapped("::/0", "::/0", "2001:db8::1"),
            Some("2001:db8::1".into())
        );
    }

    #[test]
    fn an_address_is_forwarded_for_all_ports_or_one() {
        let all = |address| mapped("10.0.0.1", "203.0.113.5", address);
        assert_eq!(all("10.0.0.1:80"), Some("203.0.113.5:80".into()));
        assert_eq!(all("10.0.0.10:80"), None);
        let one = |address| mapped("10.0.0.1:80", "203.0.113.5:31080", address);
        assert_eq!(one("10.0.0.1:80"), Some("203.0.113.5:31080".into()));
        assert_eq!(one("10.0.0.1:81"), None);
        assert_eq!(one("10.0.0.1"), None);
        assert_eq!(
            mapped("[2001:db8:0::1]:80", "gw:81", "[2001:DB8::0:1]:80"),
            Some("gw:81".into())
        );
    }

    #[test]
    fn a_gateway_stands_for_everything() {
        assert_eq!(
            one(AddressRule::gateway("gw.hz:8080"), "10.0.0.1:80"),
            Some("gw.hz:8080".into())
        );
        assert_eq!(
            AddressRule::gateway("gw.hz"),
            Err(AddressError::NoPort("gw.hz".into()))
        );
    }

    #[test]
    fn an_instance_may_state_its_own_address() {
        let rules = [
            AddressRule::metadata("external"),
            AddressRule::gateway("gw:1").expect("legal"),
        ];
        let address: Address = "10.0.0.1:80".parse().expect("legal");
        let with = |value: &str| {
            translate(
                &rules,
                &address,
                &Metadata::from_pairs([("external", value)]),
            )
            .map(|translated| translated.expect("one applies").to_string())
        };
        assert_eq!(with("203.0.113.9"), Ok("203.0.113.9:80".into()));
        assert_eq!(with(" 203.0.113.9:81 "), Ok("203.0.113.9:81".into()));
        assert_eq!(with(" "), Ok("gw:1".into()), "blank is not stated");
        let wrong = with("203.0.113.9:0").expect_err("port 0");
        assert_eq!(&*wrong.value, "203.0.113.9:0");
    }

    #[test]
    fn addresses_within_values_are_translated_in_place() {
        let rules = [AddressRule::parse("10.0.0.0/24", "172.16.9.0/24").expect("legal")];
        let to = |value| {
            translate_value(&rules, value, &Metadata::empty())
                .expect("nothing stated")
                .into_owned()
        };
        assert_eq!(to("10.0.0.7"), "172.16.9.7");
        assert_eq!(to("10.0.0.7:20880"), "172.16.9.7:20880");
        assert_eq!(
            to("dubbo://me:secret@10.0.0.7:20880/com.acme.Pay?host=10.0.0.7"),
            "dubbo://me:secret@172.16.9.7:20880/com.acme.Pay?host=10.0.0.7"
        );
        for untouched in [
            "",
            "10.0.1.7",
            "not an address",
            "http://",
            "10.0.0.7:x",
            "{}",
        ] {
            assert_eq!(to(untouched), untouched);
        }
    }

    #[test]
    fn rules_that_make_no_sense_are_refused() {
        let error = |from, to| {
            AddressRule::parse(from, to)
                .expect_err("no rule")
                .to_string()
        };
        assert!(error("10.0.0.5/16", "10.1.0.0/16").ends_with("`10.0.0.0/16`"));
        assert!(error("10.0.0.0/16", "10.1.0.0/24").contains("differ in size"));
        assert!(error("10.0.0.0/8", "fd00::/8").contains("differ in size"));
        assert!(error("10.0.0.0/33", "10.0.0.0/33").contains("not a network"));
        assert!(error("10.0.0.0/16", "10.1.0.1").contains("two networks or two"));
        for bad in [
            "", "a b", "h:", "h:0", "h:70000", "[::1", "[::1]80", "a:b:c",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_are_written_as_they_are_read() {
        for text in ["h", "h:80", "10.0.0.1:80", "::1", "[::1]:80"] {
            let address: Address = text.parse().expect(text);
            assert_eq!(address.to_string(), text);
        }
    }
}
