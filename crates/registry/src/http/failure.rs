//! Refusals, in the three ways in which Nacos words them.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::durable::NotSaved;
use crate::store::{EditError, WrongKind};
use crate::wire::BadInstance;

/// Plain text, as v1 sends it.
const TEXT: &str = "text/plain;charset=UTF-8";

/// The codes in the results of v2.
mod code {
    pub(super) const PARAMETER_MISSING: u32 = 10_000;
    pub(super) const VALIDATION: u32 = 20_002;
    pub(super) const NOT_FOUND: u32 = 20_004;
    pub(super) const WEIGHT: u32 = 21_001;
    pub(super) const METADATA: u32 = 21_002;
    pub(super) const INSTANCE: u32 = 21_004;
    pub(super) const SERVER: u32 = 30_000;
}

/// Why a request is not done. By itself it answers as v1 does: a status, and
/// the reason as plain text.
#[derive(Debug)]
pub(super) enum Failure {
    /// A parameter is missing; the text says which.
    Missing(String),
    /// A number is none.
    NotANumber(String),
    /// Metadata is neither a flat JSON object nor `k=v,k2=v2`.
    Metadata(String),
    Instance(BadInstance),
    WrongKind(WrongKind),
    /// 404.
    NotFound(String),
    /// 400.
    Refused(String),
    /// The name filter before `/v1/ns` refuses with a JSON object.
    Name {
        reason: &'static str,
        path: String,
    },
    /// The body is too large or cannot be read.
    Body(StatusCode, String),
    /// 500, as Nacos answers to what it cannot parse.
    Unreadable(String),
    /// 500: what was done may be lost with the process.
    NotSaved(NotSaved),
}

impl Failure {
    pub(super) fn unreadable(error: impl ToString) -> Self {
        Self::Unreadable(error.to_string())
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Body(status, _) => *status,
            // 2.0 to 2.2 do not unwrap this one.
            Self::WrongKind(_) | Self::Unreadable(_) | Self::NotSaved(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::NotANumber(text) => format!("For input string: \"{text}\""),
            Self::Metadata(text) => format!("metadata format incorrect:{text}"),
            Self::Instance(bad) => bad.to_string(),
            Self::WrongKind(wrong) => format!("caused: errCode: 400, errMsg: {wrong} ;"),
            Self::Unreadable(text) => format!("caused: {text};"),
            Self::NotSaved(why) => format!("caused: {why};"),
            Self::Name { reason, .. } => {
                format!(
                    "Service name filter error,caused: Param 'serviceName' is illegal, {reason};"
                )
            }
            Self::Missing(text)
            | Self::NotFound(text)
            | Self::Refused(text)
            | Self::Body(_, text) => text.clone(),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match &self {
            Self::Name { path, .. } => spring_error(self.status(), &self.text(), path),
            _ => (self.status(), [(header::CONTENT_TYPE, TEXT)], self.text()).into_response(),
        }
    }
}

impl From<BadInstance> for Failure {
    fn from(bad: BadInstance) -> Self {
        Self::Instance(bad)
    }
}

impl From<WrongKind> for Failure {
    fn from(wrong: WrongKind) -> Self {
        Self::WrongKind(wrong)
    }
}

impl From<NotSaved> for Failure {
    fn from(why: NotSaved) -> Self {
        Self::NotSaved(why)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::unreadable(error)
    }
}

impl Failure {
    /// What v1 says of an operation on a service, by its grouped name.
    pub(super) fn of_edit(error: EditError, grouped: &str) -> Self {
        Self::Refused(match error {
            EditError::ServiceMissing => format!("service {grouped} not found!"),
            EditError::ServiceExists => format!("specified service {grouped} already exists!"),
            EditError::ServiceNotEmpty => format!(
                "Service {grouped} is not empty, can't be delete. Please unregister instance first"
            ),
            EditError::InstanceMissing => return Self::NotFound("no matched ip found!".into()),
            EditError::CheckerWorking => {
                format!("health check is still working, service: {grouped}")
            }
        })
    }
}

/// A refusal as v2 sends it: a result whose data is the reason.
pub(super) struct InResult(pub(super) Failure);

impl From<Failure> for InResult {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl From<serde_json::Error> for InResult {
    fn from(error: serde_json::Error) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for InResult {
    fn into_response(self) -> Response {
        let failure = self.0;
        let (code, message) = match &failure {
            Failure::Missing(_) => (code::PARAMETER_MISSING, "parameter missing"),
            Failure::Metadata(_) => (code::METADATA, "instance metadata error"),
            Failure::Instance(BadInstance::Weight) => (code::WEIGHT, "weight error"),
            Failure::Instance(BadInstance::NoIp) => (code::PARAMETER_MISSING, "parameter missing"),
            Failure::Instance(_) => (code::INSTANCE, "instance error"),
            Failure::NotFound(_) => (code::NOT_FOUND, "resource not found"),
            Failure::WrongKind(_)
            | Failure::Unreadable(_)
            | Failure::NotSaved(_)
            | Failure::Body(..) => (code::SERVER, "server error"),
            Failure::NotANumber(_) | Failure::Refused(_) | Failure::Name { .. } => {
                (code::VALIDATION, "parameter validate error")
            }
        };
        let (status, data) = match &failure {
            Failure::WrongKind(wrong) => (
                StatusCode::BAD_REQUEST,
                format!("errCode: 400, errMsg: {wrong} "),
            ),
            _ => (failure.status(), failure.text()),
        };
        let body = axum::Json(serde_json::json!({
            "code": code, "message": message, "data": data,
        }));
        (status, body).into_response()
    }
}

/// The success of v2.
pub(super) fn result(data: impl Serialize) -> Response {
    #[derive(Serialize)]
    struct Success<T> {
        code: u32,
        message: &'static str,
        data: T,
    }
    axum::Json(Success {
        code: 0,
        message: "success",
        data,
    })
    .into_response()
}

/// The success of v1 writes.
pub(super) fn ok() -> Response {
    ([(header::CONTENT_TYPE, TEXT)], "ok").into_response()
}

/// The error object of Spring, on which Nacos is built.
pub(super) fn spring_error(status: StatusCode, message: &str, path: &str) -> Response {
    let now = jiff::Timestamp::now();
    let body = axum::Json(serde_json::json!({
        "timestamp": now.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string(),
        "status": status.as_u16(),
        "error": status.canonical_reason().unwrap_or_default(),
        "message": message,
        "path": path,
    }));
    (status, body).into_response()
}
