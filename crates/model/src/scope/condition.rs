//! `where`: an expression that an instance has to fulfil.

use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::value::{Enumerator, Object, ObjectExt, Value, ValueKind};
use minijinja::{Environment, Expression};

use crate::instance::{Instance, Metadata, Seen};
use crate::name::ServiceKey;
use crate::nearest::{hint, nearest};

/// An expression over the fields of an instance, such as
/// `metadata["scrape"] == "true" and weight > 0`.
///
/// The fields are `namespace`, `group`, `service`, `cluster`, `host` (or `ip`),
/// `port`, `weight`, `healthy`, `enabled`, `ephemeral` and `metadata`. The
/// language is Jinja's: `and`, `or`, `not`, `in`, comparisons, filters such as
/// `|int` and `|lower`, tests such as `is startingwith "v2"`.
///
/// Metadata values are text: compare numbers as `metadata["v"]|int >= 3`. A key
/// that is missing equals nothing, is false, and sorts below everything.
///
/// The answer is a truth value, never what happens to be non-empty: a bare
/// `metadata["scrape"]` would let the text `false` in, so it has no answer.
#[derive(Clone)]
pub struct Condition(Arc<Compiled>);

struct Compiled {
    text: Box<str>,
    expression: Expression<'static, 'static>,
    /// The fields it uses that a view may be unable to tell.
    doubtful: Vec<Doubtful>,
}

/// An expression that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConditionError {
    /// It is not an expression.
    #[error("the condition `{condition}` is not an expression")]
    Syntax {
        /// As it was written.
        condition: String,
        /// What is wrong, and where.
        source: minijinja::Error,
    },
    /// It names a field that instances do not have.
    #[error(
        "the condition `{condition}` names the unknown field `{field}`{}",
        hint(.nearest.as_deref())
    )]
    UnknownField {
        /// As it was written.
        condition: String,
        /// The name that is not known.
        field: String,
        /// The one that was probably meant.
        nearest: Option<&'static str>,
    },
}

/// The condition has no answer for an instance.
#[derive(Debug, thiserror::Error)]
pub enum Undecided {
    /// The answer hangs on a field that the view cannot tell.
    #[error("the answer of the condition depends on `{0}`, which this view cannot tell")]
    Unknown(&'static str),
    /// The answer is not a truth value.
    #[error("the condition answers with a {0}; compare it with something, as in `… == \"true\"`")]
    NotBoolean(ValueKind),
    /// A value does not fit what the condition does with it.
    #[error("the condition cannot be evaluated")]
    Failed(#[source] minijinja::Error),
}

const FIELDS: [&str; 12] = [
    "namespace",
    "group",
    "service",
    "cluster",
    "host",
    "ip",
    "port",
    "weight",
    "healthy",
    "enabled",
    "ephemeral",
    "metadata",
];

/// Enough for some hundred operators on one instance; stops what would go on
/// for ever.
const FUEL: u64 = 50_000;

/// The language. It is the same for all conditions and never changes.
static LANGUAGE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut language = Environment::new();
    language.set_fuel(Some(FUEL));
    language
});

impl Condition {
    /// Compiles a condition.
    ///
    /// # Errors
    /// It is not an expression, or it names a field that does not exist.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        let expression = LANGUAGE
            .compile_expression_owned(text.to_owned())
            .map_err(|source| ConditionError::Syntax {
                condition: text.to_owned(),
                source,
            })?;
        let used = expression.undeclared_variables(false);
        let unknown = used.iter().filter(|name| !FIELDS.contains(&name.as_str()));
        if let Some(field) = unknown.min() {
            return Err(ConditionError::UnknownField {
                condition: text.to_owned(),
                field: field.clone(),
                nearest: nearest(field, &FIELDS),
            });
        }
        let doubtful = [Doubtful::Healthy, Doubtful::Ephemeral];
        Ok(Self(Arc::new(Compiled {
            text: text.into(),
            expression,
            doubtful: doubtful
                .into_iter()
                .filter(|field| used.contains(field.name()))
                .collect(),
        })))
    }

    /// The condition as it was written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether an instance fulfils it.
    ///
    /// A field that the view cannot tell is tried both ways: where that makes
    /// no difference, there is an answer all the same.
    ///
    /// # Errors
    /// There is no answer for this instance.
    pub fn holds(&self, service: &ServiceKey, instance: &Instance) -> Result<bool, Undecided> {
        let unknown = |field: &&Doubtful| field.of(instance) == Seen::Unknown;
        let Some(field) = self.0.doubtful.iter().find(unknown) else {
            return self.evaluate(service, instance);
        };
        let without = self.holds(service, &field.assumed(instance, false))?;
        let with = self.holds(service, &field.assumed(instance, true))?;
        if with == without {
            Ok(with)
        } else {
            Err(Undecided::Unknown(field.name()))
        }
    }

    fn evaluate(&self, service: &ServiceKey, instance: &Instance) -> Result<bool, Undecided> {
        let fields = Fields {
            service: service.clone(),
            instance: instance.clone(),
        };
        let answer = self
            .0
            .expression
            .eval(Value::from_object(fields))
            .map_err(Undecided::Failed)?;
        match answer.kind() {
            ValueKind::Bool => Ok(answer.is_true()),
            ValueKind::Undefined => Ok(false),
            other => Err(Undecided::NotBoolean(other)),
        }
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Condition {}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// A field that a view may be unable to tell.
#[derive(Clone, Copy, Debug)]
enum Doubtful {
    Healthy,
    Ephemeral,
}

impl Doubtful {
    fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Ephemeral => "ephemeral",
        }
    }

    fn of(self, instance: &Instance) -> Seen<bool> {
        match self {
            Self::Healthy => instance.healthy,
            Self::Ephemeral => instance.ephemeral,
        }
    }

    fn assumed(self, instance: &Instance, value: bool) -> Instance {
        let mut assumed = instance.clone();
        match self {
            Self::Healthy => assumed.healthy = Seen::Known(value),
            Self::Ephemeral => assumed.ephemeral = Seen::Known(value),
        }
        assumed
    }
}

/// The fields of one instance as variables; only those that are used are
/// converted.
#[derive(Debug)]
struct Fields {
    service: ServiceKey,
    instance: Instance,
}

impl Object for Fields {
    fn get_value(self: &Arc<Self>, name: &Value) -> Option<Value> {
        self.get_value_by_str(name.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        let Self { service, instance } = &**self;
        let seen = |field: Seen<bool>| match field {
            Seen::Known(value) => Value::from(value),
            Seen::Unknown => Value::from(()),
        };
        Some(match name {
            "namespace" => Value::from(service.namespace.shared()),
            "group" => Value::from(service.group.shared()),
            "service" => Value::from(service.name.shared()),
            "cluster" => Value::from(instance.key.cluster.shared()),
            "host" | "ip" => Value::from(instance.key.host.as_str()),
            "port" => Value::from(instance.key.port.get()),
            "weight" => Value::from(instance.weight.get()),
            "healthy" => seen(instance.healthy),
            "enabled" => Value::from(instance.enabled),
            "ephemeral" => seen(instance.ephemeral),
            "metadata" => Value::from_object(Pairs(instance.metadata.clone())),
            _ => return None,
        })
    }
}

#[derive(Debug)]
struct Pairs(Metadata);

impl Object for Pairs {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.get(key).map(Value::from)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.mapped_enumerator(|pairs| Box::new(pairs.0.iter().map(|(key, _)| Value::from(key))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::{Port, Weight};

    fn instance() -> Instance {
        let mut instance = Instance::new("10.0.0.7", Port::new(8080).expect("not zero"));
        instance.key.cluster = "hz".into();
        instance.weight = Weight::new(2.5).expect("legal");
        instance.metadata = Metadata::from_pairs([("scrape", "true"), ("v", "12")]);
        instance
    }

    fn answer(text: &str, instance: &Instance) -> Result<bool, Undecided> {
        let service = ServiceKey::new("public", "PAY", "order");
        Condition::parse(text)
            .expect("legal")
            .holds(&service, instance)
    }

    fn holds(text: &str) -> bool {
        answer(text, &instance()).expect("decided")
    }

    #[test]
    fn every_field_can_be_asked() {
        for text in [
            r#"namespace == "public""#,
            r#"group == "PAY""#,
            r#"service is startingwith "ord""#,
            r#"cluster in ["hz", "sh"]"#,
            r#"ip == "10.0.0.7" and host == ip"#,
            "port == 8080",
            "weight > 2 and weight < 3",
            "healthy and enabled and ephemeral",
            r#"metadata["scrape"] == "true" and weight > 0"#,
            r#"metadata.scrape == "true""#,
            r#""v" in metadata"#,
            r#"metadata["v"]|int >= 12"#,
        ] {
            assert!(holds(text), "{text}");
        }
        assert!(!holds(r#"cluster == "sh""#));
    }

    #[test]
    fn a_missing_key_equals_nothing() {
        assert!(!holds(r#"metadata["none"] == "true""#));
        assert!(!holds(
            r#"metadata["none"] == "" or metadata["none"] == none"#
        ));
        assert!(holds(r#"metadata["none"] != "true""#));
        assert!(!holds(r#"metadata["none"]"#));
        assert!(!holds(r#"metadata["none"] is defined"#));
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest() {
        let error = Condition::parse("wieght > 0 and healthy").expect_err("unknown");
        assert!(
            error
                .to_string()
                .ends_with("`wieght`; did you mean `weight`?"),
            "{error}"
        );
        let error = Condition::parse("range(9)").expect_err("no functions");
        assert!(matches!(error, ConditionError::UnknownField { field, .. } if field == "range"));
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in ["", "weight >", "a b", "{{ weight }}", "metadata[\"x\""] {
            let error = Condition::parse(text).expect_err(text);
            assert!(matches!(error, ConditionError::Syntax { .. }), "{error}");
        }
    }

    #[test]
    fn an_unknown_field_is_no_answer_where_it_matters() {
        let mut doubtful = instance();
        doubtful.ephemeral = Seen::Unknown;
        doubtful.healthy = Seen::Unknown;
        for text in [
            "ephemeral",
            "not ephemeral",
            "weight > 0 and ephemeral == true",
        ] {
            let error = answer(text, &doubtful).expect_err(text);
            assert!(
                matches!(error, Undecided::Unknown("ephemeral")),
                "{text}: {error}"
            );
        }
        for (text, expected) in [
            ("ephemeral or weight > 0", true),
            ("ephemeral and weight > 9", false),
            ("healthy or not healthy or ephemeral", true),
            ("enabled", true),
        ] {
            assert_eq!(answer(text, &doubtful).expect(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_merely_not_empty_is_no_answer() {
        let error = answer(r#"metadata["scrape"]"#, &instance()).expect_err("text");
        assert!(matches!(error, Undecided::NotBoolean(ValueKind::String)));
        let error = answer("weight", &instance()).expect_err("number");
        assert!(matches!(error, Undecided::NotBoolean(ValueKind::Number)));
    }

    #[test]
    fn values_that_do_not_fit_are_errors_of_that_instance() {
        let error = answer(r#"metadata["scrape"]|int > 3"#, &instance()).expect_err("not a number");
        assert!(matches!(error, Undecided::Failed(_)));
    }

    #[test]
    fn what_takes_too_long_is_stopped() {
        let mut large = instance();
        large.metadata = large.metadata.with("x", "y".repeat(1 << 20));
        let text = ["metadata.x ~ metadata.x"; 8].join(" ~ ") + r#" == """#;
        assert!(matches!(answer(&text, &large), Err(Undecided::Failed(_))));
    }
}
