//! The numbers that Nacos puts into `errorCode`.

/// An `errorCode` of a gRPC response.
///
/// A newtype and not an enum, because servers send codes that no list knows
/// (errors of plugins, of Spring, of other modules).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorCode(pub i64);

impl ErrorCode {
    /// No error.
    pub const NONE: Self = Self(0);
    /// The server is starting; ask again.
    pub const SERVER_STARTING: Self = Self(300);
    /// The server does not know this connection; reconnect.
    pub const UNREGISTERED: Self = Self(301);
    /// This version has no handler for the request's type.
    pub const NO_HANDLER: Self = Self(302);
    /// A parameter is wrong, or the service is of the other kind.
    pub const INVALID_PARAM: Self = Self(400);
    /// The token is missing, expired, or grants too little.
    pub const NO_RIGHT: Self = Self(403);
    /// The server failed.
    pub const SERVER_ERROR: Self = Self(500);
    /// The payload is unreadable, or this source may not send it.
    pub const BAD_PAYLOAD: Self = Self(502);
    /// Too many requests a second.
    pub const OVER_THRESHOLD: Self = Self(503);
    /// The server holds no naming client for this connection: it closed
    /// meanwhile, or was set up without `labels.module`.
    pub const CLIENT_DISCONNECTED: Self = Self(-401);
    /// The namespace does not exist (3.1 with validation on).
    pub const NAMESPACE_NOT_FOUND: Self = Self(22001);
    /// Too many fuzzy watch patterns on this server.
    pub const FUZZY_PATTERNS_OVER_LIMIT: Self = Self(50310);
    /// The pattern matches more services than the server will report.
    pub const FUZZY_MATCHES_OVER_LIMIT: Self = Self(50311);
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
