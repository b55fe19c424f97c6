//! Every gRPC message that real servers sent or took, from 2.0.3 to 3.0.3.

use serde_json::{Value, json};
use syncline_nacos::message::payload::{
    ResponseError, decode_ack, decode_request, decode_response, encode_request,
};
use syncline_nacos::message::{
    BatchInstanceRequest, Call, ClientDetectionRequest, ConnectionSetupRequest, HealthCheckRequest,
    InstanceRequest, NamingFuzzyWatchChangeNotifyRequest, NamingFuzzyWatchRequest,
    NamingFuzzyWatchSyncRequest, NotifySubscriberRequest, PersistentInstanceRequest, Request,
    ServerCheckRequest, ServiceInfo, ServiceListRequest, ServiceQueryRequest, SetupAckRequest,
    SubscribeServiceRequest, Timing,
};
use syncline_testkit::recordings::{Direction, Grpc, NAMES, Recording};

use super::fake::payload_of;

fn recordings() -> Vec<Recording> {
    NAMES
        .iter()
        .map(|name| Recording::load(name).unwrap())
        .collect()
}

fn grpc(recordings: &[Recording]) -> impl Iterator<Item = (&'static str, &Grpc)> {
    recordings
        .iter()
        .flat_map(|recording| recording.grpc().map(|grpc| (recording.name, grpc)))
}

/// Checks an answer; returns its body as read and written again.
fn check_answer<T: Call>(place: &str, grpc: &Grpc) -> Option<T::Response> {
    let recorded = grpc.response.as_ref().expect("an answer");
    let kind = grpc.response_type.as_deref().expect("a type");
    let answer = payload_of(kind, recorded.to_string().as_bytes());
    match decode_response::<T::Response>(&answer) {
        Ok(body) => {
            assert_eq!(recorded["resultCode"], 200, "{place}");
            Some(body)
        }
        Err(ResponseError::Refused(refusal)) => {
            assert_eq!(recorded["resultCode"], refusal.result_code, "{place}");
            assert_eq!(recorded["errorCode"], refusal.code.0, "{place}");
            assert_eq!(
                recorded["message"].as_str(),
                refusal.message.as_deref(),
                "{place}"
            );
            None
        }
        Err(ResponseError::Malformed(error)) => panic!("{place}: {error:?}"),
    }
}

/// Compares a service with what was recorded, written as a server writes it.
fn check_service(place: &str, recorded: &Value, mut info: ServiceInfo) {
    assert_eq!(info.hosts.rejected, [], "{place}");
    for host in &mut info.hosts.items {
        host.timing = Some(Timing::of(&host.metadata));
    }
    let mut written = serde_json::to_value(info).unwrap();
    let mut recorded = recorded.clone();
    // 3.0 spells one of them, 2.x the other; we write both.
    for object in [&mut written, &mut recorded] {
        let fields = object.as_object_mut().unwrap();
        fields.remove("allIPs");
        fields.remove("allIps");
        // Absent where the subscription had none.
        fields.entry("clusters").or_insert_with(|| json!(""));
    }
    assert_eq!(written, recorded, "{place}");
}

#[test]
fn every_answer_is_understood() {
    let recordings = recordings();
    let mut answers = 0;
    for (name, grpc) in grpc(&recordings).filter(|(_, grpc)| grpc.dir == Direction::Call) {
        if grpc.response.is_none() {
            assert!(name.starts_with('1'), "only 1.x has no gRPC");
            continue;
        }
        answers += 1;
        let place = &format!("{name}: {} ({})", grpc.note, grpc.n);
        let recorded = &grpc.response.as_ref().expect("checked")["serviceInfo"];
        match grpc.request_type.as_str() {
            "ServerCheckRequest" => {
                let answer = check_answer::<ServerCheckRequest>(place, grpc).unwrap();
                assert_eq!(answer.support_ability_negotiation, name >= "2.3", "{place}");
            }
            "HealthCheckRequest" => drop(check_answer::<HealthCheckRequest>(place, grpc)),
            "InstanceRequest" => drop(check_answer::<InstanceRequest>(place, grpc)),
            "BatchInstanceRequest" => drop(check_answer::<BatchInstanceRequest>(place, grpc)),
            "PersistentInstanceRequest" => {
                check_answer::<PersistentInstanceRequest>(place, grpc);
            }
            "SubscribeServiceRequest" => {
                if let Some(answer) = check_answer::<SubscribeServiceRequest>(place, grpc) {
                    check_service(place, recorded, answer.service_info);
                }
            }
            "ServiceQueryRequest" => {
                if let Some(answer) = check_answer::<ServiceQueryRequest>(place, grpc) {
                    check_service(place, recorded, answer.service_info);
                }
            }
            "ServiceListRequest" => drop(check_answer::<ServiceListRequest>(place, grpc)),
            "NamingFuzzyWatchRequest" => drop(check_answer::<NamingFuzzyWatchRequest>(place, grpc)),
            // Sent to see the refusal.
            _ => assert!(check_answer::<HealthCheckRequest>(place, grpc).is_none()),
        }
    }
    // 1098 recorded calls, three of them to 1.x.
    assert_eq!(answers, 1095);
}

#[test]
fn every_push_is_understood_and_its_acknowledgement_too() {
    let recordings = recordings();
    for (name, grpc) in grpc(&recordings).filter(|(_, grpc)| grpc.dir == Direction::Push) {
        let place = &format!("{name}: {} ({})", grpc.note, grpc.n);
        let Some(body) = &grpc.request else {
            continue;
        };
        let push = payload_of(&grpc.request_type, body.to_string().as_bytes());
        let request_id = match grpc.request_type.as_str() {
            "NotifySubscriberRequest" => {
                let received = decode_request::<NotifySubscriberRequest>(&push).expect(place);
                assert_eq!(received.body.namespace, None, "{place}");
                check_service(place, &body["serviceInfo"], received.body.service_info);
                received.request_id
            }
            "ClientDetectionRequest" => {
                let received = decode_request::<ClientDetectionRequest>(&push);
                received.expect(place).request_id
            }
            "NamingFuzzyWatchSyncRequest" => {
                let received = decode_request::<NamingFuzzyWatchSyncRequest>(&push).expect(place);
                assert_eq!(received.body.contexts.rejected, [], "{place}");
                let written = serde_json::to_value(&received.body).unwrap();
                assert_contains(place, body, &written);
                received.request_id
            }
            "NamingFuzzyWatchChangeNotifyRequest" => {
                let received = decode_request::<NamingFuzzyWatchChangeNotifyRequest>(&push);
                let received = received.expect(place);
                let written = serde_json::to_value(&received.body).unwrap();
                assert_contains(place, body, &written);
                received.request_id
            }
            "SetupAckRequest" => {
                let received = decode_request::<SetupAckRequest>(&push).expect(place);
                assert!(!received.body.ability_table.is_empty());
                received.request_id
            }
            other => panic!("{place}: {other}"),
        };
        assert_eq!(request_id.as_deref(), body["requestId"].as_str(), "{place}");
        if let (Some(kind), Some(ack)) = (&grpc.response_type, &grpc.response) {
            let ack = payload_of(kind, ack.to_string().as_bytes());
            assert_eq!(
                decode_ack(&ack).expect(place),
                (request_id, true),
                "{place}"
            );
        }
    }
}

/// A message that we write has every field of the one that was recorded.
fn assert_contains(place: &str, whole: &Value, part: &Value) {
    let (whole, part) = (whole.as_object().unwrap(), part.as_object().unwrap());
    for (name, value) in part {
        assert_eq!(whole.get(name), Some(value), "{place}: {name}");
    }
}

/// Reads a request as the embedded server does, writes it as the client does.
fn check_request<T: Request + serde::de::DeserializeOwned>(place: &str, grpc: &Grpc) {
    let recorded = grpc.request.as_ref().expect("a request");
    let request = payload_of(T::TYPE, recorded.to_string().as_bytes());
    let Ok(received) = decode_request::<T>(&request) else {
        let error = grpc.response.as_ref().expect("an answer");
        assert_ne!(error["resultCode"], 200, "{place}: a server took it");
        return;
    };
    let written = encode_request(&received.body, None, received.headers).expect(place);
    let again = decode_request::<T>(&written).expect(place);
    let plain = |body: &T| serde_json::to_value(body).unwrap();
    assert_eq!(plain(&again.body), plain(&received.body), "{place}");
}

#[test]
fn every_request_that_a_server_took_is_read_and_written() {
    let recordings = recordings();
    for (name, grpc) in grpc(&recordings).filter(|(_, grpc)| grpc.dir != Direction::Push) {
        let place = &format!("{name}: {} ({})", grpc.note, grpc.n);
        match grpc.request_type.as_str() {
            "ConnectionSetupRequest" => check_request::<ConnectionSetupRequest>(place, grpc),
            "InstanceRequest" => check_request::<InstanceRequest>(place, grpc),
            "BatchInstanceRequest" => check_request::<BatchInstanceRequest>(place, grpc),
            "PersistentInstanceRequest" => check_request::<PersistentInstanceRequest>(place, grpc),
            "SubscribeServiceRequest" => check_request::<SubscribeServiceRequest>(place, grpc),
            "ServiceQueryRequest" => check_request::<ServiceQueryRequest>(place, grpc),
            "ServiceListRequest" => check_request::<ServiceListRequest>(place, grpc),
            "NamingFuzzyWatchRequest" => check_request::<NamingFuzzyWatchRequest>(place, grpc),
            _ => {}
        }
    }
}

#[test]
fn an_instance_is_written_with_the_fields_that_java_writes() {
    let instance = syncline_nacos::message::Instance {
        ip: "10.20.0.1".into(),
        port: 8080,
        cluster_name: "DEFAULT".into(),
        ..Default::default()
    };
    let recorded = json!({"ip": "10.20.0.1", "port": 8080, "weight": 1.0, "healthy": true,
        "enabled": true, "ephemeral": true, "clusterName": "DEFAULT", "metadata": {}});
    assert_eq!(serde_json::to_value(instance).unwrap(), recorded);
}
