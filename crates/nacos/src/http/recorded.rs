//! Every decoder against what real servers answered, 1.3.0 to 3.0.3.

use std::collections::BTreeMap;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzEncoder;
use reqwest::StatusCode;
use serde_json::Value;
use syncline_model::{GroupName, ServiceKey};
use syncline_testkit::recordings::{Http, NAMES, Recording};

use super::decode::{Entries, NamePage, NamesByNamespace, ServicePage, SummaryPage};
use super::error::{Call, Class, HttpError};
use super::instances::{ConsumerApi, ConsumerList};
use super::transport::Answer;
use super::{decode, instances, namespaces, udp, write};
use crate::message::Instance;
use crate::version::ServerVersion;

fn answer(http: &Http) -> Answer {
    Answer {
        call: Call {
            attempted: http.note.clone().into(),
            server: "recorded".into(),
        },
        status: StatusCode::from_u16(http.status).expect("a status"),
        location: None,
        retry_after: None,
        body: Bytes::copy_from_slice(http.body.as_bytes()),
    }
}

/// Calls `check` with each recorded answer to a GET of that path, and says how
/// many there were with status 200, by recording.
fn each(
    path: &str,
    mut check: impl FnMut(&'static str, &Http, Answer),
) -> BTreeMap<&'static str, usize> {
    let mut good = BTreeMap::new();
    for name in NAMES {
        let recording = Recording::load(name).expect("a recording");
        for http in recording.http_to("GET", path) {
            if http.status == 200 {
                *good.entry(recording.name).or_default() += 1;
            }
            check(recording.name, http, answer(http));
        }
    }
    good
}

fn json(http: &Http) -> Value {
    serde_json::from_str(&http.body).expect("recorded JSON")
}

/// All instances of a recorded service with clusters, as (cluster, host).
fn hosts_of(service: &Value) -> Vec<(&str, &Value)> {
    let clusters = service["clusterMap"].as_object().expect("clusters");
    clusters
        .iter()
        .flat_map(|(cluster, content)| {
            let hosts = content["hosts"].as_array().expect("hosts");
            hosts.iter().map(move |host| (cluster.as_str(), host))
        })
        .collect()
}

/// Compares instances with what was recorded, field by field and in any order.
fn assert_same_instances(found: &[Instance], recorded: &[(&str, &Value)], health: &str) {
    assert_eq!(found.len(), recorded.len());
    for (cluster, host) in recorded {
        let same = |instance: &&Instance| {
            let weight = match &host["weight"] {
                Value::String(text) => text == "NaN" && instance.weight.is_nan(),
                number => number.as_f64() == Some(instance.weight),
            };
            let metadata = host["metadata"].as_object().expect("metadata");
            let metadata: BTreeMap<String, String> = metadata
                .iter()
                .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
                .collect();
            host["ip"] == instance.ip.as_str()
                && host["port"] == instance.port
                && host[health] == instance.healthy
                && host["enabled"] == instance.enabled
                && instance.cluster_name == *cluster
                && weight
                && metadata == instance.metadata
        };
        assert!(found.iter().any(|i| same(&i)), "{host} is not in {found:?}");
    }
}

fn assert_same_services(page: &ServicePage, recorded: &[Value], health: &str) {
    assert_eq!(page.entries(), recorded.len());
    for rejected in &page.rejected {
        assert!(rejected.why.reason.contains("has no"), "{rejected:?}");
    }
    for service in &page.services {
        assert!(service.rejected.is_empty(), "{:?}", service.rejected);
        let same = |v: &&Value| {
            v["serviceName"] == service.name.as_str() && v["groupName"] == service.group.as_str()
        };
        let recorded = recorded.iter().find(same).expect("recorded as well");
        assert_same_instances(&service.instances, &hosts_of(recorded), health);
    }
}

#[test]
fn bulk_reads_of_the_catalog() {
    let good = each("/nacos/v1/ns/catalog/services", |name, http, answer| {
        if http.query.get("withInstances").is_none_or(|w| w != "true") {
            return;
        }
        match answer.accepted() {
            Ok(answer) => {
                let entries: Entries<'_> = answer.json().expect("a list");
                let recorded = json(http);
                let recorded = recorded.as_array().expect("a list");
                assert_same_services(&decode::service_page(&entries), recorded, "valid");
            }
            // 3.0.3 is broken here, or has it switched off.
            Err(error) => assert!(
                !matches!(error.class(), Class::NotFound | Class::Malformed),
                "{name} {}: {error}",
                http.note
            ),
        }
    });
    for version in ["1.3.0", "1.4.8", "2.0.3", "2.1.1", "2.2.4-x86", "2.5.1"] {
        assert!(good[version] > 20, "{good:?}");
    }
}

#[test]
fn bulk_reads_of_the_admin_api() {
    let mut seen = 0;
    each("/nacos/v3/admin/ns/service/list", |_, http, answer| {
        if http.query.get("withInstances").is_none_or(|w| w != "true") || http.status != 200 {
            return;
        }
        let recorded = json(http);
        let recorded = recorded["data"]["pageItems"].as_array().expect("items");
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page<'a> {
            #[serde(borrow)]
            page_items: Entries<'a>,
        }
        let page: Page<'_> = answer.data().expect("a page");
        assert_same_services(&decode::service_page(&page.page_items), recorded, "healthy");
        seen += 1;
    });
    assert!(seen >= 4, "{seen}");
}

#[test]
fn lists_without_instances() {
    let mut seen = 0;
    let mut check = |http: &Http, answer: &Answer, enveloped: bool| {
        if http.status != 200 || http.query.get("withInstances").is_some_and(|w| w == "true") {
            return;
        }
        let (page, recorded) = if enveloped {
            (
                answer.data::<SummaryPage<'_>>(),
                json(http)["data"]["pageItems"].clone(),
            )
        } else {
            (
                answer.json::<SummaryPage<'_>>(),
                json(http)["serviceList"].clone(),
            )
        };
        let page = page.expect("a page");
        let (good, bad) = decode::summaries(&page.service_list);
        let recorded = recorded.as_array().expect("a list");
        assert_eq!(good.len() + bad.len(), recorded.len());
        for summary in good {
            let same = |v: &&Value| {
                v["name"] == summary.name.as_str() && v["groupName"] == summary.group.as_str()
            };
            let recorded = recorded.iter().find(same).expect("recorded as well");
            assert_eq!(recorded["ipCount"], summary.instances);
            assert_eq!(recorded["healthyInstanceCount"], summary.healthy);
        }
        seen += 1;
    };
    each("/nacos/v1/ns/catalog/services", |_, http, a| {
        check(http, &a, false)
    });
    each("/nacos/v3/admin/ns/service/list", |_, http, a| {
        check(http, &a, true)
    });
    each("/v3/console/ns/service/list", |_, http, a| {
        check(http, &a, true)
    });
    assert!(seen > 100, "{seen}");
}

#[test]
fn names_of_a_group() {
    let mut seen = BTreeMap::<&str, usize>::new();
    for (path, enveloped, key) in [
        ("/nacos/v1/ns/service/list", false, "doms"),
        ("/nacos/v1/ns/upgrade/ops/service/list", false, "doms"),
        ("/nacos/v2/ns/service/list", true, "services"),
    ] {
        each(path, |name, http, answer| {
            if http.status != 200 {
                return;
            }
            let (page, recorded) = if enveloped {
                (answer.data::<NamePage>(), json(http)["data"].clone())
            } else {
                (answer.json::<NamePage>(), json(http))
            };
            let page = page.expect("a page");
            assert_eq!(recorded["count"], page.count);
            assert_eq!(recorded[key], serde_json::json!(page.doms), "{name}");
            *seen.entry(path).or_default() += 1;
        });
    }
    assert!(
        seen["/nacos/v1/ns/upgrade/ops/service/list"] >= 40,
        "{seen:?}"
    );
}

#[test]
fn names_of_all_groups() {
    let mut seen = 0;
    each("/nacos/v1/ns/service/names", |name, http, answer| {
        if http.status != 200 {
            return;
        }
        let names: NamesByNamespace = answer.json().expect(name);
        let recorded = json(http);
        let recorded = recorded
            .get("services")
            .unwrap_or(&recorded["META-INF/services"]);
        assert_eq!(&serde_json::json!(names.services), recorded, "{name}");
        seen += 1;
    });
    assert!(seen > 20, "{seen}");
}

/// The service that a recorded list was asked about.
fn asked(http: &Http) -> Option<ServiceKey> {
    let query = &http.query;
    let namespace = query.get("namespaceId").map_or("public", String::as_str);
    let group = query
        .get("groupName")
        .map_or(GroupName::DEFAULT, String::as_str);
    let name = query.get("serviceName")?.as_str();
    Some(match crate::message::split_grouped(name) {
        Some((group, name)) => ServiceKey::new(namespace, group, name),
        None => ServiceKey::new(namespace, group, name),
    })
}

fn assert_same_list(list: &ConsumerList, hosts: &Value) {
    let hosts = hosts.as_array().expect("hosts");
    let recorded: Vec<_> = hosts
        .iter()
        .map(|host| (host["clusterName"].as_str().expect("a cluster"), host))
        .collect();
    assert!(list.rejected.is_empty(), "{:?}", list.rejected);
    assert_same_instances(&list.instances, &recorded, "healthy");
}

#[test]
fn consumer_views() {
    use syncline_model::Seen;
    let mut seen = BTreeMap::<&str, usize>::new();
    for (path, api) in [
        ("/nacos/v1/ns/instance/list", ConsumerApi::V1),
        (
            "/nacos/v1/ns/upgrade/ops/instance/list",
            ConsumerApi::UpgradeOps(super::Store::V2),
        ),
        ("/nacos/v3/client/ns/instance/list", ConsumerApi::V3),
    ] {
        each(path, |name, http, answer| {
            let (200, Some(service)) = (http.status, asked(http)) else {
                return;
            };
            let recorded = json(http);
            let list = instances::read_list(api, &service, &answer);
            let list = list.unwrap_or_else(|error| panic!("{name} {}: {error}", http.note));
            if api == ConsumerApi::V3 {
                assert_same_list(&list, &recorded["data"]);
            } else {
                assert_same_list(&list, &recorded["hosts"]);
                let protected = match &recorded["reachProtectionThreshold"] {
                    Value::Bool(reached) => Seen::Known(*reached),
                    _ => Seen::Unknown,
                };
                assert_eq!(list.protected, protected, "{name}");
            }
            *seen.entry(name).or_default() += 1;
        });
    }
    for name in [
        "1.3.0",
        "1.4.8",
        "2.0.3",
        "2.1.1",
        "2.2.4-x86",
        "2.5.1",
        "3.0.3",
    ] {
        assert!(seen[name] > 50, "{seen:?}");
    }
}

#[test]
fn consumer_views_of_v2_and_an_answer_about_another_service() {
    let mut seen = (0, 0);
    each("/nacos/v2/ns/instance/list", |name, http, answer| {
        let version = ServerVersion::parse(name).expect("a version");
        let (200, Some(service)) = (http.status, asked(http)) else {
            return;
        };
        if version < ServerVersion::new(2, 2, 0) {
            return;
        }
        match instances::read_list(ConsumerApi::V2, &service, &answer) {
            Ok(list) => {
                assert_same_list(&list, &json(http)["data"]["hosts"]);
                seen.0 += 1;
            }
            Err(error) => {
                assert!(
                    http.query["serviceName"].contains("@@"),
                    "{}: {error}",
                    http.note
                );
                assert!(
                    error.to_string().contains("is about DEFAULT_GROUP@@"),
                    "{error}"
                );
                seen.1 += 1;
            }
        }
    });
    assert!(seen.0 > 20 && seen.1 > 0, "{seen:?}");
}

#[test]
fn raw_lists() {
    let mut seen = 0;
    each("/nacos/v1/ns/catalog/instances", |name, http, answer| {
        #[derive(serde::Deserialize)]
        struct Page {
            list: crate::message::Lenient<Instance>,
        }
        if http.status != 200 {
            return;
        }
        let page: Page = answer.json().expect(name);
        let recorded = json(http);
        assert_eq!(
            page.list.items.len(),
            recorded["list"].as_array().expect("a list").len()
        );
        assert!(page.list.items.iter().all(|i| i.ephemeral.is_some()));
        seen += 1;
    });
    for path in [
        "/nacos/v3/admin/ns/instance/list",
        "/v3/console/ns/instance/list",
    ] {
        each(path, |name, http, answer| {
            let outcome = answer
                .accepted()
                .and_then(|a| instances::read_admin_list(&a));
            match outcome {
                Ok(list) => {
                    let data = &json(http)["data"];
                    let items = data.get("pageItems").unwrap_or(data);
                    assert_eq!(
                        list.instances.len(),
                        items.as_array().expect("a list").len()
                    );
                    seen += 1;
                }
                Err(error) if http.body.contains("is not found!") => {
                    assert_eq!(error.class(), Class::NotFound, "{error}");
                }
                Err(error) => assert_ne!(error.class(), Class::NotFound, "{name} {error}"),
            }
        });
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn namespaces_and_members() {
    let mut seen = 0;
    for path in [
        "/nacos/v1/console/namespaces",
        "/v1/console/namespaces",
        "/nacos/v2/console/namespace/list",
        "/nacos/v3/admin/core/namespace/list",
        "/v3/console/core/namespace/list",
    ] {
        each(path, |name, http, answer| {
            if http.status != 200 || !http.body.contains("\"data\":[") {
                return;
            }
            let found = namespaces::read_namespaces(&answer).expect(name);
            assert!(found.rejected.is_empty());
            let recorded = json(http);
            assert_eq!(
                found.items.len(),
                recorded["data"].as_array().expect("data").len()
            );
            let public: Vec<_> = found
                .by_show_name("public")
                .map(ToString::to_string)
                .collect();
            assert_eq!(public, ["public"], "{name} {}", http.note);
            seen += 1;
        });
    }
    assert!(seen > 20, "{seen}");

    let mut seen = 0;
    for path in [
        "/nacos/v1/core/cluster/nodes",
        "/nacos/v2/core/cluster/node/list",
        "/nacos/v1/ns/operator/servers",
        "/nacos/v3/admin/core/cluster/node/list",
    ] {
        each(path, |name, http, answer| {
            if http.status == 200 {
                let members = namespaces::read_members(&answer).expect(name);
                assert_eq!(members.len(), 1);
                assert_eq!(members[0].address, "127.0.0.1:15000");
                assert_eq!(members[0].state, "UP");
                let version = members[0].version.as_deref();
                assert!(version.is_none_or(|v| name.starts_with(v)), "{version:?}");
                seen += 1;
            }
        });
    }
    assert!(seen > 12, "{seen}");
}

#[test]
fn beats() {
    let mut seen = (0, 0);
    for name in NAMES {
        let recording = Recording::load(name).expect("a recording");
        for http in recording.http_to("PUT", "/nacos/v1/ns/instance/beat") {
            if http.status != 200 {
                continue;
            }
            let beat = write::read_beat(&answer(http)).expect(name);
            let code = &json(http)["code"];
            assert_eq!(beat.known, *code == 10200, "{name} {}", http.note);
            assert!(beat.next.as_millis() >= 1000);
            if beat.known {
                seen.0 += 1;
            } else {
                seen.1 += 1;
            }
        }
    }
    assert!(seen.0 > 40 && seen.1 > 10, "{seen:?}");
}

#[test]
fn pushes() {
    let mut seen = 0;
    for name in NAMES {
        let recording = Recording::load(name).expect("a recording");
        for push in recording.udp() {
            let bytes = if push.gzipped {
                let mut packed = Vec::new();
                let mut encoder = GzEncoder::new(push.body.as_bytes(), Compression::default());
                std::io::Read::read_to_end(&mut encoder, &mut packed).expect("memory");
                packed
            } else {
                push.body.clone().into_bytes()
            };
            let (parts, ack) = udp::read_push_datagram(&bytes).expect(name);
            let outer: Value = serde_json::from_str(&push.body).expect("JSON");
            let inner: Value =
                serde_json::from_str(outer["data"].as_str().expect("text")).expect("JSON");
            assert_eq!(inner["name"], parts.0);
            assert_same_list(&parts.1, &inner["hosts"]);
            if let Some(recorded) = &push.ack {
                let ours: Value = serde_json::from_str(&ack).expect("JSON");
                let theirs: Value = serde_json::from_str(recorded).expect("JSON");
                assert_eq!(ours["type"], theirs["type"]);
                let number = |v: &Value| v["lastRefTime"].to_string().replace('"', "");
                assert_eq!(number(&ours), number(&theirs));
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 179);
}

/// What a recorded refusal must mean. `None`: not decided by these rules.
fn expected_class(http: &Http) -> Option<Class> {
    let body = http.body.as_str();
    let is_spring = body.contains("\"timestamp\"");
    match http.status {
        101 => Some(Class::Malformed),
        _ if body.contains("can't register") => Some(Class::WrongKind),
        403 if body.contains("authorization failed") => Some(Class::Forbidden),
        403 => Some(Class::Unauthenticated),
        404 if is_spring => Some(Class::Unsupported),
        404 if !body.contains("clientId") => Some(Class::NotFound),
        405 | 410 | 501 => Some(Class::Unsupported),
        503 => Some(Class::NotReady),
        _ => None,
    }
}

#[test]
fn every_refusal_has_a_meaning_and_an_excerpt_fit_to_print() {
    let mut seen = 0;
    for name in NAMES {
        let recording = Recording::load(name).expect("a recording");
        for http in recording.http().filter(|http| http.status != 200) {
            let error = answer(http).accepted().expect_err("a refusal");
            let shown = format!(
                "{name} {} {} {}: {error}",
                http.note, http.status, http.body
            );
            if let Some(class) = expected_class(http) {
                assert_eq!(error.class(), class, "{shown}");
            } else {
                assert!(
                    matches!(
                        error.class(),
                        Class::Fatal | Class::NotFound | Class::Transient | Class::Unsupported
                    ),
                    "{shown}"
                );
            }
            assert!(!matches!(error, HttpError::Foreign { .. }), "{shown}");
            assert!(!error.to_string().contains(char::is_control), "{shown}");
            assert!(error.to_string().chars().count() < 400, "{shown}");
            seen += 1;
        }
    }
    assert!(seen > 4000, "{seen}");
}

#[test]
fn errors_inside_a_success_are_errors() {
    let mut seen = 0;
    for name in NAMES {
        let recording = Recording::load(name).expect("a recording");
        for http in recording.http_to("POST", "/nacos/v3/client/ns/instance") {
            if http.status != 200 {
                continue;
            }
            let outcome = answer(http).data::<String>();
            if http.body.is_empty() {
                assert_eq!(outcome.expect_err("empty").class(), Class::Malformed);
            } else if http.body.contains("21003") {
                assert_eq!(outcome.expect_err("unknown").class(), Class::NotFound);
            } else {
                assert_eq!(outcome.expect("registered"), "ok");
                continue;
            }
            seen += 1;
        }
    }
    assert!(seen > 5, "{seen}");
}
