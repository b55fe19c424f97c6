//! Where pushes may go.
//!
//! A subscription names the address that it wants pushes at, and Nacos pushes
//! to whatever is named there. One request of a stranger would then aim lists
//! of 64 KiB at anybody. The address that a request *came from* over TCP cannot
//! be forged, so that one is good. It is not always the client's own, though:
//!
//! * a client on the same host comes from the loopback address and names
//!   another of the host's;
//! * clients behind a load balancer come from its address and name their own,
//!   all within one private network.
//!
//! Both are taken. Headers that proxies add are not looked at: anybody can send
//! them. Who is refused is told to poll more often.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where to push for a request that came from `peer` and names a `client_ip`
/// (which may be empty) and a port, if it may be pushed there at all.
/// `is_ours` tells whether an address is one of this host's.
pub(crate) fn destination(
    peer: IpAddr,
    client_ip: &str,
    port: u16,
    is_ours: impl Fn(IpAddr) -> bool,
) -> Option<SocketAddr> {
    let peer = peer.to_canonical();
    let named = match client_ip.trim_matches(['[', ']']) {
        "" => peer,
        // Names of hosts are not looked up for strangers.
        named => named.parse::<IpAddr>().ok()?.to_canonical(),
    };
    let one_host = !named.is_unspecified() && !named.is_multicast() && port > 0;
    let good = named == peer
        || (is_inside(peer) && is_inside(named))
        || (peer.is_loopback() && is_ours(named));
    (one_host && good).then(|| SocketAddr::new(named, port))
}

/// Whether the socket of this process could have that address.
pub(crate) fn is_of_this_host(address: IpAddr) -> bool {
    std::net::UdpSocket::bind((address, 0)).is_ok()
}

/// Whether an address means something only within a host or a private network.
fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || is_shared(v4),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}

/// 100.64.0.0/10, which clouds use within their networks.
fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && (64..128).contains(&second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed_to(peer: &str, client_ip: &str, port: u16) -> Option<String> {
        let host = ["198.51.100.7", "0.0.0.0", "224.0.0.1"];
        let host = host.map(|ip| ip.parse::<IpAddr>().expect("an address"));
        let peer = peer.parse().expect("an address");
        let to = destination(peer, client_ip, port, |ip| host.contains(&ip));
        to.map(|to| to.to_string())
    }

    #[test]
    fn pushes_go_where_the_request_came_from() {
        let public = "203.0.113.5";
        for named in [public, "", "::ffff:203.0.113.5"] {
            assert_eq!(
                pushed_to(public, named, 9).as_deref(),
                Some("203.0.113.5:9")
            );
        }
        let v6 = pushed_to("2001:db8::1", "[2001:db8::1]", 9);
        assert_eq!(v6.as_deref(), Some("[2001:db8::1]:9"));
        let mapped = pushed_to("::ffff:10.0.0.1", "10.0.0.1", 9);
        assert_eq!(mapped.as_deref(), Some("10.0.0.1:9"));
    }

    #[test]
    fn pushes_go_elsewhere_only_within_a_private_network_or_this_host() {
        for (peer, named, good) in [
            ("10.0.0.1", "192.168.0.7", true),
            ("100.64.0.1", "172.16.0.7", true),
            ("127.0.0.1", "10.0.0.7", true),
            ("fd00::1", "fd00::2", true),
            ("127.0.0.1", "198.51.100.7", true),
            ("10.0.0.1", "198.51.100.7", false),
            ("127.0.0.1", "203.0.113.5", false),
            ("203.0.113.5", "203.0.113.6", false),
            ("203.0.113.5", "10.0.0.1", false),
            ("10.0.0.1", "100.128.0.1", false),
            ("10.0.0.1", "victim.example", false),
            ("127.0.0.1", "0.0.0.0", false),
            ("127.0.0.1", "224.0.0.1", false),
            ("127.0.0.1", "255.255.255.255", false),
        ] {
            assert_eq!(pushed_to(peer, named, 9).is_some(), good, "{peer} {named}");
        }
        assert_eq!(pushed_to("127.0.0.1", "127.0.0.1", 0), None);
    }
}
