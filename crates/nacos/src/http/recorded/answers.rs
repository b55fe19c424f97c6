//! Confirmations, refusals, beats and pushes; and damaged answers.

use std::collections::BTreeMap;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzEncoder;
use serde_json::Value;
use syncline_model::ServiceKey;
use syncline_testkit::recordings::Http;

use super::super::decode::{self, Entries, NamePage, NamesByNamespace, SummaryPage};
use super::super::error::{Class, HttpError};
use super::super::instances::{self, ConsumerApi};
use super::super::transport::Answer;
use super::super::{namespaces, raw, udp, write};
use super::{answer, assert_same_list, blank, json, recordings};

#[test]
fn beats() {
    let mut seen = (0, 0);
    for recording in recordings() {
        let name = recording.name;
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
    for recording in recordings() {
        let name = recording.name;
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
    for recording in recordings() {
        let name = recording.name;
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
    for recording in recordings() {
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

/// Runs everything that reads answers over the same one.
fn read_by_all(answer: &Answer) {
    let service = ServiceKey::new("public", "G", "s");
    for api in [ConsumerApi::V1, ConsumerApi::V2, ConsumerApi::V3] {
        drop(instances::read_list(api, &service, answer));
    }
    drop(instances::read_admin_list(answer));
    drop(namespaces::read_namespaces(answer));
    drop(namespaces::read_members(answer));
    drop(raw::read_catalog_clusters(answer));
    drop(raw::read_admin_clusters(answer));
    drop(write::read_beat(answer));
    drop(answer.ok());
    drop(answer.json::<NamePage>());
    drop(answer.json::<NamesByNamespace>());
    if let Ok(entries) = answer.json::<Entries<'_>>() {
        assert_eq!(decode::service_page(&entries).entries(), entries.len());
    }
    if let Ok(page) = answer.data::<SummaryPage<'_>>() {
        drop(decode::summaries(&page.service_list));
    }
    if let Err(error) = answer.clone().accepted() {
        assert!(!error.to_string().contains(char::is_control));
    }
}

/// Recorded bodies of every shape, each once.
fn bodies() -> Vec<String> {
    let mut shapes = BTreeMap::new();
    for recording in recordings() {
        for http in recording.http() {
            let shape = (http.path.clone(), http.status, http.body.len() / 2_000);
            shapes.entry(shape).or_insert_with(|| http.body.clone());
        }
    }
    shapes.into_values().collect()
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(
        status in 100u16..600,
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
    ) {
        let mut answer = blank(status);
        answer.body = bytes.into();
        read_by_all(&answer);
    }
}

#[test]
fn no_damage_to_a_recorded_answer_makes_a_decoder_panic() {
    let mut answer = blank(200);
    for body in bodies() {
        let bytes = body.as_bytes();
        for cut in (0..bytes.len()).step_by(bytes.len() / 7 + 1) {
            answer.body = Bytes::copy_from_slice(&bytes[..cut]);
            read_by_all(&answer);
            for damage in [b'"', b'0', b'{', 0xff] {
                let mut damaged = bytes.to_vec();
                damaged[cut] = damage;
                answer.body = damaged.into();
                read_by_all(&answer);
            }
        }
    }
}
