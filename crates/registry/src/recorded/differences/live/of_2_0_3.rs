//! A running Nacos 2.0.3.

use crate::recorded::differences::{Differences, LIVE};

pub(in crate::recorded) const LIVE_2_0_3: Differences = Differences {
    recording: LIVE,
    version: "2.0.3",
    missing: &["/nacos/v2/"],
    different: &[
        (
            "there is no cluster to tell of, and an invented leader would mislead",
            &["operator/distro/client", "operator/cluster/state", "/raft/"],
        ),
        (
            "nothing is written twice, as by a server that comes from 1.x",
            &["GET /v1/ns/operator/switches"],
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
            "abilities and persistent instances as from 2.3 on, and batches as from 2.1.1 on",
            &[
                "ServerCheckRequest",
                "PersistentInstanceRequest",
                "BatchInstanceRequest",
            ],
        ),
        (
            "worded as for a consumer of HTTP, and the same to a client",
            &["\"serviceName\":\"p\",\"groupName\""],
        ),
        ("the operation's name is not kept", &["\"type\":\"nope\""]),
        (
            "the whole list is counted, and not the page",
            &["ServiceListRequest"],
        ),
        (
            "it counts what came over gRPC and is not taken there, and what 2.x keeps no count of",
            &[
                "pageSize=200&withInstances=false",
                "metrics?onlyStatus=false",
            ],
        ),
    ],
    equal: 385,
};
