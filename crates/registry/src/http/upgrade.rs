//! `upgrade/ops`, by which servers of 2.0 and 2.1 were upgraded: v1 once more,
//! with a choice between the stores of 1.x and of 2.x. There is one store here,
//! and it is the latter, which is also what is meant where none is named.

use axum::Json;
use axum::Router;
use axum::extract::{Query, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::Site;
use super::failure::{Failure, TEXT, ok};
use super::params::Params;
use super::{instance, service};
use crate::store::Kind;

pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/metrics", get(metrics))
        .route(
            "/service",
            post(create)
                .delete(service::delete)
                .put(service::update)
                .get(service::detail),
        )
        .route("/service/list", get(service::list))
        .route("/service/names", get(service::names))
        .route(
            "/instance",
            post(instance::register)
                .delete(instance::deregister)
                .put(instance::update)
                .get(instance::detail),
        )
        .route("/instance/list", get(instance::list))
        .layer(from_fn(of_the_second_store))
}

/// Refuses calls to the store of 1.x. An empty answer, as of an upgraded
/// server, would look as if nothing was registered.
async fn of_the_second_store(request: Request, next: Next) -> Response {
    #[derive(serde::Deserialize)]
    struct Store {
        ver: Option<String>,
    }
    let store = Query::<Store>::try_from_uri(request.uri());
    match store.as_ref().map(|store| store.ver.as_deref()) {
        Ok(None | Some("" | "v2")) => next.run(request).await,
        _ => Failure::invalid("there is no store of 1.x: ver has to be v2").into_response(),
    }
}

/// Unlike by v1, a service is created ephemeral where nothing else is said.
async fn create(State(site): State<Site>, params: Params) -> Result<Response, Failure> {
    let service = params.declared_service()?;
    let kind = Kind::of(params.flag_or("ephemeral", true));
    service::create_as(&site.registry, &params, &service, kind).await?;
    Ok(ok())
}

/// How far the upgrade is: done, with nothing in the store of 1.x.
async fn metrics(State(site): State<Site>, params: Params) -> Response {
    let figures = site.registry.figures();
    let (services, instances) = (figures.services, figures.published_instances);
    let metrics: [(&str, serde_json::Value); 11] = [
        ("upgraded", true.into()),
        ("isAll20XVersion", true.into()),
        ("isDoubleWriteEnabled", false.into()),
        ("doubleWriteDelayTaskCount", 0.into()),
        ("serviceCountV1", 0.into()),
        ("instanceCountV1", 0.into()),
        ("serviceCountV2", services.into()),
        ("instanceCountV2", instances.into()),
        ("subscribeCountV2", figures.subscriptions.into()),
        ("responsibleServiceCountV1", 0.into()),
        ("responsibleInstanceCountV1", 0.into()),
    ];
    if params.strict_flag("json") {
        let metrics = metrics.map(|(name, value)| (name.to_owned(), value));
        return Json(serde_json::Map::from_iter(metrics)).into_response();
    }
    let lines = metrics.map(|(name, value)| format!("{name:<30} = {value:>5}\n"));
    ([(axum::http::header::CONTENT_TYPE, TEXT)], lines.concat()).into_response()
}
