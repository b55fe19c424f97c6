//! File names for services whose names hold any character.

use std::path::PathBuf;

use syncline_model::ServiceKey;

/// A longer part is cut: file systems take 255 bytes, and extensions and staged
/// files add some. Nacos takes service names of 512 characters.
const LONGEST: usize = 200;

/// `namespace/group/service.extension`, each part escaped so that it is one
/// plain name: no separator, no `..`, nothing hidden.
pub fn service_path(service: &ServiceKey, extension: &str) -> PathBuf {
    let mut path = PathBuf::from(escaped(service.namespace.as_str()));
    path.push(escaped(service.group.as_str()));
    path.push(format!("{}.{extension}", escaped(service.name.as_str())));
    path
}

/// `namespace@@group@@service.extension`: the same in one name, for consumers
/// that take all files of a folder and of none below it.
pub fn service_file(service: &ServiceKey, extension: &str) -> PathBuf {
    let namespace = escaped_to(service.namespace.as_str(), 48);
    let group = escaped_to(service.group.as_str(), 64);
    let name = escaped_to(service.name.as_str(), 96);
    PathBuf::from(format!("{namespace}@@{group}@@{name}.{extension}"))
}

fn escaped(name: &str) -> String {
    escaped_to(name, LONGEST)
}

/// Percent-encodes every byte that is not a letter, a digit, `-`, `_` or a dot
/// inside the name. An empty name becomes a lone `%`, which nothing else does,
/// and a long one ends in `~` and a hash of it all.
fn escaped_to(name: &str, longest: usize) -> String {
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
    if text.len() > longest {
        let hash = format!("~{:032x}", fnv1a(name));
        text.truncate(longest - hash.len());
        text.push_str(&hash);
    }
    text
}

/// FNV-1a with 128 bits: the same on every machine and in every version, since
/// the names of files must not change.
fn fnv1a(text: &str) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0100_0000_0000_0000_0000_013b;
    text.bytes().fold(BASIS, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(PRIME)
    })
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

    #[test]
    fn services_side_by_side_have_names_of_their_own() {
        let name = |n, g, s| service_file(&ServiceKey::new(n, g, s), "json");
        assert_eq!(
            name("public", "DEFAULT_GROUP", "a@@b").as_os_str(),
            "public@@DEFAULT_GROUP@@a%40%40b.json"
        );
        assert_ne!(name("a", "@@b", "c"), name("a@@", "b", "c"));
        let long = "单".repeat(200);
        let longest = name(&long, &long, &long);
        assert!(longest.as_os_str().len() <= 240, "{}", longest.display());
    }

    #[test]
    fn long_names_stay_apart_and_fit() {
        let long = "单".repeat(200);
        let (one, other) = (escaped(&format!("{long}1")), escaped(&format!("{long}2")));
        assert_ne!(one, other);
        assert_eq!((one.len(), other.len()), (LONGEST, LONGEST));
        assert_eq!(escaped(&"a".repeat(LONGEST)), "a".repeat(LONGEST));
    }
}
