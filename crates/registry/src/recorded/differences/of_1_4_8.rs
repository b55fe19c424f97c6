//! Nacos 1.4.8, an official server without a login.

use super::Differences;

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
        (
            "there is no cluster to tell of, and an invented leader would mislead",
            &["raft leader", "raft state", "cluster state"],
        ),
        (
            "what servers say to each other",
            &["service status v1", "service checksum v1"],
        ),
        (
            "nothing could use such an instance",
            &[
                "weight NaN",
                "register: port 70000",
                "register: port 65536",
                "register: port 0",
                "register: port -1",
            ],
        ),
        (
            "1.x fails for a namespace that it does not know",
            &["service names of the namespace with odd"],
        ),
        (
            "1.x keeps all parts of such a name as the service's",
            &["v1 list: a@@b"],
        ),
        (
            "a service is ephemeral or persistent, as from 2.0 on, and one that is created is persistent",
            &[
                "ephemeral=maybe",
                "ephemeral into a",
                "persistent into a",
                "v1 list: all of reg-a",
                "v1 list: reg-a",
                "v1 list: reg-p",
                "healthyOnly=yes",
                "statuses: v1",
                "persistent one after DELETE",
                "v1 list: explicitly created",
                "service delete with",
            ],
        ),
        (
            "an address registers once in a service, as from 2.0 on: another cluster is a move",
            &[
                "v1 list: reg-c",
                "udpPort without a known",
                "v1 list: grouped name of DEFAULT_GROUP",
                "v1 service detail, with clusters",
            ],
        ),
        (
            "a service exists once something was registered in it",
            &["v1 list: reg-nan", "v1 list: reg-badc"],
        ),
        (
            "instance ids are derived, whatever generator is asked for",
            &["v1 list: reg-hb", "v1 list: timeouts from metadata"],
        ),
        ("a patch sets no health", &["after PATCH enabled"]),
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
        (
            "what cannot be read is refused (as from 2.5 on), never taken for all instances",
            &["v1 batch metadata, bad instances"],
        ),
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
        (
            "a beat names its service by serviceName",
            &["beat: old style dom"],
        ),
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
        ("a switch is set by the configuration", &["switch PUT"]),
        (
            "gRPC is served whatever is presented, 1.x has none",
            &["server check before setup"],
        ),
        (
            "empty services go after 60 s, and not up to 60 s later; what was refused was never there",
            &["metrics at the end"],
        ),
    ],
    equal: 866,
};
