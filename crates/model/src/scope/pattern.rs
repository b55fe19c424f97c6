//! Names selected by pattern: globs by default, `re:` for regular expressions.

use std::fmt;
use std::sync::Arc;

use regex::Regex;

/// A pattern that a whole name matches or does not.
///
/// * `order-service` matches itself alone;
/// * in a glob `*` stands for any characters or none and `?` for any one,
///   including `:`, `/`, `.` and `@`, which are ordinary parts of names here;
/// * `re:` begins a regular expression, which has to match the whole name.
///
/// Letters match in their own case, as registries compare them. A name that
/// itself contains `*` or `?` is written as a regular expression.
#[derive(Clone)]
pub struct Pattern {
    text: Arc<str>,
    matcher: Matcher,
}

#[derive(Clone)]
enum Matcher {
    Any,
    Literal,
    Regex(Regex),
}

/// A pattern that cannot be used.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum PatternError {
    /// Nothing is written, or nothing after `re:`.
    #[error("the pattern `{pattern}` is empty and would match no name; `*` matches every name")]
    Empty {
        /// As it was written.
        pattern: String,
    },
    /// The regular expression is malformed or too large.
    #[error("the pattern `{pattern}` is not a regular expression")]
    Regex {
        /// As it was written.
        pattern: String,
        /// What is wrong, with the place marked.
        source: regex::Error,
    },
}

impl Pattern {
    const REGEX: &str = "re:";

    /// Compiles a pattern.
    ///
    /// # Errors
    /// The pattern is empty, or what follows `re:` is not a regular expression.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let expression = text.strip_prefix(Self::REGEX);
        if expression.unwrap_or(text).is_empty() {
            return Err(PatternError::Empty {
                pattern: text.to_owned(),
            });
        }
        let matcher = match expression {
            Some(expression) => full_match(expression).map(Matcher::Regex),
            None if text.bytes().all(|byte| byte == b'*') => Ok(Matcher::Any),
            None if !text.contains(['*', '?']) => Ok(Matcher::Literal),
            None => full_match(&glob(text)).map(Matcher::Regex),
        };
        match matcher {
            Ok(matcher) => Ok(Self {
                text: Arc::from(text),
                matcher,
            }),
            Err(source) => Err(PatternError::Regex {
                pattern: text.to_owned(),
                source,
            }),
        }
    }

    /// A pattern that matches exactly one name, whatever characters it has.
    pub fn literal(name: impl Into<Arc<str>>) -> Self {
        Self {
            text: name.into(),
            matcher: Matcher::Literal,
        }
    }

    /// The pattern that every name matches.
    pub fn any() -> Self {
        Self {
            text: Arc::from("*"),
            matcher: Matcher::Any,
        }
    }

    /// Whether the whole name matches.
    pub fn matches(&self, name: &str) -> bool {
        match &self.matcher {
            Matcher::Any => true,
            Matcher::Literal => *self.text == *name,
            Matcher::Regex(regex) => regex.is_match(name),
        }
    }

    /// Whether every name matches because a bare `*` is written.
    pub fn is_any(&self) -> bool {
        matches!(self.matcher, Matcher::Any)
    }

    /// The one name that matches, where the pattern is a plain name.
    pub fn as_literal(&self) -> Option<&Arc<str>> {
        matches!(self.matcher, Matcher::Literal).then_some(&self.text)
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The glob as a regular expression.
fn glob(text: &str) -> String {
    let mut expression = String::with_capacity(text.len() + 16);
    expression.push_str("(?s)");
    for character in text.chars() {
        match character {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            _ => expression.push_str(&regex::escape(character.encode_utf8(&mut [0; 4]))),
        }
    }
    expression
}

fn full_match(expression: &str) -> Result<Regex, regex::Error> {
    // Compiled on its own first: `a)|(b` is malformed, but would be accepted
    // between the brackets below.
    Regex::new(expression)?;
    Regex::new(&format!(r"\A(?:{expression})\z"))
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.as_literal().is_some() == other.as_literal().is_some()
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

/// Patterns of which any may match. Without any pattern nothing matches, so
/// that a list emptied by mistake selects nothing rather than everything; the
/// configuration's default for what it selects is [`Patterns::any`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Patterns(Vec<Pattern>);

impl Patterns {
    /// Matches every name.
    pub fn any() -> Self {
        Self(vec![Pattern::any()])
    }

    /// Matches no name.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Compiles a list of patterns.
    ///
    /// # Errors
    /// Those of the first pattern that cannot be used. To report all, parse
    /// each [`Pattern`] and collect them.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, PatternError> {
        texts.into_iter().map(Pattern::parse).collect()
    }

    /// Whether any of the patterns matches.
    pub fn matches(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name))
    }

    /// Whether no name can match.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The patterns in the order in which they were written.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Pattern> {
        self.0.iter()
    }

    /// The names that match, where all patterns are plain names.
    pub fn literals(&self) -> Option<Vec<&Arc<str>>> {
        self.0.iter().map(Pattern::as_literal).collect()
    }
}

impl FromIterator<Pattern> for Patterns {
    fn from_iter<I: IntoIterator<Item = Pattern>>(patterns: I) -> Self {
        Self(patterns.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::parse(pattern).expect("legal").matches(name)
    }

    #[test]
    fn a_plain_name_matches_itself_alone() {
        assert!(matches("order.v1", "order.v1"));
        assert!(!matches("order.v1", "orderXv1"));
        assert!(!matches("order", "Order"));
        assert!(!matches("order", "order-2"));
    }

    #[test]
    fn a_star_crosses_every_separator() {
        assert!(matches("prod-*", "prod-"));
        assert!(matches("*:com.*@?", "providers:com.acme/Pay:1.0@b"));
        assert!(matches("*", ""));
        assert!(matches("a*b*c", "a\nb\nbc"));
        assert!(!matches("a*b*c", "acb"));
        assert!(!matches("a?c", "ac"));
        assert!(matches("订?-*", "订单-甲"));
    }

    #[test]
    fn characters_of_other_glob_dialects_are_ordinary() {
        assert!(matches("[ab]{c}*", "[ab]{c}-1"));
        assert!(!matches("[ab]*", "a-1"));
        assert!(matches(r"a\*", r"a\b"));
    }

    #[test]
    fn a_regular_expression_has_to_match_the_whole_name() {
        assert!(matches("re:a|ab", "ab"));
        assert!(!matches("re:a|ab", "abc"));
        assert!(matches("re:(?i)ORDER-[0-9]+", "order-42"));
        assert!(!matches("re:a$", "a\n"));
    }

    #[test]
    fn malformed_patterns_are_refused_with_their_text() {
        for text in ["", "re:"] {
            let error = Pattern::parse(text).expect_err("empty");
            assert!(matches!(error, PatternError::Empty { pattern } if pattern == text));
        }
        for text in ["re:(", "re:a)|(b", "re:a{999999}{999999}"] {
            let error = Pattern::parse(text).expect_err("malformed");
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn only_a_bare_star_is_any() {
        let any = |text| Pattern::parse(text).expect("legal").is_any();
        assert!(any("*"));
        assert!(any("**"));
        assert!(!any("re:.*"));
        assert!(!any("?*"));
    }

    #[test]
    fn no_pattern_matches_nothing() {
        assert!(!Patterns::none().matches(""));
        assert!(Patterns::any().matches(""));
        assert_eq!(Patterns::none().literals(), Some(vec![]));
        assert_eq!(Patterns::any().literals(), None);
        let two = Patterns::parse(["a", "b"]).expect("legal");
        assert!(two.matches("b") && !two.matches("c"));
        let names: Vec<&str> = two
            .literals()
            .expect("plain")
            .into_iter()
            .map(|n| &**n)
            .collect();
        assert_eq!(names, ["a", "b"]);
    }
}
