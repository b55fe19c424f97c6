//! File names for services whose names hold any character.

use std::path::PathBuf;

use syncline_model::ServiceKey;

/// `namespace/group/service.json`, each part escaped so that it is one plain
/// name: no separator, no `..`, nothing hidden.
pub(crate) fn relative_path(service: &ServiceKey) -> PathBuf {
    let mut path = PathBuf::from(escaped(service.namespace.as_str()));
    path.push(escaped(service.group.as_str()));
    path.push(escaped(service.name.as_str()) + ".json");
    path
}

/// Percent-encodes every byte that is not a letter, a digit, `-`, `_` or a dot
/// inside the name. An empty name becomes a lone `%`, which nothing else does.
fn escaped(name: &str) -> String {
    if name.is_empty() {
        return "%".to_owned();
    }
    let mut text = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if plain || (byte == b'.' && at > 0) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_the_folder() {
        for (name, expected) in [
            ("order", "order"),
            ("..", "%2E."),
            ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
            ("providers:c.t.Pay:1:g", "providers%3Ac.t.Pay%3A1%3Ag"),
            ("订单", "%E8%AE%A2%E5%8D%95"),
            ("a\0b", "a%00b"),
            ("", "%"),
        ] {
            assert_eq!(escaped(name), expected);
        }
    }
}
