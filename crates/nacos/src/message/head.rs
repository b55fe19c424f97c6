//! Splits what every message has from what it is.
//!
//! Nacos mixes both into one JSON object: `requestId` and `headers` beside the
//! fields of a request, `resultCode` and its companions beside those of a
//! response. A [`Head`] picks its fields while the body is being decoded, so
//! that large lists are read once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};

use super::lenient;

/// Fields that every request may carry.
#[derive(Debug, Default, PartialEq)]
pub(super) struct RequestHead {
    pub(super) request_id: Option<String>,
    pub(super) headers: BTreeMap<String, String>,
}

/// Fields that every response carries.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ResponseHead {
    pub(super) request_id: Option<String>,
    pub(super) result_code: Option<i64>,
    pub(super) error_code: i64,
    pub(super) message: Option<String>,
}

/// What may be picked from the object.
pub(super) trait Head: Default {
    /// Takes the value if the key is one of the head's, and says whether it
    /// was.
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error>;
}

impl Head for RequestHead {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "requestId" => self.request_id = map.next_value()?,
            "headers" => self.headers = map.next_value::<Texts>()?.0,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Head for ResponseHead {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "requestId" => self.request_id = map.next_value()?,
            "resultCode" => self.result_code = map.next_value()?,
            "errorCode" => self.error_code = map.next_value::<Option<_>>()?.unwrap_or(0),
            "message" => self.message = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(serde::Deserialize)]
struct Texts(#[serde(deserialize_with = "lenient::metadata")] BTreeMap<String, String>);

/// A head and the body around it.
pub(super) struct Split<H, T> {
    pub(super) head: H,
    pub(super) body: T,
}

impl<'de, H: Head, T: Deserialize<'de>> Deserialize<'de> for Split<H, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SplitVisitor(PhantomData))
    }
}

struct SplitVisitor<H, T>(PhantomData<(H, T)>);

impl<'de, H: Head, T: Deserialize<'de>> Visitor<'de> for SplitVisitor<H, T> {
    type Value = Split<H, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let mut head = H::default();
        let body = T::deserialize(MapAccessDeserializer::new(Picking {
            map,
            head: &mut head,
        }))?;
        Ok(Split { head, body })
    }
}

/// A map that keeps the head's entries to itself.
struct Picking<'h, A, H> {
    map: A,
    head: &'h mut H,
}

impl<'de, A: MapAccess<'de>, H: Head> MapAccess<'de> for Picking<'_, A, H> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(Key(key)) = self.map.next_key()? {
            if !self.head.take(&key, &mut self.map)? {
                let key: StrDeserializer<'_, A::Error> = key.as_ref().into_deserializer();
                return seed.deserialize(key).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// A key, borrowed from the text unless it has escapes.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Nothing but the head, whatever the body may be.
pub(super) fn head_of<H: Head>(json: &[u8]) -> Result<H, serde_json::Error> {
    let split: Split<H, serde::de::IgnoredAny> = serde_json::from_slice(json)?;
    Ok(split.head)
}

/// A request as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestOut<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<&'a str>,
    pub(super) module: &'static str,
    #[serde(flatten)]
    pub(super) body: &'a T,
}

/// A response as it is written. `success` is derived, but the Go SDK reads it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResponseOut<'a, T> {
    pub(super) result_code: i64,
    pub(super) error_code: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<&'a str>,
    pub(super) success: bool,
    #[serde(flatten)]
    pub(super) body: &'a T,
}
