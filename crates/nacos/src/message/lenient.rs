//! Field decoders that take what Nacos servers really send.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

/// Characters of a rejected element that are kept for the report.
const EXCERPT_CHARS: usize = 200;

/// A list in which one malformed element does not spoil the others.
///
/// Decodes from JSON text held in memory (`serde_json::from_slice` or
/// `from_str`); a streaming reader has no element to show when one fails.
#[derive(Debug, Clone, PartialEq)]
pub struct Lenient<T> {
    /// The elements that could be decoded, in order.
    pub items: Vec<T>,
    /// The elements that could not.
    pub rejected: Vec<Rejected>,
}

/// An element of a [`Lenient`] list that could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its place in the list as it was sent, from 0.
    pub index: usize,
    /// What is wrong with it.
    pub reason: String,
    /// The beginning of its JSON.
    pub excerpt: String,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "element {}: {}: {}",
            self.index, self.reason, self.excerpt
        )
    }
}

impl<T> Lenient<T> {
    /// Whether nothing was sent, neither good nor bad.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.rejected.is_empty()
    }
}

impl<T> From<Vec<T>> for Lenient<T> {
    fn from(items: Vec<T>) -> Self {
        Self {
            items,
            rejected: Vec::new(),
        }
    }
}

impl<T: Serialize> Serialize for Lenient<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.items.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(LenientVisitor(PhantomData))
    }
}

struct LenientVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for LenientVisitor<T> {
    type Value = Lenient<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut list = Lenient::from(Vec::new());
        let mut index = 0;
        while let Some(element) = seq.next_element::<&'de RawValue>()? {
            match serde_json::from_str(element.get()) {
                Ok(item) => list.items.push(item),
                Err(error) => list.rejected.push(Rejected {
                    index,
                    reason: error.to_string(),
                    excerpt: element.get().chars().take(EXCERPT_CHARS).collect(),
                }),
            }
            index += 1;
        }
        Ok(list)
    }
}

/// Decodes `null` as the default.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Decodes a whole number, written as a number or as a string. It is wider
/// than any port, so that 70000 reaches the caller, who can say whose it is.
pub(super) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = deserializer.deserialize_any(NumberVisitor)?;
    match number {
        Number::Absent => Ok(0),
        Number::Integer(value) => Ok(value),
        // Jackson accepts 8080.0 for an int.
        Number::Float(value) if value.fract() == 0.0 && value.abs() < 9.0e15 => Ok(value as i64),
        Number::Float(value) => Err(de::Error::custom(format_args!(
            "{value} is not a whole number"
        ))),
    }
}

/// Decodes a weight: a number, or a string as Jackson writes what JSON cannot
/// (`"NaN"`, seen on 1.3.0 to 2.5.1). Absent and `null` are Nacos's 1.0.
pub(super) fn weight<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let number = deserializer.deserialize_any(NumberVisitor)?;
    Ok(match number {
        Number::Absent => None,
        Number::Integer(value) => Some(value as f64),
        Number::Float(value) => Some(value),
    })
}

/// Encodes a weight as Jackson does, which puts what JSON cannot express into
/// a string.
pub(super) fn weight_out<S: Serializer>(weight: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if weight.is_finite() {
        serializer.serialize_f64(*weight)
    } else if weight.is_nan() {
        serializer.serialize_str("NaN")
    } else if *weight > 0.0 {
        serializer.serialize_str("Infinity")
    } else {
        serializer.serialize_str("-Infinity")
    }
}

enum Number {
    Absent,
    Integer(i64),
    Float(f64),
}

struct NumberVisitor;

impl<'de> Visitor<'de> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_unit<E>(self) -> Result<Number, E> {
        Ok(Number::Absent)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
        Ok(Number::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
        Ok(match i64::try_from(value) {
            Ok(value) => Number::Integer(value),
            Err(_) => Number::Float(value as f64),
        })
    }

    fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
        Ok(Number::Float(value))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
        if let Ok(value) = text.parse() {
            return Ok(Number::Integer(value));
        }
        text.parse()
            .map(Number::Float)
            .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

/// Decodes metadata: `null` as none, entries whose value is `null` as absent,
/// and scalars as the text that Jackson would coerce them to.
pub(super) fn metadata<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(MetadataVisitor)
}

struct MetadataVisitor;

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with text values")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(BTreeMap::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut metadata = BTreeMap::new();
        while let Some((key, Scalar(value))) = map.next_entry()? {
            if let Some(value) = value {
                metadata.insert(key, value);
            }
        }
        Ok(metadata)
    }
}

/// A scalar as text; `None` for `null`.
struct Scalar(Option<String>);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor).map(Self)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number, true, false or null")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Self::Value, E> {
        Ok(Some(value))
    }
}
