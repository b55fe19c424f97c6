//! What Nacos refuses in an instance or in a service's name. Pure.
//!
//! Servers differ in what they check, and operators can change it, so nothing
//! is refused beforehand: these rules find out which instance of a refused set
//! the server meant.

use syncline_model::{Instance, ServiceKey};

/// Characters of metadata, keys and values together, that 2.3 and later accept
/// unless told otherwise (`nacos.naming.service.metadata.length`).
const METADATA_CHARS: usize = 1_024;

/// Longest texts of the parameter checker of 2.3 and later.
const NAMESPACE_CHARS: usize = 64;
const GROUP_CHARS: usize = 128;
const SERVICE_CHARS: usize = 512;
const CLUSTER_CHARS: usize = 64;
const HOST_CHARS: usize = 128;

/// What a server may object to in an instance.
pub(super) fn objection(instance: &Instance) -> Option<String> {
    let key = &instance.key;
    let cluster = key.cluster.as_str();
    let host = key.host.as_str();
    // Numbers of Java characters: UTF-16 units.
    let chars = |text: &str| text.encode_utf16().count();
    let metadata: usize = instance
        .metadata
        .iter()
        .map(|(k, v)| chars(k) + chars(v))
        .sum();
    if metadata > METADATA_CHARS {
        return Some(format!(
            "its metadata has {metadata} characters; 2.3 and later take {METADATA_CHARS} unless \
             nacos.naming.service.metadata.length says more"
        ));
    }
    if cluster.is_empty()
        || !cluster
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    {
        return Some(format!(
            "its cluster is {cluster:?}, and clusters have letters, digits and - alone"
        ));
    }
    if chars(cluster) > CLUSTER_CHARS {
        return Some(format!(
            "its cluster has more than {CLUSTER_CHARS} characters"
        ));
    }
    if chars(host) > HOST_CHARS || host.chars().any(|c| c.is_whitespace() || is_cjk(c)) {
        return Some(format!(
            "its address {host:?} is too long, or has odd characters"
        ));
    }
    beat_times(instance)
}

/// 2.1 and later check that timeouts are no shorter than the interval.
fn beat_times(instance: &Instance) -> Option<String> {
    let millis = |key: &str, default: u64| match instance.metadata.get(key) {
        Some(text) => text.parse().unwrap_or(default),
        None => default,
    };
    let interval = millis("preserved.heart.beat.interval", 5_000);
    let timeout = millis("preserved.heart.beat.timeout", 15_000);
    let delete = millis("preserved.ip.delete.timeout", 30_000);
    (timeout < interval || delete < interval).then(|| {
        "its preserved.heart.beat.interval is longer than the timeouts beside it".to_owned()
    })
}

/// What a server may object to in a service's name.
pub(super) fn objection_to_name(service: &ServiceKey) -> Option<String> {
    let (namespace, group) = (service.namespace.as_str(), service.group.as_str());
    let name = service.name.as_str();
    let chars = |text: &str| text.encode_utf16().count();
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if chars(namespace) > NAMESPACE_CHARS || !namespace.bytes().all(word) {
        return Some(format!(
            "namespaces have at most {NAMESPACE_CHARS} letters, digits, - and _"
        ));
    }
    let in_group = |b: u8| word(b) || b == b'.' || b == b':';
    if chars(group) > GROUP_CHARS || !group.bytes().all(in_group) {
        return Some(format!(
            "groups have at most {GROUP_CHARS} letters, digits, - _ . and : from 2.3 on"
        ));
    }
    let odd = |c: char| c.is_whitespace() || is_cjk(c);
    if chars(name) > SERVICE_CHARS || name.starts_with('@') || name.chars().any(odd) {
        return Some(format!(
            "names have at most {SERVICE_CHARS} characters, no spaces and no Chinese from 2.3 on"
        ));
    }
    None
}

/// The range that Nacos's pattern names, U+4E00 to U+9FA5.
fn is_cjk(c: char) -> bool {
    ('\u{4e00}'..='\u{9fa5}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_model::{Metadata, Port};

    fn instance() -> Instance {
        Instance::new("10.0.0.1", Port::new(80).expect("not zero"))
    }

    #[test]
    fn ordinary_instances_meet_no_objection() {
        assert_eq!(objection(&instance()), None);
        let mut full = instance();
        full.metadata = Metadata::from_pairs([("k", "v".repeat(1_023))]);
        assert_eq!(objection(&full), None);
        full.metadata = Metadata::from_pairs([("k", "v".repeat(1_024))]);
        assert!(objection(&full).is_some());
    }

    #[test]
    fn odd_clusters_hosts_and_times_are_found() {
        let mut odd = instance();
        odd.key.cluster = "a_b".into();
        assert!(objection(&odd).is_some_and(|why| why.contains("a_b")));
        let mut odd = instance();
        odd.key.host = "主机".into();
        assert!(objection(&odd).is_some());
        let mut odd = instance();
        odd.metadata = Metadata::from_pairs([("preserved.heart.beat.interval", "60000")]);
        assert!(objection(&odd).is_some());
    }

    #[test]
    fn names_that_the_checker_refuses_are_found() {
        let fine = ServiceKey::new("public", "DEFAULT_GROUP", "providers:com.acme/Pay:1.0");
        assert_eq!(objection_to_name(&fine), None);
        for (namespace, group, name) in [
            ("a b", "G", "s"),
            ("public", "组", "s"),
            ("public", "G", "订单"),
            ("public", "G", "a b"),
        ] {
            let odd = ServiceKey::new(namespace, group, name);
            assert!(objection_to_name(&odd).is_some(), "{odd}");
        }
    }
}
