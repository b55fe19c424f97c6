//! Where posts may not go, whatever a name is said to mean: to addresses at
//! which our own machine, or whoever runs it, listens to us alone.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Addresses at which clouds tell machines their secrets, beyond those that are
/// link-local: Alibaba Cloud, Oracle Cloud, AWS over IPv6.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Resolves names, and leaves out where nobody may be posted to. Connections
/// are made to nothing else, so a name that means something else a moment later
/// is looked at again.
#[derive(Debug)]
pub(crate) struct Guarded {
    /// Whether the URL itself says that the receiver is on this machine.
    loopback: bool,
}

impl Guarded {
    pub(crate) fn of(url: &Url) -> Self {
        Self {
            loopback: url.host_str() == Some("localhost"),
        }
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let loopback = self.loopback;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let (mut open, mut refused) = (Vec::new(), Vec::new());
            for address in found {
                match why_not(address.ip(), loopback) {
                    None => open.push(address),
                    Some(why) => refused.push(format!("{} is {why}", address.ip())),
                }
            }
            if open.is_empty() {
                let why = format!(
                    "{} leads nowhere else: {}",
                    name.as_str(),
                    refused.join(", ")
                );
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why).into());
            }
            let open: Addrs = Box::new(open.into_iter().map(|a| SocketAddr::new(a.ip(), 0)));
            Ok(open)
        })
    }
}

/// Why a URL that names an address may not be posted to, if it may not. A
/// loopback address was written by whoever wrote the configuration.
pub(crate) fn refused_literal(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    let address: IpAddr = host.trim_matches(['[', ']']).parse().ok()?;
    why_not(address, true).map(|why| format!("must not lead to {address}, which is {why}"))
}

fn why_not(address: IpAddr, loopback: bool) -> Option<&'static str> {
    let address = embedded(address.to_canonical());
    if METADATA.contains(&address) {
        return Some("where a cloud tells machines their secrets");
    }
    if address.is_loopback() {
        return (!loopback).then_some("this machine");
    }
    let special = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast() || v4.octets()[0] == 0,
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_unspecified(),
    };
    (special || address.is_multicast()).then_some("no address of a receiver")
}

/// The IPv4 address that an IPv6 address leads to by translation (RFC 6052).
fn embedded(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if v6.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0] => {
            IpAddr::V4(Ipv4Addr::from_bits(v6.to_bits() as u32))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_alone_is_refused() {
        for text in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "fe80::1",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "255.255.255.255",
            "224.0.0.1",
            "ff02::1",
            "100.100.100.200",
            "fd00:ec2::254",
        ] {
            let address: IpAddr = text.parse().expect("an address");
            assert!(why_not(address, true).is_some(), "{text}");
        }
        for text in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            let address: IpAddr = text.parse().expect("an address");
            assert!(why_not(address, false).is_some(), "{text}");
            assert!(why_not(address, true).is_none(), "{text}");
        }
        for text in [
            "10.0.0.1",
            "192.168.1.1",
            "8.8.8.8",
            "2001:db8::1",
            "fd00::1",
        ] {
            let address: IpAddr = text.parse().expect("an address");
            assert!(why_not(address, false).is_none(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_leads_to_this_machine_only_where_the_url_says_so() {
        let resolved = |loopback: bool| {
            let name = "localhost".parse().expect("a name");
            Guarded { loopback }.resolve(name)
        };
        assert!(resolved(true).await.is_ok());
        let refused = resolved(false).await.err().map(|error| error.to_string());
        assert!(refused.is_some_and(|why| why.contains("127.0.0.1 is this machine")));
    }

    #[test]
    fn addresses_in_urls_are_looked_at_too() {
        let refused = |url: &str| refused_literal(&url.parse().expect("a URL")).is_some();
        for url in [
            "http://169.254.169.254/x",
            "http://[fe80::1]/",
            "http://0xa9fea9fe/",
        ] {
            assert!(refused(url), "{url}");
        }
        for url in [
            "http://127.0.0.1:8080/",
            "https://hooks.example.com/",
            "http://[::1]/",
        ] {
            assert!(!refused(url), "{url}");
        }
    }
}
