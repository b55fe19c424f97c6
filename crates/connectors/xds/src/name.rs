//! What services are called in xDS, whose names Nacos lets hold any character.

use std::collections::{BTreeMap, btree_map::Entry};
use std::sync::Arc;

use syncline_model::ServiceKey;

/// The name of a service's cluster and of its endpoints:
/// `public/DEFAULT_GROUP/order`.
///
/// Every byte of a part that is not a letter, a digit, `-`, `_` or `.` is
/// percent-encoded, and an empty part is a lone `%`, so that no two services
/// share a name and each can be told from its own.
pub(crate) fn cluster(service: &ServiceKey) -> Arc<str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let parts = [
        service.namespace.as_str(),
        service.group.as_str(),
        service.name.as_str(),
    ];
    let parts = parts.map(|part| match part {
        "" => "%".to_owned(),
        part => escaped(part, '%', plain),
    });
    parts.join("/").into()
}

/// The host names of services: `order.default_group.public`.
pub(crate) struct Domains<'a> {
    /// Each service's.
    pub(crate) of: BTreeMap<&'a ServiceKey, Arc<str>>,
    /// Those that are not what one would expect, since another service has
    /// that one.
    pub(crate) renamed: Vec<(ServiceKey, Arc<str>)>,
}

impl<'a> Domains<'a> {
    /// Hosts have no case, and Nacos's names do. Where names differ in nothing
    /// else, the one with the fewest capitals has the host, of equals the first,
    /// and the others have theirs with capitals escaped.
    pub(crate) fn new(services: impl Iterator<Item = &'a ServiceKey>) -> Self {
        let mut owners: BTreeMap<Arc<str>, &ServiceKey> = BTreeMap::new();
        let mut losers = Vec::new();
        for service in services {
            match owners.entry(domain(service, false)) {
                Entry::Vacant(free) => {
                    free.insert(service);
                }
                Entry::Occupied(mut taken) if capitals(service) < capitals(taken.get()) => {
                    losers.push(taken.insert(service));
                }
                Entry::Occupied(_) => losers.push(service),
            }
        }
        let owned = owners
            .into_iter()
            .map(|(domain, service)| (service, domain));
        let mut of: BTreeMap<_, _> = owned.collect();
        let mut renamed = Vec::new();
        for service in losers {
            let exact = domain(service, true);
            renamed.push((service.clone(), Arc::clone(&exact)));
            of.insert(service, exact);
        }
        Self { of, renamed }
    }
}

/// `service.group.namespace`. A dot stands for itself in the service's name
/// alone, and whatever hosts cannot hold is `~` and two digits: a percent sign
/// would be taken for an encoding of its own by whoever reads URLs.
fn domain(service: &ServiceKey, exact: bool) -> Arc<str> {
    let part = |part: &str, dots: bool| {
        let plain = |byte: u8| {
            byte.is_ascii_lowercase()
                || byte.is_ascii_digit()
                || matches!(byte, b'-' | b'_')
                || (dots && byte == b'.')
        };
        match exact {
            true => escaped(part, '~', plain),
            false => escaped(&part.to_ascii_lowercase(), '~', plain),
        }
    };
    let name = part(service.name.as_str(), true);
    let group = part(service.group.as_str(), false);
    let namespace = part(service.namespace.as_str(), false);
    format!("{name}.{group}.{namespace}").into()
}

fn capitals(service: &ServiceKey) -> usize {
    let parts = [
        service.name.as_str(),
        service.group.as_str(),
        service.namespace.as_str(),
    ];
    let bytes = parts.into_iter().flat_map(str::bytes);
    bytes.filter(u8::is_ascii_uppercase).count()
}

fn escaped(text: &str, escape: char, plain: impl Fn(u8) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push(escape);
            escaped.push_str(&format!("{byte:02x}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn service(name: &str) -> ServiceKey {
        ServiceKey::new("public", "DEFAULT_GROUP", name)
    }

    #[test]
    fn any_name_is_legal_and_none_is_shared() {
        let names = [
            "order", "Order", "a/b", "a%2fb", "a.b", "订单", "a b", "*", "", "%", "a\n",
        ];
        let keys = names.iter().flat_map(|name| {
            [
                service(name),
                ServiceKey::new("public", *name, "s"),
                ServiceKey::new(*name, "G", "s"),
            ]
        });
        let keys: BTreeSet<ServiceKey> = keys.collect();
        let clusters: BTreeSet<_> = keys.iter().map(cluster).collect();
        assert_eq!(clusters.len(), keys.len());
        let domains = Domains::new(keys.iter()).of;
        let apart: BTreeSet<_> = domains.values().collect();
        assert_eq!(apart.len(), keys.len());
        for name in clusters.iter().chain(apart) {
            let legal = |c: char| c.is_ascii_alphanumeric() || "-_.~%/".contains(c);
            assert!(name.chars().all(legal), "{name}");
        }
    }

    #[test]
    fn names_are_as_people_expect_them() {
        let dubbo = service("providers:com.x.Pay:1.0:");
        assert_eq!(&*cluster(&service("order")), "public/DEFAULT_GROUP/order");
        assert_eq!(
            &*cluster(&dubbo),
            "public/DEFAULT_GROUP/providers%3acom.x.Pay%3a1.0%3a"
        );
        let keys = [service("order-v1.2"), dubbo];
        let domains: Vec<_> = Domains::new(keys.iter()).of.into_values().collect();
        assert_eq!(&*domains[0], "order-v1.2.default_group.public");
        assert_eq!(
            &*domains[1],
            "providers~3acom.x.pay~3a1.0~3a.default_group.public"
        );
    }

    #[test]
    fn of_names_that_differ_in_case_the_plainest_has_the_host() {
        let group = |name: &str| ServiceKey::new("public", "G", name);
        let keys = [group("ORDER"), group("Order"), group("order")];
        let Domains { of: all, renamed } = Domains::new(keys.iter());
        assert_eq!(renamed.len(), 2);
        assert_eq!(&*all[&keys[2]], "order.g.public");
        assert_eq!(&*all[&keys[1]], "~4frder.~47.public");
        let without_plain = Domains::new(keys[..2].iter()).of;
        assert_eq!(&*without_plain[&keys[1]], "order.g.public");
        assert_eq!(&*without_plain[&keys[0]], "~4f~52~44~45~52.~47.public");
    }
}
