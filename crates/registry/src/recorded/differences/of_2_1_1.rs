//! Nacos 2.1.1, as its naming and core modules answer without a console.

use super::Differences;

pub(in crate::recorded) const OF_2_1_1: Differences = Differences {
    recording: "2.1.1",
    version: "2.1.1",
    missing: &["/nacos/v2/"],
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
            &[
                "raft leader",
                "raft state",
                "cluster state",
                "distro client",
            ],
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
                "register port",
                "register weight",
                "query weight-",
            ],
        ),
        (
            "1.x keeps all parts of such a name as the service's",
            &["v1 list: a@@b"],
        ),
        (
            "who gets no pushes is told to poll more often, as by 1.x",
            &["udpPort without a known"],
        ),
        (
            "2.x derives no id for what came over gRPC",
            &["v1 detail: gRPC one"],
        ),
        (
            "a write shows at once, also in metadata that was laid over an instance",
            &["after register again"],
        ),
        (
            "what cannot be read is refused (as from 2.5 on), never taken for all instances",
            &["v1 batch metadata, bad instances"],
        ),
        (
            "the text is that of a Java exception",
            &[
                "beat: bad JSON",
                "v1 cluster PUT not JSON",
                "batch, instances missing",
                "no instance",
            ],
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
                "groupName *",
            ],
        ),
        (
            "2.x repeats a list that is shorter than a page on every page",
            &["of size 100"],
        ),
        (
            "2.x refuses it by a fault",
            &["v1 health PUT with NONE", "v1 health PUT, short path"],
        ),
        ("a switch is set by the configuration", &["switch PUT"]),
        (
            "the application says its name when it connects",
            &["subscribers of the gRPC one"],
        ),
        (
            "the upgrade is done: nothing is written twice, and nothing is in another store",
            &["upgrade ops metrics"],
        ),
        (
            "there is no store of 1.x",
            &["upgrade ops v1", "upgrade ops v9"],
        ),
        (
            "a read shows a change at once, 2.x lags",
            &[
                "upgrade ops default: seen by v1 list",
                "upgrade ops v2: seen by v1 list",
                "on a connection without labels.module",
            ],
        ),
        (
            "gRPC is served whatever is presented, 1.x has none",
            &["server check before setup"],
        ),
        (
            "abilities and persistent instances as from 2.3 on, and batches as from 2.1.1 on",
            &[
                "server check",
                "persistent register",
                "persistent deregister",
                "query persistent",
                "ephemeral register into a persistent service",
            ],
        ),
        (
            "the operation's name is not kept",
            &["batch, unknown type", "unknown instance op"],
        ),
        (
            "2.x is poisoned by it: lists fail from then on",
            &["blank service name"],
        ),
        (
            "blank places and grouped names mean what they mean over HTTP",
            &[
                "no group field",
                "no namespace field",
                "query blank group",
                "query grouped name",
            ],
        ),
        (
            "400 is the code for what a client did wrong",
            &["query no service name"],
        ),
        (
            "no field is ever left out",
            &["subscribe without clusters field"],
        ),
        (
            "empty services go after 60 s, and not up to 60 s later; what was refused was never there",
            &["metrics at the end"],
        ),
    ],
    equal: 923,
};
