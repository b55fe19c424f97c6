//! Names that every consumer takes: lower case, and no two alike.
//!
//! nginx compares the names of upstreams without regard to case, HAProxy takes
//! letters, digits, `-`, `_`, `.` and `:`, DNS is stricter still; Nacos takes
//! anything. A plain name stays what it is. Any other loses what is not plain
//! and ends in a hash of what it was, so that two names never become one.

use ring::digest::{SHA256, digest};
use syncline_model::{ClusterName, Instance, NamespaceId, ServiceKey};

/// The group of services that name none.
pub(crate) const DEFAULT_GROUP: &str = "DEFAULT_GROUP";

/// A longer name is cut before its hash.
const LONGEST: usize = 80;

/// Stands between the parts of a name.
const BETWEEN: &str = "__";

/// A service's name: `order`, and with group and namespace where these are not
/// the usual ones.
pub(crate) fn of_service(service: &ServiceKey) -> String {
    let (group, namespace) = (service.group.as_str(), service.namespace.as_str());
    let mut parts = vec![service.name.as_str()];
    if group != DEFAULT_GROUP || service.namespace != NamespaceId::public() {
        parts.push(group);
    }
    if service.namespace != NamespaceId::public() {
        parts.push(namespace);
    }
    of_parts(&parts)
}

/// A server's name within its service: its address, and its cluster where that
/// is not the usual one. `before` tells how many of the same address and cluster
/// stand before it: two publishers may say different things of one.
pub(crate) fn of_server(instance: &Instance, before: usize) -> String {
    let port = instance.key.port.to_string();
    let host = instance.key.host.as_str();
    let mut parts = vec!["s", host, &port];
    let cluster = instance.key.cluster.as_str();
    if cluster != ClusterName::DEFAULT || before > 0 {
        parts.push(cluster);
    }
    let before = before.to_string();
    if before != "0" {
        parts.push(&before);
    }
    of_parts(&parts)
}

/// A legal name made of any text.
pub(crate) fn of_text(text: &str) -> String {
    of_parts(&[text])
}

fn of_parts(parts: &[&str]) -> String {
    let plain = parts.join(BETWEEN);
    if parts.iter().all(|part| is_plain(part)) && plain.len() <= LONGEST {
        return plain;
    }
    let letter = |c: char| match c {
        c if c.is_ascii_alphanumeric() || c == '.' => c.to_ascii_lowercase(),
        _ => '-',
    };
    let legal: Vec<String> = parts
        .iter()
        .map(|part| part.chars().map(letter).collect())
        .collect();
    let mut name = legal.join(BETWEEN);
    // A dash would begin a flag, a dot a hidden name.
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        name.insert(0, 'x');
    }
    name.truncate(LONGEST);
    // The lengths keep ("a", "b__c") and ("a__b", "c") apart.
    let whole: Vec<String> = parts
        .iter()
        .map(|part| format!("{}:{part}", part.len()))
        .collect();
    let hash = digest(&SHA256, whole.concat().as_bytes());
    name.push('-');
    name.extend(hash.as_ref()[..5].iter().map(|byte| format!("{byte:02x}")));
    name
}

/// Whether a part can stay as it is: legal everywhere, and neither like a name
/// of several parts nor like one with a hash.
fn is_plain(part: &str) -> bool {
    let legal =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    let hash = part.rsplit_once('-').map(|(_, end)| end);
    let like_a_hash = |end: &str| end.len() == 10 && end.chars().all(|c| c.is_ascii_hexdigit());
    part.starts_with(|c: char| c.is_ascii_alphanumeric())
        && part.chars().all(legal)
        && !part.contains(BETWEEN)
        && !part.ends_with('_')
        && !hash.is_some_and(like_a_hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use syncline_model::Port;

    #[test]
    fn plain_names_stay_and_others_are_told_apart() {
        let order = |namespace, group, name| of_service(&ServiceKey::new(namespace, group, name));
        assert_eq!(
            order("public", "DEFAULT_GROUP", "order-service"),
            "order-service"
        );
        assert_eq!(order("public", "trade", "order"), "order__trade");
        assert_eq!(order("prod", "trade", "order"), "order__trade__prod");
        let names = [
            order("public", "DEFAULT_GROUP", "Order"),
            order("public", "DEFAULT_GROUP", "order"),
            order("public", "DEFAULT_GROUP", "ORDER"),
            order("public", "DEFAULT_GROUP", "订单"),
            order("public", "DEFAULT_GROUP", "单订"),
            order("public", "DEFAULT_GROUP", "order__trade"),
            order("public", "trade", "order"),
            order("public", "order", "trade"),
            order("public", "G", "a:b"),
            order("public", "G", "a;b"),
            order("public", "G", "a b"),
            order("public", "G", ""),
            order("public", "", "G"),
            order("public", "DEFAULT_GROUP", &"x".repeat(300)),
            order("public", "DEFAULT_GROUP", &"x".repeat(301)),
        ];
        assert_eq!(
            BTreeSet::from(names.clone()).len(),
            names.len(),
            "{names:?}"
        );
        for name in names {
            assert!(name.len() < 100, "{name}");
            assert!(
                name.starts_with(|c: char| c.is_ascii_alphanumeric()),
                "{name}"
            );
            assert!(name.chars().all(|c| c.is_ascii_lowercase()
                || c.is_ascii_digit()
                || matches!(c, '-' | '_' | '.')));
        }
    }

    #[test]
    fn what_looks_like_a_made_name_is_made_anew() {
        let made = of_text("Order");
        assert!(made.starts_with("order-"), "{made}");
        assert_ne!(of_text(&made), made);
    }

    #[test]
    fn servers_are_named_by_their_addresses() {
        let server = |host: &str, before| {
            of_server(
                &Instance::new(host, Port::new(80).expect("not zero")),
                before,
            )
        };
        assert_eq!(server("10.0.0.1", 0), "s__10.0.0.1__80");
        assert!(server("fd00::1", 0).starts_with("s__fd00--1__80-"));
        assert!(server("10.0.0.1", 1).starts_with("s__10.0.0.1__80__default__1-"));
    }
}
