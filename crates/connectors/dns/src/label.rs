//! Names of any kind as labels that DNS can hold, and back.
//!
//! A label has letters, digits, `-` and, inside, `_`; letters are lower case,
//! since DNS compares without case. Every other byte becomes `--` and its two
//! hexadecimal digits. A hyphen stays only between two characters that stay, so
//! that `--` always begins an escape, and a label can be read back, but for its
//! case. What is too long ends in `--h` and a hash instead. None begins with `_`,
//! which marks what is no name of ours: `_service._tcp`.

/// The label of a name, no longer than `longest`; `None` for an empty name.
pub(crate) fn escaped(name: &str, longest: usize) -> Option<String> {
    if name.is_empty() {
        return None;
    }
    let units = units(name);
    let whole: usize = units.iter().map(String::len).sum();
    if whole > longest {
        return Some(hashed(name, name, longest));
    }
    Some(units.concat())
}

/// The label of a name that stands apart from all others, even from those that
/// differ from it in case alone: with a hash of `exact`.
pub(crate) fn hashed(name: &str, exact: &str, longest: usize) -> String {
    let ending = format!("--h{:016x}", fnv1a(exact));
    let mut label = String::new();
    for unit in units(name) {
        if label.len() + unit.len() + ending.len() > longest {
            break;
        }
        label.push_str(&unit);
    }
    // A hyphen beside the escape would make it ambiguous.
    let kept = label.trim_end_matches('-').len();
    label.truncate(kept);
    label.push_str(&ending);
    label
}

/// What each byte of a name becomes.
fn units(name: &str) -> Vec<String> {
    let bytes = name.as_bytes();
    let at = |place: Option<usize>| place.and_then(|place| bytes.get(place)).copied();
    let stays = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    let unit = |(place, byte): (usize, &u8)| match *byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte.to_ascii_lowercase()).to_string(),
        b'_' if place > 0 => "_".to_owned(),
        b'-' if stays(at(place.checked_sub(1))) && stays(at(Some(place + 1))) => "-".to_owned(),
        byte => format!("--{byte:02x}"),
    };
    bytes.iter().enumerate().map(unit).collect()
}

/// FNV-1a with 64 bits: the same on every machine and in every version, since
/// consumers have these names in their configurations.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The name of a label that was not cut, in lower case.
    fn unescaped(label: &str) -> Option<String> {
        let mut bytes = Vec::new();
        let mut rest = label;
        while !rest.is_empty() {
            if let Some(escape) = rest.strip_prefix("--") {
                bytes.push(u8::from_str_radix(escape.get(..2)?, 16).ok()?);
                rest = &escape[2..];
            } else {
                bytes.push(rest.as_bytes()[0]);
                rest = &rest[1..];
            }
        }
        String::from_utf8(bytes).ok()
    }

    #[test]
    fn plain_names_stay_and_others_are_escaped() {
        for (name, label) in [
            ("order-service", "order-service"),
            ("DEFAULT_GROUP", "default_group"),
            ("shop.order", "shop--2eorder"),
            (
                "providers:c.Pay:1.0:",
                "providers--3ac--2epay--3a1--2e0--3a",
            ),
            ("_tcp", "--5ftcp"),
            ("a--b", "a--2d--2db"),
            ("-a-", "--2da--2d"),
            ("a-:b", "a--2d--3ab"),
            ("订", "--e8--ae--a2"),
            ("*", "--2a"),
        ] {
            assert_eq!(escaped(name, 62).as_deref(), Some(label), "{name}");
        }
        assert_eq!(escaped("", 62), None);
    }

    #[test]
    fn long_names_stay_apart_and_fit() {
        let long = "providers:com.example.order.api.OrderService:1.0.0:blue";
        let (one, other) = (
            escaped(&format!("{long}1"), 62),
            escaped(&format!("{long}2"), 62),
        );
        assert_ne!(one, other);
        assert!(
            one.is_some_and(|label| label.len() <= 62 && label.starts_with("providers--3acom"))
        );
        assert_eq!(escaped(&"a".repeat(62), 62), Some("a".repeat(62)));
    }

    proptest! {
        #[test]
        fn every_label_is_one_that_dns_holds(name in ".{1,80}") {
            let label = escaped(&name, 62).expect("not empty");
            prop_assert!(!label.is_empty() && label.len() <= 62);
            let holds = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
            prop_assert!(label.bytes().all(holds), "{label}");
            prop_assert!(!label.starts_with('_'), "{label}");
        }

        #[test]
        fn labels_read_back(name in "[-_.:@a-zA-Z0-9é订]{1,12}") {
            let label = escaped(&name, 200).expect("not empty");
            prop_assert_eq!(unescaped(&label), Some(name.to_ascii_lowercase()));
        }
    }
}
