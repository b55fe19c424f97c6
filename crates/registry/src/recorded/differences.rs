//! In what the registry differs from Nacos 2.2.4 as it was recorded, and why.

/// Routes that are answered as unknown, by the beginning of their path.
pub(super) const MISSING: &[&str] = &[
    "/nacos/v1/core/cluster/nodes",
    "/nacos/v1/core/cluster/self",
    "/nacos/v1/ns/health/checkers",
    "/nacos/v1/ns/instance/metadata/batch",
    "/nacos/v1/ns/operator/distro/client",
    "/nacos/v1/ns/operator/switches",
    "/nacos/v1/ns/service/selector/types",
    "/nacos/v1/ns/service/subscribers",
    "/nacos/v2/core/cluster/node/list",
    "/nacos/v2/ns/catalog/instances",
    "/nacos/v2/ns/client",
    "/nacos/v2/ns/health",
    "/nacos/v2/ns/instance/metadata/batch",
    "/nacos/v2/ns/instance/statuses",
    "/nacos/v2/ns/operator/switches",
];

/// Steps whose answer differs, by a part of their note, and why.
pub(super) const DIFFERENT: &[(&str, &str)] = &[
    // HTTP
    ("state: v1 console", NO_CONSOLE),
    ("health liveness", NO_CONSOLE),
    ("health readiness", NO_CONSOLE),
    ("namespaces list", NO_CONSOLE),
    ("v1 namespace id exists?", NO_CONSOLE),
    ("v1 namespace detail", NO_CONSOLE),
    ("udpPort without a known user agent", UNPUSHED),
    ("weight NaN", IMPOSSIBLE),
    ("register: port 70000", IMPOSSIBLE),
    ("register: port 65536", IMPOSSIBLE),
    ("register: port 0", IMPOSSIBLE),
    ("register: port -1", IMPOSSIBLE),
    ("v2 register port 70000", IMPOSSIBLE),
    ("v2 detail", NO_ID),
    ("v1 detail: gRPC one", NO_ID),
    (
        "v1 list: a@@b",
        "the id that 2.2.4 derives has the part that it drops",
    ),
    ("after batch metadata", NO_BATCH),
    ("after DELETE", NO_BATCH),
    ("after register again", NO_BATCH),
    ("v2 list after updates", NO_BATCH),
    ("v2 patch", "no client uses it"),
    ("beat: bad JSON", JAVA_TEXT),
    ("v1 cluster PUT not JSON", JAVA_TEXT),
    ("v2 service create, protectThreshold abc", JAVA_TEXT),
    ("v2 service list bad pageNo", JAVA_TEXT),
    ("create, label selector", NO_SELECTOR),
    ("service detail, selector", NO_SELECTOR),
    ("v2 register no", V2_ERROR),
    ("v2 register ephemeral into persistent", V2_ERROR),
    ("v2 list no serviceName", V2_ERROR),
    ("v2 service detail, no name", V2_ERROR),
    ("v2 service delete, no name", V2_ERROR),
    ("v2 deregister no port", V2_ERROR),
    ("list default group", REFUSED_BEFORE),
    ("v1 service names: all", REFUSED_BEFORE),
    ("v1 service names: public", REFUSED_BEFORE),
    ("v1 service names: responsibleOnly", REFUSED_BEFORE),
    ("reg-a, reg-c: disabled and unhealthy", REFUSED_BEFORE),
    ("of size 100", PAST_THE_END),
    ("v1 health PUT with NONE", HEALTH_BY_HAND),
    ("v1 health PUT, short path", HEALTH_BY_HAND),
    (
        "metrics at the end",
        "empty services go after 60 s, and not up to 60 s later",
    ),
    ("v1 service list at the end", POISONED),
    ("v1 service names at the end", POISONED),
    // gRPC
    ("server check", ABLE),
    ("persistent register", ABLE),
    ("persistent deregister", ABLE),
    ("query persistent", ABLE),
    ("ephemeral register into a persistent service", ABLE),
    ("on a connection without labels.module", AT_ONCE),
    ("batch, instances missing", JAVA_TEXT),
    ("batch, unknown type", OPERATION),
    ("unknown instance op", OPERATION),
    ("no instance", JAVA_TEXT),
    (
        "blank service name",
        "2.2.4 is poisoned by it: lists fail from then on",
    ),
    ("no group field", DEFAULTED),
    ("no namespace field", DEFAULTED),
    ("query blank group", DEFAULTED),
    ("query grouped name", DEFAULTED),
    (
        "query no service name",
        "400 is the code for what a client did wrong",
    ),
    ("register port", IMPOSSIBLE),
    ("register weight", IMPOSSIBLE),
    ("query weight-", IMPOSSIBLE),
    (
        "subscribe without clusters field",
        "no field is ever left out",
    ),
];

const NO_CONSOLE: &str = "the recorded server has no console";
const UNPUSHED: &str = "who gets no pushes is told to poll more often, as by 1.x";
const IMPOSSIBLE: &str = "nothing could use such an instance";
const NO_ID: &str = "2.2.4 derives no id for what came by v2 or gRPC";
const NO_BATCH: &str = "batch metadata is missing";
const JAVA_TEXT: &str = "the text is that of a Java exception";
const NO_SELECTOR: &str = "there is no selector but none";
const V2_ERROR: &str = "worded as by 2.5.1, whose errors are results";
const REFUSED_BEFORE: &str = "it counts what was refused before";
const PAST_THE_END: &str = "2.2.4 repeats a list that is shorter than a page on every page";
const HEALTH_BY_HAND: &str = "2.x refuses it by a fault";
const ABLE: &str = "abilities and persistent instances as from 2.3 on";
const POISONED: &str = "2.2.4 takes a blank name, and its lists fail from then on";
const AT_ONCE: &str = "a read shows a change at once, 2.2.4 lags";
const OPERATION: &str = "the operation's name is not kept";
const DEFAULTED: &str = "blank places and grouped names mean what they mean over HTTP";
