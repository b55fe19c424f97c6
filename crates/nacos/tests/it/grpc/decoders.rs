//! No decoder panics, whatever comes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;
use syncline_nacos::message::payload::{
    DecodeError, Payload, decode_ack, decode_request, decode_response, request_id,
};
use syncline_nacos::message::{
    BatchInstanceRequest, BatchInstanceResponse, ClientDetectionRequest, ConnectResetRequest,
    ConnectionSetupRequest, Instance, InstanceRequest, InstanceResponse, Lenient,
    NamingFuzzyWatchChangeNotifyRequest, NamingFuzzyWatchRequest, NamingFuzzyWatchSyncRequest,
    NotifySubscriberRequest, PersistentInstanceRequest, QueryServiceResponse, ServerCheckResponse,
    ServiceInfo, ServiceListRequest, ServiceListResponse, ServiceQueryRequest, SetupAckRequest,
    SubscribeServiceRequest, SubscribeServiceResponse,
};

use super::fake::payload_of;

/// Applies a decoder to the same bytes under each type that it may meet.
macro_rules! decode_all {
    ($decode:ident, $json:expr, $($kind:ident),* $(,)?) => {
        $(drop($decode::<$kind>(&payload_of(stringify!($kind), $json)));)*
    };
}

fn decode_everything(json: &[u8]) {
    decode_all!(
        decode_request,
        json,
        ConnectionSetupRequest,
        SetupAckRequest,
        ClientDetectionRequest,
        ConnectResetRequest,
        InstanceRequest,
        BatchInstanceRequest,
        PersistentInstanceRequest,
        SubscribeServiceRequest,
        ServiceQueryRequest,
        ServiceListRequest,
        NotifySubscriberRequest,
        NamingFuzzyWatchRequest,
        NamingFuzzyWatchSyncRequest,
        NamingFuzzyWatchChangeNotifyRequest,
    );
    decode_all!(
        decode_response,
        json,
        ServerCheckResponse,
        InstanceResponse,
        BatchInstanceResponse,
        SubscribeServiceResponse,
        QueryServiceResponse,
        ServiceListResponse,
    );
    let payload = payload_of("NotifySubscriberResponse", json);
    drop(decode_ack(&payload));
    drop(request_id(&payload));
}

/// Values of any shape under the names that messages use.
fn any_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "ip",
        "port",
        "weight",
        "healthy",
        "enabled",
        "ephemeral",
        "clusterName",
        "serviceName",
        "metadata",
        "hosts",
        "name",
        "groupName",
        "clusters",
        "lastRefTime",
        "serviceInfo",
        "instance",
        "instances",
        "type",
        "resultCode",
        "errorCode",
        "message",
        "requestId",
        "headers",
        "contexts",
        "serviceKey",
        "changedType",
        "syncType",
        "abilityTable",
        "labels",
        "serviceNames",
        "count",
        "x",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::from(200)),
        prop::sample::select(vec![
            "",
            "NaN",
            "80",
            "registerInstance",
            "a@@b",
            "ADD_SERVICE"
        ])
        .prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..10)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_instance() -> impl Strategy<Value = Instance> {
    let metadata = prop::collection::btree_map(".{0,6}", ".{0,6}", 0..4);
    let flags = any::<(bool, bool, Option<bool>)>();
    let texts = (".{0,8}", ".{0,8}", ".{0,8}", prop::option::of(".{1,8}"));
    (texts, any::<i64>(), -1.0e300..1.0e300, flags, metadata).prop_map(
        |((ip, cluster, service, id), port, weight, (healthy, enabled, ephemeral), metadata)| {
            Instance {
                instance_id: id,
                ip,
                port,
                weight,
                healthy,
                enabled,
                ephemeral,
                cluster_name: cluster,
                service_name: service,
                metadata,
                timing: None,
            }
        },
    )
}

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        decode_everything(&bytes);
        // The envelope, as it comes off the wire.
        drop(<Payload as prost::Message>::decode(bytes.as_slice()));
    }

    #[test]
    fn arbitrary_json(value in any_json()) {
        decode_everything(value.to_string().as_bytes());
    }

    #[test]
    fn json_that_is_cut_off(value in any_json(), at in any::<prop::sample::Index>()) {
        let text = value.to_string();
        let bytes = text.as_bytes();
        decode_everything(&bytes[..at.index(bytes.len() + 1)]);
    }

    #[test]
    fn instances_are_read_as_they_were_written(instance in any_instance()) {
        let text = serde_json::to_string(&vec![&instance]).unwrap();
        let list: Lenient<Instance> = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(list.items, vec![instance]);
        prop_assert_eq!(list.rejected, vec![]);
    }

    #[test]
    fn a_list_loses_no_element(values in prop::collection::vec(any_json(), 0..20)) {
        let text = Value::from(values.clone()).to_string();
        let list: Lenient<Instance> = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(list.items.len() + list.rejected.len(), values.len());
    }

    #[test]
    fn a_type_that_was_not_asked_for_is_refused(kind in "[A-Za-z]{0,20}") {
        let payload = payload_of(&kind, b"{}");
        let result = decode_request::<ClientDetectionRequest>(&payload);
        let expected = kind == "ClientDetectionRequest";
        prop_assert_eq!(expected, result.is_ok());
        let told = matches!(result, Err(DecodeError::Type { .. }));
        prop_assert_eq!(told, !expected);
    }

    #[test]
    fn metadata_survives(metadata in prop::collection::btree_map(".*", ".*", 0..5)) {
        let info = serde_json::json!({"name": "s", "hosts": [{"metadata": metadata}]}).to_string();
        let info: ServiceInfo = serde_json::from_str(&info).unwrap();
        let read: &BTreeMap<String, String> = &info.hosts.items[0].metadata;
        prop_assert_eq!(read, &metadata);
    }
}
