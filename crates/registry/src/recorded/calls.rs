//! The HTTP calls that the registry answers.

/// Which presented versions have a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum In {
    /// All.
    All,
    /// Those before 3.0.
    Two,
    /// 3.0 and later.
    Three,
}

/// A path, and the methods that it is called by.
pub(super) struct Call {
    pub(super) path: &'static str,
    pub(super) methods: &'static [&'static str],
    pub(super) presented: In,
}

const fn call(path: &'static str, methods: &'static [&'static str], presented: In) -> Call {
    Call {
        path,
        methods,
        presented,
    }
}

const GET: &[&str] = &["GET"];
const PUT: &[&str] = &["PUT"];
const CRUD: &[&str] = &["POST", "DELETE", "PUT", "GET"];
const CRUD_PATCH: &[&str] = &["POST", "DELETE", "PUT", "PATCH", "GET"];
const PUT_DELETE: &[&str] = &["PUT", "DELETE"];

/// Below the context path.
pub(super) const CALLS: &[Call] = &[
    call("/v1/ns/instance", CRUD_PATCH, In::All),
    call("/v1/ns/instance/list", GET, In::All),
    call("/v1/ns/instance/beat", PUT, In::All),
    call("/v1/ns/instance/statuses", GET, In::All),
    call("/v1/ns/instance/metadata/batch", PUT_DELETE, In::All),
    call("/v1/ns/service", CRUD, In::All),
    call("/v1/ns/service/list", GET, In::All),
    call("/v1/ns/service/names", GET, In::All),
    call("/v1/ns/service/subscribers", GET, In::All),
    call("/v1/ns/service/selector/types", GET, In::All),
    call("/v1/ns/catalog/services", GET, In::All),
    call("/v1/ns/catalog/service", GET, In::All),
    call("/v1/ns/catalog/instances", GET, In::All),
    call("/v1/ns/cluster", PUT, In::All),
    call("/v1/ns/health", PUT, In::All),
    call("/v1/ns/health/instance", PUT, In::All),
    call("/v1/ns/health/checkers", GET, In::All),
    call("/v1/ns/operator/metrics", GET, In::All),
    call("/v1/ns/operator/switches", GET, In::All),
    call("/v1/core/cluster/nodes", GET, In::All),
    call("/v1/core/cluster/self", GET, In::All),
    call("/v1/console/namespaces", GET, In::Two),
    call("/v1/console/server/state", GET, In::Two),
    call("/v1/console/health/liveness", GET, In::Two),
    call("/v1/console/health/readiness", GET, In::Two),
    call("/v2/ns/instance", CRUD_PATCH, In::All),
    call("/v2/ns/instance/list", GET, In::All),
    call("/v2/ns/instance/beat", PUT, In::All),
    call("/v2/ns/instance/metadata/batch", PUT_DELETE, In::All),
    call("/v2/ns/service", CRUD, In::All),
    call("/v2/ns/service/list", GET, In::All),
    call("/v2/ns/health", PUT, In::All),
    call("/v2/ns/health/instance", PUT, In::All),
    call("/v2/ns/client", GET, In::All),
    call("/v2/ns/client/list", GET, In::All),
    call("/v2/ns/client/publish/list", GET, In::All),
    call("/v2/ns/client/subscribe/list", GET, In::All),
    call("/v2/ns/client/service/publisher/list", GET, In::All),
    call("/v2/ns/client/service/subscriber/list", GET, In::All),
    call("/v2/ns/operator/metrics", GET, In::All),
    call("/v2/ns/operator/switches", GET, In::All),
    call("/v2/core/cluster/node/list", GET, In::All),
    call("/v2/core/cluster/node/self", GET, In::All),
    call("/v2/console/namespace/list", GET, In::Two),
    call("/v2/console/health/liveness", GET, In::Two),
    call("/v2/console/health/readiness", GET, In::Two),
    call("/v3/client/ns/instance", &["POST", "DELETE"], In::Three),
    call("/v3/client/ns/instance/list", GET, In::Three),
    call("/v3/admin/ns/instance", CRUD, In::Three),
    call("/v3/admin/ns/instance/partial", PUT, In::Three),
    call(
        "/v3/admin/ns/instance/metadata/batch",
        PUT_DELETE,
        In::Three,
    ),
    call("/v3/admin/ns/instance/list", GET, In::Three),
    call("/v3/admin/ns/service", CRUD, In::Three),
    call("/v3/admin/ns/service/list", GET, In::Three),
    call("/v3/admin/ns/service/subscribers", GET, In::Three),
    call("/v3/admin/ns/service/selector/types", GET, In::Three),
    call("/v3/admin/ns/cluster", PUT, In::Three),
    call("/v3/admin/ns/health/instance", PUT, In::Three),
    call("/v3/admin/ns/health/checkers", GET, In::Three),
    call("/v3/admin/ns/client", GET, In::Three),
    call("/v3/admin/ns/client/list", GET, In::Three),
    call("/v3/admin/ns/client/publish/list", GET, In::Three),
    call("/v3/admin/ns/client/subscribe/list", GET, In::Three),
    call("/v3/admin/ns/client/service/publisher/list", GET, In::Three),
    call(
        "/v3/admin/ns/client/service/subscriber/list",
        GET,
        In::Three,
    ),
    call("/v3/admin/ns/ops/metrics", GET, In::Three),
    call("/v3/admin/ns/ops/switches", GET, In::Three),
    call("/v3/admin/core/state", GET, In::Three),
    call("/v3/admin/core/state/liveness", GET, In::Three),
    call("/v3/admin/core/state/readiness", GET, In::Three),
    call("/v3/admin/core/namespace", GET, In::Three),
    call("/v3/admin/core/namespace/list", GET, In::Three),
    call("/v3/admin/core/cluster/node/list", GET, In::Three),
    call("/v3/admin/core/cluster/node/self", GET, In::Three),
];
