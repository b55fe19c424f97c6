//! A running Nacos 1.3.0.

use super::shared;
use crate::recorded::differences::{Differences, LIVE};

pub(in crate::recorded) const LIVE_1_3_0: Differences = Differences {
    recording: LIVE,
    version: "1.3.0",
    missing: &[],
    different: &[
        (
            "there is no cluster to tell of, and an invented leader would mislead",
            &["operator/cluster/state", "/raft/"],
        ),
        (
            "1.3 takes these names, and its lists fail from then on",
            &["serviceName=@@x", "serviceName=x@@"],
        ),
        shared::USELESS_INSTANCE,
        shared::JAVA_EXCEPTION,
        (
            "a service is ephemeral or persistent, as from 2.0 on",
            &[
                "ip=10.0.4.9&port=80",
                "list?serviceName=a",
                "list?serviceName=p$",
                "list?serviceName=DEFAULT_GROUP@@a",
                "serviceName=p&clusterName=DEFAULT",
            ],
        ),
        (
            "an address registers once in a service, as from 2.0 on: another cluster is a move",
            &[
                "instance/list?serviceName=c",
                "statuses?key=public##DEFAULT_GROUP@@c",
                "service?serviceName=c",
                "clusterName=c1",
            ],
        ),
        (
            "a registration says how healthy its instance is, also where it is known (as from 2.0 on)",
            &["ip=10.0.0.5&port=80"],
        ),
        (
            "worded otherwise",
            &["catalog/instances?serviceName=none", "pageNo=-1"],
        ),
        (
            "it counts what came over gRPC and is not taken there, and what 2.x keeps no count of",
            &["metrics?onlyStatus=false"],
        ),
    ],
    equal: 335,
};
