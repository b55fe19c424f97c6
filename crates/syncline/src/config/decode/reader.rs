//! Nodes as serde sees them.

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};
use syncline_contract::FilePath;

use super::super::nearest::{did_you_mean, listed};
use super::super::tree::{Entry, Node, Scalar, Value};
use super::{Halt, Label, Pass, TAG, quote};

/// Reads one node.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) pass: &'a Pass<'a>,
    pub(super) node: &'a Node,
    pub(super) label: Label<'a>,
    /// Whether the mapping's tag has been read already.
    pub(super) tagged: bool,
}

impl<'a> Reader<'a> {
    fn scalar(&self, expected: &str) -> Result<&'a Scalar, Halt> {
        match &self.node.value {
            Value::Scalar(_) if self.node.is_null() => {
                Err(Halt::Wrong(format!("has no value; it must be {expected}")))
            }
            Value::Scalar(scalar) => Ok(scalar),
            Value::List(_) | Value::Map(_) => Err(Halt::Wrong(format!("must be {expected}"))),
        }
    }

    fn integer<T: TryFrom<i128>>(&self, from: i128, to: i128) -> Result<T, Halt> {
        let scalar = self.scalar("a number")?;
        let bad = || Halt::Wrong(format!("must be a whole number from {from} to {to}"));
        let number: i128 = scalar.text.parse().map_err(|_| bad())?;
        T::try_from(number).map_err(|_| bad())
    }

    fn list(&self) -> Result<&'a [Node], Halt> {
        match &self.node.value {
            Value::List(items) => Ok(items),
            Value::Scalar(scalar) if !self.node.is_null() => {
                let value = quote(scalar);
                Err(Halt::Wrong(format!("must be a list, such as [{value}]")))
            }
            Value::Scalar(_) => Ok(&[]),
            Value::Map(_) => Err(Halt::Wrong("must be a list".to_owned())),
        }
    }

    fn map(&self) -> Result<&'a [Entry], Halt> {
        match &self.node.value {
            Value::Map(entries) => Ok(entries),
            Value::Scalar(_) if self.node.is_null() => Ok(&[]),
            Value::Scalar(_) | Value::List(_) => Err(Halt::Wrong(
                "must be a mapping of keys to values".to_owned(),
            )),
        }
    }
}

macro_rules! integers {
    ($($method:ident, $visit:ident, $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
            visitor.$visit(self.integer(<$type>::MIN.into(), <$type>::MAX.into())?)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = Halt;

    integers! {
        deserialize_i8, visit_i8, i8;
        deserialize_i16, visit_i16, i16;
        deserialize_i32, visit_i32, i32;
        deserialize_i64, visit_i64, i64;
        deserialize_u8, visit_u8, u8;
        deserialize_u16, visit_u16, u16;
        deserialize_u32, visit_u32, u32;
        deserialize_u64, visit_u64, u64;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
        match &self.node.value {
            Value::Scalar(_) if self.node.is_null() => visitor.visit_unit(),
            Value::Scalar(scalar) => visitor.visit_str(&scalar.text),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
        match self.scalar("true or false")?.text.as_str() {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(Halt::Wrong("must be true or false".to_owned())),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
        let scalar = self.scalar("a number")?;
        let number = scalar.text.parse().ok().filter(|n: &f64| n.is_finite());
        visitor.visit_f64(number.ok_or_else(|| Halt::Wrong("must be a number".to_owned()))?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
        visitor.visit_str(&self.scalar("text")?.text)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
        if self.node.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Halt> {
        if name != FilePath::TYPE_NAME {
            return visitor.visit_newtype_struct(self);
        }
        let path = &self.scalar("a path")?.text;
        let file = self.pass.texts.file(self.node.mark.file);
        let path = file.resolve(path.as_ref()).to_string_lossy().into_owned();
        visitor.visit_newtype_struct(path.into_deserializer())
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
        visitor.visit_seq(Items {
            pass: self.pass,
            items: self.list()?.iter(),
            label: self.label.element(),
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Halt> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
        visitor.visit_map(Entries::new(self.pass, self.map()?, self.tagged))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Halt> {
        let entries = self.map()?;
        for entry in entries {
            let known = fields.contains(&entry.key.as_str()) || (self.tagged && entry.key == TAG);
            if !known && !self.pass.is_struck(&entry.value) {
                self.pass.unknown_key(entry, fields);
            }
        }
        let entries = Entries {
            known: Some(fields),
            ..Entries::new(self.pass, entries, self.tagged)
        };
        visitor.visit_map(entries).map_err(|halt| match halt {
            Halt::Missing(key) if self.node.get(key).is_some() => Halt::Lost,
            halt => halt,
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Halt> {
        let (name, content) = match &self.node.value {
            Value::Map(_) => {
                let tag = self.node.get(TAG).ok_or(Halt::Missing(TAG))?;
                if self.pass.is_struck(tag) {
                    return Err(Halt::Lost);
                }
                let content = Reader {
                    tagged: true,
                    ..self
                };
                (
                    Reader {
                        node: tag,
                        label: Label::Key(TAG),
                        ..self
                    },
                    Some(content),
                )
            }
            Value::Scalar(_) | Value::List(_) => (self, None),
        };
        let variant = name
            .scalar(&format!("one of {}", listed(variants)))
            .and_then(|scalar| known_variant(&scalar.text, variants));
        match variant {
            Ok(variant) => visitor.visit_enum(Variant { variant, content }),
            Err(halt) if content.is_some() => Err(self.pass.settle(name.node, name.label, halt)),
            Err(halt) => Err(halt),
        }
    }

    serde::forward_to_deserialize_any! {
        char bytes byte_buf unit_struct tuple_struct
    }
}

fn known_variant(text: &str, variants: &'static [&'static str]) -> Result<&'static str, Halt> {
    if let Some(variant) = variants.iter().find(|variant| **variant == text) {
        return Ok(variant);
    }
    let mut message = format!("is not one of {}", listed(variants));
    if let Some(hint) = did_you_mean(text, variants.iter().copied()) {
        message.push_str(&format!("; {hint}"));
    }
    Err(Halt::Wrong(message))
}

struct Items<'a> {
    pass: &'a Pass<'a>,
    items: std::slice::Iter<'a, Node>,
    label: Label<'a>,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Halt;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Halt> {
        let pass = self.pass;
        let Some(node) = self.items.by_ref().find(|node| !pass.is_struck(node)) else {
            return Ok(None);
        };
        let reader = Reader {
            pass,
            node,
            label: self.label,
            tagged: false,
        };
        seed.deserialize(reader)
            .map(Some)
            .map_err(|halt| pass.settle(node, self.label, halt))
    }
}

struct Entries<'a> {
    pass: &'a Pass<'a>,
    entries: std::slice::Iter<'a, Entry>,
    tagged: bool,
    known: Option<&'a [&'a str]>,
    value: Option<&'a Entry>,
}

impl<'a> Entries<'a> {
    fn new(pass: &'a Pass<'a>, entries: &'a [Entry], tagged: bool) -> Self {
        Self {
            pass,
            entries: entries.iter(),
            tagged,
            known: None,
            value: None,
        }
    }
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = Halt;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Halt> {
        let (pass, tagged, known) = (self.pass, self.tagged, self.known);
        self.value = self.entries.by_ref().find(|entry| {
            let is_tag = tagged && entry.key == TAG;
            let is_known = known.is_none_or(|known| known.contains(&entry.key.as_str()));
            is_known && !is_tag && !pass.is_struck(&entry.value)
        });
        let Some(entry) = self.value else {
            return Ok(None);
        };
        let key = entry.key.as_str();
        seed.deserialize(key.into_deserializer())
            .map(Some)
            .map_err(|halt: Halt| {
                let message = format!("`{key}` {halt}");
                let mut problems = pass.problems.borrow_mut();
                problems.add(pass.texts, entry.mark, message);
                pass.strike(&entry.value);
                Halt::Again
            })
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Halt> {
        let entry = self.value.take().ok_or(Halt::Lost)?;
        let reader = Reader {
            pass: self.pass,
            node: &entry.value,
            label: Label::Key(&entry.key),
            tagged: false,
        };
        seed.deserialize(reader)
            .map_err(|halt| self.pass.settle(&entry.value, Label::Key(&entry.key), halt))
    }
}

/// An enum: a plain word, or a mapping that says by its tag which variant its
/// other keys belong to.
struct Variant<'a> {
    variant: &'static str,
    content: Option<Reader<'a>>,
}

impl<'de, 'a> de::EnumAccess<'de> for Variant<'a> {
    type Error = Halt;
    type Variant = Content<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Content<'a>), Halt> {
        let variant: Result<S::Value, Halt> = seed.deserialize(self.variant.into_deserializer());
        Ok((variant?, Content(self.content)))
    }
}

struct Content<'a>(Option<Reader<'a>>);

impl Content<'_> {
    fn reader(&self) -> Result<Reader<'_>, Halt> {
        self.0
            .ok_or_else(|| Halt::Wrong("must be a mapping of keys to values".to_owned()))
    }
}

impl<'de> de::VariantAccess<'de> for Content<'_> {
    type Error = Halt;

    fn unit_variant(self) -> Result<(), Halt> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Halt> {
        seed.deserialize(self.reader()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Halt> {
        de::Deserializer::deserialize_seq(self.reader()?, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Halt> {
        de::Deserializer::deserialize_struct(self.reader()?, "", fields, visitor)
    }
}
