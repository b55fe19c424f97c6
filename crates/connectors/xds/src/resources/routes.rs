//! Which host is which service.

use std::sync::{Arc, LazyLock};

use super::Resource;
use crate::proto::resource::{
    RetryPolicy, Route, RouteAction, RouteConfiguration, RouteMatch, UInt32Value, VirtualHost,
};

/// The routes of all services.
pub(crate) static ALL: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("syncline"));

/// A request that never reached an instance is safe to send to another one.
/// That is what keeps an instance's end from being seen: it may be gone before
/// its registration is.
const SAFE_TO_RETRY: &str = "connect-failure,refused-stream,reset-before-request";

/// How often that is tried.
const RETRIES: u32 = 2;

/// The routes of all services, and those of each service for gRPC clients, each
/// of which asks for one by its name.
pub(super) fn resources<'a>(
    hosts: impl Iterator<Item = (&'a Arc<str>, &'a Arc<str>)> + Clone,
) -> impl Iterator<Item = Resource> {
    let all = hosts.clone().map(|(domain, cluster)| host(domain, cluster));
    let all = configuration(&ALL, all.collect());
    let each = hosts.map(|(domain, cluster)| {
        let host = host("*", cluster);
        configuration(domain, vec![host]).only_by_name()
    });
    std::iter::once(all).chain(each)
}

fn configuration(name: &Arc<str>, virtual_hosts: Vec<VirtualHost>) -> Resource {
    let routes = RouteConfiguration {
        name: name.to_string(),
        virtual_hosts,
        ignore_port_in_host_matching: true,
    };
    Resource::new(name, &routes)
}

fn host(domain: &str, cluster: &str) -> VirtualHost {
    let to_cluster = RouteAction {
        cluster: cluster.to_owned(),
        retry_policy: Some(RetryPolicy {
            retry_on: SAFE_TO_RETRY.to_owned(),
            num_retries: Some(UInt32Value { value: RETRIES }),
        }),
    };
    VirtualHost {
        name: cluster.to_owned(),
        domains: vec![domain.to_owned()],
        routes: vec![Route {
            r#match: Some(RouteMatch {
                prefix: Some(String::new()),
            }),
            route: Some(to_cluster),
        }],
    }
}
