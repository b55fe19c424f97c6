//! Things that are no Nacos client: everybody else goes on.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use serde_json::json;

use crate::server::{Bare, PATIENCE, Server, instance, payload};

#[tokio::test]
async fn garbage_at_either_port_disturbs_nobody() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (client, _events) = server.connect().await?;
    let noise: [&[u8]; 5] = [
        b"\x00\xff\x16\x03\x01 not a protocol\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"POST /nacos/v1/ns/instance HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
        b"",
    ];
    for addr in [server.http, server.grpc] {
        for bytes in noise {
            let mut stream = TcpStream::connect(addr).await?;
            stream.write_all(bytes).await?;
            stream.shutdown().await?;
            let mut answer = Vec::new();
            // What comes back, if anything, does not matter; that it ends does.
            drop(tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await?);
        }
    }
    let orders = syncline_nacos::grpc::ServiceRef::new("public", "DEFAULT_GROUP", "orders");
    client.register(&orders, instance("10.0.0.1")).await?;
    let list = "/nacos/v1/ns/instance/list?serviceName=orders";
    assert_eq!(server.json(list).await?["hosts"][0]["ip"], "10.0.0.1");
    server.stop().await
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut bare = Bare::set_up(&server, json!({})).await?;
    let mut huge = payload("InstanceRequest", &json!({}));
    let value = vec![b' '; 11 * 1024 * 1024].into();
    huge.body.as_mut().expect("made with one").value = value;
    assert!(bare.call_raw(huge).await.is_err());
    let (_, answer) = bare.call("HealthCheckRequest", &json!({})).await?;
    assert_eq!(answer["resultCode"], 200);
    server.stop().await
}

#[tokio::test]
async fn strange_parameters_are_refused_in_words() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let strange = [
        (
            "serviceName=a&ip=1.1.1.1&port=99999999999999999999",
            "For input string",
        ),
        (
            "serviceName=a&ip=1.1.1.1&port=80&weight=1e999",
            "weights range",
        ),
        (
            "serviceName=a&ip=1.1.1.1&port=80&weight=-0.1",
            "weights range",
        ),
        (
            "serviceName=a&ip=1.1.1.1&port=80&metadata=%7B%22a%22",
            "metadata format",
        ),
        (
            "serviceName=%40%40a&ip=1.1.1.1&port=80",
            "groupName can't be empty",
        ),
        ("serviceName=%00&ip=&port=80", "'ip' is required"),
        ("serviceName=a&ip=%FF%FE&port=x", "For input string"),
    ];
    for (query, reason) in strange {
        let path = format!("/nacos/v1/ns/instance?{query}");
        let (status, body) = server.call("POST", &path).await?;
        assert_eq!(status, 400, "{query}: {body}");
        assert!(body.contains(reason), "{query}: {body}");
    }
    let catalog = "/nacos/v1/ns/catalog/services?pageNo=1&pageSize=1&serviceNameParam=((";
    let (status, _) = server.call("GET", catalog).await?;
    assert_eq!(status, 500, "as Nacos answers to a pattern that is none");
    assert_eq!(server.registry.figures().services, 0);
    server.stop().await
}
