//! Values that the configurations of all connectors are made of.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer};

/// A length of time as people write it: `5s`, `1h30m`, `250ms`.
///
/// A bare number is refused, because half of all readers would take it for
/// seconds and the other half for milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Period(Duration);

/// Units from the largest to the smallest, in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Longer than any sensible setting, and far from every overflow.
const LONGEST_MS: u64 = 3_650 * 86_400_000;

impl Period {
    /// No time at all.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// A number of milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// A number of seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    /// The length as the standard library has it.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Period {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl From<Period> for Duration {
    fn from(period: Period) -> Self {
        period.0
    }
}

/// Why a text is not a length of time. Reads on from the text itself:
/// "`5` needs a unit".
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadPeriod {
    /// Only a number.
    #[error("needs a unit, such as {0}s or {0}m")]
    NoUnit(String),
    /// Neither number nor unit, or a unit that does not exist.
    #[error("is not a length of time, such as 500ms, 5s, 10m, 1h30m or 2d")]
    NotOne,
    /// Beyond ten years.
    #[error("is longer than ten years")]
    TooLong,
}

impl FromStr for Period {
    type Err = BadPeriod;

    fn from_str(text: &str) -> Result<Self, BadPeriod> {
        let mut rest = text.trim();
        if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BadPeriod::NoUnit(rest.to_owned()));
        }
        let mut millis = 0_u64;
        let mut smaller_than = u64::MAX;
        while !rest.is_empty() {
            let (number, tail) = split(rest, |b| b.is_ascii_digit());
            let (unit, tail) = split(tail, |b| b.is_ascii_alphabetic());
            let number: u64 = number.parse().map_err(|_| BadPeriod::NotOne)?;
            let each = UNITS
                .iter()
                .find_map(|(name, each)| (*name == unit).then_some(*each))
                .filter(|each| *each < smaller_than)
                .ok_or(BadPeriod::NotOne)?;
            millis = number
                .checked_mul(each)
                .and_then(|part| millis.checked_add(part))
                .filter(|sum| *sum <= LONGEST_MS)
                .ok_or(BadPeriod::TooLong)?;
            smaller_than = each;
            rest = tail;
        }
        if smaller_than == u64::MAX {
            return Err(BadPeriod::NotOne);
        }
        Ok(Self::from_millis(millis))
    }
}

fn split(text: &str, belongs: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|b| !belongs(b)).unwrap_or(text.len());
    text.split_at(end)
}

/// The shortest text that reads back as the same period: `1h30m`, `0s`.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if left == 0 {
            return f.pad("0s");
        }
        let mut text = String::new();
        for (unit, each) in UNITS {
            if left >= each {
                text.push_str(&(left / each).to_string());
                text.push_str(unit);
                left %= each;
            }
        }
        f.pad(&text)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time with its unit: 500ms, 5s, 10m, 1h30m, 2d.",
            "type": "string",
            "pattern": r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$",
            "minLength": 2,
        })
    }
}

/// A file or folder named in a configuration.
///
/// Whoever reads the configuration resolves a relative path against the file
/// that it stands in, before anything else sees it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, serde::Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct FilePath(PathBuf);

impl FilePath {
    /// The name that a [`Deserializer`] is given for this type, by which a
    /// reader of configurations knows that the text is a path.
    pub const TYPE_NAME: &'static str = "FilePath";

    /// Takes the path as it is.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The path.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for FilePath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_read_as_people_write_them() {
        for (text, millis) in [
            ("0s", 0),
            ("250ms", 250),
            ("5s", 5_000),
            ("1h30m", 5_400_000),
            ("2d", 172_800_000),
            (" 90m ", 5_400_000),
        ] {
            assert_eq!(text.parse(), Ok(Period::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn a_bare_number_is_told_what_it_lacks() {
        let said = "5".parse::<Period>().map_err(|e| e.to_string());
        assert_eq!(said, Err("needs a unit, such as 5s or 5m".to_owned()));
    }

    #[test]
    fn nonsense_and_eternity_are_refused() {
        for text in [
            "", " ", "s", "5 s", "-5s", "5x", "5s5m", "1s1s", "1.5h", "5秒",
        ] {
            assert_eq!(text.parse::<Period>(), Err(BadPeriod::NotOne), "{text:?}");
        }
        for text in ["4000d", "18446744073709551615d", "3650d1ms"] {
            assert_eq!(text.parse::<Period>(), Err(BadPeriod::TooLong), "{text:?}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for millis in [0, 1, 999, 1_000, 61_001, 90_061_001, LONGEST_MS] {
            let period = Period::from_millis(millis);
            assert_eq!(period.to_string().parse(), Ok(period));
        }
        assert_eq!(Period::from_secs(5_400).to_string(), "1h30m");
    }
}
