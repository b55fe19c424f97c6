//! The port, as clients meet it.

use std::sync::Arc;

use syncline_contract::{Output as _, Snapshot};
use syncline_model::{Instance, Port, ServiceKey, ServiceSet};
use tokio_util::sync::DropGuard;
use tonic::Code;
use tonic::transport::Channel;

use super::*;
use crate::proto::discovery::Node;
use crate::proto::discovery::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use crate::proto::envoy::service::endpoint::v3::endpoint_discovery_service_client::EndpointDiscoveryServiceClient;

/// A control plane that is served until it is dropped.
struct Served {
    output: XdsOutput,
    channel: Channel,
    cancel: DropGuard,
}

async fn serve(streams: u32) -> Served {
    let config = XdsConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        max_streams: streams.try_into().expect("not zero"),
        ..XdsConfig::default()
    };
    let plane = ControlPlane::bind(&config).await.expect("a free port");
    let address = plane.listener.local_addr().expect("bound");
    let output = plane.output();
    let cancel = CancellationToken::new();
    tokio::spawn(plane.serve(cancel.clone()));
    let channel = Channel::from_shared(format!("http://{address}")).expect("a URL");
    Served {
        output,
        channel: channel.connect().await.expect("served"),
        cancel: cancel.drop_guard(),
    }
}

async fn give(output: &XdsOutput, services: &[&str]) {
    let port = Port::new(80).expect("not zero");
    let set = Arc::new(ServiceSet::new(vec![Instance::new("10.0.0.1", port)]));
    let keys = services
        .iter()
        .map(|name| ServiceKey::new("public", "g", *name));
    let snapshot: Snapshot = keys.map(|key| (key, Arc::clone(&set))).collect();
    let changed: Vec<ServiceKey> = snapshot.keys().cloned().collect();
    output
        .render(&snapshot, &changed)
        .await
        .expect("nothing fails");
}

fn about(type_url: &str, names: &[&str]) -> DiscoveryRequest {
    DiscoveryRequest {
        type_url: type_url.to_owned(),
        resource_names: names.iter().map(|name| (*name).to_owned()).collect(),
        node: Some(Node {
            id: "test".to_owned(),
            cluster: String::new(),
        }),
        ..DiscoveryRequest::default()
    }
}

/// Opens a stream for all kinds, on which a request was sent already.
async fn open(
    channel: &Channel,
    request: DiscoveryRequest,
) -> Result<(mpsc::Sender<DiscoveryRequest>, Streaming<DiscoveryResponse>), Status> {
    let (requests, receiver) = mpsc::channel(4);
    requests.try_send(request).expect("room");
    let mut client = AggregatedDiscoveryServiceClient::new(channel.clone());
    let answers = client
        .stream_aggregated_resources(ReceiverStream::new(receiver))
        .await?;
    Ok((requests, answers.into_inner()))
}

#[tokio::test]
async fn who_connects_early_is_answered_with_the_first_list() {
    let served = serve(1).await;
    let request = about(Kind::Cluster.type_url(), &[]);
    let (_requests, mut answers) = open(&served.channel, request).await.expect("a stream");
    give(&served.output, &["a", "b"]).await;
    let answer = answers.message().await.expect("well").expect("an answer");
    assert_eq!((answer.resources.len(), &*answer.nonce), (2, "1"));
    assert_eq!(answer.type_url, Kind::Cluster.type_url());
    assert!(
        answer
            .resources
            .iter()
            .all(|cluster| cluster.type_url == answer.type_url)
    );
    assert_eq!(
        answer
            .control_plane
            .map(|plane| plane.identifier)
            .as_deref(),
        Some("syncline")
    );
}

#[tokio::test]
async fn kinds_that_nobody_has_do_not_end_a_stream() {
    let served = serve(1).await;
    give(&served.output, &["a"]).await;
    let secrets = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
    let (requests, mut answers) = open(&served.channel, about(secrets, &["x"]))
        .await
        .expect("a stream");
    let request = about(Kind::Cluster.type_url(), &[]);
    requests.send(request).await.expect("open");
    let answer = answers.message().await.expect("well").expect("an answer");
    assert_eq!(answer.type_url, Kind::Cluster.type_url());
}

#[tokio::test]
async fn endpoints_have_a_stream_of_their_own_that_need_not_name_them() {
    let served = serve(1).await;
    give(&served.output, &["a"]).await;
    let (requests, receiver) = mpsc::channel(4);
    requests.try_send(about("", &["public/g/a"])).expect("room");
    let mut client = EndpointDiscoveryServiceClient::new(served.channel.clone());
    let answers = client.stream_endpoints(ReceiverStream::new(receiver)).await;
    let mut answers = answers.expect("a stream").into_inner();
    let answer = answers.message().await.expect("well").expect("an answer");
    assert_eq!(answer.type_url, Kind::Endpoint.type_url());
}

#[tokio::test]
async fn there_are_as_many_streams_as_may_be_and_one_that_ends_makes_room() {
    let served = serve(1).await;
    give(&served.output, &["a"]).await;
    let request = about(Kind::Cluster.type_url(), &[]);
    let first = open(&served.channel, request.clone())
        .await
        .expect("a stream");
    let second = open(&served.channel, request.clone()).await;
    assert_eq!(
        second.err().map(|status| status.code()),
        Some(Code::ResourceExhausted)
    );
    drop(first);
    // Until the end of the first is noticed.
    while open(&served.channel, request.clone()).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn streams_end_with_the_server() {
    let served = serve(1).await;
    let request = about(Kind::Cluster.type_url(), &[]);
    let (_requests, mut answers) = open(&served.channel, request).await.expect("a stream");
    drop(served.cancel);
    assert!(matches!(answers.message().await, Ok(None) | Err(_)));
}
