//! Nacos 2.5.1, an official server without a login.

use super::{Differences, shared};

pub(in crate::recorded) const OF_2_5_1: Differences = Differences {
    recording: "2.5.1",
    version: "2.5.1",
    missing: &[],
    different: &[
        shared::METADATA_ALONE_CHANGES,
        shared::LISTS_IN_ORDER,
        shared::PAGE_CUT_AFTER_FILTER,
        shared::NO_CLUSTER_2_2_4_TO_3_0_3,
        shared::SWITCH_BY_CONFIGURATION_2_5_1_TO_3_0_3,
        (
            "the recording begins with a service __ready__ and its client, which the registry never had",
            &[
                "metrics v1 onlyStatus=false",
                "metrics v2 onlyStatus=false",
                "list default group",
                "v1 service names: all",
                "v1 service names: public",
                "v1 service names: responsibleOnly",
                "v2 client list",
            ],
        ),
        shared::USERS_BY_CONFIGURATION,
        (
            "an id that is made up is another one each time",
            &["namespaces list after", "v2 namespaces list"],
        ),
        shared::MALFORMED_METADATA_IS_400,
        (
            "nothing could use such an instance",
            &[
                "weight NaN",
                "register: port 0",
                "register weight",
                "query weight-",
            ],
        ),
        shared::DERIVED_IDS,
        shared::UNREADABLE_IS_400,
        shared::JAVA_EXCEPTION_2_5_1_TO_3_0_3,
        shared::WORDED_AS_EVERYWHERE_ELSE,
        shared::ID_FOR_EVERY_INSTANCE,
        shared::PATCH_NEEDS_NO_MORE,
        (
            "it counts what was refused or named otherwise before",
            &["reg-a, reg-c: disabled and unhealthy"],
        ),
        shared::CONNECTION_WITHOUT_MODULE,
        (
            "subscriptions and ids of connections are those of other connections",
            &["subscribers of g-one"],
        ),
        shared::OPERATION_NAME_NOT_KEPT,
        shared::WORDED_OTHERWISE,
        shared::NAME_WITH_ITS_GROUP,
        shared::BARE_REFUSAL,
        shared::BLANK_MEANS_DEFAULT,
        shared::CLIENT_ERROR_IS_400,
        shared::NO_FIELD_LEFT_OUT,
        (
            "empty services go after 60 s, and not some time later",
            &["v1 service list at the end", "v1 service names at the end"],
        ),
        shared::REFUSED_ADDRESS_IS_NO_CLIENT,
        (
            "a field about the other members of a cluster",
            &[
                "cluster node list v2",
                "cluster nodes v1",
                "cluster self v1",
            ],
        ),
        (
            "a change of metadata changes metadata: 2.x resets weight and enabled of what was not overridden before",
            &["v2 list after updates"],
        ),
        (
            "the publishers of a service are shown, 2.5.1 shows none",
            &["v2 publishers"],
        ),
        (
            "2.5.1 refuses it by a fault",
            &["v1 health PUT with NONE", "v1 health PUT, short path"],
        ),
        shared::SHORT_LIST_REPEATED,
        ("the state has what concerns naming", &["state: v1 console"]),
        shared::POLL_MORE_OFTEN_2_2_4_TO_3_0_3,
    ],
    equal: 995,
};
