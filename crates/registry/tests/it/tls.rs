//! TLS at both ports, as our own clients speak it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::json;
use syncline_model::ServiceKey;
use syncline_nacos::grpc::{GrpcConnection, GrpcOptions, ServiceRef};
use syncline_nacos::http::{
    ClientOptions, ConsumerApi, GrpcPort, HttpClient, Route, TlsOptions, WriteApi,
};
use syncline_registry::{Listeners, Registry, ServerTls, Settings, TlsFiles};
use syncline_testkit::eventually;
use syncline_testkit::java::JavaClient;
use syncline_testkit::run::require_real_servers;

use crate::server::{Bare, PATIENCE, Server, addresses, instance, pushed};

/// An authority, and a folder for what it issues.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Java takes a certificate that names itself as its issuer by its word.
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("ca.pem"), issuer.pem())?;
        Ok(Self { issuer, folder })
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Files with a certificate for that name, and its key.
    fn issue(&self, name: &str) -> anyhow::Result<(PathBuf, PathBuf)> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec![name.to_owned()])?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let file = |suffix: &str| self.folder.path().join(format!("{name}.{suffix}"));
        std::fs::write(file("crt"), certificate.pem())?;
        std::fs::write(file("key"), key.serialize_pem())?;
        Ok((file("crt"), file("key")))
    }

    async fn serve(&self, client_ca: Option<PathBuf>) -> anyhow::Result<Server> {
        let (cert, key) = self.issue("127.0.0.1")?;
        let tls = ServerTls::load(&TlsFiles {
            cert,
            key,
            client_ca,
        })?;
        let listeners = Listeners::bind_free().await?.secured(tls);
        Ok(Server::serving(
            listeners,
            Registry::new(Settings::default()),
        ))
    }
}

/// What a client trusts, and what it shows.
fn trusting(ca: &Path, shown: Option<(PathBuf, PathBuf)>) -> TlsOptions {
    let (cert_file, key_file) = shown.unzip();
    TlsOptions {
        ca_file: Some(ca.to_owned()),
        cert_file,
        key_file,
        ..TlsOptions::default()
    }
}

fn http(server: &Server, tls: TlsOptions) -> anyhow::Result<HttpClient> {
    let mut options = ClientOptions::new([format!("https://{}", server.http)]);
    options.transport.tls = tls;
    Ok(HttpClient::new(options)?)
}

async fn list(client: &HttpClient) -> anyhow::Result<usize> {
    let service = ServiceKey::new("public", "G", "s");
    let list = client.instance_list(ConsumerApi::V1, &service, &[], &Route::Any);
    Ok(list.await?.value.instances.len())
}

async fn connect(
    server: &Server,
    tls: TlsOptions,
) -> anyhow::Result<(GrpcConnection, syncline_nacos::grpc::ConnectionEvents)> {
    let options = GrpcOptions {
        tls: Some(Arc::new(tls.client_config()?)),
        ..GrpcOptions::default()
    };
    Ok(GrpcConnection::connect(&server.grpc_server(), Arc::new(options)).await?)
}

#[tokio::test]
async fn both_ports_speak_it_and_nothing_else() -> anyhow::Result<()> {
    let authority = Authority::new()?;
    let server = authority.serve(None).await?;
    let trusted = trusting(&authority.ca(), None);
    let client = http(&server, trusted.clone())?;
    let negotiated = client.probe(|_| async { GrpcPort::Answers }, &Route::Any);
    assert!(negotiated.await?.value.version.is_some());
    let service = ServiceKey::new("public", "G", "s");
    client
        .register(WriteApi::V1, &service, &instance("10.0.0.1"), &Route::Any)
        .await?;

    let (connection, mut events) = connect(&server, trusted).await?;
    let subscribed = ServiceRef::new("public", "G", "s");
    let seen = connection.subscribe(&subscribed, "").await?;
    assert_eq!(addresses(&seen), ["10.0.0.1:8080"]);
    connection
        .register(&subscribed, instance("10.0.0.2"))
        .await?;
    let seen = pushed(&mut events, |info| info.hosts.items.len() == 2).await?;
    assert_eq!(addresses(&seen), ["10.0.0.1:8080", "10.0.0.2:8080"]);
    drop((connection, events));
    let left = || async { server.registry.snapshot(&service).len() == 1 };
    eventually(PATIENCE, left).await;

    // In plain text nothing is answered.
    assert!(
        server
            .call("GET", "/nacos/v1/console/server/state")
            .await
            .is_err()
    );
    assert!(Bare::set_up(&server, json!({})).await.is_err());
    server.stop().await
}

#[tokio::test]
async fn clients_show_who_they_are_where_that_is_asked_for() -> anyhow::Result<()> {
    let authority = Authority::new()?;
    let clients = Authority::new()?;
    let server = authority.serve(Some(clients.ca())).await?;
    let known = || anyhow::Ok(trusting(&authority.ca(), Some(clients.issue("app")?)));
    assert_eq!(list(&http(&server, known()?)?).await?, 0);
    let (connection, _events) = connect(&server, known()?).await?;
    let service = ServiceRef::new("public", "G", "s");
    connection.query(&service, "").await?;

    let stranger = authority.issue("stranger")?;
    for shown in [None, Some(stranger)] {
        let tls = trusting(&authority.ca(), shown);
        assert!(list(&http(&server, tls.clone())?).await.is_err());
        assert!(connect(&server, tls).await.is_err());
    }
    server.stop().await
}

/// A genuine Java client, which needs nothing over HTTP.
#[tokio::test]
async fn a_java_client_speaks_it_too() -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let authority = Authority::new()?;
    let server = authority.serve(None).await?;
    // What has no scheme is looked for on the class path.
    let ca = format!("file:{}", authority.ca().display());
    let connect = async |trusted: &[(&str, &str)]| {
        let mut said = vec![("nacos.remote.client.rpc.tls.enable", "true")];
        said.extend(trusted);
        JavaClient::connect_saying("2.3.2", server.http, "dev", &said).await
    };
    let trusted = (
        "nacos.remote.client.rpc.tls.trustCollectionChainPath",
        ca.as_str(),
    );
    let client = connect(&[trusted]).await?;
    client.subscribe("orders", "shop").await?;
    client
        .register("orders", "shop", "10.0.0.1:80".parse()?, 1.0, &[])
        .await?;
    client
        .await_instances("orders", PATIENCE, |seen| seen.len() == 1)
        .await?;
    server.stop().await
}

#[test]
fn files_that_make_no_identity_are_named() -> anyhow::Result<()> {
    let authority = Authority::new()?;
    let (cert, key) = authority.issue("a")?;
    let (_, other) = authority.issue("b")?;
    let load = |cert: &Path, key: &Path, client_ca: Option<PathBuf>| {
        let loaded = ServerTls::load(&TlsFiles {
            cert: cert.to_owned(),
            key: key.to_owned(),
            client_ca,
        });
        loaded.map_or_else(|error| error.to_string(), |_| String::new())
    };
    assert_eq!(load(&cert, &key, None), "");
    assert!(load(&cert, Path::new("/not/there"), None).contains("/not/there"));
    assert!(
        load(&key, &key, None).contains("certificates from"),
        "no chain"
    );
    assert!(load(&cert, &other, None).contains("b.key"), "another's key");
    assert!(load(&cert, &key, Some(other.clone())).contains("b.key"));
    Ok(())
}
