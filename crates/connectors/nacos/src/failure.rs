//! What went wrong, in the engine's words.

use std::error::Error;
use std::sync::Arc;

use syncline_contract::{Class, Failure, Whose};
use syncline_nacos::grpc::{CallError, ErrorClass, SessionError};
use syncline_nacos::http::{self, HttpError};

/// What an HTTP call that failed means for what was being done.
pub(crate) fn of_http(doing: impl Into<String>, error: HttpError) -> Failure {
    let (class, after) = match error.class() {
        http::Class::Transient => (Class::Transient, None),
        http::Class::Throttled { retry_after } => (Class::Throttled, retry_after),
        http::Class::NotReady => (Class::NotReady, None),
        http::Class::Unauthenticated => (Class::Unauthenticated, None),
        http::Class::Forbidden => (Class::Forbidden, None),
        http::Class::NotFound => (Class::NotFound, None),
        http::Class::WrongKind => (Class::Conflict, None),
        http::Class::Malformed => (Class::Malformed, None),
        http::Class::Unsupported => (Class::Unsupported, None),
        http::Class::Fatal => (Class::Fatal, None),
    };
    Failure::new(class, doing).after(after).because(error)
}

/// What a gRPC call that failed means for what was being done.
pub(crate) fn of_call(doing: impl Into<String>, error: CallError) -> Failure {
    let (class, whose) = meaning(&error);
    Failure::new(class, doing).blaming(whose).because(error)
}

/// What a failed publication means for what was being done.
pub(crate) fn of_session(doing: impl Into<String>, error: SessionError) -> Failure {
    let failure = match &error {
        SessionError::NotConnected { .. } => Failure::new(Class::Transient, doing),
        SessionError::Call(call) => {
            let (class, whose) = meaning(call);
            Failure::new(class, doing).blaming(whose)
        }
        SessionError::Closed => Failure::new(Class::Fatal, doing).blaming(Whose::Us),
    };
    failure.because(error)
}

fn meaning(error: &CallError) -> (Class, Whose) {
    match error.class() {
        ErrorClass::Transport | ErrorClass::Timeout | ErrorClass::Unregistered => {
            (Class::Transient, Whose::Peer)
        }
        ErrorClass::Starting => (Class::NotReady, Whose::Peer),
        ErrorClass::Overloaded => (Class::Throttled, Whose::Peer),
        ErrorClass::NotSupported => (Class::Unsupported, Whose::Configuration),
        // Also what a service of the other kind is answered with.
        ErrorClass::InvalidParam => (Class::Conflict, Whose::Peer),
        ErrorClass::Forbidden => (Class::Forbidden, Whose::Configuration),
        ErrorClass::Malformed => (Class::Malformed, Whose::Peer),
        ErrorClass::TooLarge | ErrorClass::Clash => (Class::Fatal, Whose::Us),
        ErrorClass::Server => (Class::Transient, Whose::Peer),
        ErrorClass::OverLimit => (Class::Throttled, Whose::Peer),
    }
}

/// The error with all its causes on one line, as a view's or an area's reason.
pub(crate) fn reason(error: &dyn Error) -> Arc<str> {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_without_a_connection_may_have_one_later() {
        let failure = of_session(
            "register public/G/s",
            SessionError::NotConnected {
                last_error: Some("refused".into()),
            },
        );
        assert_eq!(failure.class, Class::Transient);
        assert_eq!(
            failure.chain(),
            "register public/G/s: not connected: refused"
        );
        let closed = of_session("register public/G/s", SessionError::Closed);
        assert_eq!((closed.class, closed.whose), (Class::Fatal, Whose::Us));
    }
}
