//! Pages that outputs offer, beside the API.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use syncline_contract::Page;

/// A route for each page.
pub(crate) fn routes(pages: &[Arc<dyn Page>]) -> Router {
    let mut router = Router::new();
    for page in pages {
        let (path, page) = (page.path(), Arc::clone(page));
        let answer = move |request: Request| answer(Arc::clone(&page), request);
        router = router.route(path, get(answer));
    }
    router
}

/// A page may be large, so it is written where nobody else waits.
async fn answer(page: Arc<dyn Page>, request: Request) -> Response {
    let request = request.map(drop);
    let answered = tokio::task::spawn_blocking(move || page.answer(&request)).await;
    match answered {
        Ok(response) => response.map(Body::from),
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
