//! Names of labels for metadata, whose keys hold any character.

use std::collections::BTreeMap;

use syncline_model::Metadata;
use xxhash_rust::xxh3::xxh3_64;

/// What the labels of metadata begin with.
const PREFIX: &str = "__meta_nacos_metadata_";

/// A label for each pair, by its name.
///
/// Characters that a label's name cannot hold become `_`, as Prometheus itself
/// does it. Where several keys become the same name, the one that needed no
/// change has it, else the first in the order of their bytes; each other one has
/// the name with `_` and eight hexadecimal digits of its key behind. So nothing
/// is lost, equal metadata has equal labels, and no name comes twice, for which
/// Prometheus would take one of them.
pub(crate) fn metadata_labels(metadata: &Metadata) -> BTreeMap<String, &str> {
    let mut labels = BTreeMap::new();
    let (clean, changed): (Vec<_>, Vec<_>) = metadata.iter().partition(|(key, _)| is_clean(key));
    for (key, value) in clean {
        labels.insert(format!("{PREFIX}{key}"), value);
    }
    let mut late = Vec::new();
    for (key, value) in changed {
        let name = format!("{PREFIX}{}", sanitised(key));
        match labels.contains_key(&name) {
            false => drop(labels.insert(name, value)),
            true => late.push((name, key, value)),
        }
    }
    for (name, key, value) in late {
        let mut name = format!("{name}_{:08x}", xxh3_64(key.as_bytes()) >> 32);
        while labels.contains_key(&name) {
            name.push('_');
        }
        labels.insert(name, value);
    }
    labels
}

fn is_clean(key: &str) -> bool {
    key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn sanitised(key: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    key.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(keys: &[&str]) -> Vec<String> {
        let metadata = Metadata::from_pairs(keys.iter().map(|key| (*key, *key)));
        let labels = metadata_labels(&metadata);
        let names = labels.into_keys();
        names
            .map(|name| name.trim_start_matches(PREFIX).to_owned())
            .collect()
    }

    #[test]
    fn what_a_name_cannot_hold_becomes_an_underscore() {
        assert_eq!(
            names(&["management.port", "区域", "a b", "", "9", "UP_x"]),
            ["", "9", "UP_x", "__", "a_b", "management_port"]
        );
    }

    #[test]
    fn keys_that_become_the_same_name_are_all_there() {
        let metadata = Metadata::from_pairs([("a.b", "dot"), ("a-b", "dash"), ("a_b", "clean")]);
        let labels = metadata_labels(&metadata);
        assert_eq!(labels.len(), 3);
        assert_eq!(labels[&format!("{PREFIX}a_b")], "clean");
        let mut values: Vec<_> = labels.values().copied().collect();
        values.sort_unstable();
        assert_eq!(values, ["clean", "dash", "dot"]);
        let without_clean = Metadata::from_pairs([("a.b", "dot"), ("a-b", "dash")]);
        let labels = metadata_labels(&without_clean);
        assert_eq!(
            labels[&format!("{PREFIX}a_b")],
            "dash",
            "the first by bytes"
        );
        assert_eq!(labels.len(), 2);
    }

    #[test]
    fn a_key_that_looks_like_another_ones_name_takes_nothing_from_it() {
        let taken = names(&["a-b", "a.b"]);
        let hashed = &taken[1];
        assert_eq!(names(&["a-b", "a.b", hashed]).len(), 3);
    }
}
