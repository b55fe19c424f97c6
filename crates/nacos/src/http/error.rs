//! What can go wrong with a call, and what it means for whoever called.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;

/// What was attempted, and at which server: said by every error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// What was attempted, as an imperative: `list the namespaces`.
    pub attempted: Cow<'static, str>,
    /// The server, as it is configured.
    pub server: Arc<str>,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} at {}", self.attempted, self.server)
    }
}

/// What a failure means for whoever called: the engine decides by this alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// It may work a moment later, or at another server.
    Transient,
    /// The server asks for less; after that long, where it says so.
    Throttled {
        /// What the server asked for.
        retry_after: Option<Duration>,
    },
    /// The server is starting or shutting down. Says nothing about what it can do.
    NotReady,
    /// No credentials, wrong ones, or an expired token.
    Unauthenticated,
    /// The credentials are good, and do not allow this.
    Forbidden,
    /// The server knows the call and lacks the service, instance or namespace.
    NotFound,
    /// The service exists as the other kind, ephemeral or persistent.
    WrongKind,
    /// The answer makes no sense.
    Malformed,
    /// This server has no such call (404, 405, 410 or 501 on the route).
    Unsupported,
    /// It will not work however often it is tried.
    Fatal,
}

/// A call that failed. There is never a list beside it.
#[derive(thiserror::Error, Debug)]
pub enum HttpError {
    /// The server could not be reached, or the connection broke.
    #[error("{call}: {what}")]
    Unreachable {
        /// What was attempted.
        call: Call,
        /// What happened, in a few words.
        what: &'static str,
        /// The cause. Its text holds no address, query or header.
        #[source]
        source: reqwest::Error,
    },
    /// No answer in time.
    #[error("{call}: no answer within {} s", after.as_secs_f32())]
    TimedOut {
        /// What was attempted.
        call: Call,
        /// How long the answer was waited for.
        after: Duration,
    },
    /// The server is starting or shutting down.
    #[error("{call}: the server is not ready ({says})")]
    NotReady {
        /// What was attempted.
        call: Call,
        /// What it says meanwhile.
        says: String,
    },
    /// What answers there is not Nacos.
    #[error("{call}: {hint}{}", excerpt_in_brackets(excerpt))]
    Foreign {
        /// What was attempted.
        call: Call,
        /// What it seems to be, and what to change.
        hint: Cow<'static, str>,
        /// The beginning of what it said.
        excerpt: String,
    },
    /// Nacos answered, and refused.
    #[error("{call}: {status}{}", excerpt_after_colon(excerpt))]
    Refused {
        /// What was attempted.
        call: Call,
        /// The HTTP status.
        status: StatusCode,
        /// Nacos's own code (v2 and v3), such as 21008 for an unknown service.
        code: Option<i64>,
        /// What the refusal means.
        class: Class,
        /// What the server said, shortened.
        excerpt: String,
    },
    /// The answer is not what this call answers with.
    #[error("{call}: {what}{}", excerpt_in_brackets(excerpt))]
    Malformed {
        /// What was attempted.
        call: Call,
        /// What is wrong with the answer.
        what: String,
        /// The beginning of the answer.
        excerpt: String,
    },
    /// The answer is larger than this client is willing to hold.
    #[error("{call}: the answer is larger than {limit} bytes")]
    TooLarge {
        /// What was attempted.
        call: Call,
        /// The limit.
        limit: usize,
    },
    /// The list changed so much while it was read, page by page, that it never
    /// became whole.
    #[error("{call}: the list kept changing while it was read ({rounds} rounds)")]
    Unsettled {
        /// What was attempted.
        call: Call,
        /// How often it was read from the start.
        rounds: usize,
    },
    /// Logging in failed, so the call was not made.
    #[error("cannot log in as {username}")]
    Login {
        /// Who tried to log in.
        username: Arc<str>,
        /// Why it failed. Shared, since calls that wait for one login get one
        /// answer.
        #[source]
        source: Arc<HttpError>,
    },
    /// The call was not made, for example for want of a second member.
    #[error("cannot {attempted}: {why}")]
    NotAsked {
        /// What was attempted.
        attempted: Cow<'static, str>,
        /// Why it was not.
        why: &'static str,
    },
}

impl HttpError {
    /// What the failure means.
    pub fn class(&self) -> Class {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Unsettled { .. } => {
                Class::Transient
            }
            Self::NotReady { .. } => Class::NotReady,
            Self::Refused { class, .. } => *class,
            Self::Malformed { .. } => Class::Malformed,
            Self::Foreign { .. } | Self::TooLarge { .. } | Self::NotAsked { .. } => Class::Fatal,
            Self::Login { source, .. } => source.class(),
        }
    }

    /// The server that was asked, as it is configured.
    pub fn server(&self) -> Option<&str> {
        match self {
            Self::Unreachable { call, .. }
            | Self::TimedOut { call, .. }
            | Self::NotReady { call, .. }
            | Self::Foreign { call, .. }
            | Self::Refused { call, .. }
            | Self::Malformed { call, .. }
            | Self::TooLarge { call, .. }
            | Self::Unsettled { call, .. } => Some(&call.server),
            Self::Login { source, .. } => source.server(),
            Self::NotAsked { .. } => None,
        }
    }

    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Login { source, .. } => source.status(),
            _ => None,
        }
    }

    /// Nacos's own code of a refusal (v2 and v3).
    pub fn code(&self) -> Option<i64> {
        match self {
            Self::Refused { code, .. } => *code,
            _ => None,
        }
    }

    /// Whether another server may do better: it failed, is not ready, or
    /// answered with nonsense.
    pub(crate) fn blames_server(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::NotReady { .. }
            | Self::Foreign { .. }
            | Self::Malformed { .. } => true,
            Self::Refused { status, class, .. } => {
                *class == Class::Transient && status.is_server_error()
            }
            Self::Login { source, .. } => source.blames_server(),
            Self::TooLarge { .. } | Self::Unsettled { .. } | Self::NotAsked { .. } => false,
        }
    }

    /// Whether nobody was there, or only a server that starts: what answers
    /// there next may know less than before.
    pub(crate) fn is_away(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::NotReady { .. } => true,
            Self::Login { source, .. } => source.is_away(),
            _ => false,
        }
    }
}

fn excerpt_in_brackets(excerpt: &str) -> String {
    match excerpt {
        "" => String::new(),
        text => format!(" [{text}]"),
    }
}

fn excerpt_after_colon(excerpt: &str) -> String {
    match excerpt {
        "" => String::new(),
        text => format!(": {text}"),
    }
}

/// The beginning of what a server said, on one line and without control
/// characters, so that it can go into a log or onto a terminal.
pub(crate) fn excerpt(body: &[u8]) -> String {
    const CHARS: usize = 200;
    // Four bytes a character at most, so no more needs decoding.
    let head = &body[..body.len().min(4 * CHARS + 4)];
    let mut text = String::new();
    let mut space = false;
    for (taken, c) in String::from_utf8_lossy(head).chars().enumerate() {
        if taken == CHARS {
            text.push('…');
            break;
        }
        if c.is_whitespace() || c.is_control() {
            space = !text.is_empty();
            continue;
        }
        if std::mem::take(&mut space) {
            text.push(' ');
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_short_and_safe_to_print() {
        assert_eq!(excerpt(b"  a\r\n\tb\x1b[31m  "), "a b [31m");
        assert_eq!(excerpt(b""), "");
        assert_eq!(excerpt("中".repeat(500).as_bytes()).chars().count(), 201);
        assert!(excerpt(&[0xff, 0xfe, b'x']).ends_with('x'));
    }

    #[test]
    fn a_failed_login_means_what_its_cause_means() {
        let refused = HttpError::Refused {
            call: Call {
                attempted: "log in".into(),
                server: "a:8848".into(),
            },
            status: StatusCode::FORBIDDEN,
            code: None,
            class: Class::Unauthenticated,
            excerpt: "unknown user!".into(),
        };
        assert_eq!(
            refused.to_string(),
            "cannot log in at a:8848: 403 Forbidden: unknown user!"
        );
        let login = HttpError::Login {
            username: "sync".into(),
            source: Arc::new(refused),
        };
        assert_eq!(login.class(), Class::Unauthenticated);
        assert_eq!(login.server(), Some("a:8848"));
        assert!(!login.blames_server());
    }
}
