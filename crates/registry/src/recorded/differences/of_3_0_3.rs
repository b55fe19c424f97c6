//! Nacos 3.0.3 with its compatibility with 1.x and 2.x switched on, and without
//! a login.

use super::Differences;

pub(in crate::recorded) const OF_3_0_3: Differences = Differences {
    recording: "3.0.3-compat",
    version: "3.0.3",
    missing: &["/nacos/v3/admin/ns/client/distro"],
    different: &[
        (
            "a change of metadata changes metadata: it resets no weight, and enables nothing",
            &[
                "v2 catalog instances grouped",
                "v2 catalog instances ungrouped",
                "v2 catalog instances cluster",
                "v2 catalog instances enabledOnly=false",
            ],
        ),
        (
            "lists are in order of their names",
            &["v2 catalog instances page 2 of size 2"],
        ),
        (
            "the page is cut after the filter, and not past its end",
            &["v2 catalog instances healthyOnly"],
        ),
        (
            "there is no cluster to tell of, and an invented leader would mislead",
            &["distro client"],
        ),
        (
            "a switch is set by the configuration",
            &["switch PUT", "v2 switches"],
        ),
        ("the state has what concerns naming", &["state: v3 admin"]),
        (
            "the recording begins with a service __ready__ and its client, which the registry never had",
            &[
                "metrics v1 onlyStatus=false",
                "metrics v2 onlyStatus=false",
                "v3 admin service list without token",
                "v3 admin client list without token",
                "v3 admin with a garbage token",
                "v3 admin service list, logged in",
                "list default group",
                "v1 service names: all",
                "v1 service names: public",
                "v1 service names: responsibleOnly",
                "v3 admin service list no paging",
                "v3 admin metrics onlyStatus=false",
                "v2 client list",
                "v3 admin client list",
            ],
        ),
        (
            "a field that v1 has in no other version",
            &["cluster nodes v1", "cluster self v1"],
        ),
        (
            "users are in the configuration, and there is no login without any",
            &["login", "init admin user"],
        ),
        ("the kinds are in order", &["selector types"]),
        (
            "the recording makes more of them at the console's own port, and a made up id is another one each time",
            &["v3 admin namespaces list"],
        ),
        (
            "3.x has v1 and v2 of the console at another port",
            &["v1 namespace create, bad id", "v2 namespace create, bad"],
        ),
        (
            "malformed metadata is the caller's fault: 400",
            &[
                "metadata malformed",
                "metadata JSON not flat",
                "bad metadata",
            ],
        ),
        (
            "nothing could use such an instance",
            &[
                "weight NaN",
                "register: port 0",
                "v1 list: reg-nan",
                "register weight",
                "query weight-",
            ],
        ),
        (
            "the instance ids are derived, whatever generator is asked for",
            &[
                "unknown id generator",
                "v1 list: reg-hb",
                "timeouts from metadata",
                "query snowflake",
            ],
        ),
        (
            "a change of metadata changes metadata: 3.0 resets weight and enabled of what was not overridden before",
            &[
                "after batch metadata",
                "after DELETE",
                "after register again",
                "v2 list after updates",
                "v3 admin instance list after partial",
            ],
        ),
        (
            "what cannot be read is the caller's fault: 400",
            &["v1 batch metadata, bad instances"],
        ),
        (
            "the text is that of a Java exception",
            &[
                "beat: bad JSON",
                "protectThreshold abc",
                "v2 service list bad pageNo",
                "v1 cluster PUT not JSON",
                "batch, instances missing",
            ],
        ),
        (
            "worded as everywhere else",
            &[
                "beat: v2 light, ungrouped",
                "v2 service detail, no name",
                "v2 service delete, no name",
                "v2 list no serviceName",
                "v2 detail no ip",
            ],
        ),
        (
            "3.0.3 fails where a service has instances",
            &[
                "v2 service detail, with clusters",
                "withInstances=true",
                "catalog services with instances",
            ],
        ),
        ("an id is derived for every instance", &["v2 detail"]),
        (
            "a patch needs no more than what it changes",
            &["v2 patch with few params"],
        ),
        (
            "the publishers of a service are shown, 3.0.3 shows none",
            &["v2 publishers"],
        ),
        (
            "3.0.3 refuses it by a fault",
            &[
                "v3 admin health PUT after NONE",
                "v1 health PUT with NONE",
                "v1 health PUT, short path",
            ],
        ),
        (
            "a name holds no @@: v1 could not name such a service",
            &[
                "v3 admin service list$",
                "v3 admin service list with instances$",
                "v3 admin service list, ignoreEmptyService$",
            ],
        ),
        (
            "it counts what was refused or named otherwise before",
            &["withInstances=false reg-a"],
        ),
        (
            "log levels are not changed from outside",
            &["v3 admin log PUT"],
        ),
        (
            "a connection need not say what it is for",
            &["on a connection without labels.module"],
        ),
        (
            "subscriptions and ids of connections are those of other connections",
            &[
                "v3 admin publishers of g-one",
                "subscribers of g-one",
                "(client) of g-one",
                "client of a gRPC connection",
            ],
        ),
        (
            "the operation's name is not kept",
            &["batch, unknown type", "unknown instance op"],
        ),
        (
            "worded otherwise, and the same to a client",
            &[
                "ephemeral register into a persistent service",
                "persistent register into an ephemeral service",
                "no instance",
                "register bad cluster",
                "register timeout shorter than interval",
            ],
        ),
        (
            "a name may have its group in it, as over HTTP",
            &["grouped service name", "query grouped name"],
        ),
        ("a refusal says nothing else", &["service list groupName *"]),
        (
            "blank and missing places mean the default, as over HTTP",
            &[
                "blank group",
                "no group field",
                "no namespace field",
                "query blank-cluster",
                "query minimal-fields",
                "blank service name",
            ],
        ),
        (
            "400 is the code for what a client did wrong",
            &["query no service name", "fuzzy watch: unknown watch type"],
        ),
        (
            "no field is ever left out",
            &["subscribe without clusters field"],
        ),
        (
            "a pattern is forgotten with its last watcher, and not up to a minute later",
            &["fuzzy watch: many patterns 10"],
        ),
        (
            "empty services go after 60 s, and not some time later",
            &[
                "service list after 100 s",
                "v1 service list at the end",
                "v1 service names at the end",
            ],
        ),
        (
            "an address whose registration was refused is no client",
            &["metrics at the end"],
        ),
        (
            "who gets no pushes is told to poll more often, as by 1.x",
            &["udpPort without a known user agent"],
        ),
    ],
    equal: 940,
};
