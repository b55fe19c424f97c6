//! Certificates that must not be trusted, over HTTP and over gRPC: the client
//! ends the handshake, and not a byte of what it wanted to say is sent.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair, NameConstraints, date_time_ymd,
};
use rustls::crypto::ring::{default_provider, sign::any_supported_type};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use syncline_nacos::grpc::{GrpcConnection, GrpcOptions, GrpcServer, Timeouts};
use syncline_nacos::http::{
    ClientOptions, GrpcPort, HttpClient, Route, TlsOptions, TransportOptions,
};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::sync::watch;

type Authority = CertifiedIssuer<'static, KeyPair>;

/// Who the client means to talk to, unless a case says otherwise.
const HOST: &str = "localhost";

/// What a server shows, and to whom it is shown.
struct Case {
    what: &'static str,
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
    host: &'static str,
    /// The name that the client is told to expect.
    expects: Option<&'static str>,
}

impl Case {
    fn of(what: &'static str, chain: Vec<CertificateDer<'static>>, key: KeyPair) -> Self {
        Self {
            what,
            chain,
            key,
            host: HOST,
            expects: None,
        }
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

/// A certificate for names, before anything is wrong with it.
fn leaf(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).expect("names")
}

fn authority(name: &str) -> CertificateParams {
    let mut params = leaf(&[]);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn root(name: &str) -> Authority {
    CertifiedIssuer::self_signed(authority(name), key()).expect("an authority")
}

fn between(params: CertificateParams, root: &Authority) -> Authority {
    CertifiedIssuer::signed_by(params, key(), root).expect("an authority")
}

/// What is sent when this certificate is shown, signed by the last of them.
fn signed(
    what: &'static str,
    params: &CertificateParams,
    issuer: &Authority,
    shown_above: &[&Authority],
) -> Case {
    let key = key();
    let certificate = params.signed_by(&key, issuer).expect("signed");
    let above = shown_above.iter().map(|a| a.der().clone());
    let chain = std::iter::once(certificate.der().clone()).chain(above);
    Case::of(what, chain.collect(), key)
}

/// Everything that is wrong with a certificate in one way.
fn bad(ca: &Authority) -> Vec<Case> {
    let mut cases = vec![
        signed(
            "of an unknown authority",
            &leaf(&[HOST]),
            &root("stranger"),
            &[],
        ),
        signed(
            "of an unknown authority of the same name",
            &leaf(&[HOST]),
            &root("ours"),
            &[],
        ),
        signed("for another name", &leaf(&["nacos.example"]), ca, &[]),
        signed(
            "for a part of the name",
            &leaf(&["local", "host", "localhos"]),
            ca,
            &[],
        ),
    ];
    cases.extend(bad_times(ca));
    cases.extend(bad_names(ca));
    cases.extend(bad_uses(ca));
    cases.extend(bad_chains(ca));
    cases
}

fn bad_times(ca: &Authority) -> Vec<Case> {
    let mut expired = leaf(&[HOST]);
    expired.not_before = date_time_ymd(2001, 1, 1);
    expired.not_after = date_time_ymd(2002, 1, 1);
    let mut early = leaf(&[HOST]);
    early.not_before = date_time_ymd(4000, 1, 1);
    let mut past = authority("expired");
    past.not_after = date_time_ymd(2002, 1, 1);
    let past = between(past, ca);
    vec![
        signed("expired", &expired, ca, &[]),
        signed("not yet valid", &early, ca, &[]),
        signed(
            "below an expired authority",
            &leaf(&[HOST]),
            &past,
            &[&past],
        ),
    ]
}

fn bad_names(ca: &Authority) -> Vec<Case> {
    let mut only_common = leaf(&[]);
    only_common
        .distinguished_name
        .push(DnType::CommonName, HOST);
    let mut constrained = authority("constrained");
    constrained.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("example.com".into())],
        excluded_subtrees: Vec::new(),
    });
    let constrained = between(constrained, ca);
    vec![
        signed("with its name as a common name only", &only_common, ca, &[]),
        signed(
            "outside of its authority's names",
            &leaf(&[HOST]),
            &constrained,
            &[&constrained],
        ),
        Case {
            expects: Some("a.b.nacos.example"),
            ..signed(
                "whose wildcard spans two labels",
                &leaf(&["*.nacos.example"]),
                ca,
                &[],
            )
        },
        Case {
            expects: Some("nacos.example"),
            ..signed(
                "whose wildcard stands below the name",
                &leaf(&["*.nacos.example"]),
                ca,
                &[],
            )
        },
        Case {
            host: "127.0.0.1",
            ..signed("without the address that it is at", &leaf(&[HOST]), ca, &[])
        },
    ]
}

fn bad_uses(ca: &Authority) -> Vec<Case> {
    let mut for_clients = leaf(&[HOST]);
    for_clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let mut critical = leaf(&[HOST]);
    let mut unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
    unknown.set_criticality(true);
    critical.custom_extensions = vec![unknown];
    let mut as_leaf = authority("as a leaf");
    as_leaf.subject_alt_names = leaf(&[HOST]).subject_alt_names;
    let stolen = Case {
        key: key(),
        ..signed(
            "whose key the server does not have",
            &leaf(&[HOST]),
            ca,
            &[],
        )
    };
    vec![
        signed("for clients only", &for_clients, ca, &[]),
        signed(
            "with a critical extension that nobody knows",
            &critical,
            ca,
            &[],
        ),
        signed("of an authority that serves itself", &as_leaf, ca, &[]),
        stolen,
    ]
}

fn bad_chains(ca: &Authority) -> Vec<Case> {
    let alone = key();
    let self_signed = leaf(&[HOST]).self_signed(&alone).expect("signed");
    let middle = between(authority("middle"), ca);
    let no_authority = between(leaf(&["no-authority.example"]), ca);
    let mut last = authority("last");
    last.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let last = between(last, ca);
    let beyond = between(authority("beyond"), &last);
    let mut broken = signed("whose signature is broken", &leaf(&[HOST]), ca, &[]);
    let mut bytes = broken.chain[0].to_vec();
    if let Some(end) = bytes.last_mut() {
        *end ^= 1;
    }
    broken.chain[0] = bytes.into();
    vec![
        Case::of("signed by itself", vec![self_signed.der().clone()], alone),
        signed("whose chain lacks a link", &leaf(&[HOST]), &middle, &[]),
        signed(
            "signed by what is no authority",
            &leaf(&[HOST]),
            &no_authority,
            &[&no_authority],
        ),
        signed(
            "too far below an authority",
            &leaf(&[HOST]),
            &beyond,
            &[&beyond, &last],
        ),
        broken,
    ]
}

/// Shows a chain, whatever it is worth.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A server with a certificate, and how many bytes clients trusted it with.
struct Server {
    port: u16,
    heard: watch::Receiver<usize>,
}

impl Server {
    async fn showing(case: &Case) -> Self {
        let key = PrivateKeyDer::try_from(case.key.serialize_der()).expect("a key");
        let key = any_supported_type(&key).expect("a usable key");
        let shows = Shows(Arc::new(CertifiedKey::new(case.chain.clone(), key)));
        let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(shows));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (told, heard) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Who refuses the certificate ends the handshake, or says
                // nothing after it.
                if let Ok(mut secured) = acceptor.accept(stream).await {
                    let mut bytes = [0; 1024];
                    let read = secured.read(&mut bytes).await.unwrap_or(0);
                    told.send_modify(|heard| *heard += read);
                }
            }
        });
        Self { port, heard }
    }

    fn heard(&self) -> usize {
        *self.heard.borrow()
    }
}

fn trusting(ca: &Authority, case: &Case, folder: &tempfile::TempDir) -> TlsOptions {
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, ca.pem()).expect("written");
    TlsOptions {
        ca_file: Some(file),
        server_name: case.expects.map(str::to_owned),
        ..TlsOptions::default()
    }
}

/// What a client over HTTP says of a server; none answers in earnest here.
async fn over_http(server: &Server, host: &str, tls: TlsOptions) -> String {
    let options = ClientOptions {
        transport: TransportOptions {
            request_timeout: Duration::from_secs(5),
            tls,
            ..TransportOptions::default()
        },
        ..ClientOptions::new([format!("https://{host}:{}", server.port)])
    };
    let client = HttpClient::new(options).expect("a client");
    let found = client.probe(async |_| GrpcPort::Silent, &Route::Any).await;
    found.expect_err("nobody answers").to_string()
}

async fn over_grpc(server: &Server, host: &str, tls: &TlsOptions) {
    let options = GrpcOptions {
        tls: Some(Arc::new(tls.client_config().expect("a configuration"))),
        tls_server_name: tls.server_name.clone(),
        timeouts: Timeouts {
            connect: Duration::from_secs(5),
            ..Timeouts::default()
        },
        ..GrpcOptions::default()
    };
    let server = GrpcServer {
        host: host.to_owned(),
        port: server.port,
    };
    let connected = GrpcConnection::connect(&server, Arc::new(options)).await;
    assert!(connected.is_err(), "nobody answers");
}

#[tokio::test]
async fn a_bad_certificate_is_refused_before_anything_is_said() {
    let ca = root("ours");
    let folder = tempfile::tempdir().expect("a folder");
    let cases = bad(&ca);
    assert!(cases.len() >= 14, "{} cases", cases.len());
    for case in cases {
        let server = Server::showing(&case).await;
        let tls = trusting(&ca, &case, &folder);
        let error = over_http(&server, case.host, tls.clone()).await;
        over_grpc(&server, case.host, &tls).await;
        assert_eq!(server.heard(), 0, "a certificate {}: {error}", case.what);
        assert!(
            error.contains("certificate") || error.contains("handshake"),
            "a certificate {}: {error}",
            case.what
        );
    }
}

#[tokio::test]
async fn a_good_certificate_is_trusted() {
    let ca = root("ours");
    let folder = tempfile::tempdir().expect("a folder");
    let middle = between(authority("middle"), &ca);
    let below = Case {
        expects: Some("a.nacos.example"),
        ..signed("below", &leaf(&["*.nacos.example"]), &middle, &[&middle])
    };
    let at_address = Case {
        host: "127.0.0.1",
        ..signed("at its address", &leaf(&["127.0.0.1"]), &ca, &[])
    };
    for case in [signed("plain", &leaf(&[HOST]), &ca, &[]), below, at_address] {
        let server = Server::showing(&case).await;
        let tls = trusting(&ca, &case, &folder);
        over_http(&server, case.host, tls.clone()).await;
        let over_one = server.heard();
        assert!(over_one > 0, "{} over HTTP", case.what);
        over_grpc(&server, case.host, &tls).await;
        assert!(server.heard() > over_one, "{} over gRPC", case.what);
    }
}

#[tokio::test]
async fn servers_are_verified_unless_told_otherwise() {
    let ca = root("ours");
    let case = signed(
        "good, of an authority that nobody named",
        &leaf(&[HOST]),
        &ca,
        &[],
    );
    let server = Server::showing(&case).await;
    let tls = TlsOptions::default();
    let error = over_http(&server, HOST, tls.clone()).await;
    assert!(error.contains("unknown issuer"), "{error}");
    over_grpc(&server, HOST, &tls).await;
    assert_eq!(server.heard(), 0);
}
