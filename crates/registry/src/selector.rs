//! Which of a service's instances a consumer would prefer.
//!
//! A label selector prefers instances that have the same labels as the
//! consumer. Nacos is told these by a CMDB; in one without, nobody has any, and
//! everybody is shown all instances (1.3 to 3.0). So it is here: a selector is
//! kept and shown, and changes no list.

use std::collections::BTreeSet;

/// A service's selector.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) enum Selector {
    /// Nobody prefers anything.
    #[default]
    None,
    /// Instances whose labels are those of the consumer.
    Label {
        /// As it was set.
        expression: String,
        /// The labels that have to be the same.
        labels: BTreeSet<String>,
    },
}

/// An expression that is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("parse expression failed!")]
pub(crate) struct BadExpression;

impl Selector {
    /// The selector of an expression: nothing, or some of
    /// `CONSUMER.label.A = PROVIDER.label.A`, with `&` between them.
    ///
    /// # Errors
    /// If it is anything else.
    pub(crate) fn label(expression: &str) -> Result<Self, BadExpression> {
        let plain: String = expression.split_whitespace().collect();
        let labels = match plain.is_empty() {
            true => BTreeSet::new(),
            false => plain.split('&').map(label).collect::<Result<_, _>>()?,
        };
        Ok(Self::Label {
            expression: expression.to_owned(),
            labels,
        })
    }
}

/// The label that both sides of an equation name.
fn label(equation: &str) -> Result<String, BadExpression> {
    let (consumer, provider) = equation.split_once('=').ok_or(BadExpression)?;
    let consumer = consumer.strip_prefix("CONSUMER.label.");
    let provider = provider.strip_prefix("PROVIDER.label.");
    match (consumer, provider) {
        (Some(one), Some(other)) if one == other && !one.is_empty() && !one.contains('=') => {
            Ok(one.to_owned())
        }
        _ => Err(BadExpression),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_names_the_labels_that_both_sides_share() {
        let a = "CONSUMER.label.A = PROVIDER.label.A";
        let both = format!("{a} & CONSUMER.label.b-1=PROVIDER.label.b-1");
        for (expression, wanted) in [
            ("", &[][..]),
            ("  ", &[]),
            (a, &["A"]),
            (&both, &["A", "b-1"]),
            (&format!("{a}&{a}"), &["A"]),
        ] {
            let Ok(Selector::Label { labels, .. }) = Selector::label(expression) else {
                panic!("{expression:?} is one");
            };
            assert!(labels.iter().eq(wanted), "{expression:?}: {labels:?}");
        }
    }

    #[test]
    fn all_else_is_no_expression() {
        for expression in [
            "A",
            "A=B",
            "CONSUMER.label.A",
            "CONSUMER.label.A = PROVIDER.label.B",
            "PROVIDER.label.A = CONSUMER.label.A",
            "CONSUMER.label. = PROVIDER.label.",
            "CONSUMER.label.A == PROVIDER.label.A",
            "CONSUMER.label.A = PROVIDER.label.A &",
            "& CONSUMER.label.A = PROVIDER.label.A",
            "CONSUMER.label.A = PROVIDER.label.A | x",
        ] {
            assert_eq!(
                Selector::label(expression),
                Err(BadExpression),
                "{expression}"
            );
        }
    }
}
