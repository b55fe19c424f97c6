//! Reading everything, page by page, while the list changes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use serde_json::json;
use syncline_model::{GroupName, NamespaceId, ServiceKey};
use syncline_nacos::http::{
    Class, ClientOptions, HttpClient, HttpError, NamesApi, RawService, Read, Route, ServiceReader,
    Step, Store,
};
use syncline_nacos::version::{BulkApi, FirstPage};

use super::fake::{Asked, Fake, Says, nacos_2_1, spring};

/// A catalog that pages as some version does.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    /// Pages with instances count from 0, and everything is on every page where
    /// all fits on one.
    V1,
    /// As 1.x, but pages count from 1, and page 0 is page 1.
    V2,
    /// The admin API.
    V3,
}

impl Kind {
    fn api(self) -> BulkApi {
        match self {
            Self::V1 => BulkApi::Catalog(FirstPage::Zero),
            Self::V2 => BulkApi::Catalog(FirstPage::One),
            Self::V3 => BulkApi::Admin,
        }
    }
}

/// The services, in the order in which the server happens to list them.
type Services = Arc<Mutex<Vec<String>>>;

fn catalog(kind: Kind, services: &Services, asked: &Asked) -> Option<Says> {
    let path = if kind == Kind::V3 {
        "/v3/admin/ns/service/list"
    } else {
        "/v1/ns/catalog/services"
    };
    if asked.path != path {
        return None;
    }
    let with_instances = asked.get("withInstances") == "true";
    let all: Vec<String> = services
        .lock()
        .iter()
        .filter(|name| name.contains(asked.get("serviceNameParam")))
        .cloned()
        .collect();
    let (size, page) = (asked.number("pageSize"), asked.number("pageNo"));
    let shown: Vec<&String> = match kind {
        Kind::V1 if with_instances && size >= all.len() => all.iter().collect(),
        Kind::V2 if all.len() < size => all.iter().collect(),
        Kind::V1 if with_instances => all.iter().skip(page * size).take(size).collect(),
        _ => all
            .iter()
            .skip(page.saturating_sub(1) * size)
            .take(size)
            .collect(),
    };
    let entries: Vec<_> = shown
        .iter()
        .map(|name| {
            if with_instances {
                json!({"serviceName": name, "groupName": "G", "clusterMap": {"DEFAULT": {"hosts": [
                    {"ip": "10.0.0.1", "port": 80, "valid": true, "healthy": true}]}}})
            } else {
                json!({"name": name, "groupName": "G", "ipCount": 1, "healthyInstanceCount": 1})
            }
        })
        .collect();
    let body = match (kind, with_instances) {
        (Kind::V3, _) => json!({"code": 0, "message": "success", "data": {
            "totalCount": all.len(), "pageItems": entries}}),
        (_, true) => json!(entries),
        (_, false) => json!({"count": all.len(), "serviceList": entries}),
    };
    Some((200, body.to_string()))
}

fn named(count: usize) -> Services {
    Arc::new(Mutex::new((0..count).map(|n| format!("s{n}")).collect()))
}

async fn serve(kind: Kind, services: &Services) -> Fake {
    let services = services.clone();
    Fake::start(move |asked| catalog(kind, &services, asked).unwrap_or_else(|| nacos_2_1(asked)))
        .await
}

fn public() -> NamespaceId {
    NamespaceId::public()
}

/// Reads to the end; `between` is called after each page with its number.
async fn read(
    mut reader: ServiceReader<'_>,
    mut between: impl FnMut(usize),
) -> Result<(Vec<String>, Read), HttpError> {
    let mut names = Vec::new();
    let mut pages = 0;
    loop {
        match reader.next().await? {
            Step::Page(page) => {
                names.extend(page.services.iter().map(|s| s.name.to_string()));
                pages += 1;
                between(pages);
            }
            Step::Complete(read) => return Ok((names, read)),
        }
    }
}

async fn read_all(
    client: &HttpClient,
    api: BulkApi,
    size: usize,
) -> Result<(Vec<String>, Read), HttpError> {
    let reader = client.services(api, &public(), None, size, Route::Any);
    read(reader, |_| ()).await
}

#[tokio::test]
async fn every_service_comes_once_whatever_the_version_and_page() {
    for kind in [Kind::V1, Kind::V2, Kind::V3] {
        for (count, size) in [(0, 10), (7, 10), (10, 10), (20, 10), (25, 10), (3, 1)] {
            let services = named(count);
            let fake = serve(kind, &services).await;
            let mut apis = vec![kind.api()];
            if kind != Kind::V3 {
                apis.push(BulkApi::Catalog(FirstPage::Unknown));
            }
            for api in apis {
                let client = fake.client();
                let (names, summary) = read_all(&client, api, size).await.expect("read");
                assert_eq!(names.len(), count, "{kind:?} {api:?} {count} by {size}");
                let distinct: BTreeSet<_> = names.into_iter().collect();
                assert_eq!(distinct.len(), count);
                assert_eq!((summary.services, summary.instances), (count, count));
                assert!(summary.requests <= count / size + 4, "{summary:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_fits_on_a_page_takes_one_request() {
    let fake = serve(Kind::V2, &named(999)).await;
    let (_, summary) = read_all(&fake.client(), Kind::V2.api(), 1_000)
        .await
        .expect("read");
    assert_eq!((summary.services, summary.requests), (999, 1));
}

#[tokio::test]
async fn a_list_that_shifts_while_it_is_read_is_made_whole() {
    for kind in [Kind::V1, Kind::V2, Kind::V3] {
        let services = named(30);
        let fake = serve(kind, &services).await;
        let client = fake.client();
        let reader = client.services(kind.api(), &public(), None, 10, Route::Any);
        // Services of the first page go, so that two of the second slip by.
        let (names, _) = read(reader, |page| {
            if page == 1 {
                services.lock().drain(0..2);
            }
        })
        .await
        .expect("read");
        let came: BTreeSet<_> = names.iter().cloned().collect();
        assert_eq!(came.len(), names.len(), "each once");
        for name in services.lock().iter() {
            assert!(came.contains(name), "{kind:?}: {name} was missed");
        }
    }
}

#[tokio::test]
async fn a_list_that_shifts_a_lot_is_read_again() {
    let services = named(300);
    let fake = serve(Kind::V2, &services).await;
    let client = fake.client();
    let reader = client.services(Kind::V2.api(), &public(), None, 100, Route::Any);
    let (names, summary) = read(reader, |page| {
        if page == 1 {
            services.lock().rotate_left(60);
        }
    })
    .await
    .expect("read");
    assert_eq!(names.len(), 300);
    assert!(summary.requests > 6, "{summary:?}");
}

#[tokio::test]
async fn a_list_that_never_settles_is_an_error_and_never_complete() {
    let services = named(300);
    let fake = serve(Kind::V2, &services).await;
    let client = fake.client();
    let reader = client.services(Kind::V2.api(), &public(), None, 100, Route::Any);
    let mut number = 1000;
    let outcome = read(reader, |_| {
        let mut services = services.lock();
        for name in services.iter_mut() {
            *name = format!("s{number}");
            number += 1;
        }
    })
    .await;
    let error = outcome.expect_err("it changed all the time");
    assert!(matches!(error, HttpError::Unsettled { .. }), "{error}");
    assert_eq!(error.class(), Class::Transient);
}

#[tokio::test]
async fn a_reading_that_fails_in_the_middle_never_completes() {
    let services = named(30);
    let shown = services.clone();
    let fake = Fake::start(move |asked| {
        if asked.get("pageNo") == "2" {
            return spring(403, "authorization failed!");
        }
        catalog(Kind::V2, &shown, asked).unwrap_or_else(|| nacos_2_1(asked))
    })
    .await;
    let client = fake.client();
    let mut reader = client.services(Kind::V2.api(), &public(), None, 10, Route::Any);
    assert!(matches!(reader.next().await, Ok(Step::Page(_))));
    let error = reader.next().await.expect_err("no rights for page 2");
    assert_eq!(error.class(), Class::Forbidden);
    let error = reader.next().await.expect_err("it is over");
    assert!(error.to_string().contains("failed before"), "{error}");
}

#[tokio::test]
async fn when_a_member_dies_in_the_middle_another_is_read_from_the_front() {
    let services = named(30);
    // The second member lists in another order.
    let reversed: Services = Arc::new(Mutex::new(services.lock().iter().rev().cloned().collect()));
    let shown = services.clone();
    let dying = Fake::start(move |asked| {
        if asked.number("pageNo") > 1 {
            return (502, String::new());
        }
        catalog(Kind::V2, &shown, asked).unwrap_or_else(|| nacos_2_1(asked))
    })
    .await;
    let other = serve(Kind::V2, &reversed).await;
    let addresses = [dying.addr.to_string(), other.addr.to_string()];
    let client = HttpClient::new(ClientOptions::new(addresses)).expect("a client");
    let (names, _) = read_all(&client, Kind::V2.api(), 10).await.expect("read");
    assert_eq!(names.len(), 30);
    let distinct: BTreeSet<_> = names.into_iter().collect();
    assert_eq!(distinct.len(), 30);
}

#[tokio::test]
async fn bad_entries_come_beside_the_good_ones() {
    let fake = Fake::start(|asked| {
        if asked.path != "/v1/ns/catalog/services" {
            return nacos_2_1(asked);
        }
        let list = json!([
            {"serviceName": "good", "groupName": "G", "clusterMap": {"DEFAULT": {"hosts": [
                {"ip": "10.0.0.1", "port": 70000, "valid": true},
                {"ip": {}, "port": 80, "valid": true}]}}},
            {"serviceName": "bad", "groupName": "G"},
        ]);
        (200, list.to_string())
    })
    .await;
    let client = fake.client();
    let mut reader = client.services(Kind::V2.api(), &public(), None, 10, Route::Any);
    let Ok(Step::Page(page)) = reader.next().await else {
        panic!("no page");
    };
    assert_eq!(page.services[0].instances.len(), 1);
    assert_eq!(page.services[0].rejected.len(), 1);
    let (group, name) = page.rejected[0].service.as_ref().expect("a name");
    assert_eq!((group.as_str(), name.as_str()), ("G", "bad"));
    let Ok(Step::Complete(read)) = reader.next().await else {
        panic!("not complete");
    };
    assert_eq!((read.services, read.instances, read.rejected), (1, 1, 2));
}

#[tokio::test]
async fn one_group_is_told_from_those_that_contain_its_name() {
    let fake = Fake::start(|asked| {
        assert_eq!(asked.get("groupNameParam"), "PAGE");
        let service = |group| json!({"serviceName": "s", "groupName": group, "clusterMap": {}});
        (
            200,
            json!([service("PAGE"), service("PAGE_E"), service("MYPAGE")]).to_string(),
        )
    })
    .await;
    let client = fake.client();
    let group = GroupName::from("PAGE");
    let reader = client.services(Kind::V2.api(), &public(), Some(&group), 10, Route::Any);
    let (names, summary) = read(reader, |_| ()).await.expect("read");
    assert_eq!((names.len(), summary.services), (1, 1));
}

#[tokio::test]
async fn one_service_is_found_or_absent_whether_or_not_patterns_work() {
    // This fake takes patterns literally, so the exact one never matches.
    for kind in [Kind::V1, Kind::V2, Kind::V3] {
        let services = named(2_500);
        let fake = serve(kind, &services).await;
        let client = fake.client();
        let find = async |name: &str| {
            let key = ServiceKey::new("public", "G", name);
            client.raw_service(kind.api(), &key, &Route::Any).await
        };
        for (name, there) in [
            ("s1", true),
            ("s2499", true),
            ("s", false),
            ("s2500", false),
        ] {
            let found = find(name).await.expect("an answer").value;
            assert_eq!(found != RawService::Absent, there, "{kind:?} {name}");
            if let RawService::Listed(service) = found {
                assert_eq!(service.name.as_str(), name);
            }
        }
    }
}

#[tokio::test]
async fn one_service_is_read_by_its_clusters_unless_they_change_meanwhile() {
    // How the clusters look at each reading, and what must come of it.
    for (before, after, requests) in [
        (&["c1"][..], &["c1"][..], 3),
        (&["c1", "c2"], &["c1", "c2"], 6),
        // A cluster came, or there is none: the search tells.
        (&["c1"], &["c1", "c2"], 4),
        (&[], &[], 2),
    ] {
        let reading = AtomicUsize::new(0);
        let fake = Fake::start(move |asked| {
            let body = match asked.path.as_str() {
                "/v1/ns/catalog/service" => {
                    let first = reading.fetch_add(1, Ordering::SeqCst) == 0;
                    let clusters = if first { before } else { after };
                    let clusters: Vec<_> = clusters.iter().map(|c| json!({"name": c})).collect();
                    json!({"service": {"name": "s"}, "clusters": clusters})
                }
                "/v1/ns/catalog/instances" => json!({"count": 1, "list": [
                    {"ip": "10.0.0.1", "port": 80, "clusterName": asked.get("clusterName")}]}),
                _ => json!([{"serviceName": "s", "groupName": "G", "clusterMap": {
                    "searched": {"hosts": []}}}]),
            };
            (200, body.to_string())
        })
        .await;
        let service = ServiceKey::new("public", "G", "s");
        let client = fake.client();
        let found = client
            .raw_service(Kind::V2.api(), &service, &Route::Any)
            .await;
        let RawService::Listed(found) = found.expect("an answer").value else {
            panic!("not found");
        };
        let by_clusters = requests % 3 == 0;
        assert_eq!(
            !found.instances.is_empty(),
            by_clusters,
            "{before:?} {after:?}"
        );
        let asked: Vec<_> = fake.asked().into_iter().map(|a| a.path).collect();
        assert_eq!(asked.len(), requests, "{before:?} {after:?}: {asked:?}");
    }
}

#[tokio::test]
async fn an_entry_without_a_name_may_be_any_service() {
    let fake = Fake::start(|asked| match asked.path.as_str() {
        "/v1/ns/catalog/services" => (200, r#"[{"oops":1}]"#.into()),
        _ => nacos_2_1(asked),
    })
    .await;
    let service = ServiceKey::new("public", "G", "s");
    let client = fake.client();
    let found = client
        .raw_service(Kind::V2.api(), &service, &Route::Any)
        .await;
    assert!(matches!(
        found.expect("an answer").value,
        RawService::Rejected(_)
    ));
}

#[tokio::test]
async fn names_of_a_group_by_every_call_that_lists_them() {
    for (api, count_is_total) in [
        (NamesApi::V1, true),
        (NamesApi::V1, false),
        (NamesApi::V2, true),
        (NamesApi::UpgradeOps(Store::V2), false),
    ] {
        let fake = Fake::start(move |asked| {
            let (size, page) = (asked.number("pageSize"), asked.number("pageNo"));
            let names: Vec<_> = (0..1_203).map(|n| format!("s{n}")).collect();
            // v2 caps its pages at 500.
            let size = if asked.path.starts_with("/v2") {
                size.min(500)
            } else {
                size
            };
            let shown: Vec<_> = names.iter().skip((page - 1) * size).take(size).collect();
            let count = if count_is_total {
                names.len()
            } else {
                shown.len()
            };
            let body = match api {
                NamesApi::V2 => json!({"code": 0, "data": {"count": count, "services": shown}}),
                _ => json!({"count": count, "doms": shown}),
            };
            (200, body.to_string())
        })
        .await;
        let client = fake.client();
        let (namespace, group) = (public(), GroupName::from("G"));
        for size in [7, 100, 1_203, 10_000] {
            let names = client
                .service_names(api, &namespace, &group, size, &Route::Any)
                .await;
            let names = names.expect("a list").value;
            assert_eq!(names.items.len(), 1_203, "{api:?} by {size}");
            assert!(names.rejected.is_empty());
        }
    }
}

#[tokio::test]
async fn the_error_of_1_3_past_the_end_ends_a_list_and_on_page_one_is_an_error() {
    let fake = Fake::start(|asked| match asked.number("pageNo") {
        1 => (200, r#"{"count":2,"doms":["a","b"]}"#.into()),
        _ => (400, "fromIndex(2) > toIndex(2)".into()),
    })
    .await;
    let client = fake.client();
    let (namespace, group) = (public(), GroupName::from("G"));
    let names = client
        .service_names(NamesApi::V1, &namespace, &group, 2, &Route::Any)
        .await;
    assert_eq!(names.expect("a list").value.items.len(), 2);

    let fake = Fake::start(|_| (400, "fromIndex(0) > toIndex(0)".into())).await;
    let client = fake.client();
    let names = client
        .service_names(NamesApi::V1, &namespace, &group, 2, &Route::Any)
        .await;
    assert_eq!(names.expect_err("no list").class(), Class::Fatal);
}

#[tokio::test]
async fn readers_can_be_moved_to_other_threads() {
    fn movable<T: Send>(value: T) -> T {
        value
    }
    let fake = serve(Kind::V2, &named(3)).await;
    let client = Arc::new(fake.client());
    let task = tokio::spawn(movable(async move {
        read_all(&client, Kind::V2.api(), 10)
            .await
            .map(|(names, _)| names.len())
    }));
    assert_eq!(task.await.expect("ended").expect("read"), 3);
}
