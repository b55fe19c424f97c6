//! Instances and links in words.

use syncline_model::{Instance, Metadata, Seen};

/// What is worth saying of an instance beside its address:
/// `weight 1, unhealthy, zone=b`.
pub fn content(instance: &Instance) -> String {
    let mut words = vec![format!("weight {}", instance.weight)];
    if instance.healthy == Seen::Known(false) {
        words.push("unhealthy".to_owned());
    }
    if !instance.enabled {
        words.push("disabled".to_owned());
    }
    words.extend(
        instance
            .metadata
            .iter()
            .map(|(key, value)| format!("{key}={value}")),
    );
    words.join(", ")
}

/// Metadata as `key=value` pairs with commas between them.
pub fn metadata(metadata: &Metadata) -> String {
    let pairs: Vec<_> = metadata.iter().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.join(", ")
}

/// Where a link leads from and to. What is configured no more reads from
/// nowhere, which the engine says by naming the target twice.
pub fn way(from: &str, to: &str) -> String {
    match from == to {
        true => format!("(removed) → {to}"),
        false => format!("{from} → {to}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_model::Port;

    fn instance() -> Instance {
        let mut instance = Instance::new("10.0.0.1", Port::new(80).expect("not zero"));
        instance.metadata = Metadata::from_pairs([("zone", "a"), ("v", "1")]);
        instance
    }

    #[test]
    fn an_instance_in_words() {
        assert_eq!(content(&instance()), "weight 1, v=1, zone=a");
        let mut sick = instance();
        sick.healthy = Seen::Known(false);
        sick.enabled = false;
        sick.metadata = Metadata::empty();
        assert_eq!(content(&sick), "weight 1, unhealthy, disabled");
    }
}
