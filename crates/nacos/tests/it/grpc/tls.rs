//! TLS towards the server, and the client's own certificate.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use syncline_nacos::grpc::{ErrorClass, GrpcConnection, GrpcOptions, ServiceRef};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use super::fake::Fake;

/// A certificate authority of its own.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// A certificate for `name`, and its key.
    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate, key)
    }

    /// A configuration that trusts this authority, with a client certificate
    /// of it if wanted.
    fn client(&self, identified: bool) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(if identified {
            let (certificate, key) = self.issue("client");
            let chain = vec![CertificateDer::from(certificate)];
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            config.with_client_auth_cert(chain, key).unwrap()
        } else {
            config.with_no_client_auth()
        })
    }

    /// A fake whose certificate names `name`, and which asks for one of the
    /// client.
    async fn fake(&self, name: &str) -> Fake {
        let (certificate, key) = self.issue(name);
        let identity = Identity::from_pem(certificate.pem(), key.serialize_pem());
        let tls = ServerTlsConfig::new()
            .identity(identity)
            .client_ca_root(Certificate::from_pem(self.0.pem()));
        Fake::start_on(Server::builder().tls_config(tls).unwrap()).await
    }
}

async fn connect(
    fake: &Fake,
    tls: Option<Arc<ClientConfig>>,
    name: Option<&str>,
) -> Result<GrpcConnection, ErrorClass> {
    let options = GrpcOptions {
        tls,
        tls_server_name: name.map(str::to_owned),
        ..GrpcOptions::default()
    };
    let connected = GrpcConnection::connect(&fake.server(), Arc::new(options)).await;
    let (connection, _events) = connected.map_err(|error| error.class())?;
    Ok(connection)
}

#[tokio::test]
async fn both_sides_show_their_certificates() {
    let authority = Authority::new();
    let fake = authority.fake("127.0.0.1").await;
    let connection = connect(&fake, Some(authority.client(true)), None)
        .await
        .unwrap();
    let service = ServiceRef::new("public", "G", "s");
    connection.query(&service, "").await.unwrap();
}

#[tokio::test]
async fn the_name_in_the_certificate_may_differ_from_the_address() {
    let authority = Authority::new();
    let fake = authority.fake("nacos.example").await;
    let tls = authority.client(true);
    let refused = connect(&fake, Some(tls.clone()), None).await;
    assert_eq!(refused.unwrap_err(), ErrorClass::Transport);
    connect(&fake, Some(tls), Some("nacos.example"))
        .await
        .unwrap();
}

#[tokio::test]
async fn strangers_are_refused_on_either_side() {
    let authority = Authority::new();
    let fake = authority.fake("127.0.0.1").await;
    let stranger = Authority::new();
    let configurations = [
        Some(stranger.client(true)),
        Some(authority.client(false)),
        None,
    ];
    for tls in configurations {
        let refused = connect(&fake, tls, None).await;
        assert_eq!(refused.unwrap_err(), ErrorClass::Transport);
    }
}
