//! A running Nacos 2.0.3.

use super::shared;
use crate::recorded::differences::{Differences, LIVE};

pub(in crate::recorded) const LIVE_2_0_3: Differences = Differences {
    recording: LIVE,
    version: "2.0.3",
    missing: &["/nacos/v2/"],
    different: &[
        shared::NO_CLUSTER,
        (
            "nothing is written twice, as by a server that comes from 1.x",
            &["GET /v1/ns/operator/switches"],
        ),
        shared::USELESS_INSTANCE,
        shared::JAVA_EXCEPTION,
        (
            "abilities and persistent instances as from 2.3 on, and batches as from 2.1.1 on",
            &[
                "ServerCheckRequest",
                "PersistentInstanceRequest",
                "BatchInstanceRequest",
            ],
        ),
        shared::WORDED_AS_OVER_HTTP,
        shared::OPERATION_NAME_NOT_KEPT,
        (
            "the whole list is counted, and not the page",
            &["ServiceListRequest"],
        ),
        shared::COUNTS_WHAT_CAME_OVER_GRPC,
    ],
    equal: 385,
};
