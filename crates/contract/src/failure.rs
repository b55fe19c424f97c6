//! What went wrong, in the terms in which the engine decides.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The kind of a failure. The engine decides by this alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Class {
    /// It may go well next time: a refused connection, a deadline, a 5xx.
    Transient,
    /// The peer asks for fewer calls.
    Throttled,
    /// The peer is starting or has no leader; nothing it says counts yet.
    NotReady,
    /// The peer does not know who we are.
    Unauthenticated,
    /// The peer knows who we are, and it is not enough.
    Forbidden,
    /// What was asked for is not there.
    NotFound,
    /// Somebody else's state stands in the way.
    Conflict,
    /// The answer makes no sense.
    Malformed,
    /// The peer cannot do this.
    Unsupported,
    /// It will never go well as things are configured.
    Fatal,
}

/// Who has to act for it to go well.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Whose {
    /// Syncline itself.
    Us,
    /// The registry or consumer.
    Peer,
    /// Whoever wrote the configuration.
    Configuration,
}

/// A failed call to a registry or consumer.
#[derive(Debug)]
pub struct Failure {
    /// The kind.
    pub class: Class,
    /// Who has to act.
    pub whose: Whose,
    /// The least time to wait before the next try, where the peer named one.
    pub retry_after: Option<Duration>,
    doing: String,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure while `doing` something, such as `read public/G/s from 10.0.0.1:8848`.
    pub fn new(class: Class, doing: impl Into<String>) -> Self {
        Self {
            class,
            whose: class.usually(),
            retry_after: None,
            doing: doing.into(),
            cause: None,
        }
    }

    /// Adds what caused it.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Says who has to act, where it is not who usually has to.
    #[must_use]
    pub fn blaming(mut self, whose: Whose) -> Self {
        self.whose = whose;
        self
    }

    /// Adds the wait that the peer asked for.
    #[must_use]
    pub fn after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// The failure and its whole cause chain on one line, for status and journal.
    pub fn chain(&self) -> String {
        let mut text = self.doing.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl Class {
    /// Who usually has to act on a failure of this class.
    fn usually(self) -> Whose {
        match self {
            Self::Transient | Self::Throttled | Self::NotReady | Self::Malformed => Whose::Peer,
            Self::NotFound | Self::Conflict => Whose::Peer,
            Self::Unauthenticated | Self::Forbidden | Self::Fatal => Whose::Configuration,
            Self::Unsupported => Whose::Us,
        }
    }

    /// Whether fewer calls may do better: the peer asks for that, is not ready,
    /// or did not answer.
    pub fn is_overload(self) -> bool {
        matches!(self, Self::Transient | Self::Throttled | Self::NotReady)
    }

    /// The class as one word, for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Throttled => "throttled",
            Self::NotReady => "not-ready",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
            Self::Fatal => "fatal",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause
            .as_deref()
            .map(|cause| cause as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_names_each_cause_once() {
        let failure = Failure::new(Class::Transient, "read public/G/s from 10.0.0.1:8848")
            .because(std::io::Error::other("connection refused"));
        assert_eq!(
            failure.chain(),
            "read public/G/s from 10.0.0.1:8848: connection refused"
        );
        assert_eq!(failure.to_string(), "read public/G/s from 10.0.0.1:8848");
    }
}
