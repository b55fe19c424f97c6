//! What Nacos 2.3 and later check of every request before they look at it, over
//! HTTP and gRPC alike.

use syncline_nacos::message::split_grouped;

/// A parameter that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("Param '{name}' is illegal, {reason}")]
pub(crate) struct Illegal {
    /// As Nacos calls it in the refusal.
    name: &'static str,
    reason: String,
}

const CHARACTERS: &str = "illegal characters should not appear in the param.";

/// Lengths count UTF-16 units in Java; nothing longer than this is legal in
/// either count, so characters will do.
struct Rule {
    /// As a refusal calls it.
    name: &'static str,
    longest: usize,
    legal: fn(&str) -> bool,
}

const NAMESPACE: Rule = Rule {
    name: "namespaceId/tenant",
    longest: 64,
    legal: |text| all(text, |c| word(c) || c == '-'),
};
const GROUP: Rule = Rule {
    name: "group",
    longest: 128,
    legal: |text| all(text, |c| word(c) || matches!(c, '-' | ':' | '.')),
};
const SERVICE: Rule = Rule {
    name: "serviceName",
    longest: 512,
    legal: |text| !text.starts_with('@') && !text.contains("@@") && all(text, plain),
};
const CLUSTER: Rule = Rule {
    name: "cluster",
    longest: 64,
    legal: |text| all(text, |c| word(c) || c == '-'),
};
const NAMESPACE_NAME: Rule = Rule {
    name: "namespaceShowName",
    longest: 256,
    legal: is_namespace_name,
};
const IP: Rule = Rule {
    name: "ip",
    longest: 128,
    legal: |text| all(text, plain),
};

/// The longest metadata, keys and values together.
const METADATA: usize = 1024;

/// Refuses names and numbers that cannot be. `wanted` finds a parameter; a
/// list of clusters is one only where something is read.
pub(crate) fn check<'a>(
    wanted: impl Fn(&str) -> Option<&'a str>,
    reads: bool,
) -> Result<(), Illegal> {
    let one = |rule: &Rule, name: &str| wanted(name).map_or(Ok(()), |text| rule.check(text));
    one(&NAMESPACE, "namespaceId")?;
    one(&GROUP, "groupName")?;
    one(&IP, "ip")?;
    if let Some(name) = wanted("serviceName") {
        match split(name) {
            // Empty halves are the name filter's to refuse.
            Some(("", _) | (_, "")) => {}
            Some((group, name)) => {
                GROUP.check(group)?;
                SERVICE.check(name)?;
            }
            None => SERVICE.check(name)?,
        }
    }
    for name in ["clusterName", "cluster", "clusters"] {
        match wanted(name) {
            Some(list) if reads => list.split(',').try_for_each(|text| CLUSTER.check(text))?,
            Some(text) => CLUSTER.check(text)?,
            None => {}
        }
    }
    if let Some(Err(_)) = wanted("port").map(str::parse::<u16>) {
        return Err(illegal("port", "the value should be between 0 and 65535."));
    }
    match wanted("metadata").and_then(lengths) {
        Some(length) if length > METADATA => Err(too_long("Metadata", METADATA)),
        _ => Ok(()),
    }
}

/// The same for a namespace that is to be created.
pub(crate) fn check_namespace(id: &str, name: &str) -> Result<(), Illegal> {
    for (rule, text) in [(&NAMESPACE, id), (&NAMESPACE_NAME, name)] {
        if !text.trim().is_empty() {
            rule.check(text)?;
        }
    }
    Ok(())
}

/// Whether a namespace may be called so.
pub(crate) fn is_namespace_name(text: &str) -> bool {
    !text.is_empty() && all(text, |c| !"@#$%^&*".contains(c))
}

impl Rule {
    fn check(&self, text: &str) -> Result<(), Illegal> {
        if text.chars().count() > self.longest {
            Err(too_long(self.name, self.longest))
        } else if !(self.legal)(text) {
            Err(illegal(self.name, CHARACTERS))
        } else {
            Ok(())
        }
    }
}

/// A grouped name's two parts, of which the second one is whole.
fn split(name: &str) -> Option<(&str, &str)> {
    split_grouped(name)?;
    name.split_once("@@")
}

fn illegal(name: &'static str, reason: &str) -> Illegal {
    let reason = reason.to_owned();
    Illegal { name, reason }
}

fn too_long(name: &'static str, longest: usize) -> Illegal {
    let reason = format!("the param length should not exceed {longest}.");
    Illegal { name, reason }
}

/// The length of a JSON object's keys and texts. What is no such object is
/// looked at by whoever wants it.
fn lengths(metadata: &str) -> Option<usize> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(metadata).ok()?;
    let lengths = object.iter().map(|(key, value)| {
        let value = value.as_str().map_or(0, |text| text.chars().count());
        key.chars().count() + value
    });
    Some(lengths.sum())
}

fn all(text: &str, legal: impl Fn(char) -> bool) -> bool {
    text.chars().all(legal)
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Neither white space nor a Chinese character.
fn plain(c: char) -> bool {
    !matches!(c, ' ' | '\t'..='\r' | '\u{4e00}'..='\u{9fa5}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, value: &str) -> Option<&'static str> {
        let wanted = |asked: &str| (asked == name).then_some(value);
        match check(wanted, false) {
            Err(Illegal { name, .. }) => Some(name),
            Ok(()) => None,
        }
    }

    #[test]
    fn names_that_nacos_takes_pass_and_others_do_not() {
        for (name, value, as_) in [
            ("serviceName", "providers:com.x.Y:1.0:", None),
            ("serviceName", "G@@orders", None),
            ("serviceName", "@@orders", None),
            ("serviceName", "a@@b@@c", Some("serviceName")),
            ("serviceName", "with space", Some("serviceName")),
            ("serviceName", "\u{670d}\u{52a1}", Some("serviceName")),
            ("serviceName", "a b@@orders", Some("group")),
            ("groupName", "*", Some("group")),
            ("namespaceId", "bad id!", Some("namespaceId/tenant")),
            ("clusterName", "a_b", None),
            ("clusterName", "a,b", Some("cluster")),
            ("ip", "fe80::1%eth0", None),
            ("ip", "not an ip", Some("ip")),
            ("port", "65535", None),
            ("port", "65536", Some("port")),
            ("port", "-1", Some("port")),
        ] {
            assert_eq!(refused(name, value), as_, "{name}={value}");
        }
    }

    #[test]
    fn lists_of_clusters_are_read_and_never_written() {
        let clusters = |asked: &str| (asked == "clusterName").then_some("a,b");
        assert!(check(clusters, true).is_ok());
        assert!(check(clusters, false).is_err());
    }

    #[test]
    fn metadata_has_a_limit_for_all_of_it() {
        let of = |length: usize| format!(r#"{{"k":"{}"}}"#, "x".repeat(length));
        assert_eq!(refused("metadata", &of(1023)), None);
        assert_eq!(refused("metadata", &of(1024)), Some("Metadata"));
        assert_eq!(refused("metadata", "no object"), None);
    }
}
