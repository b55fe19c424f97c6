//! SPDX expressions, as far as crates write them.

/// Whether an expression such as `(MIT OR Apache-2.0) AND Unicode-3.0` can be met with the allowed licences alone.
/// What cannot be read is not allowed.
pub(super) fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let mut words = Words {
        words: spaced.split_whitespace().collect(),
        next: 0,
        allowed,
    };
    words.any() == Some(true) && words.next == words.words.len()
}

/// A reader of an expression; each method is `None` where the expression cannot be read.
struct Words<'a> {
    words: Vec<&'a str>,
    next: usize,
    allowed: &'a [String],
}

impl Words<'_> {
    /// `a OR b`, which binds weakest.
    fn any(&mut self) -> Option<bool> {
        let mut met = self.all()?;
        while self.takes("OR") {
            met |= self.all()?;
        }
        Some(met)
    }

    /// `a AND b`.
    fn all(&mut self) -> Option<bool> {
        let mut met = self.one()?;
        while self.takes("AND") {
            met &= self.one()?;
        }
        Some(met)
    }

    /// `a`, `a WITH exception`, or an expression in parentheses. An exception only ever permits more.
    fn one(&mut self) -> Option<bool> {
        if self.takes("(") {
            let met = self.any()?;
            return self.takes(")").then_some(met);
        }
        let licence = *self.words.get(self.next)?;
        self.next += 1;
        if self.takes("WITH") {
            self.next += 1;
        }
        Some(self.allowed.iter().any(|allowed| allowed == licence))
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_next = self.words.get(self.next) == Some(&word);
        self.next += usize::from(is_next);
        is_next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str) -> bool {
        is_allowed(
            expression,
            &[
                "MIT".to_owned(),
                "Apache-2.0".to_owned(),
                "Unicode-3.0".to_owned(),
            ],
        )
    }

    #[test]
    fn one_of_several_suffices() {
        assert!(check("MIT"));
        assert!(check("GPL-3.0 OR MIT"));
        assert!(check("MIT/Apache-2.0"));
        assert!(!check("GPL-3.0"));
    }

    #[test]
    fn all_of_several_are_needed() {
        assert!(check("(MIT OR GPL-3.0) AND Unicode-3.0"));
        assert!(!check("MIT AND GPL-3.0"));
        assert!(check("GPL-3.0 AND X OR MIT"));
    }

    #[test]
    fn exceptions_permit_more() {
        assert!(check("Apache-2.0 WITH LLVM-exception"));
        assert!(check("Apache-2.0 WITH LLVM-exception OR GPL-3.0"));
    }

    #[test]
    fn nonsense_is_not_allowed() {
        for nonsense in ["", "(", "MIT)", "(MIT", "MIT OR", "MIT MIT"] {
            assert!(!check(nonsense), "{nonsense}");
        }
    }
}
