//! What several versions differ in alike, running, each once.

use crate::recorded::differences::Different;

pub(super) const USELESS_INSTANCE: Different = (
    "nothing could use such an instance",
    &[
        "beat={}",
        "GET /v1/ns/catalog/instances?serviceName=a&clusterName=DEFAULT&pageNo=1&pageSize=20",
    ],
);

pub(super) const JAVA_EXCEPTION: Different =
    ("the text is that of a Java exception", &["beat=nope"]);

pub(super) const NO_CLUSTER: Different = (
    "there is no cluster to tell of, and an invented leader would mislead",
    &["operator/distro/client", "operator/cluster/state", "/raft/"],
);

pub(super) const WORDED_AS_OVER_HTTP: Different = (
    "worded as for a consumer of HTTP, and the same to a client",
    &["\"serviceName\":\"p\",\"groupName\""],
);

pub(super) const OPERATION_NAME_NOT_KEPT: Different =
    ("the operation's name is not kept", &["\"type\":\"nope\""]);

pub(super) const COUNTS_WHAT_CAME_OVER_GRPC: Different = (
    "it counts what came over gRPC and is not taken there, and what 2.x keeps no count of",
    &[
        "pageSize=200&withInstances=false",
        "metrics?onlyStatus=false",
    ],
);

pub(super) const ABILITIES_OF_LATER_VERSIONS: Different = (
    "abilities and persistent instances as from 2.3 on, and batches as from 2.1.1 on",
    &["ServerCheckRequest", "PersistentInstanceRequest"],
);
