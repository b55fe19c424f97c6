//! What real servers and SDKs send, and what they must not break.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::payload::{
    DecodeError, ResponseError, decode_ack, decode_request, decode_response, encode_error,
    encode_request, encode_response, kind,
};
use super::*;

fn payload(kind: &str, body: &Value) -> Payload {
    Payload {
        metadata: Some(generated::Metadata {
            r#type: kind.to_owned(),
            ..Default::default()
        }),
        body: Some(generated::Body {
            type_url: String::new(),
            value: body.to_string().into(),
        }),
    }
}

fn body(payload: &Payload) -> Value {
    serde_json::from_slice(&payload.body.as_ref().expect("a body").value).expect("JSON")
}

fn instances(json: Value) -> Lenient<Instance> {
    serde_json::from_str(&json.to_string()).expect("a list")
}

fn one(json: Value) -> Instance {
    let list = instances(json!([json]));
    assert_eq!(list.rejected, []);
    list.items.into_iter().next().expect("one instance")
}

#[test]
fn an_instance_without_fields_takes_the_defaults_of_nacos() {
    let instance = one(json!({"ip": "10.0.0.1", "port": 80}));
    let expected = Instance {
        ip: "10.0.0.1".into(),
        port: 80,
        ephemeral: None,
        ..Instance::default()
    };
    assert_eq!(instance, expected);
}

#[test]
fn null_is_absence() {
    let instance = one(json!({
        "instanceId": null, "ip": null, "port": null, "weight": null, "healthy": null,
        "enabled": null, "ephemeral": null, "clusterName": null, "serviceName": null,
        "metadata": null,
    }));
    assert_eq!(
        instance,
        Instance {
            ephemeral: None,
            ..Instance::default()
        }
    );
}

#[test]
fn odd_values_reach_the_caller_as_they_are() {
    let instance = one(
        json!({"ip": "x", "port": 70000, "weight": "NaN", "metadata": {"a": null, "b": 1, "c": true, "d": "e"}}),
    );
    assert_eq!(instance.port, 70000);
    assert!(instance.weight.is_nan());
    let metadata: Vec<_> = instance.metadata.into_iter().collect();
    let expected = [("b", "1"), ("c", "true"), ("d", "e")];
    assert_eq!(metadata, expected.map(|(k, v)| (k.into(), v.into())));
    assert_eq!(one(json!({"port": "8080", "weight": "2.5"})).port, 8080);
    assert_eq!(one(json!({"port": 8080.0, "weight": 2})).weight, 2.0);
}

#[test]
fn the_catalog_tells_health_as_valid_and_nothing_of_ephemeral() {
    let instance = one(json!({"ip": "x", "port": 1, "valid": false}));
    assert!(!instance.healthy);
    assert_eq!(instance.ephemeral, None);
    // 1.x lists carry both.
    assert!(one(json!({"valid": true, "healthy": true, "marked": false})).healthy);
}

#[test]
fn a_bad_instance_leaves_the_others() {
    let list = instances(json!([
        {"ip": "10.0.0.1", "port": 1},
        {"ip": "10.0.0.2", "port": "eighty"},
        "nonsense",
        {"ip": "10.0.0.3", "port": 1.5},
        {"ip": "10.0.0.4", "port": 4, "metadata": {"nested": {}}},
        {"ip": "10.0.0.5", "port": 5},
    ]));
    let ips: Vec<_> = list.items.iter().map(|i| i.ip.as_str()).collect();
    assert_eq!(ips, ["10.0.0.1", "10.0.0.5"]);
    let rejected: Vec<_> = list.rejected.iter().map(|r| r.index).collect();
    assert_eq!(rejected, [1, 2, 3, 4]);
    assert!(list.rejected[0].reason.contains("eighty"));
    assert!(list.rejected[0].excerpt.contains("10.0.0.2"));
}

#[test]
fn an_instance_survives_writing_and_reading() {
    let instance = Instance {
        instance_id: Some("id".into()),
        ip: "10.0.0.1".into(),
        port: 8080,
        weight: 0.5,
        healthy: false,
        enabled: false,
        ephemeral: Some(false),
        cluster_name: "c".into(),
        service_name: "G@@s".into(),
        metadata: [("k".to_owned(), "v".to_owned())].into(),
        timing: None,
    };
    assert_eq!(
        one(serde_json::to_value(&instance).expect("JSON")),
        instance
    );
}

#[test]
fn weights_that_json_cannot_express_are_text() {
    for (weight, text) in [
        (f64::NAN, "NaN"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        let json = serde_json::to_value(Instance {
            weight,
            ..Instance::default()
        });
        assert_eq!(json.expect("JSON")["weight"], text);
    }
}

#[test]
fn a_shown_instance_carries_what_its_metadata_asks_for() {
    let metadata = [
        ("preserved.heart.beat.timeout", "60000"),
        ("preserved.ip.delete.timeout", "soon"),
    ];
    let metadata = metadata.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let instance = Instance {
        timing: Some(Timing::of(&metadata)),
        metadata,
        ..Instance::default()
    };
    let json = serde_json::to_value(instance).expect("JSON");
    assert_eq!(json["instanceHeartBeatInterval"], 5000);
    assert_eq!(json["instanceHeartBeatTimeOut"], 60000);
    assert_eq!(json["ipDeleteTimeout"], 30000);
    assert_eq!(json.get("instanceIdGenerator"), None);
    let plain = Timing::of(&Default::default());
    assert_eq!(plain.instance_id_generator.as_deref(), Some("simple"));
}

fn service(hosts: Value) -> Value {
    json!({"name": "s", "groupName": "G", "clusters": "", "cacheMillis": 10000, "hosts": hosts,
        "lastRefTime": 1795403861534_i64, "checksum": "", "allIPs": false,
        "reachProtectionThreshold": true, "valid": true})
}

#[test]
fn a_service_is_written_with_every_field() {
    let info: ServiceInfo = serde_json::from_str(&service(json!([])).to_string()).expect("valid");
    let mut expected = service(json!([]));
    expected["allIps"] = json!(false);
    assert_eq!(serde_json::to_value(info).expect("JSON"), expected);
}

#[test]
fn a_service_is_named_with_and_without_its_group() {
    let named = |name: &str, group: &str| ServiceInfo {
        name: name.into(),
        group_name: group.into(),
        ..serde_json::from_str(&service(json!([])).to_string()).expect("valid")
    };
    assert_eq!(named("s", "G").service(), ("G", "s"));
    assert_eq!(named("G@@s", "").service(), ("G", "s"));
    assert_eq!(named("G@@s", "G").service(), ("G", "s"));
    assert_eq!(split_grouped("a@@b@@c"), Some(("a", "b")));
}

#[test]
fn a_service_without_hosts_is_no_answer() {
    for body in [
        json!({"resultCode": 200, "serviceInfo": {"name": "s"}}),
        json!({"resultCode": 200, "serviceInfo": {"name": "s", "hosts": null}}),
        json!({"resultCode": 200, "serviceInfo": null}),
        json!({"resultCode": 200}),
    ] {
        let answer = payload("QueryServiceResponse", &body);
        let result = decode_response::<QueryServiceResponse>(&answer);
        let malformed = matches!(
            result,
            Err(ResponseError::Malformed(DecodeError::Json { .. }))
        );
        assert!(malformed, "{body}: {result:?}");
    }
}

#[test]
fn a_refusal_is_told_whatever_its_type() {
    let refusals = [
        // Up to 2.3.1, and after.
        (
            "ErrorResponse",
            json!({"resultCode": 500, "errorCode": 301, "message": "Connection is unregistered.", "success": false}),
            301,
        ),
        (
            "ErrorResponse",
            json!({"resultCode": 400, "errorCode": 400, "message": "no"}),
            400,
        ),
        (
            "ErrorResponse",
            json!({"resultCode": -401, "errorCode": -401}),
            -401,
        ),
        // Typed, and without the body's fields.
        (
            "QueryServiceResponse",
            json!({"resultCode": 500, "errorCode": 403, "message": "user not found!"}),
            403,
        ),
        (
            "QueryServiceResponse",
            json!({"serviceInfo": 7, "resultCode": 500, "errorCode": 500}),
            500,
        ),
    ];
    for (kind, body, code) in refusals {
        match decode_response::<QueryServiceResponse>(&payload(kind, &body)) {
            Err(ResponseError::Refused(refusal)) => {
                assert_eq!(refusal.code, ErrorCode(code));
                assert_eq!(refusal.kind, kind);
            }
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn an_answer_that_does_not_say_how_it_went_is_malformed() {
    fn check<T: Message + DeserializeOwned + Debug>(answer: &Payload) {
        let result = decode_response::<T>(answer);
        assert!(
            matches!(result, Err(ResponseError::Malformed(_))),
            "{result:?}"
        );
    }
    check::<HealthCheckResponse>(&payload("HealthCheckResponse", &json!({})));
    check::<HealthCheckResponse>(&payload("HealthCheckResponse", &json!([])));
    check::<HealthCheckResponse>(&payload("HealthCheckResponse", &json!("ok")));
    check::<HealthCheckResponse>(&payload("ServerCheckResponse", &json!({"resultCode": 200})));
    check::<HealthCheckResponse>(&payload("ErrorResponse", &json!({"resultCode": 200})));
    check::<HealthCheckResponse>(&Payload::default());
    check::<ServiceListResponse>(&payload(
        "ServiceListResponse",
        &json!({"resultCode": 200, "count": 0}),
    ));
}

#[test]
fn headers_come_from_metadata_and_body() {
    let body = json!({"headers": {"accessToken": "old", "App": "demo", "x": null}, "requestId": "7", "module": "internal"});
    let mut request = payload("HealthCheckRequest", &body);
    let metadata = request.metadata.as_mut().expect("metadata");
    metadata.headers.insert("accessToken".into(), "new".into());
    let received = decode_request::<HealthCheckRequest>(&request).expect("valid");
    assert_eq!(received.headers.get("ACCESSTOKEN"), Some("new"));
    assert_eq!(received.headers.get("app"), Some("demo"));
    assert_eq!(received.headers.get("x"), None);
    assert_eq!(received.request_id.as_deref(), Some("7"));
}

#[test]
fn requests_and_responses_are_read_as_they_were_written() {
    let request = BatchInstanceRequest {
        namespace: "public".into(),
        service_name: "s".into(),
        group_name: "G".into(),
        operation: InstanceOperation::BatchRegisterInstance,
        instances: vec![Instance::default()],
    };
    let written = encode_request(&request, Some("3"), Headers::default()).expect("small");
    assert_eq!(kind(&written), "BatchInstanceRequest");
    let json = body(&written);
    assert_eq!(json["type"], "batchRegisterInstance");
    assert_eq!(json["module"], "naming");
    assert_eq!(json["requestId"], "3");
    let received = decode_request::<BatchInstanceRequest>(&written).expect("valid");
    assert_eq!(received.body.instances.items, request.instances);

    let response = BatchInstanceResponse {
        operation: Some(InstanceOperation::BatchRegisterInstance),
    };
    let written = encode_response(&response, None, None).expect("small");
    assert_eq!(
        body(&written),
        json!({"resultCode": 200, "errorCode": 0, "success": true, "type": "batchRegisterInstance"})
    );
    assert_eq!(
        decode_response::<BatchInstanceResponse>(&written).expect("a success"),
        response
    );
}

#[test]
fn an_error_answers_any_request() {
    let error = encode_error(ErrorCode::NO_HANDLER, "RequestHandler Not Found");
    let result = decode_response::<InstanceResponse>(&error);
    match result {
        Err(ResponseError::Refused(refusal)) => assert_eq!(refusal.code, ErrorCode::NO_HANDLER),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_acknowledgement_names_its_push() {
    let ack = encode_response(&NotifySubscriberResponse {}, Some("54"), None).expect("small");
    assert_eq!(
        decode_ack(&ack).expect("valid"),
        (Some("54".to_owned()), true)
    );
    let refused = payload(
        "ErrorResponse",
        &json!({"resultCode": 500, "requestId": "5"}),
    );
    assert_eq!(
        decode_ack(&refused).expect("valid"),
        (Some("5".to_owned()), false)
    );
}

#[test]
fn operations_that_nobody_knows_are_for_the_server_to_refuse() {
    let body = json!({"namespace": "n", "serviceName": "s", "groupName": "g", "type": "nope", "instance": null});
    let received = decode_request::<InstanceRequest>(&payload("InstanceRequest", &body));
    let request = received.expect("valid").body;
    assert_eq!(request.operation, InstanceOperation::Unknown);
    assert_eq!(request.instance, None);
}

#[test]
fn a_message_that_nacos_would_refuse_is_not_written() {
    let instance = Instance {
        ip: "x".repeat(payload::MAX_MESSAGE_BYTES),
        ..Instance::default()
    };
    let request = PersistentInstanceRequest(InstanceRequest {
        namespace: "public".into(),
        service_name: "s".into(),
        group_name: "G".into(),
        operation: InstanceOperation::RegisterInstance,
        instance: Some(instance),
    });
    let result = encode_request(&request, None, Headers::default());
    assert!(matches!(result, Err(payload::EncodeError::TooLarge { .. })));
}
