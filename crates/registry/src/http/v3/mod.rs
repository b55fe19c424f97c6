//! v3, as Nacos 3.0 and 3.1 have it: for clients, and for administrators, who
//! find it at the same port. Both wrap their answers in results, as v2 does,
//! and give names without their group.

mod admin;
mod client;
mod server;
mod service;

use axum::Router;
use axum::routing::{get, post, put};

use super::clients::{self, Words};
use super::{Site, batch, console, member, namespaces, operator, v2};

pub(super) fn routes() -> Router<Site> {
    Router::new()
        .nest("/client/ns", for_clients())
        .nest("/admin/ns", for_administrators())
        .nest("/admin/core", about_the_server())
        .nest("/console/core/namespace", for_the_console())
}

fn for_clients() -> Router<Site> {
    Router::new()
        .route(
            "/instance",
            post(client::register_or_beat).delete(v2::deregister),
        )
        .route("/instance/list", get(client::list))
}

fn for_administrators() -> Router<Site> {
    Router::new()
        .route(
            "/instance",
            post(v2::register)
                .delete(v2::deregister)
                .put(v2::update)
                .get(admin::instance),
        )
        .route("/instance/partial", put(admin::change_instance))
        .route(
            "/instance/metadata/batch",
            put(batch::put_in_result).delete(batch::take_in_result),
        )
        .route("/instance/list", get(admin::instances))
        .route(
            "/service",
            post(v2::create_service)
                .delete(v2::delete_service)
                .put(v2::update_service)
                .get(service::detail),
        )
        .route("/service/list", get(service::list))
        .route("/service/subscribers", get(service::subscribers))
        .route(
            "/service/selector/types",
            get(operator::selectors_in_result),
        )
        .merge(clients::routes(Words::V3))
        .route("/cluster", put(admin::set_checker))
        .route("/health/instance", put(v2::set_health))
        .route("/health/checkers", get(operator::checkers_in_result))
        .route("/ops/metrics", get(console::metrics_in_result))
        .route(
            "/ops/switches",
            get(operator::switches_in_result).put(operator::set_switch_in_result),
        )
}

fn about_the_server() -> Router<Site> {
    Router::new()
        .route("/state", get(server::state))
        .route("/state/liveness", get(server::alive))
        .route("/state/readiness", get(server::alive))
        .route("/namespace/list", get(namespaces::list_in_result))
        .route("/namespace/check", get(namespaces::count))
        .route(
            "/namespace",
            get(namespaces::one_in_result)
                .post(namespaces::create_as_admin)
                .put(namespaces::update_in_result)
                .delete(namespaces::delete_in_result),
        )
        .route("/cluster/node/list", get(member::nodes_in_result))
        .route("/cluster/node/self", get(member::self_in_result))
}

/// What the console does with namespaces. Nacos serves it at a port of its
/// own.
fn for_the_console() -> Router<Site> {
    Router::new()
        .route("/list", get(namespaces::list_in_result))
        .route("/exist", get(namespaces::exists))
        .route(
            "/",
            get(namespaces::one_in_result)
                .post(namespaces::create_at_console)
                .put(namespaces::update_in_result)
                .delete(namespaces::delete_in_result),
        )
}
