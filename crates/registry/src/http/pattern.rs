//! Patterns for names, as callers of Nacos write them: regular expressions of
//! Java's kind, which may look ahead and behind.

use fancy_regex::{Regex, RegexBuilder};

use super::failure::Failure;

/// The largest program that a pattern may become.
const BYTES: usize = 1 << 20;

/// How often a pattern may go back and try anew on one name.
const BACKTRACKS: usize = 10_000;

/// A pattern that may match anywhere in a name.
pub(super) struct Pattern(Regex);

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        RegexBuilder::new(text)
            .delegate_size_limit(BYTES)
            .backtrack_limit(BACKTRACKS)
            .build()
            .map(Self)
            .map_err(Failure::unreadable)
    }

    /// Whether a name matches. A pattern that is too much work for it fails:
    /// "no" would be a lie.
    pub(super) fn finds(&self, name: &str) -> Result<bool, Failure> {
        self.0.is_match(name).map_err(Failure::unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(pattern: &str, name: &str) -> Option<bool> {
        Pattern::parse(pattern).ok()?.finds(name).ok()
    }

    #[test]
    fn they_match_anywhere_and_look_around() {
        assert_eq!(finds("order", "my-order-service"), Some(true));
        assert_eq!(finds("^order$", "my-order"), Some(false));
        let exact = "(?<![^@])svc-1(?![0-9A-Za-z_.-])";
        assert_eq!(finds(exact, "svc-1"), Some(true));
        assert_eq!(finds(exact, "svc-10"), Some(false));
        assert_eq!(finds(exact, "my-svc-1"), Some(false));
    }

    #[test]
    fn what_is_no_pattern_or_too_much_work_fails() {
        assert_eq!(finds("(", "a"), None);
        assert_eq!(finds("(a{500}){500}", "a"), None);
        assert_eq!(finds("(?=x)?(a+)+$(?=b)", &"a".repeat(40)), None);
    }
}
