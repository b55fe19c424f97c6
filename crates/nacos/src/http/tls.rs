//! TLS towards the servers, the same for HTTP and gRPC.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// How to trust servers, and how to identify to them.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct TlsOptions {
    /// A PEM file of certificates to trust *instead of* the system's.
    pub ca_file: Option<PathBuf>,
    /// A PEM file with this client's certificate chain; needs `key_file`.
    pub cert_file: Option<PathBuf>,
    /// A PEM file with this client's private key; needs `cert_file`.
    pub key_file: Option<PathBuf>,
    /// The name that the server's certificate must carry, where it is not the
    /// name in the address.
    pub server_name: Option<String>,
    /// Trust whoever answers. For trying things out only: anyone on the way can
    /// read and change everything, credentials included.
    pub insecure_skip_verify: bool,
}

/// TLS, addresses or credentials that cannot be used as configured.
#[derive(thiserror::Error, Debug)]
pub enum SetupError {
    /// A file cannot be read.
    #[error("cannot read {what} from {}", path.display())]
    Unreadable {
        /// What the file should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A file holds something else.
    #[error("{} does not hold {what} in PEM form", path.display())]
    NotPem {
        /// What the file should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The pieces do not fit together.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// A value makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The HTTP client could not be built.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

impl TlsOptions {
    /// The rustls configuration, built on ring without installing a
    /// process-wide provider.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else, a certificate
    /// without its key, or a server name that is none.
    pub fn client_config(&self) -> Result<ClientConfig, SetupError> {
        let provider = Arc::new(ring::default_provider());
        let verifier = self.verifier(&provider)?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(SetupError::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        match (&self.cert_file, &self.key_file) {
            (None, None) => Ok(config.with_no_client_auth()),
            (Some(cert), Some(key)) => config
                .with_client_auth_cert(certificates(cert)?, private_key(key)?)
                .map_err(SetupError::Tls),
            (Some(_), None) | (None, Some(_)) => Err(SetupError::Invalid(
                "a client certificate needs its key, and a key its certificate".into(),
            )),
        }
    }

    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, SetupError> {
        if self.insecure_skip_verify {
            return Ok(Arc::new(TrustAnyone(provider.clone())));
        }
        let trusted: Arc<dyn ServerCertVerifier> = match &self.ca_file {
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(SetupError::Tls)?;
                }
                WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone())
                    .build()
                    .map_err(|error| SetupError::Invalid(error.to_string()))?
            }
            None => Arc::new(
                rustls_platform_verifier::Verifier::new(provider.clone())
                    .map_err(SetupError::Tls)?,
            ),
        };
        match &self.server_name {
            None => Ok(trusted),
            Some(name) => {
                let name = ServerName::try_from(name.clone()).map_err(|_| {
                    SetupError::Invalid(format!("{name:?} is not a name that a server can have"))
                })?;
                Ok(Arc::new(ExpectName { name, trusted }))
            }
        }
    }
}

/// Verifies a certificate against one name, whatever the address says.
#[derive(Debug)]
struct ExpectName {
    name: ServerName<'static>,
    trusted: Arc<dyn ServerCertVerifier>,
}

impl ServerCertVerifier for ExpectName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _address: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.trusted
            .verify_server_cert(end_entity, intermediates, &self.name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.trusted.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.trusted.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trusted.supported_verify_schemes()
    }
}

/// Accepts any certificate, yet still checks that the peer holds its key.
#[derive(Debug)]
struct TrustAnyone(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAnyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _address: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    const WHAT: &str = "certificates";
    let not_pem = || SetupError::NotPem {
        what: WHAT,
        path: path.into(),
    };
    let text = read(path, WHAT)?;
    let found = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| not_pem())?;
    if found.is_empty() {
        return Err(not_pem());
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, SetupError> {
    const WHAT: &str = "a private key";
    let text = read(path, WHAT)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| SetupError::NotPem {
        what: WHAT,
        path: path.into(),
    })
}

fn read(path: &Path, what: &'static str) -> Result<Vec<u8>, SetupError> {
    std::fs::read(path).map_err(|source| SetupError::Unreadable {
        what,
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_client_identity_is_refused() {
        let options = TlsOptions {
            cert_file: Some("cert.pem".into()),
            insecure_skip_verify: true,
            ..TlsOptions::default()
        };
        let error = options.client_config().expect_err("no key");
        assert!(error.to_string().contains("needs its key"), "{error}");
    }

    #[test]
    fn files_are_named_in_errors() {
        let missing = TlsOptions {
            ca_file: Some("/does/not/exist.pem".into()),
            ..TlsOptions::default()
        };
        let error = missing.client_config().expect_err("no file");
        assert!(error.to_string().contains("/does/not/exist.pem"), "{error}");

        let other = TlsOptions {
            ca_file: Some("Cargo.toml".into()),
            ..TlsOptions::default()
        };
        assert!(matches!(
            other.client_config(),
            Err(SetupError::NotPem { .. })
        ));
    }
}
