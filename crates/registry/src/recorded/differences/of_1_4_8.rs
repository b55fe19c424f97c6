//! Nacos 1.4.8, an official server without a login.

use super::{Differences, shared};

pub(in crate::recorded) const OF_1_4_8: Differences = Differences {
    recording: "1.4.8",
    version: "1.4.8",
    missing: &[],
    different: &[
        (
            "users are in the configuration, and there is no login without any",
            &["login"],
        ),
        (
            "an id that is made up is another one each time",
            &["namespaces list after"],
        ),
        (
            "the recording begins with a service __ready__, which the registry never had",
            &["metrics v1", "groupName *"],
        ),
        shared::NO_CLUSTER_1_3_0_TO_1_4_8,
        shared::BETWEEN_SERVERS,
        shared::USELESS_INSTANCE_1_3_0_TO_1_4_8,
        (
            "1.x fails for a namespace that it does not know",
            &["service names of the namespace with odd"],
        ),
        shared::ALL_PARTS_OF_A_NAME_KEPT,
        shared::EPHEMERAL_OR_PERSISTENT,
        shared::ADDRESS_ONCE_IN_A_SERVICE,
        shared::SERVICE_BY_REGISTRATION,
        shared::DERIVED_IDS_OF_1_X,
        shared::PATCH_SETS_NO_HEALTH,
        (
            "what is set for an instance lies over what it registers, as from 2.0 on: it stays when the instance registers again, and takes no key away",
            &[
                "after batch metadata",
                "after DELETE",
                "after register again",
            ],
        ),
        (
            "1.4 does not look at which instances are named, and at which kind they are",
            &[
                "batch metadata PUT, one instance",
                "batch metadata PUT, persist",
                "batch metadata PUT, no consistencyType",
            ],
        ),
        shared::UNREADABLE_IS_REFUSED,
        (
            "1.4 reads no form of a registration",
            &["v1 register: as form body"],
        ),
        (
            "the text is that of a Java exception",
            &[
                "beat: bad JSON",
                "v1 cluster PUT not JSON",
                "catalog service, no name",
                "v1 health PUT unknown service",
            ],
        ),
        shared::BEAT_NAMES_BY_SERVICE_NAME,
        (
            "it counts what was refused or named otherwise before",
            &[
                "list default group",
                "v1 service names: all",
                "v1 service names: public",
                "v1 service names: responsibleOnly",
                "reg-a, reg-c: disabled and unhealthy",
                "service list at the end",
                "service names at the end",
            ],
        ),
        ("worded otherwise", &["v1 cluster PUT unknown service"]),
        (
            "1.4 tells some more, by names that only it has",
            &[
                "catalog service$",
                "catalog service grouped name",
                "catalog service, groupName",
                "catalog service prot-p",
            ],
        ),
        shared::SWITCH_BY_CONFIGURATION_1_3_0_TO_2_2_4,
        shared::GRPC_IS_ALWAYS_SERVED,
        shared::EMPTY_SERVICES_AFTER_60_S,
    ],
    equal: 866,
};
