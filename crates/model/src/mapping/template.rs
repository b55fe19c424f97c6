//! Names made from names: `hz-{cluster}`.

use std::fmt;
use std::sync::Arc;

use crate::nearest::{hint, nearest};

/// A field that a template may name.
pub trait Field: Copy + PartialEq + 'static {
    /// All of them, under the names by which templates call them.
    const NAMED: &'static [(&'static str, Self)];
}

/// What is known of a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServiceField {
    /// `{namespace}`: the namespace at the source.
    Namespace,
    /// `{group}`: the group at the source.
    Group,
    /// `{service}`: the name at the source.
    Service,
    /// `{source}`: the endpoint that the link reads from.
    Source,
}

/// What is known of an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InstanceField {
    /// What is known of its service.
    Of(ServiceField),
    /// `{cluster}`: its cluster at the source.
    Cluster,
}

impl Field for ServiceField {
    const NAMED: &'static [(&'static str, Self)] = &[
        ("namespace", Self::Namespace),
        ("group", Self::Group),
        ("service", Self::Service),
        ("source", Self::Source),
    ];
}

impl Field for InstanceField {
    const NAMED: &'static [(&'static str, Self)] = &[
        ("namespace", Self::Of(ServiceField::Namespace)),
        ("group", Self::Of(ServiceField::Group)),
        ("service", Self::Of(ServiceField::Service)),
        ("cluster", Self::Cluster),
        ("source", Self::Of(ServiceField::Source)),
    ];
}

/// Text with fields in braces. A brace itself is written twice: `{{`, `}}`.
///
/// Which fields there are is the template's type: the name of a service cannot
/// be made from the cluster of an instance.
#[derive(Clone, PartialEq, Eq)]
pub struct Template<F> {
    text: Arc<str>,
    parts: Box<[Part<F>]>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part<F> {
    Text(Arc<str>),
    Field(F),
}

/// A template that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{kind}, at character {position} of the template `{template}`")]
pub struct TemplateError {
    /// As it was written.
    pub template: String,
    /// Which character is wrong, counted from 1.
    pub position: usize,
    /// What is wrong with it.
    pub kind: TemplateFault,
}

/// What is wrong with a template.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TemplateFault {
    /// `{` without `}`.
    #[error("`{{` is never closed (a brace itself is written `{{{{`)")]
    Unclosed,
    /// `}` without `{`.
    #[error("`}}` closes nothing (a brace itself is written `}}}}`)")]
    Unopened,
    /// A field that does not exist, or not here.
    #[error("there is no field `{field}` here, only {known}{}", hint(.nearest.as_deref()))]
    UnknownField {
        /// As it was written.
        field: String,
        /// The fields that exist, for people.
        known: String,
        /// The one that was probably meant.
        nearest: Option<&'static str>,
    },
}

impl<F: Field> Template<F> {
    /// The template that is one field and nothing else.
    pub fn field(field: F) -> Self {
        let named = F::NAMED.iter().find(|(_, known)| *known == field);
        let name = named.map_or("", |(name, _)| name);
        Self {
            text: format!("{{{name}}}").into(),
            parts: Box::new([Part::Field(field)]),
        }
    }

    /// Parses a template.
    ///
    /// # Errors
    /// A brace without its other, or a field that does not exist, with its
    /// position.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let fault = |at: usize, kind| TemplateError {
            template: text.to_owned(),
            position: text[..at].chars().count() + 1,
            kind,
        };
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = text.len() - rest.len() + at;
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("{{") {
                literal.push('{');
                rest = after;
            } else if let Some(after) = rest.strip_prefix("}}") {
                literal.push('}');
                rest = after;
            } else if let Some(after) = rest.strip_prefix('{') {
                let (name, after) = after
                    .split_once('}')
                    .ok_or_else(|| fault(brace, TemplateFault::Unclosed))?;
                flush(&mut literal, &mut parts);
                let field = lookup(name).map_err(|kind| fault(brace + 1, kind))?;
                parts.push(Part::Field(field));
                rest = after;
            } else {
                return Err(fault(brace, TemplateFault::Unopened));
            }
        }
        literal.push_str(rest);
        flush(&mut literal, &mut parts);
        Ok(Self {
            text: text.into(),
            parts: parts.into(),
        })
    }

    /// Whether the template is this field and nothing else.
    pub fn is_field(&self, field: F) -> bool {
        matches!(&*self.parts, [Part::Field(only)] if *only == field)
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Fills the fields in. What consists of one part is shared, not copied.
    pub(super) fn fill<'a>(&'a self, value: impl Fn(F) -> &'a Arc<str>) -> Arc<str> {
        let part = |part: &'a Part<F>| match part {
            Part::Text(text) => text,
            Part::Field(field) => value(*field),
        };
        match &*self.parts {
            [only] => Arc::clone(part(only)),
            parts => {
                let mut filled = String::new();
                for each in parts {
                    filled.push_str(part(each));
                }
                filled.into()
            }
        }
    }
}

fn flush<F>(literal: &mut String, parts: &mut Vec<Part<F>>) {
    if !literal.is_empty() {
        parts.push(Part::Text(std::mem::take(literal).into()));
    }
}

fn lookup<F: Field>(name: &str) -> Result<F, TemplateFault> {
    if let Some((_, field)) = F::NAMED.iter().find(|(known, _)| *known == name) {
        return Ok(*field);
    }
    let names: Vec<&'static str> = F::NAMED.iter().map(|(name, _)| *name).collect();
    Err(TemplateFault::UnknownField {
        field: name.to_owned(),
        nearest: nearest(name, &names),
        known: names.join(", "),
    })
}

impl<F> fmt::Debug for Template<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        let [namespace, group, service, source, cluster] =
            ["ns", "g", "订单", "hangzhou", "c"].map(Arc::<str>::from);
        let template = Template::<InstanceField>::parse(text).expect("legal");
        let value = |field| match field {
            InstanceField::Cluster => &cluster,
            InstanceField::Of(ServiceField::Namespace) => &namespace,
            InstanceField::Of(ServiceField::Group) => &group,
            InstanceField::Of(ServiceField::Service) => &service,
            InstanceField::Of(ServiceField::Source) => &source,
        };
        template.fill(value).to_string()
    }

    fn fault(text: &str) -> (usize, TemplateFault) {
        let error = Template::<ServiceField>::parse(text).expect_err("malformed");
        assert_eq!(error.template, text);
        (error.position, error.kind)
    }

    #[test]
    fn fields_are_filled_in_and_doubled_braces_are_braces() {
        assert_eq!(filled("hz-{cluster}"), "hz-c");
        assert_eq!(filled("{namespace}.{group}.{service}"), "ns.g.订单");
        assert_eq!(filled("{source}{source}"), "hangzhouhangzhou");
        assert_eq!(filled("{{{cluster}}}"), "{c}");
        assert_eq!(filled(r#"{{"a":{{}}}}"#), r#"{"a":{}}"#);
        assert_eq!(filled(""), "");
        assert_eq!(filled("fixed"), "fixed");
    }

    #[test]
    fn errors_tell_the_character() {
        assert_eq!(fault("订-{group"), (3, TemplateFault::Unclosed));
        assert_eq!(fault("{group}}"), (8, TemplateFault::Unopened));
        assert_eq!(fault("{"), (1, TemplateFault::Unclosed));
        let (position, kind) = fault("a{{{grp}");
        assert_eq!(position, 5);
        let text = kind.to_string();
        assert!(
            text.contains("`grp`") && text.contains("namespace, group"),
            "{text}"
        );
        assert!(text.ends_with("did you mean `group`?"), "{text}");
    }

    #[test]
    fn a_service_cannot_be_named_after_a_cluster() {
        let (position, kind) = fault("{cluster}");
        assert_eq!(position, 2);
        assert!(matches!(kind, TemplateFault::UnknownField { field, .. } if field == "cluster"));
        assert!(matches!(fault("{}").1, TemplateFault::UnknownField { .. }));
    }

    #[test]
    fn a_single_part_is_shared() {
        let value: Arc<str> = "x".into();
        for template in [
            Template::parse("{group}").expect("legal"),
            Template::field(ServiceField::Group),
        ] {
            assert!(template.is_field(ServiceField::Group));
            assert_eq!(template.as_str(), "{group}");
            assert!(Arc::ptr_eq(&template.fill(|_| &value), &value));
        }
        let template = Template::<ServiceField>::parse("{group}-").expect("legal");
        assert!(!template.is_field(ServiceField::Group));
    }
}
