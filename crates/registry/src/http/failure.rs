//! Refusals, in the ways in which Nacos words them.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use syncline_model::ServiceKey;

use super::wording::Said;
use crate::check::Illegal;
use crate::durable::NotSaved;
use crate::presented::PresentedVersion;
use crate::store::{EditError, OverQuota, WrongKind};
use crate::wire::BadInstance;

/// Plain text, as v1 sends it.
pub(super) const TEXT: &str = "text/plain;charset=UTF-8";

/// What the results of v2 and v3 call a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Code {
    ParameterMissing,
    Validation,
    NotFound,
    Weight,
    Metadata,
    InstanceNotFound,
    Instance,
    Selector,
    ServiceExists,
    ServiceMissing,
    ServiceNotDeleted,
    NamespaceIllegal,
    NamespaceMissing,
    NamespaceExists,
    Server,
}

impl Code {
    fn number(self) -> u32 {
        match self {
            Self::ParameterMissing => 10_000,
            Self::Validation => 20_002,
            Self::NotFound => 20_004,
            Self::Weight => 21_001,
            Self::Metadata => 21_002,
            Self::InstanceNotFound => 21_003,
            Self::Instance => 21_004,
            Self::Selector => 21_006,
            Self::ServiceExists => 21_007,
            Self::ServiceMissing => 21_008,
            Self::ServiceNotDeleted => 21_009,
            Self::NamespaceIllegal => 22_000,
            Self::NamespaceMissing => 22_001,
            Self::NamespaceExists => 22_002,
            Self::Server => 30_000,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::ParameterMissing => "parameter missing",
            Self::Validation => "parameter validate error",
            Self::NotFound => "resource not found",
            Self::Weight => "weight error",
            Self::Metadata => "instance metadata error",
            Self::InstanceNotFound => "instance not found",
            Self::Instance => "instance error",
            Self::Selector => "selector error",
            Self::ServiceExists => "service already exist",
            Self::ServiceMissing => "service not exist",
            Self::ServiceNotDeleted => "service delete failure",
            Self::NamespaceIllegal => "illegal namespace",
            Self::NamespaceMissing => "namespace not exist",
            Self::NamespaceExists => "namespace already exist",
            Self::Server => "server error",
        }
    }
}

/// Why a request is not done. By itself it answers as v1 does: a status, and
/// the reason as plain text.
#[derive(Debug)]
pub(super) enum Failure {
    /// A parameter is missing that the operation looks for itself.
    Missing(&'static str),
    /// A parameter that Nacos declares is missing; it words that otherwise.
    MissingDeclared(&'static str),
    /// A number is none.
    NotANumber(String),
    /// Metadata is neither a flat JSON object nor `k=v,k2=v2`.
    Metadata(String),
    Instance(BadInstance),
    WrongKind(WrongKind, PresentedVersion),
    /// 503, the number under which Nacos keeps limits too.
    OverQuota(OverQuota),
    /// Something cannot be set for a service, by its grouped name.
    Edit(EditError, String),
    /// A service that is to be deleted is not there.
    NothingToDelete(String),
    /// A service that is asked for is not there.
    UnknownService(ServiceKey),
    /// An instance that a Java client updates is not there (1.x).
    UpdatedNothing(String),
    /// 404.
    NotFound(Code, String),
    /// 400.
    Refused(Code, String),
    /// 500.
    Failed(Code, String),
    /// A parameter that 2.3 and later refuse before anything else, and never
    /// in a result.
    Illegal(Illegal),
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

    /// An argument that makes no sense.
    pub(super) fn invalid(reason: impl Into<String>) -> Self {
        Self::Refused(Code::Validation, reason.into())
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(..) | Self::Edit(EditError::InstanceMissing, _) => StatusCode::NOT_FOUND,
            Self::OverQuota(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Body(status, _) => *status,
            // 2.0 to 2.2 do not unwrap this one.
            Self::WrongKind(_, version) if !version.checks_parameters() => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Unreadable(_) | Self::NotSaved(_) | Self::Failed(..) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            _ => StatusCode::BAD_REQUEST,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Missing(name) => format!("Param '{name}' is required."),
            Self::MissingDeclared(name) => format!("Parameter '{name}' is missing"),
            Self::NotANumber(text) => format!("For input string: \"{text}\""),
            Self::Metadata(text) => format!("metadata format incorrect:{text}"),
            Self::Instance(bad) => bad.to_string(),
            Self::OverQuota(over) => over.to_string(),
            Self::WrongKind(wrong, version) if version.checks_parameters() => unwrapped(wrong),
            Self::WrongKind(wrong, _) => format!("caused: {};", unwrapped(wrong)),
            Self::Edit(error, grouped) => text_of_edit(error, grouped),
            Self::NothingToDelete(grouped) => text_of_edit(&EditError::ServiceMissing, grouped),
            Self::UnknownService(service) => format!(
                "service not found, namespace: {}, serviceName: {}",
                service.namespace,
                service.grouped()
            ),
            Self::Unreadable(text) => format!("caused: {text};"),
            Self::NotSaved(why) => format!("caused: {why};"),
            Self::Illegal(illegal) => format!("{illegal}\r\n"),
            Self::Name { reason, .. } => {
                format!(
                    "Service name filter error,caused: Param 'serviceName' is illegal, {reason};"
                )
            }
            Self::NotFound(_, text)
            | Self::Refused(_, text)
            | Self::Failed(_, text)
            | Self::Body(_, text)
            | Self::UpdatedNothing(text) => text.clone(),
        }
    }
}

fn unwrapped(wrong: &WrongKind) -> String {
    format!("errCode: 400, errMsg: {wrong} ")
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = match &self {
            Self::Name { path, .. } => spring_error(self.status(), &self.text(), path),
            Self::Illegal(_) => {
                let mut response = (self.status(), self.text()).into_response();
                // These come without one.
                response.headers_mut().remove(header::CONTENT_TYPE);
                response
            }
            _ => (self.status(), [(header::CONTENT_TYPE, TEXT)], self.text()).into_response(),
        };
        response.extensions_mut().insert(Said(Arc::new(self)));
        response
    }
}

impl From<Illegal> for Failure {
    fn from(illegal: Illegal) -> Self {
        Self::Illegal(illegal)
    }
}

impl From<BadInstance> for Failure {
    fn from(bad: BadInstance) -> Self {
        Self::Instance(bad)
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
    /// What is said of an operation on a service, by its grouped name.
    pub(super) fn of_edit(error: EditError, grouped: String) -> Self {
        match error {
            EditError::OverQuota(over) => Self::OverQuota(over),
            other => Self::Edit(other, grouped),
        }
    }
}

/// What 2.x says of an operation on a service.
fn text_of_edit(error: &EditError, grouped: &str) -> String {
    match error {
        EditError::ServiceMissing => format!("service {grouped} not found!"),
        EditError::ServiceExists => format!("specified service {grouped} already exists!"),
        EditError::ServiceNotEmpty => format!(
            "Service {grouped} is not empty, can't be delete. Please unregister instance first"
        ),
        EditError::OverQuota(over) => over.to_string(),
        EditError::InstanceMissing => "no matched ip found!".to_owned(),
        EditError::CheckerWorking => {
            format!("health check is still working, service: {grouped}")
        }
    }
}

/// A refusal as v2 and v3 send it: a result whose data is the reason.
#[derive(Debug)]
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

impl InResult {
    fn code(&self) -> Code {
        match &self.0 {
            Failure::Missing(_) | Failure::MissingDeclared(_) => Code::ParameterMissing,
            Failure::Metadata(_) => Code::Metadata,
            Failure::Instance(BadInstance::Weight) => Code::Weight,
            Failure::Instance(BadInstance::NoIp) => Code::ParameterMissing,
            Failure::Instance(_) => Code::Instance,
            Failure::NotFound(code, _) | Failure::Refused(code, _) | Failure::Failed(code, _) => {
                *code
            }
            Failure::Edit(error, _) => match error {
                EditError::ServiceMissing => Code::ServiceMissing,
                EditError::ServiceExists => Code::ServiceExists,
                EditError::ServiceNotEmpty => Code::ServiceNotDeleted,
                EditError::InstanceMissing => Code::NotFound,
                EditError::CheckerWorking | EditError::OverQuota(_) => Code::Server,
            },
            Failure::NothingToDelete(_) | Failure::UnknownService(_) => Code::ServiceMissing,
            Failure::UpdatedNothing(_) => Code::InstanceNotFound,
            Failure::WrongKind(..)
            | Failure::OverQuota(_)
            | Failure::Unreadable(_)
            | Failure::NotSaved(_)
            | Failure::Body(..) => Code::Server,
            Failure::NotANumber(_) | Failure::Illegal(_) | Failure::Name { .. } => Code::Validation,
        }
    }

    fn data(&self) -> String {
        match &self.0 {
            Failure::Missing(name) | Failure::MissingDeclared(name) => {
                let kind = match *name {
                    "port" | "checkPort" => "Integer",
                    "healthy" | "useInstancePort4Check" => "Boolean",
                    _ => "String",
                };
                format!("Required parameter '{name}' type {kind} is not present")
            }
            Failure::WrongKind(wrong, _) => unwrapped(wrong),
            other => other.text(),
        }
    }
}

impl IntoResponse for InResult {
    fn into_response(self) -> Response {
        let status = match &self.0 {
            Failure::Illegal(_) => return self.0.into_response(),
            Failure::WrongKind(..) => StatusCode::BAD_REQUEST,
            other => other.status(),
        };
        let code = self.code();
        let body = Outcome {
            code: code.number(),
            message: code.message(),
            data: self.data(),
        };
        (status, axum::Json(body)).into_response()
    }
}

/// What v2 and v3 wrap all that they say in.
#[derive(Serialize)]
struct Outcome<T> {
    code: u32,
    message: &'static str,
    data: T,
}

/// The success of v2 and v3.
pub(super) fn result(data: impl Serialize) -> Response {
    axum::Json(Outcome {
        code: 0,
        message: "success",
        data,
    })
    .into_response()
}

/// A failure that comes with status 200: the code alone says so.
pub(super) fn failed_result(code: Code) -> Response {
    axum::Json(Outcome {
        code: code.number(),
        message: code.message(),
        data: (),
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
