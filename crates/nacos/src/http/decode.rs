//! The bodies of lists, from JSON.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use syncline_model::{GroupName, NamespaceId, ServiceName};

use crate::message::{Instance, Lenient, Rejected};

/// One service of a list, with its instances.
#[derive(Clone, PartialEq, Debug)]
pub struct ListedService {
    /// Its group.
    pub group: GroupName,
    /// Its name without the group.
    pub name: ServiceName,
    /// Its instances as they were sent.
    pub instances: Vec<Instance>,
    /// Instances that could not be read. While there are any, an instance that
    /// is not among `instances` cannot be said to be absent.
    pub rejected: Vec<Rejected>,
}

/// An entry of a list that could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RejectedService {
    /// Which service it is about, where at least that could be read. Where not,
    /// no service of the list can be said to be absent.
    pub service: Option<(GroupName, ServiceName)>,
    /// What is wrong with it.
    pub why: Rejected,
}

/// A service, and how many instances it has, by a list without instances.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceSummary {
    /// Its group.
    pub group: GroupName,
    /// Its name without the group.
    pub name: ServiceName,
    /// How many instances it has, disabled ones included.
    pub instances: u64,
    /// How many of them are healthy.
    pub healthy: u64,
}

/// A namespace as a server lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Namespace {
    /// The id, `public` where the server says `""`.
    pub id: NamespaceId,
    /// The name that people see, which need not be unique.
    pub show_name: String,
}

/// What a page of a bulk read holds.
#[derive(Debug)]
pub(crate) struct ServicePage {
    pub(crate) services: Vec<ListedService>,
    pub(crate) rejected: Vec<RejectedService>,
}

impl ServicePage {
    /// How many entries the page had, good or bad.
    pub(crate) fn entries(&self) -> usize {
        self.services.len() + self.rejected.len()
    }
}

/// The entries of a list, not yet looked into.
pub(crate) type Entries<'a> = Vec<&'a RawValue>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BulkService {
    service_name: String,
    group_name: String,
    cluster_map: BTreeMap<String, BulkCluster>,
}

#[derive(Deserialize)]
struct BulkCluster {
    hosts: Lenient<Instance>,
}

/// The page of `catalog/services?withInstances=true` (v1: a bare array) and of
/// `service/list?withInstances=true` (v3: `pageItems`).
pub(crate) fn service_page(entries: &Entries<'_>) -> ServicePage {
    let mut page = ServicePage {
        services: Vec::with_capacity(entries.len()),
        rejected: Vec::new(),
    };
    for (index, entry) in entries.iter().enumerate() {
        let found = serde_json::from_str::<BulkService>(entry.get())
            .map_err(|error| error.to_string())
            .and_then(named);
        match found {
            Ok(service) => page.services.push(listed(service)),
            Err(reason) => page.rejected.push(RejectedService {
                service: names_of(entry),
                why: rejected(index, reason, entry),
            }),
        }
    }
    page
}

/// 1.3.0 accepts services without a name or group, and lists them.
fn named(service: BulkService) -> Result<BulkService, String> {
    if service.service_name.is_empty() {
        Err("the service has no name".into())
    } else if service.group_name.is_empty() {
        Err("the service has no group".into())
    } else {
        Ok(service)
    }
}

fn listed(service: BulkService) -> ListedService {
    let mut instances = Vec::new();
    let mut rejected = Vec::new();
    for (cluster, content) in service.cluster_map {
        let hosts = content.hosts;
        instances.reserve(hosts.items.len());
        instances.extend(hosts.items.into_iter().map(|mut instance| {
            // v1 names the cluster only in the key.
            if instance.cluster_name.is_empty() {
                instance.cluster_name.clone_from(&cluster);
            }
            instance
        }));
        rejected.extend(hosts.rejected);
    }
    ListedService {
        group: service.group_name.into(),
        name: service.service_name.into(),
        instances,
        rejected,
    }
}

fn names_of(entry: &RawValue) -> Option<(GroupName, ServiceName)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Names {
        service_name: String,
        group_name: String,
    }
    let names: Names = serde_json::from_str(entry.get()).ok()?;
    Some((names.group_name.into(), names.service_name.into()))
}

fn rejected(index: usize, reason: String, entry: &RawValue) -> Rejected {
    Rejected {
        index,
        reason,
        excerpt: super::error::excerpt(entry.get().as_bytes()),
    }
}

/// A page of a list without instances: v1 `{"count","serviceList"}`, v3 `Page`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SummaryPage<'a> {
    #[serde(alias = "totalCount")]
    pub(crate) count: u64,
    #[serde(borrow, alias = "pageItems")]
    pub(crate) service_list: Entries<'a>,
}

/// The summaries of a page, and the entries that could not be read.
pub(crate) fn summaries(entries: &Entries<'_>) -> (Vec<ServiceSummary>, Vec<RejectedService>) {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Summary {
        name: String,
        group_name: String,
        #[serde(default)]
        ip_count: u64,
        #[serde(default)]
        healthy_instance_count: u64,
    }
    let mut good = Vec::with_capacity(entries.len());
    let mut bad = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        match serde_json::from_str::<Summary>(entry.get()) {
            Ok(found) if !found.name.is_empty() && !found.group_name.is_empty() => {
                good.push(ServiceSummary {
                    group: found.group_name.into(),
                    name: found.name.into(),
                    instances: found.ip_count,
                    healthy: found.healthy_instance_count,
                });
            }
            Ok(_) => bad.push(RejectedService {
                service: None,
                why: rejected(index, "the service has no name or no group".into(), entry),
            }),
            Err(error) => bad.push(RejectedService {
                service: None,
                why: rejected(index, error.to_string(), entry),
            }),
        }
    }
    (good, bad)
}

/// A page of service names of one group: `doms` over v1 and upgrade-ops,
/// `services` over v2.
#[derive(Deserialize)]
pub(crate) struct NamePage {
    pub(crate) count: u64,
    #[serde(alias = "services")]
    pub(crate) doms: Vec<String>,
}

/// `service/names`: the key was misspelt from 2.2.1 to 3.1.
#[derive(Deserialize)]
pub(crate) struct NamesByNamespace {
    #[serde(alias = "META-INF/services")]
    pub(crate) services: BTreeMap<String, Vec<String>>,
}

/// `data` of the namespace lists.
pub(crate) fn namespaces(entries: &Entries<'_>) -> (Vec<Namespace>, Vec<Rejected>) {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Item {
        namespace: String,
        #[serde(default)]
        namespace_show_name: Option<String>,
    }
    let mut good = Vec::with_capacity(entries.len());
    let mut bad = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        match serde_json::from_str::<Item>(entry.get()) {
            Ok(item) => {
                let id = NamespaceId::from_wire(&item.namespace);
                good.push(Namespace {
                    show_name: item
                        .namespace_show_name
                        .unwrap_or_else(|| id.as_str().to_owned()),
                    id,
                });
            }
            Err(error) => bad.push(rejected(index, error.to_string(), entry)),
        }
    }
    (good, bad)
}

/// A member of a cluster, as every list of members has it.
#[derive(Deserialize)]
pub(crate) struct MemberInfo {
    pub(crate) address: String,
    #[serde(default)]
    pub(crate) state: String,
    #[serde(default, rename = "extendInfo")]
    pub(crate) extend_info: ExtendInfo,
}

/// What a member tells of itself, as far as we want to know it.
#[derive(Deserialize, Default)]
pub(crate) struct ExtendInfo {
    #[serde(default)]
    pub(crate) version: Option<String>,
}

/// A part of a name that is safe to search for, whether the list matches by
/// regular expression or by substring: 1.3.0 decodes parameters twice, and a
/// pattern that misses would look like an absent service. The empty part
/// matches everything.
pub(crate) fn searchable(name: &str) -> &str {
    name.split(|c: char| c.is_whitespace() || r"\^$|?*+()[]{}%&#".contains(c))
        .max_by_key(|part| part.len())
        .unwrap_or_default()
}

/// A regular expression that finds a name and little else in a catalog, so that
/// `svc-1` does not bring `svc-10` to `svc-19999` along. `None` for names with
/// characters that mean something to expressions.
///
/// The catalogs of 1.3.0 to 2.2.4 match it within `group@@name`, where 1.3.0 has
/// a colon after the name (tried); a server that takes it literally finds
/// nothing, so that nothing found is not yet an answer.
pub(crate) fn exact_pattern(name: &str) -> Option<String> {
    (searchable(name) == name).then(|| format!("(?<![^@]){name}(?![0-9A-Za-z_.-])"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(json: &str) -> ServicePage {
        service_page(&serde_json::from_str(json).expect("a list"))
    }

    #[test]
    fn a_bad_service_spoils_no_other_and_keeps_its_name() {
        let page = page(
            r#"[{"serviceName":"good","groupName":"G","clusterMap":{}},
                {"serviceName":"bad","groupName":"G","clusterMap":{"DEFAULT":{"hosts":null}}},
                {"serviceName":"none","groupName":"G"},
                {"serviceName":"","groupName":"G","clusterMap":{}},
                "nonsense"]"#,
        );
        assert_eq!(page.services.len(), 1);
        let named: Vec<_> = page
            .rejected
            .iter()
            .map(|r| r.service.as_ref().map(|(_, name)| name.as_str()))
            .collect();
        assert_eq!(named, [Some("bad"), Some("none"), Some(""), None]);
        assert_eq!(page.entries(), 5);
    }

    #[test]
    fn a_bad_instance_spoils_no_other() {
        let page = page(
            r#"[{"serviceName":"s","groupName":"G","clusterMap":{"c1":{"hosts":[
                {"ip":"10.0.0.1","port":80,"valid":false,"weight":"NaN","metadata":{"a":null}},
                {"ip":["10.0.0.2"],"port":80},
                {"ip":"10.0.0.3","port":70000}]}}}]"#,
        );
        let service = &page.services[0];
        assert_eq!(service.instances.len(), 2);
        assert_eq!(service.rejected.len(), 1);
        let first = &service.instances[0];
        assert!(!first.healthy && first.weight.is_nan() && first.metadata.is_empty());
        assert_eq!(first.ephemeral, None);
        assert_eq!(first.cluster_name, "c1");
        assert_eq!(service.instances[1].port, 70000);
    }

    #[test]
    fn the_names_of_1_3_0_to_3_1_are_found_under_either_key() {
        for json in [
            r#"{"count":1,"services":{"public":["G@@s"]}}"#,
            r#"{"META-INF/services":{"public":["G@@s"]},"count":1}"#,
        ] {
            let names: NamesByNamespace = serde_json::from_str(json).expect("names");
            assert_eq!(names.services["public"], ["G@@s"]);
        }
        assert!(serde_json::from_str::<NamesByNamespace>(r#"{"count":0}"#).is_err());
    }

    #[test]
    fn searches_hold_nothing_that_an_expression_would_take_amiss() {
        assert_eq!(searchable("svc-1.x"), "svc-1.x");
        assert_eq!(searchable("a+order(1)"), "order");
        assert_eq!(searchable("100%"), "100");
        assert_eq!(searchable("***"), "");
        assert_eq!(
            exact_pattern("svc-1").as_deref(),
            Some("(?<![^@])svc-1(?![0-9A-Za-z_.-])")
        );
        assert_eq!(exact_pattern("a+b"), None);
    }

    fn any_entry() -> impl Strategy<Value = String> {
        let fields = [
            "serviceName",
            "groupName",
            "clusterMap",
            "hosts",
            "ip",
            "name",
            "port",
        ];
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<i64>().prop_map(|n| n.to_string()),
            any::<String>().prop_map(|s| serde_json::json!(s).to_string()),
        ];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            let field = proptest::sample::select(fields.to_vec());
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5)
                    .prop_map(|items| format!("[{}]", items.join(","))),
                proptest::collection::vec((field, inner), 0..5).prop_map(|pairs| {
                    let pairs: Vec<_> = pairs
                        .iter()
                        .map(|(name, value)| format!("{name:?}:{value}"))
                        .collect();
                    format!("{{{}}}", pairs.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_entry_is_either_read_or_rejected(
            entries in proptest::collection::vec(any_entry(), 0..8)
        ) {
            let json = format!("[{}]", entries.join(","));
            let entries: Entries<'_> = serde_json::from_str(&json).expect("a list");
            prop_assert_eq!(service_page(&entries).entries(), entries.len());
            let (good, bad) = summaries(&entries);
            prop_assert_eq!(good.len() + bad.len(), entries.len());
            let (good, bad) = namespaces(&entries);
            prop_assert_eq!(good.len() + bad.len(), entries.len());
        }

        #[test]
        fn a_search_is_a_part_of_the_name(name in any::<String>()) {
            prop_assert!(name.contains(searchable(&name)));
        }
    }
}
