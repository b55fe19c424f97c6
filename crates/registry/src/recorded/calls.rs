//! The HTTP calls that the registry answers.

/// The generations of presented versions that have a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct In(u8);

impl In {
    /// 1.x.
    pub(super) const ONE: Self = Self(1);
    /// 2.0 and 2.1.
    pub(super) const EARLY_TWO: Self = Self(2);
    /// 2.2 to 2.5.
    pub(super) const TWO: Self = Self(4);
    /// 3.0 and later.
    pub(super) const THREE: Self = Self(8);

    const ALL: Self = Self(15);
    const BEFORE_V2: Self = Self(3);
    const BEFORE_THREE: Self = Self(7);
    const SINCE_V2: Self = Self(12);
    const SINCE_TWO: Self = Self(14);

    pub(super) fn contains(self, generation: Self) -> bool {
        self.0 & generation.0 != 0
    }
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
    call("/v1/ns/instance", CRUD_PATCH, In::ALL),
    call("/v1/ns/instance/list", GET, In::ALL),
    call("/v1/ns/instance/beat", PUT, In::ALL),
    call("/v1/ns/instance/statuses", GET, In::ALL),
    call("/v1/ns/instance/metadata/batch", PUT_DELETE, In::ALL),
    call("/v1/ns/service", CRUD, In::ALL),
    call("/v1/ns/service/list", GET, In::ALL),
    call("/v1/ns/service/names", GET, In::ALL),
    call("/v1/ns/service/subscribers", GET, In::ALL),
    call("/v1/ns/service/selector/types", GET, In::SINCE_TWO),
    call("/v1/ns/catalog/services", GET, In::ALL),
    call("/v1/ns/catalog/service", GET, In::ALL),
    call("/v1/ns/catalog/instances", GET, In::ALL),
    call("/v1/ns/cluster", PUT, In::ALL),
    call("/v1/ns/health", PUT, In::ALL),
    call("/v1/ns/health/instance", PUT, In::ALL),
    call("/v1/ns/health/checkers", GET, In::SINCE_TWO),
    call("/v1/ns/operator/metrics", GET, In::ALL),
    call("/v1/ns/operator/switches", &["GET", "PUT"], In::ALL),
    call("/v1/ns/operator/servers", GET, In::BEFORE_V2),
    call("/v1/ns/operator/distro/status", GET, In::ONE),
    call("/v1/ns/upgrade/ops/metrics", GET, In::EARLY_TWO),
    call("/v1/ns/upgrade/ops/service", CRUD, In::EARLY_TWO),
    call("/v1/ns/upgrade/ops/service/list", GET, In::EARLY_TWO),
    call("/v1/ns/upgrade/ops/service/names", GET, In::EARLY_TWO),
    call("/v1/ns/upgrade/ops/instance", CRUD, In::EARLY_TWO),
    call("/v1/ns/upgrade/ops/instance/list", GET, In::EARLY_TWO),
    call("/v1/core/cluster/nodes", GET, In::ALL),
    call("/v1/core/cluster/self", GET, In::ALL),
    call("/v1/console/namespaces", CRUD, In::BEFORE_THREE),
    call("/v1/console/server/state", GET, In::BEFORE_THREE),
    call("/v1/console/health/liveness", GET, In::BEFORE_THREE),
    call("/v1/console/health/readiness", GET, In::BEFORE_THREE),
    call("/v2/ns/instance", CRUD_PATCH, In::SINCE_V2),
    call("/v2/ns/instance/list", GET, In::SINCE_V2),
    call("/v2/ns/instance/beat", PUT, In::SINCE_V2),
    call("/v2/ns/instance/statuses/{key}", GET, In::SINCE_V2),
    call("/v2/ns/catalog/instances", GET, In::SINCE_V2),
    call("/v2/ns/instance/metadata/batch", PUT_DELETE, In::SINCE_V2),
    call("/v2/ns/service", CRUD, In::SINCE_V2),
    call("/v2/ns/service/list", GET, In::SINCE_V2),
    call("/v2/ns/health", PUT, In::SINCE_V2),
    call("/v2/ns/health/instance", PUT, In::SINCE_V2),
    call("/v2/ns/client", GET, In::SINCE_V2),
    call("/v2/ns/client/list", GET, In::SINCE_V2),
    call("/v2/ns/client/publish/list", GET, In::SINCE_V2),
    call("/v2/ns/client/subscribe/list", GET, In::SINCE_V2),
    call("/v2/ns/client/service/publisher/list", GET, In::SINCE_V2),
    call("/v2/ns/client/service/subscriber/list", GET, In::SINCE_V2),
    call("/v2/ns/operator/metrics", GET, In::SINCE_V2),
    call("/v2/ns/operator/switches", &["GET", "PUT"], In::SINCE_V2),
    call("/v2/core/cluster/node/list", GET, In::SINCE_V2),
    call("/v2/core/cluster/node/self", GET, In::SINCE_V2),
    call("/v2/console/namespace", CRUD, In::TWO),
    call("/v2/console/namespace/list", GET, In::TWO),
    call("/v2/console/health/liveness", GET, In::TWO),
    call("/v2/console/health/readiness", GET, In::TWO),
    call("/v3/client/ns/instance", &["POST", "DELETE"], In::THREE),
    call("/v3/client/ns/instance/list", GET, In::THREE),
    call("/v3/admin/ns/instance", CRUD, In::THREE),
    call("/v3/admin/ns/instance/partial", PUT, In::THREE),
    call(
        "/v3/admin/ns/instance/metadata/batch",
        PUT_DELETE,
        In::THREE,
    ),
    call("/v3/admin/ns/instance/list", GET, In::THREE),
    call("/v3/admin/ns/service", CRUD, In::THREE),
    call("/v3/admin/ns/service/list", GET, In::THREE),
    call("/v3/admin/ns/service/subscribers", GET, In::THREE),
    call("/v3/admin/ns/service/selector/types", GET, In::THREE),
    call("/v3/admin/ns/cluster", PUT, In::THREE),
    call("/v3/admin/ns/health/instance", PUT, In::THREE),
    call("/v3/admin/ns/health/checkers", GET, In::THREE),
    call("/v3/admin/ns/client", GET, In::THREE),
    call("/v3/admin/ns/client/list", GET, In::THREE),
    call("/v3/admin/ns/client/publish/list", GET, In::THREE),
    call("/v3/admin/ns/client/subscribe/list", GET, In::THREE),
    call("/v3/admin/ns/client/service/publisher/list", GET, In::THREE),
    call(
        "/v3/admin/ns/client/service/subscriber/list",
        GET,
        In::THREE,
    ),
    call("/v3/admin/ns/ops/metrics", GET, In::THREE),
    call("/v3/admin/ns/ops/switches", &["GET", "PUT"], In::THREE),
    call("/v3/admin/core/state", GET, In::THREE),
    call("/v3/admin/core/state/liveness", GET, In::THREE),
    call("/v3/admin/core/state/readiness", GET, In::THREE),
    call("/v3/admin/core/namespace", CRUD, In::THREE),
    call("/v3/admin/core/namespace/check", GET, In::THREE),
    call("/v3/admin/core/namespace/list", GET, In::THREE),
    call("/v3/console/core/namespace", CRUD, In::THREE),
    call("/v3/console/core/namespace/exist", GET, In::THREE),
    call("/v3/console/core/namespace/list", GET, In::THREE),
    call("/v3/admin/core/cluster/node/list", GET, In::THREE),
    call("/v3/admin/core/cluster/node/self", GET, In::THREE),
];
