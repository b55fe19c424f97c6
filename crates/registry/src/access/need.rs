//! What a call needs, by its path over HTTP and by its type over gRPC.
//!
//! The tables follow what Nacos 2.2 to 3.0 mark as secured. What is in none of
//! them needs an administrator, so that a new call is never open by oversight.

use axum::http::Method;
use syncline_model::NamespaceId;
use syncline_nacos::message::{
    BatchInstanceRequest, HealthCheckRequest, Instance, InstanceRequest, Lenient, Message,
    NamingFuzzyWatchRequest, PersistentInstanceRequest, ServiceListRequest, ServiceQueryRequest,
    SubscribeServiceRequest,
};

/// What is done to services.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// Nothing is changed.
    Read,
    /// Something may be.
    Write,
}

/// What a call needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Need {
    /// Nothing: everybody may, also without a token.
    Nothing,
    /// Any user.
    AnyUser,
    /// A right in a namespace.
    In(NamespaceId, Action),
    /// A right in all namespaces.
    Everywhere(Action),
    /// An administrator.
    Admin(Action),
}

impl Need {
    /// Whether something may change.
    pub(super) fn writes(&self) -> bool {
        match self {
            Self::Nothing | Self::AnyUser => false,
            Self::In(_, action) | Self::Everywhere(action) | Self::Admin(action) => {
                *action == Action::Write
            }
        }
    }
}

/// What a call over HTTP needs. The path is that of the route, below the
/// context path; `parameter` finds a parameter.
pub(crate) fn of_path<'a>(
    method: &Method,
    path: &str,
    parameter: impl Fn(&str) -> Option<&'a str>,
) -> Need {
    let action = match *method {
        Method::GET | Method::HEAD => Action::Read,
        _ => Action::Write,
    };
    let namespace = || NamespaceId::from_wire(parameter("namespaceId").unwrap_or_default());
    let reads = action == Action::Read;
    match path {
        // What a client finds out before it logs in, and how it does.
        "/v1/auth/login" | "/v1/auth/users/login" | "/v3/auth/user/login" => Need::Nothing,
        "/v2/console/namespace" if reads => Need::AnyUser,
        _ if reads
            && below(
                path,
                &["/v3/admin/core/namespace", "/v3/console/core/namespace"],
            ) =>
        {
            Need::AnyUser
        }
        _ if reads && is_public(path) => Need::Nothing,
        // Passed on with what the caller shows, for the other side to judge.
        _ if below(path, &["/v1/cs", "/v2/cs", "/v3/client/cs"]) => Need::Nothing,
        "/v1/ns/instance/statuses" => {
            let key = parameter("key").unwrap_or_default();
            let namespace = key.split_once("##").map_or("", |(namespace, _)| namespace);
            Need::In(NamespaceId::from_wire(namespace), action)
        }
        "/v1/ns/service/names" | "/v1/ns/upgrade/ops/service/names"
            if parameter("namespaceId").is_none() =>
        {
            Need::Everywhere(action)
        }
        // The namespace stands in the path, where it is not looked for.
        _ if below(path, &["/v2/ns/instance/statuses"]) => Need::Everywhere(action),
        _ if is_about_clients(path) => Need::Admin(action),
        _ if below(path, &["/v1/ns", "/v2/ns", "/v3/client/ns", "/v3/admin/ns"]) => {
            Need::In(namespace(), action)
        }
        _ => Need::Admin(action),
    }
}

fn is_public(path: &str) -> bool {
    below(
        path,
        &[
            "/v1/console",
            "/v2/console",
            "/v3/admin/core/state",
            "/v1/core/cluster",
            "/v1/ns/operator",
            "/v1/ns/ops",
            "/v2/ns/operator",
            "/v2/ns/ops",
            "/v1/ns/health/checkers",
            "/v1/ns/service/selector/types",
        ],
    )
}

fn is_about_clients(path: &str) -> bool {
    below(
        path,
        &[
            "/v2/ns/client",
            "/v3/admin/ns/client",
            "/v3/admin/ns/ops",
            "/v2/core/cluster",
            "/v3/admin/core/cluster",
        ],
    )
}

/// Whether a path is one of these, or below one of them.
fn below(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| {
        let rest = path.strip_prefix(place);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// What a call over gRPC needs, by its type and the namespace that it names.
pub(crate) fn of_kind(kind: &str, namespace: &str) -> Need {
    let within = |action| Need::In(NamespaceId::from_wire(namespace), action);
    match kind {
        HealthCheckRequest::TYPE => Need::Nothing,
        InstanceRequest::TYPE
        | BatchInstanceRequest::<Lenient<Instance>>::TYPE
        | PersistentInstanceRequest::TYPE => within(Action::Write),
        SubscribeServiceRequest::TYPE
        | ServiceQueryRequest::TYPE
        | ServiceListRequest::TYPE
        | NamingFuzzyWatchRequest::TYPE => within(Action::Read),
        _ => Need::Admin(Action::Write),
    }
}

/// The type of the answer to a request, in which a refusal comes too: after an
/// `ErrorResponse` the Java client would try another server.
pub(crate) fn answer_to(kind: &str) -> &'static str {
    match kind {
        InstanceRequest::TYPE | PersistentInstanceRequest::TYPE => "InstanceResponse",
        BatchInstanceRequest::<Lenient<Instance>>::TYPE => "BatchInstanceResponse",
        SubscribeServiceRequest::TYPE => "SubscribeServiceResponse",
        ServiceQueryRequest::TYPE => "QueryServiceResponse",
        ServiceListRequest::TYPE => "ServiceListResponse",
        NamingFuzzyWatchRequest::TYPE => "NamingFuzzyWatchResponse",
        _ => "ErrorResponse",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needed(method: &str, path: &str, pairs: &[(&str, &'static str)]) -> Need {
        let method = method.parse().expect("a method");
        of_path(&method, path, |name| {
            let mut pairs = pairs.iter();
            pairs.find(|(key, _)| *key == name).map(|(_, value)| *value)
        })
    }

    fn within(namespace: &str, action: Action) -> Need {
        Need::In(namespace.into(), action)
    }

    #[test]
    fn services_are_read_and_written_in_their_namespace() {
        let dev = [("namespaceId", "dev")];
        for path in [
            "/v1/ns/instance",
            "/v2/ns/instance",
            "/v3/client/ns/instance",
        ] {
            assert_eq!(needed("POST", path, &dev), within("dev", Action::Write));
            assert_eq!(needed("DELETE", path, &[]), within("public", Action::Write));
            assert_eq!(needed("GET", path, &dev), within("dev", Action::Read));
        }
        assert_eq!(
            needed("PUT", "/v1/ns/instance/beat", &[]),
            within("public", Action::Write)
        );
    }

    #[test]
    fn a_namespace_may_hide_elsewhere() {
        let key = [("key", "dev##G@@orders"), ("namespaceId", "public")];
        let path = "/v1/ns/instance/statuses";
        assert_eq!(needed("GET", path, &key), within("dev", Action::Read));
        let path = "/v1/ns/service/names";
        assert_eq!(needed("GET", path, &[]), Need::Everywhere(Action::Read));
        let dev = [("namespaceId", "dev")];
        assert_eq!(needed("GET", path, &dev), within("dev", Action::Read));
    }

    #[test]
    fn what_finds_the_server_is_open_and_what_shows_clients_is_not() {
        for path in [
            "/v1/console/server/state",
            "/v1/ns/operator/metrics",
            "/v3/admin/core/state",
        ] {
            assert_eq!(needed("GET", path, &[]), Need::Nothing, "{path}");
        }
        for path in ["/v2/ns/client/list", "/v3/admin/ns/client", "/v9/new"] {
            assert_eq!(needed("GET", path, &[]), Need::Admin(Action::Read));
        }
        let write = Need::Admin(Action::Write);
        for path in [
            "/v1/console/namespaces",
            "/v2/console/namespace",
            "/v3/admin/core/namespace",
            "/v3/console/core/namespace",
        ] {
            for method in ["POST", "PUT", "DELETE"] {
                assert_eq!(needed(method, path, &[]), write, "{method} {path}");
            }
        }
        for path in ["/v2/console/namespace", "/v3/console/core/namespace/list"] {
            assert_eq!(needed("GET", path, &[]), Need::AnyUser, "{path}");
        }
        let elsewhere = needed("GET", "/v1/ns/operatorless", &[]);
        assert_eq!(elsewhere, within("public", Action::Read));
    }

    #[test]
    fn an_unknown_type_is_for_administrators() {
        assert_eq!(of_kind("HealthCheckRequest", ""), Need::Nothing);
        assert_eq!(
            of_kind("BatchInstanceRequest", "dev"),
            within("dev", Action::Write)
        );
        for reads in ["ServiceQueryRequest", "NamingFuzzyWatchRequest"] {
            assert_eq!(of_kind(reads, ""), within("public", Action::Read));
        }
        assert_eq!(of_kind("NewRequest", ""), Need::Admin(Action::Write));
    }
}
