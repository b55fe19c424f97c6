//! A running Nacos 2.1.1.

use super::shared;
use crate::recorded::differences::{Differences, LIVE};

pub(in crate::recorded) const LIVE_2_1_1: Differences = Differences {
    recording: LIVE,
    version: "2.1.1",
    missing: &["/nacos/v2/"],
    different: &[
        shared::NO_CLUSTER,
        shared::USELESS_INSTANCE,
        shared::JAVA_EXCEPTION,
        shared::ABILITIES_OF_LATER_VERSIONS,
        shared::WORDED_AS_OVER_HTTP,
        shared::OPERATION_NAME_NOT_KEPT,
        shared::COUNTS_WHAT_CAME_OVER_GRPC,
    ],
    equal: 370,
};
