//! Nacos 2.1.1, as its naming and core modules answer without a console.

use super::{Differences, shared};

pub(in crate::recorded) const OF_2_1_1: Differences = Differences {
    recording: "2.1.1",
    version: "2.1.1",
    missing: &["/nacos/v2/"],
    different: &[
        shared::RECORDED_WITHOUT_CONSOLE,
        shared::NO_CLUSTER_2_0_3_TO_2_1_1,
        shared::BETWEEN_SERVERS,
        shared::USELESS_INSTANCE_2_0_3_TO_2_1_1,
        shared::ALL_PARTS_OF_A_NAME_KEPT,
        shared::POLL_MORE_OFTEN_2_0_3_TO_2_1_1,
        shared::NO_ID_OVER_GRPC,
        (
            "a write shows at once, also in metadata that was laid over an instance",
            &["after register again"],
        ),
        shared::UNREADABLE_IS_REFUSED,
        shared::JAVA_EXCEPTION_2_0_3_TO_2_1_1,
        shared::COUNTS_WHAT_WAS_REFUSED,
        shared::SHORT_LIST_REPEATED,
        shared::REFUSED_BY_A_FAULT,
        shared::SWITCH_BY_CONFIGURATION_1_3_0_TO_2_2_4,
        shared::APPLICATION_SAYS_ITS_NAME,
        shared::UPGRADE_IS_DONE,
        shared::NO_STORE_OF_1_X,
        shared::CHANGE_SHOWN_AT_ONCE,
        shared::GRPC_IS_ALWAYS_SERVED,
        (
            "abilities and persistent instances as from 2.3 on, and batches as from 2.1.1 on",
            &[
                "server check",
                "persistent register",
                "persistent deregister",
                "query persistent",
                "ephemeral register into a persistent service",
            ],
        ),
        shared::OPERATION_NAME_NOT_KEPT,
        shared::POISONED_BY_IT,
        shared::PLACES_MEAN_AS_OVER_HTTP,
        shared::CLIENT_ERROR_IS_400,
        shared::NO_FIELD_LEFT_OUT,
        shared::EMPTY_SERVICES_AFTER_60_S,
    ],
    equal: 923,
};
