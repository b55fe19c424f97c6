//! Real servers, 1.3.0 to 2.2.4.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use syncline_model::{ClusterName, GroupName, NamespaceId, ServiceKey};
use syncline_nacos::http::{
    Class, ClientOptions, ConsumerApi, GrpcPort, HttpClient, Members, NamesApi, PushSocket,
    RawService, Route, Step, Store, WriteApi, local_address_towards,
};
use syncline_nacos::message::Instance;
use syncline_nacos::version::{Features, Negotiated, Support};
use syncline_testkit::nacos::{RealCluster, RealNacos, Version, fresh_name};
use syncline_testkit::{eventually, eventually_some, patience, run};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);

async fn server(version: Version) -> &'static RealNacos {
    RealNacos::shared(version).await.expect("a real server")
}

fn client(nacos: &RealNacos) -> HttpClient {
    HttpClient::new(ClientOptions::new([nacos.addr().to_string()])).expect("a client")
}

async fn probe(client: &HttpClient) -> Negotiated {
    let grpc = async |server: std::sync::Arc<syncline_nacos::http::ServerAddress>| {
        let port = server.grpc_port().expect("below 65536");
        match tokio::net::TcpStream::connect((server.host(), port)).await {
            Ok(_) => GrpcPort::Answers,
            Err(_) => GrpcPort::Silent,
        }
    };
    let found = client.probe(grpc, &Route::Any).await;
    found.expect("a version").value
}

fn features(version: Version) -> Features {
    let version = version.as_str();
    let version = syncline_nacos::version::ServerVersion::parse(version).expect("a version");
    Negotiated::exactly(version, "").features
}

/// An instance that needs no beats for as long as the test runs, with metadata
/// that 1.3.0 would decode once too often.
fn instance(number: u8) -> Instance {
    Instance {
        ip: format!("10.1.0.{number}"),
        port: 8080,
        weight: 1.0 + f64::from(number) / 4.0,
        cluster_name: if number.is_multiple_of(2) {
            "DEFAULT"
        } else {
            "c1"
        }
        .into(),
        metadata: BTreeMap::from([
            ("preserved.heart.beat.timeout".into(), "120000".into()),
            ("preserved.ip.delete.timeout".into(), "150000".into()),
            ("odd".into(), "a+b 100% \"中\" 'x' \\ /%2B".into()),
        ]),
        ..Instance::default()
    }
}

async fn register(client: &HttpClient, service: &ServiceKey, instance: &Instance) {
    let registered = client.register(WriteApi::V1, service, instance, &Route::Any);
    registered.await.expect("registered");
}

/// The fields that a registration decides, whatever the server adds.
type Content = (String, i64, String, String, bool, BTreeMap<String, String>);

fn content(instance: &Instance) -> Content {
    (
        instance.ip.clone(),
        instance.port,
        instance.cluster_name.clone(),
        instance.weight.to_string(),
        instance.enabled,
        instance.metadata.clone(),
    )
}

fn contents(instances: &[Instance]) -> BTreeSet<Content> {
    instances.iter().map(content).collect()
}

#[tokio::test]
async fn real_servers_tell_their_version() {
    if !run::require_real_servers() {
        return;
    }
    for version in Version::ALL {
        let found = probe(&client(server(version).await)).await;
        let told = found.version.expect("exactly");
        assert_eq!(told.to_string(), version.as_str(), "{}", found.how);
        assert_eq!(found.features.grpc == Support::Yes, version.has_grpc());
    }
}

#[tokio::test]
async fn a_server_that_is_restarted_is_never_taken_for_another_version() {
    if !run::require_real_servers() {
        return;
    }
    let nacos = RealNacos::start(Version::V2_2_4)
        .await
        .expect("a real server");
    let client = client(&nacos);
    nacos.kill().await.expect("killed");
    let mut answers = BTreeSet::new();
    let restarting = nacos.restart();
    tokio::pin!(restarting);
    loop {
        let silent = async |_: std::sync::Arc<_>| GrpcPort::Silent;
        tokio::select! {
            restarted = &mut restarting => {
                restarted.expect("restarted");
                break;
            }
            found = client.probe(silent, &Route::Any) => match found {
                Ok(found) => {
                    assert_eq!(found.value.version.expect("exactly").to_string(), "2.2.4");
                    answers.insert("told".to_owned());
                }
                Err(error) => {
                    let class = error.class();
                    assert!(matches!(class, Class::Transient | Class::NotReady), "{error}");
                    answers.insert(format!("{class:?}"));
                }
            },
        }
    }
    assert!(answers.contains("Transient"), "{answers:?}");
    assert_eq!(
        probe(&client).await.version.expect("exactly").to_string(),
        "2.2.4"
    );
}

/// Two namespaces with two groups each, of so many services with two instances.
async fn populated(client: &HttpClient, services: usize) -> ([NamespaceId; 2], [GroupName; 2]) {
    let namespaces = [fresh_name("ns-a"), fresh_name("ns-b")].map(NamespaceId::from);
    let groups = ["G1", "G1-more"].map(GroupName::from);
    for namespace in &namespaces {
        for group in &groups {
            for number in 0..services {
                let name = format!("svc-{number}");
                let service = ServiceKey::new(namespace.clone(), group.clone(), name);
                register(client, &service, &instance(1)).await;
                register(client, &service, &instance(2)).await;
            }
        }
    }
    (namespaces, groups)
}

#[tokio::test]
async fn everything_registered_is_read_back_by_every_list() {
    if !run::require_real_servers() {
        return;
    }
    const SERVICES: usize = 13;
    for version in Version::ALL {
        let client = client(server(version).await);
        let features = features(version);
        let (namespaces, groups) = populated(&client, SERVICES).await;
        let expected = contents(&[instance(1), instance(2)]);
        for namespace in &namespaces {
            // Raw, in pages of every kind: many, just full, one.
            for size in [4, 2 * SERVICES, 1_000] {
                // Reads may lag behind writes by what the push task needs.
                eventually(SOON, || async {
                    let mut reader =
                        client.services(features.bulk, namespace, None, size, Route::Any);
                    let mut seen = BTreeMap::new();
                    let complete = loop {
                        match reader.next().await.expect("a page") {
                            Step::Page(page) => {
                                assert!(page.rejected.is_empty());
                                for service in page.services {
                                    let key = (service.group, service.name);
                                    let contents = contents(&service.instances);
                                    assert!(seen.insert(key, contents).is_none(), "twice");
                                }
                            }
                            Step::Complete(read) => break read,
                        }
                    };
                    assert_eq!(complete.services, seen.len());
                    seen.len() == 2 * SERVICES && seen.values().all(|c| *c == expected)
                })
                .await;
            }
            let summaries = client
                .service_summaries(features.bulk, namespace, &Route::Any)
                .await;
            let summaries = summaries.expect("a list").value.items;
            assert_eq!(summaries.len(), 2 * SERVICES, "{version}");
            assert!(summaries.iter().all(|s| s.instances == 2 && s.healthy == 2));

            let names = client
                .names_by_namespace(Some(namespace), &Route::Any)
                .await;
            let names = names.expect("names").value;
            let named: usize = names.iter().map(|n| n.services.len()).sum();
            // 1.x throws the groups together.
            let all = if version.has_grpc() {
                2 * SERVICES
            } else {
                SERVICES
            };
            assert_eq!(named, all, "{version}: {names:?}");

            for group in &groups {
                one_group(&client, version, namespace, group, SERVICES).await;
            }
        }
    }
}

async fn one_group(
    client: &HttpClient,
    version: Version,
    namespace: &NamespaceId,
    group: &GroupName,
    services: usize,
) {
    let mut apis = vec![NamesApi::V1];
    if matches!(version, Version::V2_0_3 | Version::V2_1_1) {
        apis.push(NamesApi::UpgradeOps(Store::V2));
    }
    if version == Version::V2_2_4 {
        apis.push(NamesApi::V2);
    }
    for api in apis {
        for size in [3, services, 1_000] {
            let names = client
                .service_names(api, namespace, group, size, &Route::Any)
                .await;
            let names = names.expect("names").value;
            let names: BTreeSet<_> = names.items.iter().map(ToString::to_string).collect();
            let expected = (0..services).map(|n| format!("svc-{n}")).collect();
            assert_eq!(names, expected, "{version} {api:?} by {size}");
        }
    }
    // `svc-1` must not bring `svc-10` to `svc-12` along, nor the other group.
    let service = ServiceKey::new(namespace.clone(), group.clone(), "svc-1");
    let bulk = features(version).bulk;
    let found = client.raw_service(bulk, &service, &Route::Any).await;
    let RawService::Listed(found) = found.expect("an answer").value else {
        panic!("{version}: {service} is not found");
    };
    assert_eq!((&found.group, found.name.as_str()), (group, "svc-1"));
    assert_eq!(
        contents(&found.instances),
        contents(&[instance(1), instance(2)])
    );
    let none = ServiceKey::new(namespace.clone(), group.clone(), "svc");
    let found = client.raw_service(bulk, &none, &Route::Any).await;
    assert_eq!(
        found.expect("an answer").value,
        RawService::Absent,
        "{version}"
    );

    let mut lists = vec![ConsumerApi::V1];
    if version == Version::V2_2_4 {
        lists.push(ConsumerApi::V2);
    }
    if matches!(version, Version::V2_0_3 | Version::V2_1_1) {
        lists.push(ConsumerApi::UpgradeOps(Store::V2));
    }
    for api in lists {
        let list = client.instance_list(api, &service, &[], &Route::Any).await;
        let list = list.expect("a list").value;
        let both = contents(&[instance(1), instance(2)]);
        assert_eq!(contents(&list.instances), both, "{version} {api:?}");
        let only = [ClusterName::from("c1")];
        let list = client
            .instance_list(api, &service, &only, &Route::Any)
            .await;
        let list = list.expect("a list").value;
        assert_eq!(contents(&list.instances), contents(&[instance(1)]));
        let none = client.instance_list(api, &none, &[], &Route::Any).await;
        assert!(none.expect("a list").value.instances.is_empty());
    }
    let c1 = ClusterName::from("c1");
    let raw = client.catalog_instances(&service, &c1, &Route::Any).await;
    assert_eq!(
        contents(&raw.expect("a list").value.instances),
        contents(&[instance(1)])
    );
    let raw = client.catalog_instances(&none, &c1, &Route::Any).await;
    assert_eq!(
        raw.expect_err("unknown").class(),
        Class::NotFound,
        "{version}"
    );
}

/// The instance of a service at that address, as it is registered.
async fn raw(
    client: &HttpClient,
    version: Version,
    service: &ServiceKey,
    ip: &str,
) -> Option<Instance> {
    let found = client
        .raw_service(features(version).bulk, service, &Route::Any)
        .await;
    match found.expect("an answer").value {
        RawService::Listed(found) => found.instances.into_iter().find(|i| i.ip == ip),
        RawService::Absent => None,
        RawService::Rejected(why) => panic!("{why:?}"),
    }
}

#[tokio::test]
async fn beats_keep_an_instance_and_bring_it_back() {
    if !run::require_real_servers() {
        return;
    }
    for version in Version::ALL {
        let client = client(server(version).await);
        let service = ServiceKey::new(fresh_name("beat").as_str(), "G", "s");
        let instance = instance(1);
        let beat = async |light| {
            let beat = client.beat(&service, &instance, light, &Route::Any).await;
            beat.expect("an answer").value
        };
        let unknown = beat(true).await;
        assert!(!unknown.known, "{version}");
        let full = beat(false).await;
        assert!(full.known && full.light_allowed, "{version}");
        assert!(full.next >= Duration::from_secs(1));
        eventually(SOON, || async {
            raw(&client, version, &service, &instance.ip)
                .await
                .is_some()
        })
        .await;
        let registered = raw(&client, version, &service, &instance.ip)
            .await
            .expect("there");
        assert_eq!(content(&registered), content(&instance), "{version}");
        assert!(beat(true).await.known, "{version}");

        // The other kind is another instance, so this removes nothing.
        let mut other = instance.clone();
        other.ephemeral = Some(false);
        let removed = client
            .deregister(WriteApi::V1, &service, &other, &Route::Any)
            .await;
        removed.expect("ok all the same");
        assert!(beat(true).await.known, "{version}");
        let removed = client
            .deregister(WriteApi::V1, &service, &instance, &Route::Any)
            .await;
        removed.expect("removed");
        eventually(SOON, || async {
            raw(&client, version, &service, &instance.ip)
                .await
                .is_none()
        })
        .await;
    }
}

#[tokio::test]
async fn an_update_changes_an_instance_of_1_x_where_it_stands() {
    if !run::require_real_servers() {
        return;
    }
    let version = Version::V1_3_0;
    let client = client(server(version).await);
    let service = ServiceKey::new(fresh_name("update").as_str(), "G", "s");
    let mut instance = instance(1);
    let absent = client.update_v1(&service, &instance, &Route::Any).await;
    assert_eq!(absent.expect_err("not there").class(), Class::NotFound);
    register(&client, &service, &instance).await;
    // 1.x answers before it has done it.
    eventually(SOON, || async {
        raw(&client, version, &service, &instance.ip)
            .await
            .is_some()
    })
    .await;
    instance.weight = 7.5;
    instance.enabled = false;
    instance.metadata.insert("new".into(), "1+1=2 %".into());
    let updated = client.update_v1(&service, &instance, &Route::Any).await;
    updated.expect("updated");
    let wanted = content(&instance);
    eventually(SOON, || async {
        let found = raw(&client, version, &service, &instance.ip).await;
        found.is_some_and(|found| content(&found) == wanted)
    })
    .await;
}

#[tokio::test]
async fn persistent_instances_keep_the_health_they_are_given() {
    if !run::require_real_servers() {
        return;
    }
    for version in Version::ALL {
        let nacos = server(version).await;
        nacos.elected().await.expect("a leader");
        let client = client(nacos);
        let service = ServiceKey::new(fresh_name("persistent").as_str(), "G", "s");
        let mut instance = Instance {
            ephemeral: Some(false),
            cluster_name: "DEFAULT".into(),
            ..instance(2)
        };
        register(&client, &service, &instance).await;
        let cluster = ClusterName::from("DEFAULT");
        eventually(SOON, || async {
            let stopped = client.stop_health_checks(WriteApi::V1, &service, &cluster, &Route::Any);
            stopped.await.is_ok()
        })
        .await;
        for healthy in [false, true, false] {
            instance.healthy = healthy;
            if features(version).manual_health == Support::Yes {
                let set = client.set_health_v1(&service, &instance, &Route::Any).await;
                set.expect("set by hand");
            } else {
                register(&client, &service, &instance).await;
            }
            eventually(SOON, || async {
                let found = raw(&client, version, &service, &instance.ip).await;
                found.is_some_and(|found| found.healthy == healthy)
            })
            .await;
        }
        if version.has_grpc() {
            let ephemeral = self::instance(3);
            let refused = client
                .register(WriteApi::V1, &service, &ephemeral, &Route::Any)
                .await;
            let refused = refused.expect_err("the other kind");
            assert_eq!(refused.class(), Class::WrongKind, "{version}: {refused}");
        }
        let removed = client
            .deregister(WriteApi::V1, &service, &instance, &Route::Any)
            .await;
        removed.expect("removed");
        eventually(SOON, || async {
            raw(&client, version, &service, &instance.ip)
                .await
                .is_none()
        })
        .await;
    }
}

#[tokio::test]
async fn changes_are_pushed_over_udp() {
    if !run::require_real_servers() {
        return;
    }
    let loopback: IpAddr = [127, 0, 0, 1].into();
    for version in Version::ALL {
        let nacos = server(version).await;
        let client = client(nacos);
        let ours = local_address_towards("127.0.0.1", nacos.addr().port()).await;
        assert_eq!(ours.expect("a way"), loopback);
        let service = ServiceKey::new(fresh_name("udp").as_str(), "G", "s");
        register(&client, &service, &instance(1)).await;
        let mut socket = PushSocket::bind((loopback, 0).into(), vec![loopback])
            .await
            .expect("a free port");
        let port = socket.port().expect("bound");
        let list = eventually_some(SOON, || async {
            let list = client
                .subscribe_udp(&service, loopback, port, &Route::Any)
                .await;
            let list = list.expect("a list").value;
            (!list.instances.is_empty()).then_some(list)
        })
        .await;
        assert_eq!(list.poll_every, Some(Duration::from_secs(10)), "{version}");
        register(&client, &service, &instance(2)).await;
        loop {
            let push = timeout(patience(SOON), socket.next()).await;
            let push = push.expect("a push in time").expect("a push");
            assert_eq!((push.group.as_str(), push.service.as_str()), ("G", "s"));
            if contents(&push.list.instances) == contents(&[instance(1), instance(2)]) {
                break;
            }
        }
    }
}

#[tokio::test]
async fn members_of_a_real_server_are_listed() {
    if !run::require_real_servers() {
        return;
    }
    for version in Version::ALL {
        let nacos = server(version).await;
        let members = client(nacos)
            .members(&Route::Any)
            .await
            .expect("members")
            .value;
        assert_eq!(members.len(), 1, "{version}");
        assert_eq!(members[0].state, "UP");
        let port = nacos.addr().port().to_string();
        assert!(members[0].address.ends_with(&port), "{members:?}");
    }
}

#[tokio::test]
async fn a_cluster_is_discovered_and_read_on_when_a_member_dies() {
    if !run::require_real_servers() || !run::in_tier(run::Tier::All) {
        return;
    }
    let cluster = RealCluster::start(Version::V2_2_4, 3)
        .await
        .expect("a cluster");
    let options = ClientOptions {
        members: Members::Discover,
        ..ClientOptions::new([cluster.addrs()[0].to_string()])
    };
    let client = HttpClient::new(options).expect("a client");
    let members = client.discover().await.expect("members");
    assert_eq!(members.len(), 3);
    assert_eq!(client.servers().distinct_members(), 3);

    // Whichever member is asked forwards to the responsible one, body included.
    let namespace = fresh_name("cluster");
    let service = ServiceKey::new(namespace.as_str(), "G", "s");
    let ids: Vec<_> = client
        .servers()
        .addresses()
        .iter()
        .map(|a| a.id().clone())
        .collect();
    let members = || ids[..3].iter().map(|id| Route::Only(id.clone()));
    for (number, route) in (0..12).zip(members().cycle()) {
        let instance = instance(number);
        let registered = client.register(WriteApi::V1, &service, &instance, &route);
        registered.await.expect("registered");
        let beat = client.beat(&service, &instance, false, &route).await;
        assert!(beat.expect("an answer").value.known);
    }
    let expected = contents(&(0..12).map(instance).collect::<Vec<_>>());
    for route in members() {
        eventually(SOON, || async {
            let found = client.raw_service(features(Version::V2_2_4).bulk, &service, &route);
            match found.await.expect("an answer").value {
                RawService::Listed(found) => contents(&found.instances) == expected,
                _ => false,
            }
        })
        .await;
    }
    let list = client
        .instance_list(ConsumerApi::V1, &service, &[], &Route::Any)
        .await;
    let first = list.expect("a list").server;
    let other = Route::OtherThan(first.clone());
    let list = client
        .instance_list(ConsumerApi::V1, &service, &[], &other)
        .await;
    assert_ne!(list.expect("a list").server, first);

    let dying = cluster.members().iter();
    let mut dying = dying.filter(|m| first.as_str().ends_with(&m.addr().port().to_string()));
    dying
        .next()
        .expect("a member")
        .kill()
        .await
        .expect("killed");
    let list = client
        .instance_list(ConsumerApi::V1, &service, &[], &Route::Any)
        .await;
    let list = list.expect("another member answers");
    assert_ne!(list.server, first);
    assert_eq!(list.value.instances.len(), 12);
}
