//! One HTTP exchange with one server.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, HeaderMap, LOCATION, USER_AGENT};
use reqwest::{Method, RequestBuilder, StatusCode};
use rustls::{CertificateError, ClientConfig, RootCertStore};

use super::address::ServerAddress;
use super::error::{Call, HttpError};
use super::pass_on::{Passed, PassedBack, end_to_end};
use super::retry_after::retry_after;
use super::tls::{SetupError, TlsOptions};

/// How `/v1` calls introduce themselves. 1.x goes by it: it groups service
/// names and pushes over UDP only for clients that it knows. A name beginning
/// with `Nacos-Server` would be refused as a peer's.
pub(crate) const V1_USER_AGENT: &str = "Nacos-Java-Client:v1.4.2";

const USER_AGENT_ELSEWHERE: &str = concat!("Syncline/", env!("CARGO_PKG_VERSION"));

/// Limits of a call, and how servers are trusted.
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long an ordinary call may take altogether.
    pub request_timeout: Duration,
    /// How long a page of a bulk list may take altogether.
    pub list_timeout: Duration,
    /// How large an answer may be, unpacked.
    pub body_limit: usize,
    /// How to trust servers reached over https.
    pub tls: TlsOptions,
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(5),
            list_timeout: Duration::from_secs(30),
            body_limit: 64 << 20,
            tls: TlsOptions::default(),
        }
    }
}

/// Name and value of a parameter.
pub(crate) type Parameter = (&'static str, Cow<'static, str>);

/// What is asked of a server.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// What is attempted, for errors: an imperative.
    pub(crate) attempted: Cow<'static, str>,
    pub(crate) method: Method,
    /// The path below the context path.
    pub(crate) path: Cow<'static, str>,
    pub(crate) query: Vec<Parameter>,
    /// Sent as an urlencoded body where there is any.
    pub(crate) form: Vec<Parameter>,
    /// Whether a whole list is expected, which may take longer.
    pub(crate) bulk: bool,
    /// The service that the call is about, grouped: Aliyun signs it.
    pub(crate) service: Option<String>,
    /// Whether to present credentials.
    pub(crate) authenticated: bool,
}

impl Request {
    pub(crate) fn new(
        attempted: impl Into<Cow<'static, str>>,
        method: Method,
        path: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            attempted: attempted.into(),
            method,
            path: path.into(),
            query: Vec::new(),
            form: Vec::new(),
            bulk: false,
            service: None,
            authenticated: true,
        }
    }

    pub(crate) fn get(
        attempted: impl Into<Cow<'static, str>>,
        path: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(attempted, Method::GET, path)
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(crate) fn form(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.form.push((name, value.into()));
        self
    }

    pub(crate) fn bulk(mut self) -> Self {
        self.bulk = true;
        self
    }

    pub(crate) fn about(mut self, service: String) -> Self {
        self.service = Some(service);
        self
    }

    pub(crate) fn unauthenticated(mut self) -> Self {
        self.authenticated = false;
        self
    }

    pub(crate) fn call(&self, server: &ServerAddress) -> Call {
        Call {
            attempted: self.attempted.clone(),
            server: server.id().shared(),
        }
    }
}

/// What a server answered, whatever it was.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) call: Call,
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

/// Sends requests. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    client: reqwest::Client,
    options: Arc<TransportOptions>,
}

impl Transport {
    /// `https`: whether any server is reached over TLS. Where none is, the
    /// system's certificates are not needed and their absence is no error.
    pub(crate) fn new(options: TransportOptions, https: bool) -> Result<Self, SetupError> {
        let tls = if https {
            options.tls.client_config()?
        } else {
            trusting_nobody()?
        };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(options.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // A Tomcat closes idle connections after 20 s; ours go before.
            .pool_idle_timeout(Duration::from_secs(15))
            .build()
            .map_err(SetupError::Client)?;
        Ok(Self {
            client,
            options: Arc::new(options),
        })
    }

    pub(crate) async fn send(
        &self,
        server: &ServerAddress,
        request: &Request,
        headers: HeaderMap,
        parameters: &[Parameter],
    ) -> Result<Answer, HttpError> {
        let call = request.call(server);
        let patience = if request.bulk {
            self.options.list_timeout
        } else {
            self.options.request_timeout
        };
        let user_agent = if request.path.starts_with("/v1/") {
            V1_USER_AGENT
        } else {
            USER_AGENT_ELSEWHERE
        };
        let mut builder = self
            .client
            .request(request.method.clone(), server.url(&request.path))
            .timeout(patience)
            .header(ACCEPT, "application/json, text/plain;q=0.9")
            .header(USER_AGENT, user_agent)
            .headers(headers);
        if !request.query.is_empty() || !parameters.is_empty() {
            builder = builder.query(&request.query).query(parameters);
        }
        if !request.form.is_empty() {
            builder = builder.form(&request.form);
        }
        let answer = self.exchange(&call, patience, builder).await?;
        let header = |name| {
            let value = answer.headers.get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        Ok(Answer {
            status: answer.status,
            location: header(LOCATION),
            retry_after: retry_after(&answer.headers),
            body: answer.body,
            call,
        })
    }

    /// Passes somebody else's call on.
    pub(crate) async fn pass_on(
        &self,
        server: &ServerAddress,
        passed: &Passed,
    ) -> Result<PassedBack, HttpError> {
        let call = Call {
            attempted: "pass a call on".into(),
            server: server.id().shared(),
        };
        let url = server.url(&passed.path_and_query);
        let builder = self
            .client
            .request(passed.method.clone(), url)
            .timeout(passed.patience)
            .headers(end_to_end(passed.headers.clone()))
            .body(passed.body.clone());
        let answer = self.exchange(&call, passed.patience, builder).await?;
        Ok(PassedBack {
            headers: end_to_end(answer.headers),
            ..answer
        })
    }

    async fn exchange(
        &self,
        call: &Call,
        patience: Duration,
        request: RequestBuilder,
    ) -> Result<PassedBack, HttpError> {
        let failed = |error| failure(call, patience, error);
        let mut response = request.send().await.map_err(failed)?;
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > self.options.body_limit {
                return Err(HttpError::TooLarge {
                    call: call.clone(),
                    limit: self.options.body_limit,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(PassedBack {
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            body: body.freeze(),
        })
    }
}

fn trusting_nobody() -> Result<ClientConfig, SetupError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(SetupError::Tls)?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

/// Turns a failed exchange into an error that tells what to change, where that
/// can be seen. The address is taken out of the cause: it may hold a signature.
fn failure(call: &Call, patience: Duration, error: reqwest::Error) -> HttpError {
    let error = error.without_url();
    let call = call.clone();
    let foreign = |hint: Cow<'static, str>| HttpError::Foreign {
        call: call.clone(),
        hint,
        excerpt: String::new(),
    };
    if error.is_timeout() {
        return HttpError::TimedOut {
            call,
            after: patience,
        };
    }
    if let Some(tls) = tls_cause(&error) {
        return match tls {
            rustls::Error::InvalidCertificate(reason) => foreign(untrusted(reason)),
            rustls::Error::InvalidMessage(_) => {
                foreign("the port does not speak TLS; is it http rather than https?".into())
            }
            other => foreign(format!("the TLS handshake failed: {other}").into()),
        };
    }
    if speaks_no_http(&error) {
        return foreign(
            "the port does not speak HTTP; is it https, or the gRPC port, or another service?"
                .into(),
        );
    }
    let what = if error.is_connect() {
        "no connection"
    } else if error.is_body() || error.is_decode() {
        "the connection broke in the middle of the answer"
    } else {
        "the connection broke"
    };
    HttpError::Unreachable {
        call,
        what,
        source: error,
    }
}

fn untrusted(reason: &CertificateError) -> Cow<'static, str> {
    match reason {
        CertificateError::UnknownIssuer => {
            "its certificate comes from an unknown issuer; name the issuer with ca_file".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name; see server_name".into()
        }
        other => format!("its certificate is not trusted: {other}").into(),
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn tls_cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    causes(error).find_map(|cause| {
        // An `io::Error` gives its content's cause for its own, so the content
        // itself has to be looked at; one may hold another.
        let mut io = cause.downcast_ref::<std::io::Error>()?;
        loop {
            let inner = io.get_ref()?;
            match inner.downcast_ref() {
                Some(tls) => return Some(tls),
                None => io = inner.downcast_ref()?,
            }
        }
    })
}

fn speaks_no_http(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        cause
            .downcast_ref::<hyper::Error>()
            // What a server says before it was asked is not a parse error to
            // hyper, and has no query of its own.
            .is_some_and(|e| e.is_parse() || e.to_string().contains("unexpected message"))
    })
}
