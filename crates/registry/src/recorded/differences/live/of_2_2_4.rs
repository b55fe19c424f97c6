//! A running Nacos 2.2.4.

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
        (
            "nothing could use such an instance",
            &[
                "beat={}",
                "GET /v1/ns/catalog/instances?serviceName=a&clusterName=DEFAULT&pageNo=1&pageSize=20",
            ],
        ),
        ("the text is that of a Java exception", &["beat=nope"]),
        (
            "2.2.4 derives no id for what came by v2",
            &["GET /v2/ns/instance?serviceName=two"],
        ),
        (
            "abilities and persistent instances as from 2.3 on, and batches as from 2.1.1 on",
            &["ServerCheckRequest", "PersistentInstanceRequest"],
        ),
        (
            "worded as for a consumer of HTTP, and the same to a client",
            &["\"serviceName\":\"p\",\"groupName\""],
        ),
        ("the operation's name is not kept", &["\"type\":\"nope\""]),
        (
            "it counts what came over gRPC and is not taken there, and what 2.x keeps no count of",
            &[
                "pageSize=200&withInstances=false",
                "metrics?onlyStatus=false",
            ],
        ),
    ],
    equal: 395,
};
