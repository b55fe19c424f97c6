//! Nacos 3.0.3 with its compatibility with 1.x and 2.x switched on, and without
//! a login.

use super::{Differences, shared};

pub(in crate::recorded) const OF_3_0_3: Differences = Differences {
    recording: "3.0.3-compat",
    version: "3.0.3",
    missing: &["/nacos/v3/admin/ns/client/distro"],
    different: &[
        shared::METADATA_ALONE_CHANGES,
        shared::LISTS_IN_ORDER,
        shared::PAGE_CUT_AFTER_FILTER,
        shared::NO_CLUSTER_2_2_4_TO_3_0_3,
        shared::SWITCH_BY_CONFIGURATION_2_5_1_TO_3_0_3,
        ("the state has what concerns naming", &["state: v3 admin"]),
        (
            "the recording begins with a service __ready__ and its client, which the registry never had",
            &[
                "metrics v1 onlyStatus=false",
                "metrics v2 onlyStatus=false",
                "v3 admin service list without token",
                "v3 admin client list without token",
                "v3 admin with a garbage token",
                "v3 admin service list, logged in",
                "list default group",
                "v1 service names: all",
                "v1 service names: public",
                "v1 service names: responsibleOnly",
                "v3 admin service list no paging",
                "v3 admin metrics onlyStatus=false",
                "v2 client list",
                "v3 admin client list",
            ],
        ),
        (
            "a field that v1 has in no other version",
            &["cluster nodes v1", "cluster self v1"],
        ),
        shared::USERS_BY_CONFIGURATION,
        ("the kinds are in order", &["selector types"]),
        (
            "the recording makes more of them at the console's own port, and a made up id is another one each time",
            &["v3 admin namespaces list"],
        ),
        (
            "3.x has v1 and v2 of the console at another port",
            &["v1 namespace create, bad id", "v2 namespace create, bad"],
        ),
        shared::MALFORMED_METADATA_IS_400,
        (
            "nothing could use such an instance",
            &[
                "weight NaN",
                "register: port 0",
                "v1 list: reg-nan",
                "register weight",
                "query weight-",
            ],
        ),
        shared::DERIVED_IDS,
        (
            "a change of metadata changes metadata: 3.0 resets weight and enabled of what was not overridden before",
            &[
                "after batch metadata",
                "after DELETE",
                "after register again",
                "v2 list after updates",
                "v3 admin instance list after partial",
            ],
        ),
        shared::UNREADABLE_IS_400,
        shared::JAVA_EXCEPTION_2_5_1_TO_3_0_3,
        shared::WORDED_AS_EVERYWHERE_ELSE,
        (
            "3.0.3 fails where a service has instances",
            &[
                "v2 service detail, with clusters",
                "withInstances=true",
                "catalog services with instances",
            ],
        ),
        shared::ID_FOR_EVERY_INSTANCE,
        shared::PATCH_NEEDS_NO_MORE,
        (
            "the publishers of a service are shown, 3.0.3 shows none",
            &["v2 publishers"],
        ),
        (
            "3.0.3 refuses it by a fault",
            &[
                "v3 admin health PUT after NONE",
                "v1 health PUT with NONE",
                "v1 health PUT, short path",
            ],
        ),
        (
            "a name holds no @@: v1 could not name such a service",
            &[
                "v3 admin service list$",
                "v3 admin service list with instances$",
                "v3 admin service list, ignoreEmptyService$",
            ],
        ),
        (
            "it counts what was refused or named otherwise before",
            &["withInstances=false reg-a"],
        ),
        (
            "log levels are not changed from outside",
            &["v3 admin log PUT"],
        ),
        shared::CONNECTION_WITHOUT_MODULE,
        (
            "subscriptions and ids of connections are those of other connections",
            &[
                "v3 admin publishers of g-one",
                "subscribers of g-one",
                "(client) of g-one",
                "client of a gRPC connection",
            ],
        ),
        shared::OPERATION_NAME_NOT_KEPT,
        shared::WORDED_OTHERWISE,
        shared::NAME_WITH_ITS_GROUP,
        shared::BARE_REFUSAL,
        shared::BLANK_MEANS_DEFAULT,
        (
            "400 is the code for what a client did wrong",
            &["query no service name", "fuzzy watch: unknown watch type"],
        ),
        shared::NO_FIELD_LEFT_OUT,
        (
            "a pattern is forgotten with its last watcher, and not up to a minute later",
            &["fuzzy watch: many patterns 10"],
        ),
        (
            "empty services go after 60 s, and not some time later",
            &[
                "service list after 100 s",
                "v1 service list at the end",
                "v1 service names at the end",
            ],
        ),
        shared::REFUSED_ADDRESS_IS_NO_CLIENT,
        shared::POLL_MORE_OFTEN_2_2_4_TO_3_0_3,
    ],
    equal: 940,
};
