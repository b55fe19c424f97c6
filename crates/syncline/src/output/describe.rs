//! Instances in words.

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

/// How an instance changed: `weight 1 → 5, healthy → unhealthy, zone=a → b`.
pub fn difference(from: &Instance, to: &Instance) -> String {
    let mut words = Vec::new();
    if from.key.cluster != to.key.cluster {
        words.push(format!("cluster {} → {}", from.key.cluster, to.key.cluster));
    }
    if from.weight != to.weight {
        words.push(format!("weight {} → {}", from.weight, to.weight));
    }
    if let (Seen::Known(before), Seen::Known(after)) = (from.healthy, to.healthy)
        && before != after
    {
        words.push(turned(before, "healthy", "unhealthy"));
    }
    if from.enabled != to.enabled {
        words.push(turned(from.enabled, "enabled", "disabled"));
    }
    metadata_difference(&from.metadata, &to.metadata, &mut words);
    words.join(", ")
}

fn turned(was: bool, yes: &str, no: &str) -> String {
    if was {
        format!("{yes} → {no}")
    } else {
        format!("{no} → {yes}")
    }
}

fn metadata_difference(from: &Metadata, to: &Metadata, words: &mut Vec<String>) {
    for (key, before) in from.iter() {
        match to.get(key) {
            Some(after) if after == before => {}
            Some(after) => words.push(format!("{key}={before} → {after}")),
            None => words.push(format!("{key}={before} dropped")),
        }
    }
    for (key, after) in to.iter() {
        if from.get(key).is_none() {
            words.push(format!("{key}={after} set"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_model::{Port, Weight};

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

    #[test]
    fn a_difference_names_every_field_that_differs() {
        let mut after = instance();
        after.key.cluster = "east".into();
        after.weight = Weight::new(2.5).expect("legal");
        after.healthy = Seen::Known(false);
        after.enabled = false;
        after.metadata = Metadata::from_pairs([("zone", "b"), ("new", "x")]);
        assert_eq!(
            difference(&instance(), &after),
            "cluster DEFAULT → east, weight 1 → 2.5, healthy → unhealthy, enabled → disabled, \
             v=1 dropped, zone=a → b, new=x set"
        );
    }

    #[test]
    fn what_is_unknown_is_no_difference() {
        let mut unknown = instance();
        unknown.healthy = Seen::Unknown;
        assert_eq!(difference(&instance(), &unknown), "");
    }
}
