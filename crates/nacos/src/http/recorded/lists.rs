//! Lists of every kind.

use std::collections::BTreeMap;

use serde_json::Value;
use syncline_model::{GroupName, ServiceKey};
use syncline_testkit::recordings::Http;

use super::super::decode::{self, Entries, NamePage, NamesByNamespace, SummaryPage};
use super::super::error::Class;
use super::super::instances::{self, ConsumerApi};
use super::super::names::Store;
use super::super::transport::Answer;
use super::super::{namespaces, raw};
use super::{assert_same_list, assert_same_services, each, json};
use crate::message::{Instance, split_grouped};
use crate::version::ServerVersion;

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
    Some(match split_grouped(name) {
        Some((group, name)) => ServiceKey::new(namespace, group, name),
        None => ServiceKey::new(namespace, group, name),
    })
}

#[test]
fn consumer_views() {
    use syncline_model::Seen;
    let mut seen = BTreeMap::<&str, usize>::new();
    for (path, api) in [
        ("/nacos/v1/ns/instance/list", ConsumerApi::V1),
        (
            "/nacos/v1/ns/upgrade/ops/instance/list",
            ConsumerApi::UpgradeOps(Store::V2),
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
fn clusters_of_a_service() {
    let mut seen = (0, 0, 0);
    each(
        "/nacos/v1/ns/catalog/service",
        |name, http, answer| match answer.accepted() {
            Ok(answer) => {
                let found = raw::read_catalog_clusters(&answer).expect(name);
                let recorded = json(http);
                assert_eq!(
                    found.len(),
                    recorded["clusters"].as_array().expect("a list").len()
                );
                seen.0 += 1;
            }
            Err(error) if http.note.contains("unknown") && !name.starts_with('3') => {
                assert_eq!(error.class(), Class::NotFound, "{name}: {error}");
                seen.2 += 1;
            }
            Err(_) => {}
        },
    );
    each(
        "/nacos/v3/admin/ns/service",
        |name, http, answer| match answer.accepted().and_then(|a| raw::read_admin_clusters(&a)) {
            Ok(found) => {
                let recorded = json(http)["data"]["clusterMap"].clone();
                assert_eq!(found.len(), recorded.as_object().expect("a map").len());
                seen.1 += 1;
            }
            Err(error) if http.body.contains("21008") => {
                assert_eq!(error.class(), Class::NotFound, "{name}: {error}");
                seen.2 += 1;
            }
            Err(_) => {}
        },
    );
    assert!(seen.0 > 15 && seen.1 > 10 && seen.2 > 8, "{seen:?}");
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
