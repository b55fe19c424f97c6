//! Where no look goes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where machines at a cloud are told who they are and what they may: whoever
/// registers such an address wants the registry to ask in its own name.
const METADATA_V4: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Whether an address is never looked at, whoever registered it: it is no
/// application's.
pub(super) fn is_spared(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_broadcast()
                || ip == METADATA_V4
        }
        IpAddr::V6(ip) => {
            ip.is_unicast_link_local()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip == METADATA_V6
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applications_are_looked_at_and_what_tells_secrets_is_not() {
        for (ip, spared) in [
            ("10.0.0.1", false),
            ("127.0.0.1", false),
            ("192.168.1.1", false),
            ("8.8.8.8", false),
            ("::1", false),
            ("2001:db8::1", false),
            ("fd00::1", false),
            ("169.254.169.254", true),
            ("169.254.0.1", true),
            ("::ffff:169.254.169.254", true),
            ("100.100.100.200", true),
            ("fd00:ec2::254", true),
            ("fe80::1", true),
            ("febf::1", true),
            ("0.0.0.0", true),
            ("::", true),
            ("224.0.0.1", true),
            ("ff02::1", true),
            ("255.255.255.255", true),
        ] {
            let parsed = ip.parse().expect("an address");
            assert_eq!(is_spared(parsed), spared, "{ip}");
        }
    }
}
