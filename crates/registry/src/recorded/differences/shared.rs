//! What several versions differ in alike, each once.

use super::Different;

pub(super) const RECORDED_WITHOUT_CONSOLE: Different = (
    "the recorded server has no console",
    &[
        "state: v1 console",
        "health liveness",
        "health readiness",
        "namespaces list",
        "v1 namespace id exists?",
        "v1 namespace detail",
        "v1 namespace create",
    ],
);

pub(super) const NO_CLUSTER_1_3_0_TO_1_4_8: Different = (
    "there is no cluster to tell of, and an invented leader would mislead",
    &["raft leader", "raft state", "cluster state"],
);

pub(super) const BETWEEN_SERVERS: Different = (
    "what servers say to each other",
    &["service status v1", "service checksum v1"],
);

pub(super) const USELESS_INSTANCE_1_3_0_TO_1_4_8: Different = (
    "nothing could use such an instance",
    &[
        "weight NaN",
        "register: port 70000",
        "register: port 65536",
        "register: port 0",
        "register: port -1",
    ],
);

pub(super) const ALL_PARTS_OF_A_NAME_KEPT: Different = (
    "1.x keeps all parts of such a name as the service's",
    &["v1 list: a@@b"],
);

pub(super) const EPHEMERAL_OR_PERSISTENT: Different = (
    "a service is ephemeral or persistent, as from 2.0 on, and one that is created is persistent",
    &[
        "ephemeral=maybe",
        "ephemeral into a",
        "persistent into a",
        "v1 list: all of reg-a",
        "v1 list: reg-a",
        "v1 list: reg-p",
        "healthyOnly=yes",
        "statuses: v1",
        "persistent one after DELETE",
        "v1 list: explicitly created",
        "service delete with",
    ],
);

pub(super) const ADDRESS_ONCE_IN_A_SERVICE: Different = (
    "an address registers once in a service, as from 2.0 on: another cluster is a move",
    &[
        "v1 list: reg-c",
        "udpPort without a known",
        "v1 list: grouped name of DEFAULT_GROUP",
        "v1 service detail, with clusters",
    ],
);

pub(super) const SERVICE_BY_REGISTRATION: Different = (
    "a service exists once something was registered in it",
    &["v1 list: reg-nan", "v1 list: reg-badc"],
);

pub(super) const DERIVED_IDS_OF_1_X: Different = (
    "instance ids are derived, whatever generator is asked for",
    &["v1 list: reg-hb", "v1 list: timeouts from metadata"],
);

pub(super) const PATCH_SETS_NO_HEALTH: Different =
    ("a patch sets no health", &["after PATCH enabled"]);

pub(super) const BEAT_NAMES_BY_SERVICE_NAME: Different = (
    "a beat names its service by serviceName",
    &["beat: old style dom"],
);

pub(super) const SWITCH_BY_CONFIGURATION_1_3_0_TO_2_2_4: Different =
    ("a switch is set by the configuration", &["switch PUT"]);

pub(super) const GRPC_IS_ALWAYS_SERVED: Different = (
    "gRPC is served whatever is presented, 1.x has none",
    &["server check before setup"],
);

pub(super) const EMPTY_SERVICES_AFTER_60_S: Different = (
    "empty services go after 60 s, and not up to 60 s later; what was refused was never there",
    &["metrics at the end"],
);

pub(super) const UNREADABLE_IS_REFUSED: Different = (
    "what cannot be read is refused (as from 2.5 on), never taken for all instances",
    &["v1 batch metadata, bad instances"],
);

pub(super) const NO_CLUSTER_2_0_3_TO_2_1_1: Different = (
    "there is no cluster to tell of, and an invented leader would mislead",
    &[
        "raft leader",
        "raft state",
        "cluster state",
        "distro client",
    ],
);

pub(super) const USELESS_INSTANCE_2_0_3_TO_2_1_1: Different = (
    "nothing could use such an instance",
    &[
        "weight NaN",
        "register: port 70000",
        "register: port 65536",
        "register: port 0",
        "register: port -1",
        "register port",
        "register weight",
        "query weight-",
    ],
);

pub(super) const POLL_MORE_OFTEN_2_0_3_TO_2_1_1: Different = (
    "who gets no pushes is told to poll more often, as by 1.x",
    &["udpPort without a known"],
);

pub(super) const NO_ID_OVER_GRPC: Different = (
    "2.x derives no id for what came over gRPC",
    &["v1 detail: gRPC one"],
);

pub(super) const JAVA_EXCEPTION_2_0_3_TO_2_1_1: Different = (
    "the text is that of a Java exception",
    &[
        "beat: bad JSON",
        "v1 cluster PUT not JSON",
        "batch, instances missing",
        "no instance",
    ],
);

pub(super) const COUNTS_WHAT_WAS_REFUSED: Different = (
    "it counts what was refused or named otherwise before",
    &[
        "list default group",
        "v1 service names: all",
        "v1 service names: public",
        "v1 service names: responsibleOnly",
        "reg-a, reg-c: disabled and unhealthy",
        "service list at the end",
        "service names at the end",
        "groupName *",
    ],
);

pub(super) const SHORT_LIST_REPEATED: Different = (
    "2.x repeats a list that is shorter than a page on every page",
    &["of size 100"],
);

pub(super) const REFUSED_BY_A_FAULT: Different = (
    "2.x refuses it by a fault",
    &["v1 health PUT with NONE", "v1 health PUT, short path"],
);

pub(super) const APPLICATION_SAYS_ITS_NAME: Different = (
    "the application says its name when it connects",
    &["subscribers of the gRPC one"],
);

pub(super) const UPGRADE_IS_DONE: Different = (
    "the upgrade is done: nothing is written twice, and nothing is in another store",
    &["upgrade ops metrics"],
);

pub(super) const NO_STORE_OF_1_X: Different = (
    "there is no store of 1.x",
    &["upgrade ops v1", "upgrade ops v9"],
);

pub(super) const CHANGE_SHOWN_AT_ONCE: Different = (
    "a read shows a change at once, 2.x lags",
    &[
        "upgrade ops default: seen by v1 list",
        "upgrade ops v2: seen by v1 list",
        "on a connection without labels.module",
    ],
);

pub(super) const OPERATION_NAME_NOT_KEPT: Different = (
    "the operation's name is not kept",
    &["batch, unknown type", "unknown instance op"],
);

pub(super) const POISONED_BY_IT: Different = (
    "2.x is poisoned by it: lists fail from then on",
    &["blank service name"],
);

pub(super) const PLACES_MEAN_AS_OVER_HTTP: Different = (
    "blank places and grouped names mean what they mean over HTTP",
    &[
        "no group field",
        "no namespace field",
        "query blank group",
        "query grouped name",
    ],
);

pub(super) const CLIENT_ERROR_IS_400: Different = (
    "400 is the code for what a client did wrong",
    &["query no service name"],
);

pub(super) const NO_FIELD_LEFT_OUT: Different = (
    "no field is ever left out",
    &["subscribe without clusters field"],
);

pub(super) const METADATA_ALONE_CHANGES: Different = (
    "a change of metadata changes metadata: it resets no weight, and enables nothing",
    &[
        "v2 catalog instances grouped",
        "v2 catalog instances ungrouped",
        "v2 catalog instances cluster",
        "v2 catalog instances enabledOnly=false",
    ],
);

pub(super) const LISTS_IN_ORDER: Different = (
    "lists are in order of their names",
    &["v2 catalog instances page 2 of size 2"],
);

pub(super) const PAGE_CUT_AFTER_FILTER: Different = (
    "the page is cut after the filter, and not past its end",
    &["v2 catalog instances healthyOnly"],
);

pub(super) const NO_CLUSTER_2_2_4_TO_3_0_3: Different = (
    "there is no cluster to tell of, and an invented leader would mislead",
    &["distro client"],
);

pub(super) const PATCH_NEEDS_NO_MORE: Different = (
    "a patch needs no more than what it changes",
    &["v2 patch with few params"],
);

pub(super) const POLL_MORE_OFTEN_2_2_4_TO_3_0_3: Different = (
    "who gets no pushes is told to poll more often, as by 1.x",
    &["udpPort without a known user agent"],
);

pub(super) const SWITCH_BY_CONFIGURATION_2_5_1_TO_3_0_3: Different = (
    "a switch is set by the configuration",
    &["switch PUT", "v2 switches"],
);

pub(super) const USERS_BY_CONFIGURATION: Different = (
    "users are in the configuration, and there is no login without any",
    &["login", "init admin user"],
);

pub(super) const MALFORMED_METADATA_IS_400: Different = (
    "malformed metadata is the caller's fault: 400",
    &[
        "metadata malformed",
        "metadata JSON not flat",
        "bad metadata",
    ],
);

pub(super) const DERIVED_IDS: Different = (
    "the instance ids are derived, whatever generator is asked for",
    &[
        "unknown id generator",
        "v1 list: reg-hb",
        "timeouts from metadata",
        "query snowflake",
    ],
);

pub(super) const UNREADABLE_IS_400: Different = (
    "what cannot be read is the caller's fault: 400",
    &["v1 batch metadata, bad instances"],
);

pub(super) const JAVA_EXCEPTION_2_5_1_TO_3_0_3: Different = (
    "the text is that of a Java exception",
    &[
        "beat: bad JSON",
        "protectThreshold abc",
        "v2 service list bad pageNo",
        "v1 cluster PUT not JSON",
        "batch, instances missing",
    ],
);

pub(super) const WORDED_AS_EVERYWHERE_ELSE: Different = (
    "worded as everywhere else",
    &[
        "beat: v2 light, ungrouped",
        "v2 service detail, no name",
        "v2 service delete, no name",
        "v2 list no serviceName",
        "v2 detail no ip",
    ],
);

pub(super) const ID_FOR_EVERY_INSTANCE: Different =
    ("an id is derived for every instance", &["v2 detail"]);

pub(super) const CONNECTION_WITHOUT_MODULE: Different = (
    "a connection need not say what it is for",
    &["on a connection without labels.module"],
);

pub(super) const WORDED_OTHERWISE: Different = (
    "worded otherwise, and the same to a client",
    &[
        "ephemeral register into a persistent service",
        "persistent register into an ephemeral service",
        "no instance",
        "register bad cluster",
        "register timeout shorter than interval",
    ],
);

pub(super) const NAME_WITH_ITS_GROUP: Different = (
    "a name may have its group in it, as over HTTP",
    &["grouped service name", "query grouped name"],
);

pub(super) const BARE_REFUSAL: Different =
    ("a refusal says nothing else", &["service list groupName *"]);

pub(super) const BLANK_MEANS_DEFAULT: Different = (
    "blank and missing places mean the default, as over HTTP",
    &[
        "blank group",
        "no group field",
        "no namespace field",
        "query blank-cluster",
        "query minimal-fields",
        "blank service name",
    ],
);

pub(super) const REFUSED_ADDRESS_IS_NO_CLIENT: Different = (
    "an address whose registration was refused is no client",
    &["metrics at the end"],
);
