//! What can go wrong, and what to do about it.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use super::HeaderError;
use crate::message::payload::{DecodeError, EncodeError, ErrorResponse};
use crate::message::{ErrorCode, ServiceInfo};

/// A call that yields no answer.
#[derive(Debug, thiserror::Error)]
#[error("cannot {attempted} at {server}")]
pub struct CallError {
    /// What was attempted: `subscribe to public/G@@s`.
    pub attempted: Cow<'static, str>,
    /// The server's address.
    pub server: Arc<str>,
    /// Why not.
    #[source]
    pub cause: CallCause,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallCause {
    /// No transport could be made.
    #[error("cannot connect")]
    Connect(#[source] Box<dyn Error + Send + Sync>),
    /// The call's stream broke.
    #[error("the call broke off: {} ({:?})", .0.message(), .0.code())]
    Status(Box<tonic::Status>),
    /// The connection ended before the answer came.
    #[error("the connection is gone")]
    Lost(#[source] Lost),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The server refused.
    #[error(transparent)]
    Refused(ErrorResponse),
    /// The answer cannot be understood.
    #[error("the answer cannot be understood")]
    Malformed(#[source] DecodeError),
    /// The answer is about another service.
    #[error("the answer is about {got}")]
    OtherService {
        /// The service in the answer.
        got: String,
    },
    /// The request cannot be written.
    #[error("the request cannot be sent")]
    Encode(#[source] EncodeError),
    /// There are no headers to send.
    #[error("cannot log in")]
    Headers(#[source] HeaderError),
    /// Pushes do not name their namespace, so one connection cannot subscribe
    /// to the same group and name in two.
    #[error("this connection is subscribed to the same name in namespace {other}")]
    NamespaceClash {
        /// The namespace that came first.
        other: Arc<str>,
    },
}

/// What a failed call means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The connection is or was broken.
    Transport,
    /// No answer in time; the request may have worked.
    Timeout,
    /// The server forgot the connection (301, -401).
    Unregistered,
    /// The server is starting (300).
    Starting,
    /// This version cannot do it (302).
    NotSupported,
    /// The request is wrong, or the service is of the other kind (400).
    InvalidParam,
    /// No right to do it (403), or no way to log in.
    Forbidden,
    /// Too many requests (503).
    Overloaded,
    /// The server failed, for example because its cluster has no leader or
    /// still runs in 1.x mode.
    Server,
    /// What answers speaks something else, or badly.
    Malformed,
    /// The request is larger than Nacos takes.
    TooLarge,
    /// A limit of fuzzy watches is reached (50310, 50311).
    OverLimit,
    /// This connection cannot do it, another one can.
    Clash,
}

impl ErrorClass {
    /// Whether the same request may work a little later.
    pub fn is_transient(self) -> bool {
        match self {
            Self::Transport
            | Self::Timeout
            | Self::Unregistered
            | Self::Starting
            | Self::Overloaded
            | Self::Server => true,
            Self::NotSupported
            | Self::InvalidParam
            | Self::Forbidden
            | Self::Malformed
            | Self::TooLarge
            | Self::OverLimit
            | Self::Clash => false,
        }
    }
}

impl CallCause {
    /// What it means.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Connect(_) => ErrorClass::Transport,
            Self::Status(status) => class_of_status(status.code()),
            Self::Lost(Lost::Unregistered) => ErrorClass::Unregistered,
            Self::Lost(_) => ErrorClass::Transport,
            Self::Timeout(_) => ErrorClass::Timeout,
            Self::Refused(refusal) => class_of_code(refusal.code),
            Self::Malformed(_) | Self::OtherService { .. } => ErrorClass::Malformed,
            Self::Encode(EncodeError::TooLarge { .. }) => ErrorClass::TooLarge,
            Self::Encode(EncodeError::Json { .. }) => ErrorClass::InvalidParam,
            Self::Headers(_) => ErrorClass::Forbidden,
            Self::NamespaceClash { .. } => ErrorClass::Clash,
        }
    }
}

impl CallError {
    /// What it means.
    pub fn class(&self) -> ErrorClass {
        self.cause.class()
    }

    /// The server's own number, where it gave one.
    pub fn code(&self) -> Option<ErrorCode> {
        match &self.cause {
            CallCause::Refused(refusal) => Some(refusal.code),
            _ => None,
        }
    }
}

fn class_of_code(code: ErrorCode) -> ErrorClass {
    match code {
        ErrorCode::SERVER_STARTING => ErrorClass::Starting,
        ErrorCode::UNREGISTERED | ErrorCode::CLIENT_DISCONNECTED => ErrorClass::Unregistered,
        ErrorCode::NO_HANDLER => ErrorClass::NotSupported,
        ErrorCode::INVALID_PARAM | ErrorCode::NAMESPACE_NOT_FOUND => ErrorClass::InvalidParam,
        ErrorCode::NO_RIGHT => ErrorClass::Forbidden,
        ErrorCode::OVER_THRESHOLD => ErrorClass::Overloaded,
        ErrorCode::FUZZY_PATTERNS_OVER_LIMIT | ErrorCode::FUZZY_MATCHES_OVER_LIMIT => {
            ErrorClass::OverLimit
        }
        _ => ErrorClass::Server,
    }
}

fn class_of_status(code: tonic::Code) -> ErrorClass {
    use tonic::Code;
    match code {
        Code::DeadlineExceeded => ErrorClass::Timeout,
        Code::Unauthenticated | Code::PermissionDenied => ErrorClass::Forbidden,
        // Another gRPC service, or an answer over the receive limit.
        Code::Unimplemented | Code::OutOfRange | Code::ResourceExhausted => ErrorClass::Malformed,
        _ => ErrorClass::Transport,
    }
}

/// Checks that an answer is about the service that was asked for.
pub(super) fn same_service(
    name: &str,
    group: &str,
    info: ServiceInfo,
) -> Result<ServiceInfo, CallCause> {
    if info.service() == (group, name) {
        return Ok(info);
    }
    let (got_group, got_name) = info.service();
    Err(CallCause::OtherService {
        got: format!("{got_group}@@{got_name}"),
    })
}

/// Why a connection ended.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Lost {
    /// The transport closed or broke.
    #[error("the transport closed")]
    Transport(#[source] Option<Arc<hyper::Error>>),
    /// The server ended its stream of pushes.
    #[error("the server ended the stream")]
    StreamEnded,
    /// The stream of pushes broke, or carried something that is no message.
    #[error("the stream broke: {} ({:?})", .0.message(), .0.code())]
    StreamBroken(Box<tonic::Status>),
    /// The server does not take acknowledgements any more.
    #[error("the server takes no acknowledgements")]
    Stalled,
    /// Health checks failed, the last one like this.
    #[error("health checks failed")]
    Unhealthy(#[source] Arc<CallError>),
    /// The server does not know the connection.
    #[error("the server does not know this connection any more")]
    Unregistered,
    /// This side closed it.
    #[error("closed")]
    Closed,
}
