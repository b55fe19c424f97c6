//! Nacos 1.3.0, as its naming and core modules answer without a console.

use super::{Differences, shared};

pub(in crate::recorded) const OF_1_3_0: Differences = Differences {
    recording: "1.3.0",
    version: "1.3.0",
    missing: &[],
    different: &[
        shared::RECORDED_WITHOUT_CONSOLE,
        shared::NO_CLUSTER_1_3_0_TO_1_4_8,
        shared::BETWEEN_SERVERS,
        shared::USELESS_INSTANCE_1_3_0_TO_1_4_8,
        (
            "1.3 takes numbers and dots for an IP address only where they are one; others are host names to a 2.x",
            &["register: ip 1.2.3", "v1 list: reg-ip"],
        ),
        (
            "1.3 decodes parameters twice",
            &["fe80::1%eth0", "a+b", "a%b"],
        ),
        (
            "1.3 takes these names, and its lists fail from then on",
            &[
                "serviceName @@b",
                "serviceName a@@",
                "v1 list: @@b",
                "v1 service names: all",
                "namespace with odd names",
            ],
        ),
        shared::ALL_PARTS_OF_A_NAME_KEPT,
        shared::EPHEMERAL_OR_PERSISTENT,
        shared::ADDRESS_ONCE_IN_A_SERVICE,
        shared::SERVICE_BY_REGISTRATION,
        shared::DERIVED_IDS_OF_1_X,
        shared::PATCH_SETS_NO_HEALTH,
        (
            "what is set for an instance lies over what it registers, as from 2.0 on: it stays when the instance registers again, and takes no key away",
            &["after batch metadata", "after register again"],
        ),
        (
            "the text is that of a Java exception",
            &[
                "beat: bad JSON",
                "v1 cluster PUT not JSON",
                "catalog service, no name",
                "v1 health PUT unknown service",
                "v1 service create without a threshold",
            ],
        ),
        shared::BEAT_NAMES_BY_SERVICE_NAME,
        (
            "a beat is for what beats",
            &["beat: light, persistent instance"],
        ),
        (
            "it counts what was refused or named otherwise before",
            &[
                "list default group",
                "v1 service names: public",
                "v1 service names: responsibleOnly",
                "reg-a, reg-c: disabled and unhealthy",
                "service list at the end",
                "service names at the end",
            ],
        ),
        ("worded otherwise", &["catalog instances unknown service"]),
        shared::SWITCH_BY_CONFIGURATION_1_3_0_TO_2_2_4,
        (
            "Go's clients of any version are pushed changes",
            &["subscribe by UDP, Go client"],
        ),
        shared::GRPC_IS_ALWAYS_SERVED,
        shared::EMPTY_SERVICES_AFTER_60_S,
    ],
    equal: 876,
};
