//! A value that is never printed.

/// A password, key or token.
///
/// It has neither `Debug` nor `Display`, so that it cannot end up in a log, an
/// error or a panic message by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Takes a value into keeping.
    pub fn new(value: impl Into<Box<str>>) -> Self {
        Self(value.into())
    }

    /// The value, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
