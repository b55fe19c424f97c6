//! Nacos 1.3.0, as its naming and core modules answer without a console.

use super::Differences;

pub(in crate::recorded) const OF_1_3_0: Differences = Differences {
    recording: "1.3.0",
    version: "1.3.0",
    missing: &[],
    different: &[
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
            ],
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
        (
            "a beat names its service by serviceName",
            &["beat: old style dom"],
        ),
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
        ("a switch is set by the configuration", &["switch PUT"]),
        (
            "Go's clients of any version are pushed changes",
            &["subscribe by UDP, Go client"],
        ),
        (
            "gRPC is served whatever is presented, 1.x has none",
            &["server check before setup"],
        ),
        (
            "empty services go after 60 s, and not up to 60 s later; what was refused was never there",
            &["metrics at the end"],
        ),
    ],
    equal: 876,
};
