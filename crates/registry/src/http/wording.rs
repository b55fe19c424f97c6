//! How generations before 2.2 word the refusals of v1.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::failure::{Failure, TEXT};
use crate::presented::PresentedVersion;
use crate::store::EditError;
use crate::wire::BadInstance;

/// The failure that a response tells, for whoever has to word it otherwise.
#[derive(Clone)]
pub(super) struct Said(pub(super) Arc<Failure>);

/// A response in the words of a version before 2.2, if it is a refusal.
pub(super) fn in_words_of(version: PresentedVersion, mut response: Response) -> Response {
    let Some(Said(failure)) = response.extensions_mut().remove::<Said>() else {
        return response;
    };
    let (status, text) = match &*failure {
        // Nothing of these is Nacos's own.
        Failure::Body(..) | Failure::NotSaved(_) | Failure::Illegal(_) => return response,
        failure if version.is_first_generation() => first_generation(failure),
        failure => (failure.status(), without_class(failure)),
    };
    let (status, text) = match version.wraps_refusals() {
        true => wrapped(&failure, status, text),
        false => (status, text),
    };
    (status, [(header::CONTENT_TYPE, TEXT)], text).into_response()
}

/// The name filter says no more than what is wrong (2.0, 2.1).
fn without_class(failure: &Failure) -> String {
    match failure {
        Failure::Name { reason, .. } => format!("Param 'serviceName' is illegal, {reason}"),
        other => other.text(),
    }
}

/// The words of 1.x.
fn first_generation(failure: &Failure) -> (StatusCode, String) {
    match failure {
        Failure::UnknownService(service) => {
            let text = format!("service {} is not found!", service.grouped());
            (StatusCode::NOT_FOUND, text)
        }
        Failure::NothingToDelete(grouped) => {
            let text = format!("specified service not exist, serviceName : {grouped}");
            (StatusCode::BAD_REQUEST, text)
        }
        Failure::Edit(EditError::ServiceExists, grouped) => {
            let text = format!("specified service already exists, serviceName : {grouped}");
            (StatusCode::BAD_REQUEST, text)
        }
        Failure::Edit(EditError::InstanceMissing, _) => {
            (StatusCode::BAD_REQUEST, "instance not found".to_owned())
        }
        Failure::Instance(BadInstance::Cluster(cluster)) => {
            let characters = "cluster name can only have these characters: 0-9a-zA-Z-";
            let text = format!("{characters}, current: {cluster}");
            (StatusCode::BAD_REQUEST, text)
        }
        other => (other.status(), without_class(other)),
    }
}

/// 1.4 wraps whatever it says, and answers with 500 to all but arguments that
/// make no sense.
fn wrapped(failure: &Failure, status: StatusCode, text: String) -> (StatusCode, String) {
    let internal = StatusCode::INTERNAL_SERVER_ERROR;
    match failure {
        Failure::MissingDeclared(name) => {
            let kind = match *name {
                "pageNo" | "pageSize" => "int",
                _ => "String",
            };
            let text = format!(
                "caused: Required request parameter '{name}' for method parameter type {kind} \
                 is not present;"
            );
            (internal, text)
        }
        // These are wrapped everywhere.
        Failure::Unreadable(_) | Failure::WrongKind(..) => (status, text),
        Failure::NotFound(..)
        | Failure::UnknownService(_)
        | Failure::UpdatedNothing(_)
        | Failure::Metadata(_)
        | Failure::Instance(BadInstance::Weight)
        | Failure::Edit(EditError::ServiceMissing, _) => (internal, format!("caused: {text};")),
        _ => (status, format!("caused: {text};")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn said(version: &str, failure: Failure) -> (u16, String) {
        let version = version.parse().expect("one that is presented");
        let response = in_words_of(version, failure.into_response());
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1024).await;
        let body = body.expect("a short body");
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn every_generation_has_its_words_for_the_same() {
        let exists = || Failure::Edit(EditError::ServiceExists, "G@@s".into());
        for (version, status, text) in [
            (
                "1.3.0",
                400,
                "specified service already exists, serviceName : G@@s",
            ),
            (
                "1.4.8",
                400,
                "caused: specified service already exists, serviceName : G@@s;",
            ),
            ("2.1.1", 400, "specified service G@@s already exists!"),
        ] {
            assert_eq!(said(version, exists()).await, (status, text.to_owned()));
        }
        let declared = said("1.4.8", Failure::MissingDeclared("key")).await;
        assert_eq!(declared.0, 500, "{}", declared.1);
        let missing = said("1.4.8", Failure::Missing("ip")).await;
        assert_eq!(
            missing,
            (400, "caused: Param 'ip' is required.;".to_owned())
        );
    }
}
