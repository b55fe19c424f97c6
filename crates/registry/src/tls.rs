//! TLS at both ports.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

/// How long agreeing on keys may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Where the registry's identity is kept, in PEM form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    /// The certificate chain that clients are shown, the own one first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Whoever issues the certificates that clients have to show; they need
    /// none where this is missing.
    pub client_ca: Option<PathBuf>,
}

/// How the ports speak TLS. They speak nothing else then.
#[derive(Clone)]
pub struct ServerTls {
    pub(crate) http: TlsAcceptor,
    pub(crate) grpc: TlsAcceptor,
}

/// Files that make no identity.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds something else.
    #[error("read {what} from {}", path.display())]
    File {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The pieces do not fit together.
    #[error("use {} with {}", key.display(), cert.display())]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::Error,
    },
    /// The issuer of clients' certificates cannot be one.
    #[error("use {} for what clients show", path.display())]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ServerTls {
    /// Reads the files. Blocks.
    ///
    /// # Errors
    /// When a file cannot be read, holds something else, or does not fit the
    /// others.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let config = config(files)?;
        let speaking = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            TlsAcceptor::from(Arc::new(config))
        };
        Ok(Self {
            http: speaking(&[b"h2", b"http/1.1"]),
            grpc: speaking(&[b"h2"]),
        })
    }
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerTls(…)")
    }
}

fn config(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let mismatch = |source| TlsError::Mismatch {
        cert: files.cert.clone(),
        key: files.key.clone(),
        source,
    };
    let chain = certificates(&files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| TlsError::File {
        what: "a private key",
        path: files.key.clone(),
        source,
    })?;
    let config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(mismatch)?;
    let config = match &files.client_ca {
        None => config.with_no_client_auth(),
        Some(path) => {
            let unusable = |source: Box<dyn std::error::Error + Send + Sync>| TlsError::ClientCa {
                path: path.clone(),
                source,
            };
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                let added = roots.add(certificate);
                added.map_err(|error| unusable(error.into()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            let verifier = verifier.build().map_err(|error| unusable(error.into()))?;
            config.with_client_cert_verifier(verifier)
        }
    };
    config.with_single_cert(chain, key).map_err(mismatch)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::File {
        what: "certificates",
        path: path.to_owned(),
        source,
    };
    let read = CertificateDer::pem_file_iter(path).map_err(failed)?;
    let read: Vec<_> = read.collect::<Result<_, _>>().map_err(failed)?;
    match read.is_empty() {
        true => Err(failed(rustls::pki_types::pem::Error::NoItemsFound)),
        false => Ok(read),
    }
}

/// A connection's bytes, plain or not.
pub(crate) enum Wire {
    Plain(TcpStream),
    /// The handshake is made by whoever first reads or writes.
    Opening(Box<Accept<TcpStream>>),
    Open(Box<TlsStream<TcpStream>>),
    Broken,
}

impl Wire {
    /// Takes a connection, without waiting for its handshake.
    pub(crate) fn new(stream: TcpStream, tls: Option<&TlsAcceptor>) -> Self {
        match tls {
            Some(tls) => Self::Opening(Box::new(tls.accept(stream))),
            None => Self::Plain(stream),
        }
    }

    /// Takes a connection; the handshake is over when this returns.
    pub(crate) async fn open(stream: TcpStream, tls: Option<&TlsAcceptor>) -> io::Result<Self> {
        let Some(tls) = tls else {
            return Ok(Self::Plain(stream));
        };
        let opened = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await;
        Ok(Self::Open(Box::new(opened.map_err(io::Error::from)??)))
    }

    fn poll_open(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self::Opening(accept) = self else {
            return Poll::Ready(Ok(()));
        };
        let opened = ready!(Pin::new(&mut **accept).poll(context));
        let (next, result) = match opened {
            Ok(stream) => (Self::Open(Box::new(stream)), Ok(())),
            Err(error) => (Self::Broken, Err(error)),
        };
        *self = next;
        Poll::Ready(result)
    }
}

/// Does the same with whichever stream there is, once there is one.
macro_rules! with_stream {
    ($self:ident, $context:ident, $stream:ident => $action:expr) => {{
        let this = $self.get_mut();
        ready!(this.poll_open($context))?;
        match this {
            Wire::Plain($stream) => {
                let $stream = Pin::new($stream);
                $action
            }
            Wire::Open($stream) => {
                let $stream = Pin::new(&mut **$stream);
                $action
            }
            Wire::Opening(_) | Wire::Broken => {
                Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
            }
        }
    }};
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        with_stream!(self, context, stream => stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        with_stream!(self, context, stream => stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with_stream!(self, context, stream => stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        // Of TLS streams and TCP streams alike.
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_stream!(self, context, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if matches!(*self, Wire::Opening(_) | Wire::Broken) {
            return Poll::Ready(Ok(()));
        }
        with_stream!(self, context, stream => stream.poll_shutdown(context))
    }
}
