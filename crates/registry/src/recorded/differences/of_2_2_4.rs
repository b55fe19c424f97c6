//! Nacos 2.2.4, as its naming and core modules answer without a console.

use super::{Differences, shared};

pub(in crate::recorded) const OF_2_2_4: Differences = Differences {
    recording: "2.2.4-x86",
    version: "2.2.4",
    missing: &[],
    different: &[
        shared::METADATA_ALONE_CHANGES,
        shared::LISTS_IN_ORDER,
        shared::PAGE_CUT_AFTER_FILTER,
        (
            "an instance at a port that cannot be was refused",
            &["v2 catalog instances past the end"],
        ),
        shared::NO_CLUSTER_2_2_4_TO_3_0_3,
        shared::SWITCH_BY_CONFIGURATION_1_3_0_TO_2_2_4,
        (
            "the recorded server has no console",
            &[
                "state: v1 console",
                "health liveness",
                "health readiness",
                "namespaces list",
                "v1 namespace id exists?",
                "v1 namespace detail",
                "v1 namespace create",
                "v2 namespace create",
                "v2 namespace detail",
                "v2 namespace edit",
                "v2 namespace delete",
            ],
        ),
        (
            "nothing could use such an instance",
            &[
                "weight NaN",
                "register: port 70000",
                "register: port 65536",
                "register: port 0",
                "register: port -1",
                "v2 register port 70000",
                "register port",
                "register weight",
                "query weight-",
                "v2 batch metadata PUT all",
                "v2 batch metadata DELETE",
                "v2 client list",
            ],
        ),
        (
            "2.2.4 derives no id for what came by v2 or gRPC",
            &["v2 detail", "v1 detail: gRPC one"],
        ),
        (
            "the id that 2.2.4 derives has the part that it drops",
            &["v1 list: a@@b"],
        ),
        (
            "the text is that of a Java exception",
            &[
                "beat: bad JSON",
                "v1 cluster PUT not JSON",
                "v2 service create, protectThreshold abc",
                "v2 service list bad pageNo",
                "batch, instances missing",
                "no instance",
            ],
        ),
        (
            "worded as by 2.5.1, whose errors are results",
            &[
                "v2 register ephemeral into persistent",
                "v2 list no serviceName",
                "v2 service detail, no name",
                "v2 service delete, no name",
            ],
        ),
        (
            "it counts what was refused before",
            &[
                "list default group",
                "v1 service names: all",
                "v1 service names: public",
                "v1 service names: responsibleOnly",
                "reg-a, reg-c: disabled and unhealthy",
            ],
        ),
        (
            "2.2.4 repeats a list that is shorter than a page on every page",
            &["of size 100"],
        ),
        shared::REFUSED_BY_A_FAULT,
        (
            "empty services go after 60 s, and not up to 60 s later",
            &["metrics at the end"],
        ),
        (
            "2.2.4 takes a blank name, and its lists fail from then on",
            &["v1 service list at the end", "v1 service names at the end"],
        ),
        (
            "abilities and persistent instances as from 2.3 on",
            &[
                "server check",
                "persistent register",
                "persistent deregister",
                "query persistent",
                "ephemeral register into a persistent service",
            ],
        ),
        (
            "a read shows a change at once, 2.2.4 lags",
            &["on a connection without labels.module"],
        ),
        shared::OPERATION_NAME_NOT_KEPT,
        (
            "2.2.4 is poisoned by it: lists fail from then on",
            &["blank service name"],
        ),
        shared::PLACES_MEAN_AS_OVER_HTTP,
        shared::CLIENT_ERROR_IS_400,
        shared::NO_FIELD_LEFT_OUT,
        (
            "a change of metadata changes metadata: 2.x resets weight and enabled of what was not overridden before",
            &[
                "after batch metadata",
                "after DELETE",
                "after register again",
                "v2 list after updates",
            ],
        ),
        shared::UNREADABLE_IS_REFUSED,
        (
            "publishers and subscribers of a service are shown, 2.2 shows those of one address",
            &[
                "v2 publishers",
                "v2 UDP client subscribers",
                "v2 subscribers of g-one",
            ],
        ),
        shared::PATCH_NEEDS_NO_MORE,
        shared::APPLICATION_SAYS_ITS_NAME,
        shared::POLL_MORE_OFTEN_2_2_4_TO_3_0_3,
    ],
    equal: 1015,
};
