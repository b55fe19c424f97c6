//! The same document as YAML, for programs that read nothing else. Every text is
//! in quotes: what looks like a number, a date or a truth to one version of YAML
//! does not to another.

use syncline_contract::Snapshot;
use syncline_files::quote;
use syncline_model::{Instance, Seen, ServiceKey, ServiceSet};

/// The whole list in one document.
pub(crate) fn whole(snapshot: &Snapshot) -> Vec<u8> {
    let mut text = String::from("services:");
    if snapshot.is_empty() {
        text.push_str(" []\n");
        return text.into_bytes();
    }
    text.push('\n');
    for (key, set) in snapshot {
        text.push_str("- ");
        service(&mut text, "  ", key, set);
    }
    text.into_bytes()
}

/// One service's document.
pub(crate) fn single(key: &ServiceKey, set: &ServiceSet) -> Vec<u8> {
    let mut text = String::new();
    service(&mut text, "", key, set);
    text.into_bytes()
}

/// A service whose first line begins where the text ends, and whose others are
/// indented.
fn service(text: &mut String, indent: &str, key: &ServiceKey, set: &ServiceSet) {
    pair(text, "namespace", key.namespace.as_str());
    text.push_str(indent);
    pair(text, "group", key.group.as_str());
    text.push_str(indent);
    pair(text, "service", key.name.as_str());
    text.push_str(indent);
    text.push_str("instances:");
    if set.is_empty() {
        text.push_str(" []");
    }
    text.push('\n');
    for it in set.instances() {
        text.push_str(indent);
        text.push_str("- ");
        instance(text, &format!("{indent}  "), it);
    }
}

fn instance(text: &mut String, indent: &str, it: &Instance) {
    pair(text, "ip", it.key.host.as_str());
    let healthy = match it.healthy {
        Seen::Known(true) => "true",
        Seen::Known(false) => "false",
        Seen::Unknown => "null",
    };
    // Without an exponent, which is a text to YAML 1.1 where it has no dot.
    let weight = it.weight.get().to_string();
    let dot = if weight.contains('.') { "" } else { ".0" };
    let (port, enabled) = (it.key.port, it.enabled);
    text.push_str(&format!("{indent}port: {port}\n"));
    text.push_str(indent);
    pair(text, "cluster", it.key.cluster.as_str());
    text.push_str(&format!("{indent}weight: {weight}{dot}\n"));
    text.push_str(&format!("{indent}healthy: {healthy}\n"));
    text.push_str(&format!("{indent}enabled: {enabled}\n"));
    text.push_str(indent);
    text.push_str("metadata:");
    if it.metadata.is_empty() {
        text.push_str(" {}");
    }
    text.push('\n');
    for (key, value) in it.metadata.iter() {
        text.push_str(indent);
        text.push_str("  ");
        quote(text, key);
        text.push_str(": ");
        quote(text, value);
        text.push('\n');
    }
}

fn pair(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push_str(": ");
    quote(text, value);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use syncline_model::{Metadata, Port, Weight};

    #[test]
    fn it_says_what_the_json_says() {
        let mut odd = Instance::new("fe80::1", Port::new(8080).expect("not zero"));
        odd.metadata = Metadata::from_pairs([("no", "12:30:45"), ("a: b", "- c\n# d")]);
        odd.weight = Weight::new(0.000_000_1).expect("a weight");
        odd.healthy = Seen::Unknown;
        odd.enabled = false;
        let plain = Instance::new("10.0.0.1", Port::new(80).expect("not zero"));
        let set = Arc::new(ServiceSet::new(vec![odd, plain]));
        let key = |name| ServiceKey::new("public", "1.0", name);
        let both = Snapshot::from([(key("a"), Arc::clone(&set)), (key("yes"), set)]);
        for snapshot in [Snapshot::new(), both] {
            let json = crate::document::whole(&snapshot).expect("plain data");
            let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
            let yaml = String::from_utf8(whole(&snapshot)).expect("text");
            let yaml: serde_json::Value = serde_saphyr::from_str(&yaml).expect("YAML");
            assert_eq!(yaml, json);
            for (key, set) in &snapshot {
                let json = crate::document::single(key, set).expect("plain data");
                let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
                let yaml = String::from_utf8(single(key, set)).expect("text");
                let yaml: serde_json::Value = serde_saphyr::from_str(&yaml).expect("YAML");
                assert_eq!(yaml, json);
            }
        }
    }
}
