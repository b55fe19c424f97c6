//! Names that users give: of endpoints, links and the install.
//!
//! They become metric labels, file names and words on a command line, so they
//! are kept to what needs no quoting anywhere.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use syncline_model::EndpointName;

use super::endpoint::Endpoint;

/// The rule for names, as a schema states it.
pub(super) const PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$";

/// Whether a text may be a name.
pub(crate) fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=63).contains(&text.len())
        && text.chars().all(legal)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Reads a name.
pub(super) fn name<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: From<String>,
{
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    if is_name(&text) {
        return Ok(T::from(text.into_owned()));
    }
    Err(de::Error::custom(
        "must be a name of at most 63 letters, digits, dots, dashes and underscores \
         that begins with a letter or digit",
    ))
}

/// Reads a name that may be left out.
pub(super) fn optional_name<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: From<String>,
{
    name(deserializer).map(Some)
}

/// Reads the endpoints by their names.
pub(super) fn endpoints<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<EndpointName, Endpoint>, D::Error> {
    struct Key(EndpointName);

    impl<'de> Deserialize<'de> for Key {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            name(deserializer).map(Self)
        }
    }

    struct Endpoints;

    impl<'de> Visitor<'de> for Endpoints {
        type Value = BTreeMap<EndpointName, Endpoint>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("endpoints by their names")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut endpoints = BTreeMap::new();
            while let Some((Key(name), endpoint)) = map.next_entry()? {
                endpoints.insert(name, endpoint);
            }
            Ok(endpoints)
        }
    }

    deserializer.deserialize_map(Endpoints)
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names_need_no_quotes() {
        for good in ["a", "hz-to-sh", "9", "prod_1.eu", &"x".repeat(63)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "-a", ".a", "a b", "a/b", "上海", "a:b", &"x".repeat(64)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
