//! What v3 tells about the server itself.

use axum::extract::State;
use axum::response::Response;

use crate::http::Site;
use crate::http::console;
use crate::http::failure::{Code, Failure, InResult, result};
use crate::http::params::Params;

pub(super) async fn state(State(site): State<Site>) -> Response {
    result(console::state_of(&site))
}

pub(super) async fn alive() -> Response {
    result("ok")
}

pub(super) async fn namespaces(State(site): State<Site>) -> Response {
    result(console::list_namespaces(&site.registry))
}

/// One namespace. None has to be created, and so none can be.
pub(super) async fn namespace(
    State(site): State<Site>,
    params: Params,
) -> Result<Response, InResult> {
    let wanted = params.required("namespaceId")?;
    let namespaces = console::list_namespaces(&site.registry);
    let mut namespaces = namespaces.into_iter();
    let found = namespaces.find(|namespace| namespace["namespace"] == wanted);
    let found = found.ok_or_else(|| {
        let text = format!("namespaceId [ {wanted} ] not exist");
        Failure::NotFound(Code::NamespaceMissing, text)
    })?;
    Ok(result(found))
}
