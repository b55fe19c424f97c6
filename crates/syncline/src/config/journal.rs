//! How much of the journal is kept.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use syncline_contract::Period;
use syncline_engine::journal::JournalOptions;

/// How much of the journal is kept: what was done, and why. The oldest parts
/// go first, an eighth at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// How much room it may take.
    pub max_size: Size,
    /// How old its lines may become.
    pub max_age: Period,
}

impl Default for Journal {
    fn default() -> Self {
        let JournalOptions {
            max_bytes, max_age, ..
        } = JournalOptions::default();
        Self {
            max_size: Size(max_bytes),
            max_age: max_age.into(),
        }
    }
}

/// Below this nothing of use would be left.
const LEAST_SIZE: Size = Size(1 << 20);
const LEAST_AGE: Period = Period::from_secs(3_600);

impl Journal {
    /// The same, as the journal takes it.
    pub fn options(&self) -> JournalOptions {
        JournalOptions::keeping(self.max_size.0, self.max_age.get())
    }

    /// What is wrong with it, by the key.
    pub(super) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if self.max_size < LEAST_SIZE {
            let message = format!("`max_size` must be at least {LEAST_SIZE}");
            faults.push(("max_size", message));
        }
        if self.max_age.get() < LEAST_AGE.get() {
            faults.push(("max_age", format!("`max_age` must be at least {LEAST_AGE}")));
        }
        faults
    }
}

/// A number of bytes, written with its unit: `512MiB`, `1GiB`, `2GB`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(u64);

/// Units, the largest first of those that are powers of 1024.
const UNITS: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
];

/// What is wrong with a size, as it reads on from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be a whole number with its unit, such as 512MiB, 1GiB or 2GB")]
pub struct BadSize;

impl TryFrom<String> for Size {
    type Error = BadSize;

    fn try_from(text: String) -> Result<Self, BadSize> {
        let text = text.trim();
        let parsed = UNITS.iter().find_map(|(unit, each)| {
            let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
            number.checked_mul(*each)
        });
        parsed.map(Self).ok_or(BadSize)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, each): &&(&str, u64)| self.0 >= *each && self.0.is_multiple_of(*each);
        match UNITS.iter().find(whole) {
            Some((unit, each)) => write!(f, "{}{unit}", self.0 / each),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^\d+ ?[KMGT](i?)B$",
            "examples": ["512MiB", "1GiB"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_journals_own() {
        assert_eq!(Journal::default().options(), JournalOptions::default());
        assert!(Journal::default().faults().is_empty());
    }

    #[test]
    fn sizes_have_units() {
        let size = |text: &str| Size::try_from(text.to_owned());
        for (text, bytes) in [
            ("1GiB", 1 << 30),
            ("512 MiB", 512 << 20),
            ("2GB", 2_000_000_000),
        ] {
            assert_eq!(size(text), Ok(Size(bytes)), "{text}");
        }
        for text in [
            "",
            "1",
            "1g",
            "-1MiB",
            "1.5GiB",
            "MiB",
            "99999999TiB",
            "1 GiBB",
        ] {
            assert_eq!(size(text), Err(BadSize), "{text}");
        }
        assert_eq!(Size(1 << 30).to_string(), "1GiB");
        assert_eq!(Size(1_500_000).to_string(), "1500KB");
    }
}
