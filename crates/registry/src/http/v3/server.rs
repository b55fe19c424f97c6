//! What v3 tells about the server itself.

use axum::extract::State;
use axum::response::Response;

use crate::http::Site;
use crate::http::console;
use crate::http::failure::result;

pub(super) async fn state(State(site): State<Site>) -> Response {
    result(console::state_of(&site))
}

pub(super) async fn alive() -> Response {
    result("ok")
}
