//! Nacos 2.5.1, an official server without a login.

use super::Differences;

pub(in crate::recorded) const OF_2_5_1: Differences = Differences {
    recording: "2.5.1",
    version: "2.5.1",
    missing: &[],
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
        (
            "the recording begins with a service __ready__ and its client, which the registry never had",
            &[
                "metrics v1 onlyStatus=false",
                "metrics v2 onlyStatus=false",
                "list default group",
                "v1 service names: all",
                "v1 service names: public",
                "v1 service names: responsibleOnly",
                "v2 client list",
            ],
        ),
        (
            "users are in the configuration, and there is no login without any",
            &["login", "init admin user"],
        ),
        (
            "an id that is made up is another one each time",
            &["namespaces list after", "v2 namespaces list"],
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
        ("an id is derived for every instance", &["v2 detail"]),
        (
            "a patch needs no more than what it changes",
            &["v2 patch with few params"],
        ),
        (
            "it counts what was refused or named otherwise before",
            &["reg-a, reg-c: disabled and unhealthy"],
        ),
        (
            "a connection need not say what it is for",
            &["on a connection without labels.module"],
        ),
        (
            "subscriptions and ids of connections are those of other connections",
            &["subscribers of g-one"],
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
            &["query no service name"],
        ),
        (
            "no field is ever left out",
            &["subscribe without clusters field"],
        ),
        (
            "empty services go after 60 s, and not some time later",
            &["v1 service list at the end", "v1 service names at the end"],
        ),
        (
            "an address whose registration was refused is no client",
            &["metrics at the end"],
        ),
        (
            "a field about the other members of a cluster",
            &[
                "cluster node list v2",
                "cluster nodes v1",
                "cluster self v1",
            ],
        ),
        (
            "a change of metadata changes metadata: 2.x resets weight and enabled of what was not overridden before",
            &["v2 list after updates"],
        ),
        (
            "the publishers of a service are shown, 2.5.1 shows none",
            &["v2 publishers"],
        ),
        (
            "2.5.1 refuses it by a fault",
            &["v1 health PUT with NONE", "v1 health PUT, short path"],
        ),
        (
            "2.x repeats a list that is shorter than a page on every page",
            &["of size 100"],
        ),
        ("the state has what concerns naming", &["state: v1 console"]),
        (
            "who gets no pushes is told to poll more often, as by 1.x",
            &["udpPort without a known user agent"],
        ),
    ],
    equal: 995,
};
