//! Where requests come in: at an address of Envoy, or from inside a gRPC
//! client.

use std::net::SocketAddr;
use std::sync::Arc;

use prost::Message;

use super::cluster::on_the_same_stream;
use super::endpoints::address;
use super::{ALL_ROUTES, Resource};
use crate::config::XdsConfig;
use crate::proto::discovery::Any;
use crate::proto::resource::{
    ApiListener, Filter, FilterChain, HttpConnectionManager, Listener, Rds, Router,
};

const MANAGER: &str = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";

/// Envoy's listener, where it is to have one, and one for each service, which
/// gRPC clients ask for by its name.
pub(super) fn resources<'a>(
    config: &XdsConfig,
    domains: impl Iterator<Item = &'a Arc<str>>,
) -> impl Iterator<Item = Resource> {
    let at_address = config.listener.map(at);
    at_address.into_iter().chain(domains.map(inside))
}

fn at(listen: SocketAddr) -> Resource {
    let listener = Listener {
        name: ALL_ROUTES.to_string(),
        address: Some(address(listen.ip(), listen.port())),
        filter_chains: vec![FilterChain {
            filters: vec![filter("http", MANAGER, &manager(&ALL_ROUTES))],
        }],
        api_listener: None,
    };
    Resource::new(&ALL_ROUTES, &listener)
}

fn inside(domain: &Arc<str>) -> Resource {
    let listener = Listener {
        name: domain.to_string(),
        address: None,
        filter_chains: Vec::new(),
        api_listener: Some(ApiListener {
            api_listener: Some(any(MANAGER, &manager(domain))),
        }),
    };
    Resource::new(domain, &listener).only_by_name()
}

fn manager(routes: &Arc<str>) -> HttpConnectionManager {
    HttpConnectionManager {
        stat_prefix: ALL_ROUTES.to_string(),
        rds: Some(Rds {
            config_source: Some(on_the_same_stream()),
            route_config_name: routes.to_string(),
        }),
        http_filters: vec![filter("router", ROUTER, &Router {})],
    }
}

fn filter(name: &str, type_url: &str, content: &impl Message) -> Filter {
    Filter {
        name: name.to_owned(),
        typed_config: Some(any(type_url, content)),
    }
}

fn any(type_url: &str, content: &impl Message) -> Any {
    Any {
        type_url: type_url.to_owned(),
        value: content.encode_to_vec().into(),
    }
}
