//! How often logins may fail.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::moment::Moment;

/// A failure counts for so long. A Java client with a wrong password tries
/// every 5 s for ever, and shall not shut others out behind its address.
const EACH: Duration = Duration::from_secs(2);

/// So many may fail at once.
const AT_ONCE: u32 = 30;

/// So many addresses are told apart; those beyond share one account.
const MOST: usize = 10_000;

/// Counts failed logins by address.
#[derive(Default)]
pub(super) struct Throttle {
    /// When all failures of an address will be forgotten.
    until: HashMap<IpAddr, Moment>,
}

impl Throttle {
    /// Whether a login from there is looked at.
    pub(super) fn admits(&self, from: IpAddr, now: Moment) -> bool {
        let until = self.until.get(&self.account(from));
        until.is_none_or(|until| until.since(now) <= EACH * (AT_ONCE - 1))
    }

    /// Counts a failure.
    pub(super) fn failed(&mut self, from: IpAddr, now: Moment) {
        if self.until.len() >= MOST {
            self.until.retain(|_, until| *until > now);
        }
        let account = self.account(from);
        let until = self.until.entry(account).or_insert(now);
        *until = (*until).max(now).after(EACH);
    }

    /// Who owns one address of IPv6 owns 2^64.
    fn account(&self, from: IpAddr) -> IpAddr {
        let account = match from.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let network = u128::from(address) & (u128::MAX << 64);
                IpAddr::V6(Ipv6Addr::from(network))
            }
        };
        if self.until.len() < MOST || self.until.contains_key(&account) {
            account
        } else {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_unix_millis(seconds * 1000)
    }

    fn address(n: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + n).into())
    }

    #[test]
    fn an_address_has_so_many_tries_and_gets_them_back() {
        let mut throttle = Throttle::default();
        for _ in 0..AT_ONCE {
            assert!(throttle.admits(address(1), at(100)));
            throttle.failed(address(1), at(100));
        }
        assert!(!throttle.admits(address(1), at(101)));
        assert!(throttle.admits(address(2), at(101)), "others are not hurt");
        assert!(throttle.admits(address(1), at(102)));
        throttle.failed(address(1), at(102));
        assert!(!throttle.admits(address(1), at(103)));
        assert!(throttle.admits(address(1), at(100 + 60)));
    }

    #[test]
    fn a_misconfigured_client_shuts_nobody_out() {
        let mut throttle = Throttle::default();
        for second in (0..3600).step_by(5) {
            assert!(throttle.admits(address(1), at(second)));
            throttle.failed(address(1), at(second));
        }
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let mut throttle = Throttle::default();
        for n in 0..AT_ONCE {
            let host = Ipv6Addr::from((0x2001_0db8_u128 << 96) + u128::from(n));
            throttle.failed(host.into(), at(1));
        }
        assert!(!throttle.admits("2001:db8::ffff".parse().expect("one"), at(1)));
        assert!(throttle.admits("2001:db8:0:1::".parse().expect("one"), at(1)));
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let mut throttle = Throttle::default();
        for n in 0..30_000 {
            throttle.failed(address(n), at(1));
        }
        assert!(throttle.until.len() <= MOST + 1);
        assert!(
            !throttle.admits(address(29_999), at(1)),
            "one account for the rest"
        );
        throttle.failed(address(1), at(100_000));
        assert_eq!(throttle.until.len(), 1);
    }
}
