//! A running Nacos 2.2.4.

use super::shared;
use crate::recorded::differences::{Differences, LIVE};

pub(in crate::recorded) const LIVE_2_2_4: Differences = Differences {
    recording: LIVE,
    version: "2.2.4",
    missing: &[],
    different: &[
        (
            "lists are in order of their names",
            &["GET /v2/ns/catalog/instances?serviceName=c&pageNo=2"],
        ),
        (
            "there is no cluster to tell of, and an invented leader would mislead",
            &["operator/distro/client"],
        ),
        shared::USELESS_INSTANCE,
        shared::JAVA_EXCEPTION,
        (
            "2.2.4 derives no id for what came by v2",
            &["GET /v2/ns/instance?serviceName=two"],
        ),
        shared::ABILITIES_OF_LATER_VERSIONS,
        shared::WORDED_AS_OVER_HTTP,
        shared::OPERATION_NAME_NOT_KEPT,
        shared::COUNTS_WHAT_CAME_OVER_GRPC,
    ],
    equal: 395,
};
