//! Ports where something else answers, and TLS.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use syncline_model::ServiceKey;
use syncline_nacos::http::{
    Class, ClientOptions, ConsumerApi, HttpClient, HttpError, Route, TlsOptions, TransportOptions,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::fake::{Fake, nacos_2_1};

async fn ask(options: ClientOptions) -> Result<(), HttpError> {
    let client = HttpClient::new(options).expect("a client");
    let service = ServiceKey::new("public", "G", "s");
    let list = client.instance_list(ConsumerApi::V1, &service, &[], &Route::Any);
    list.await.map(|_| ())
}

/// A port where everyone who connects is told this; at once, or after they
/// have spoken.
async fn blurting(says: &'static [u8], at_once: bool) -> ClientOptions {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if !at_once {
                let mut heard = [0; 4096];
                drop(stream.read(&mut heard).await);
            }
            drop(stream.write_all(says).await);
            drop(stream.flush().await);
            // Kept open for a moment, as such servers do.
            tokio::spawn(async move {
                let mut rest = Vec::new();
                drop(stream.read_to_end(&mut rest).await);
            });
        }
    });
    ClientOptions {
        transport: hasty(),
        ..ClientOptions::new([addr.to_string()])
    }
}

fn hasty() -> TransportOptions {
    TransportOptions {
        request_timeout: Duration::from_secs(2),
        ..TransportOptions::default()
    }
}

#[tokio::test]
async fn a_port_that_speaks_something_else_says_so() {
    for (says, at_once) in [
        (&b"SSH-2.0-OpenSSH_9.6\r\n"[..], true),
        (&b"SSH-2.0-OpenSSH_9.6\r\n"[..], false),
        (&b"\x15\x03\x03\x00\x02\x02\x50"[..], false),
        (&b"220 mail ready\r\n"[..], true),
        (&b"-ERR unknown command\r\n"[..], false),
    ] {
        let error = ask(blurting(says, at_once).await)
            .await
            .expect_err("no Nacos");
        assert!(
            matches!(error, HttpError::Foreign { .. }),
            "{says:?}: {error:?}"
        );
        assert!(error.to_string().contains("does not speak HTTP"), "{error}");
        assert_eq!(error.class(), Class::Fatal);
    }
}

#[tokio::test]
async fn a_web_page_says_so() {
    let fake = Fake::start(|_| (200, "<!DOCTYPE html><title>Login</title>".into())).await;
    let error = ask(fake.options()).await.expect_err("no Nacos");
    assert!(
        error.to_string().contains("a web page came back"),
        "{error}"
    );
    assert!(error.to_string().contains("<title>Login"), "{error}");
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    let fake = Fake::start(|_| (200, "x".repeat(10_000))).await;
    let options = ClientOptions {
        transport: TransportOptions {
            body_limit: 9_999,
            ..hasty()
        },
        ..fake.options()
    };
    let error = ask(options).await.expect_err("too large");
    assert!(
        matches!(error, HttpError::TooLarge { limit: 9_999, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let options = ClientOptions {
        transport: TransportOptions {
            request_timeout: Duration::from_millis(200),
            ..hasty()
        },
        ..ClientOptions::new([addr.to_string()])
    };
    let error = ask(options).await.expect_err("silence");
    assert!(matches!(error, HttpError::TimedOut { .. }), "{error}");
    assert!(
        error.to_string().contains("no answer within 0.2 s"),
        "{error}"
    );
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_answer_gives_no_list() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"name\":\"G@@s\",\"hosts\":[]";
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut heard = [0; 4096];
            drop(stream.read(&mut heard).await);
            drop(stream.write_all(half).await);
        }
    });
    let error = ask(ClientOptions::new([addr.to_string()]))
        .await
        .expect_err("half");
    assert_eq!(error.class(), Class::Transient, "{error}");
    assert!(
        error.to_string().contains("in the middle of the answer"),
        "{error}"
    );
}

/// A TLS server in front of a fake, and the files that a client needs.
struct Secured {
    port: u16,
    folder: tempfile::TempDir,
    _fake: Fake,
}

impl Secured {
    async fn start(name: &str, demands_client: bool) -> Self {
        use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
        use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
        use rustls::server::WebPkiClientVerifier;

        static ISSUERS: AtomicUsize = AtomicUsize::new(0);
        let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
        // Each issuer has a name of its own, or one is taken for another.
        let serial = format!("issuer {}", ISSUERS.fetch_add(1, Ordering::Relaxed));
        ca.distinguished_name
            .push(rcgen::DnType::CommonName, serial);
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(ca, key).expect("an issuer");
        let issue = |name: &str| {
            let key = KeyPair::generate().expect("a key");
            let parameters = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
            let certificate = parameters.signed_by(&key, &issuer).expect("signed");
            (certificate.pem(), key.serialize_pem())
        };
        let folder = tempfile::tempdir().expect("a folder");
        let write = |file: &str, text: &str| {
            std::fs::write(folder.path().join(file), text).expect("written");
        };
        write("ca.pem", &issuer.pem());
        let (client_cert, client_key) = issue("client");
        write("client.pem", &client_cert);
        write("client.key", &client_key);

        let (cert, key) = issue(name);
        let certificate = CertificateDer::from_pem_slice(cert.as_bytes()).expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = if demands_client {
            let mut roots = rustls::RootCertStore::empty();
            let ca = CertificateDer::from_pem_slice(issuer.pem().as_bytes()).expect("PEM");
            roots.add(ca).expect("added");
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                .build()
                .expect("a verifier");
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let config = builder
            .with_single_cert(vec![certificate], key)
            .expect("a config");
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let fake = Fake::start(nacos_2_1).await;
        let behind = fake.addr;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut secured) = acceptor.accept(stream).await else {
                        return;
                    };
                    let plain = tokio::net::TcpStream::connect(behind).await;
                    let mut plain = plain.expect("the fake");
                    drop(tokio::io::copy_bidirectional(&mut secured, &mut plain).await);
                });
            }
        });
        Self {
            port,
            folder,
            _fake: fake,
        }
    }

    fn file(&self, name: &str) -> Option<std::path::PathBuf> {
        Some(self.folder.path().join(name))
    }

    async fn ask(&self, tls: TlsOptions) -> Result<(), HttpError> {
        ask(ClientOptions {
            transport: TransportOptions { tls, ..hasty() },
            ..ClientOptions::new([format!("https://localhost:{}", self.port)])
        })
        .await
    }
}

#[tokio::test]
async fn a_private_issuer_is_trusted_when_named() {
    let server = Secured::start("localhost", false).await;
    let trusting = TlsOptions {
        ca_file: server.file("ca.pem"),
        ..TlsOptions::default()
    };
    server.ask(trusting).await.expect("trusted");
    let insecure = TlsOptions {
        insecure_skip_verify: true,
        ..TlsOptions::default()
    };
    server.ask(insecure).await.expect("not looked at");

    let stranger = Secured::start("localhost", false).await;
    let wrong = TlsOptions {
        ca_file: stranger.file("ca.pem"),
        ..TlsOptions::default()
    };
    let error = server.ask(wrong).await.expect_err("another issuer");
    assert!(
        error.to_string().contains("name the issuer with ca_file"),
        "{error}"
    );
    assert_eq!(error.class(), Class::Fatal);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_trusted_when_that_is_named() {
    let server = Secured::start("nacos.internal", false).await;
    let tls = TlsOptions {
        ca_file: server.file("ca.pem"),
        ..TlsOptions::default()
    };
    let error = server.ask(tls.clone()).await.expect_err("another name");
    assert!(error.to_string().contains("see server_name"), "{error}");
    let named = TlsOptions {
        server_name: Some("nacos.internal".into()),
        ..tls
    };
    server.ask(named).await.expect("the right name");
}

#[tokio::test]
async fn clients_can_identify_by_certificate() {
    let server = Secured::start("localhost", true).await;
    let anonymous = TlsOptions {
        ca_file: server.file("ca.pem"),
        ..TlsOptions::default()
    };
    let identified = TlsOptions {
        cert_file: server.file("client.pem"),
        key_file: server.file("client.key"),
        ..anonymous.clone()
    };
    server.ask(identified).await.expect("identified");
    server.ask(anonymous).await.expect_err("anonymous");
}

#[tokio::test]
async fn plain_and_tls_mixed_up_say_which_is_which() {
    let server = Secured::start("localhost", false).await;
    let plain = ClientOptions {
        transport: hasty(),
        ..ClientOptions::new([format!("localhost:{}", server.port)])
    };
    let error = ask(plain).await.expect_err("TLS is spoken there");
    assert!(matches!(error, HttpError::Foreign { .. }), "{error:?}");
    assert!(error.to_string().contains("is it https"), "{error}");

    let fake = Fake::start(nacos_2_1).await;
    let tls = ClientOptions {
        transport: TransportOptions {
            tls: TlsOptions {
                insecure_skip_verify: true,
                ..TlsOptions::default()
            },
            ..hasty()
        },
        ..ClientOptions::new([format!("https://localhost:{}", fake.addr.port())])
    };
    let error = ask(tls).await.expect_err("plain HTTP is spoken there");
    assert!(
        error.to_string().contains("http rather than https"),
        "{error}"
    );
}
