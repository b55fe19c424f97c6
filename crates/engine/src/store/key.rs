//! How names become the keys of the store's tables.
//!
//! A key is its names one after the other, each ended by a zero byte (a zero
//! inside a name is written as `00 ff`; no UTF-8 text starts with `ff`). Keys
//! therefore sort as their names do, and all services of a link or an endpoint
//! stand together, in order.

use std::ops::Range;

use syncline_model::{EndpointName, LinkName, ServiceKey};

const END: u8 = 0x00;
const ESCAPED: u8 = 0xff;

/// One service as it was seen at an endpoint.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct CacheKey {
    /// The registry it was seen at.
    pub endpoint: EndpointName,
    /// The service there.
    pub service: ServiceKey,
}

/// One service that a link writes at its target.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LedgerKey {
    /// The link that writes it.
    pub link: LinkName,
    /// The service at the target.
    pub service: ServiceKey,
}

impl CacheKey {
    pub(super) fn bytes(&self) -> Vec<u8> {
        service_key(self.endpoint.as_str(), &self.service)
    }
}

impl LedgerKey {
    pub(super) fn bytes(&self) -> Vec<u8> {
        service_key(self.link.as_str(), &self.service)
    }
}

/// The keys of all services of a link or an endpoint.
pub(super) fn range_of(owner: &str) -> Range<Vec<u8>> {
    let mut start = Vec::with_capacity(owner.len() + 2);
    push_name(&mut start, owner);
    let mut end = start.clone();
    end.push(ESCAPED);
    start..end
}

/// The link or endpoint that a key names first.
pub(super) fn owner_of(key: &[u8]) -> Option<String> {
    take_name(&mut &*key)
}

/// The service that a key names; `None` for bytes that are no such key.
pub(super) fn service_of(key: &[u8]) -> Option<ServiceKey> {
    let mut rest = key;
    let _owner = take_name(&mut rest)?;
    let service = ServiceKey::new(
        take_name(&mut rest)?,
        take_name(&mut rest)?,
        take_name(&mut rest)?,
    );
    rest.is_empty().then_some(service)
}

fn service_key(owner: &str, service: &ServiceKey) -> Vec<u8> {
    let names = [
        owner,
        service.namespace.as_str(),
        service.group.as_str(),
        service.name.as_str(),
    ];
    let mut key = Vec::with_capacity(names.iter().map(|name| name.len() + 1).sum());
    for name in names {
        push_name(&mut key, name);
    }
    key
}

fn push_name(key: &mut Vec<u8>, name: &str) {
    for byte in name.bytes() {
        key.push(byte);
        if byte == END {
            key.push(ESCAPED);
        }
    }
    key.push(END);
}

fn take_name(rest: &mut &[u8]) -> Option<String> {
    let mut name = Vec::new();
    loop {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        if *byte == END {
            match after {
                [ESCAPED, after @ ..] => *rest = after,
                _ => break,
            }
        }
        name.push(*byte);
    }
    String::from_utf8(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(link: &str, namespace: &str, group: &str, name: &str) -> LedgerKey {
        LedgerKey {
            link: link.into(),
            service: ServiceKey::new(namespace, group, name),
        }
    }

    #[test]
    fn any_name_comes_back() {
        for name in ["orders", "", "a\0b", "\0", "订单", "consumers:a.B:1.0:"] {
            let key = key("hz-to-sh", "public", name, name);
            assert_eq!(service_of(&key.bytes()), Some(key.service.clone()));
        }
    }

    #[test]
    fn keys_sort_as_their_names_do() {
        let mut keys = [
            key("b", "", "", ""),
            key("a", "public", "g", "s2"),
            key("a", "public", "g", "s"),
            key("a", "public", "g\0x", "s"),
            key("a", "dev", "z", "z"),
            key("a\0b", "dev", "z", "z"),
            key("ab", "dev", "z", "z"),
        ];
        keys.sort();
        assert!(keys.is_sorted_by_key(LedgerKey::bytes));
    }

    #[test]
    fn a_links_range_holds_its_own_services_alone() {
        let range = range_of("a");
        for (other, inside) in [("a", true), ("a\0b", false), ("ab", false), ("", false)] {
            let bytes = key(other, "", "", "").bytes();
            assert_eq!(range.contains(&bytes), inside, "{other:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_key_name_no_service() {
        for bytes in [&b""[..], b"a\0b\0c\0", b"a\0b\0c\0d", b"a\0b\0c\0\xfe\0"] {
            assert_eq!(service_of(bytes), None, "{bytes:?}");
        }
        let mut long = key("a", "b", "c", "d").bytes();
        long.push(b'x');
        assert_eq!(service_of(&long), None);
    }
}
