//! Who we are towards a cluster: logging in, staying logged in, or signing.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::address::ServerAddress;
use super::aliyun::{self, AccessKey};
use super::error::{Class, HttpError};
use super::secret::Secret;
use super::tls::SetupError;
use super::transport::{Parameter, Request, Transport};

/// How long a refused login is not repeated: the servers cache users for 15 s,
/// and a wrong password must not become a flood.
const LOGIN_PAUSE: Duration = Duration::from_secs(5);

/// How old a token must be for a refusal to be blamed on it.
const FRESH: Duration = Duration::from_secs(5);

/// How soon to look again whether a server that offered no login does now.
const NO_LOGIN_RECHECK: Duration = Duration::from_secs(60);

/// What to present to a cluster.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Nothing.
    #[default]
    Anonymous,
    /// A user of Nacos's own authentication.
    User(User),
    /// An access key of Aliyun (MSE).
    AccessKey(AccessKey),
}

/// A user's name and password.
#[derive(Clone)]
pub struct User {
    name: Arc<str>,
    password: Secret,
}

impl Credentials {
    /// A user, from settings that may be missing.
    ///
    /// # Errors
    /// One of the two without the other, or an empty one.
    pub fn user(name: Option<&str>, password: Option<Secret>) -> Result<Self, SetupError> {
        let invalid = |why: &str| Err(SetupError::Invalid(why.to_owned()));
        match (name, password) {
            (None, None) => Ok(Self::Anonymous),
            (Some(_), None) => invalid("a user name without a password"),
            (None, Some(_)) => invalid("a password without a user name"),
            (Some(""), Some(_)) => invalid("an empty user name"),
            (Some(_), Some(password)) if password.expose().is_empty() => {
                invalid("an empty password")
            }
            (Some(name), Some(password)) => Ok(Self::User(User {
                name: name.into(),
                password,
            })),
        }
    }
}

/// Logs in when needed, once for all who wait, and again before the token ends
/// or as soon as a server refuses it.
pub(crate) struct Auth {
    credentials: Credentials,
    session: Mutex<Arc<Session>>,
    api: Mutex<LoginApi>,
}

/// From one login to the next. Whoever comes first logs in, the others wait in
/// the cell.
#[derive(Default)]
struct Session {
    token: OnceCell<Token>,
    /// What still holds while a renewal fails.
    previous: Option<Token>,
    refused: Mutex<Option<(Instant, Arc<HttpError>)>>,
}

#[derive(Clone)]
struct Token {
    /// `None` where the server offers no login.
    value: Option<Secret>,
    obtained: Instant,
    renew_at: Instant,
    expires_at: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LoginApi {
    V3,
    V1,
}

impl LoginApi {
    fn path(self) -> &'static str {
        match self {
            Self::V3 => "/v3/auth/user/login",
            Self::V1 => "/v1/auth/users/login",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::V3 => Self::V1,
            Self::V1 => Self::V3,
        }
    }
}

/// What one call presents.
pub struct Presented {
    fields: Vec<(&'static str, String)>,
    session: Option<Arc<Session>>,
}

impl Presented {
    /// Names and values for the headers of a gRPC request's metadata:
    /// `accessToken`, or what Aliyun's signature consists of.
    pub fn fields(&self) -> &[(&'static str, String)] {
        &self.fields
    }

    /// For HTTP: a token goes into headers, so that no URL ever holds it. 1.4
    /// reads `Authorization` alone, plugins may read `accessToken` alone.
    /// Signatures are parameters of `/v1` calls, as 1.x expects them.
    pub(crate) fn for_http(&self, path: &str) -> (HeaderMap, Vec<Parameter>) {
        let mut headers = HeaderMap::new();
        let mut parameters = Vec::new();
        for (name, value) in &self.fields {
            if self.session.is_none() && path.starts_with("/v1/") {
                parameters.push((*name, Cow::Owned(value.clone())));
                continue;
            }
            put(
                &mut headers,
                HeaderName::from_bytes(name.as_bytes()).ok(),
                value,
            );
            if self.session.is_some() {
                put(
                    &mut headers,
                    Some(AUTHORIZATION),
                    &format!("Bearer {value}"),
                );
            }
        }
        (headers, parameters)
    }
}

fn put(headers: &mut HeaderMap, name: Option<HeaderName>, value: &str) {
    // A value that no header can carry is left out, and the server says 403.
    if let (Some(name), Ok(mut value)) = (name, HeaderValue::from_str(value)) {
        value.set_sensitive(true);
        headers.insert(name, value);
    }
}

impl Auth {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            session: Mutex::default(),
            api: Mutex::new(LoginApi::V3),
        }
    }

    /// What to present with a call about that service (grouped), if any.
    pub(crate) async fn present(
        &self,
        transport: &Transport,
        server: &ServerAddress,
        service: Option<&str>,
    ) -> Result<Presented, HttpError> {
        let (fields, session) = match &self.credentials {
            Credentials::Anonymous => (Vec::new(), None),
            Credentials::AccessKey(key) => (aliyun::sign(key, service, SystemTime::now()), None),
            Credentials::User(user) => {
                let (session, token) = self.token(transport, server, user).await?;
                let value = token.value.iter();
                let fields = value.map(|token| ("accessToken", token.expose().to_owned()));
                (fields.collect(), Some(session))
            }
        };
        Ok(Presented { fields, session })
    }

    /// A server refused what was presented. `true` if it is worth presenting
    /// again: the token was not fresh, and the next one will be.
    pub(crate) fn refused(&self, presented: &Presented) -> bool {
        let Some(session) = &presented.session else {
            return false;
        };
        let fresh = |token: &Token| token.obtained.elapsed() < FRESH;
        if session.token.get().is_some_and(fresh) {
            return false;
        }
        self.end(session, None);
        true
    }

    /// Ends a session, unless someone else did.
    fn end(&self, ended: &Arc<Session>, previous: Option<Token>) {
        let mut session = self.session.lock();
        if Arc::ptr_eq(&session, ended) {
            *session = Arc::new(Session {
                previous,
                ..Session::default()
            });
        }
    }

    async fn token(
        &self,
        transport: &Transport,
        server: &ServerAddress,
        user: &User,
    ) -> Result<(Arc<Session>, Token), HttpError> {
        loop {
            let session = self.session.lock().clone();
            let now = Instant::now();
            if let Some(token) = session.token.get() {
                if now < token.renew_at {
                    return Ok((session.clone(), token.clone()));
                }
                let previous = (now < token.expires_at).then(|| token.clone());
                self.end(&session, previous);
                continue;
            }
            let outcome = session
                .token
                .get_or_try_init(|| self.log_in(transport, server, user, &session))
                .await;
            let previous = session.previous.as_ref();
            return match (outcome, previous.filter(|token| now < token.expires_at)) {
                (Ok(token), _) => Ok((session.clone(), token.clone())),
                (Err(error), Some(token)) => {
                    tracing::warn!(%error, "cannot renew a token that still holds");
                    Ok((session.clone(), token.clone()))
                }
                (Err(source), None) => Err(HttpError::Login {
                    username: user.name.clone(),
                    source,
                }),
            };
        }
    }

    async fn log_in(
        &self,
        transport: &Transport,
        server: &ServerAddress,
        user: &User,
        session: &Session,
    ) -> Result<Token, Arc<HttpError>> {
        if let Some((when, error)) = &*session.refused.lock()
            && when.elapsed() < LOGIN_PAUSE
        {
            return Err(error.clone());
        }
        let api = *self.api.lock();
        let mut outcome = log_in_by(api, transport, server, user).await;
        if outcome.as_ref().is_err_and(is_no_route) {
            let status = outcome.as_ref().err().and_then(HttpError::status);
            outcome = log_in_by(api.other(), transport, server, user).await;
            match &outcome {
                Ok(_) => *self.api.lock() = api.other(),
                Err(error) if is_no_route(error) => outcome = no_login(error, status),
                Err(_) => {}
            }
        }
        outcome.map_err(|error| {
            let error = Arc::new(error);
            // Another server may still be asked about what this one could not answer.
            if !error.blames_server() {
                *session.refused.lock() = Some((Instant::now(), error.clone()));
            }
            error
        })
    }
}

fn is_no_route(error: &HttpError) -> bool {
    error.class() == Class::Unsupported
}

/// Neither way to log in exists: the server has no authentication and wants no
/// token. A 501 is another matter, starting servers answer so to everything.
fn no_login(error: &HttpError, first: Option<reqwest::StatusCode>) -> Result<Token, HttpError> {
    let starting = reqwest::StatusCode::NOT_IMPLEMENTED;
    if let (HttpError::Refused { call, status, .. }, true) = (
        error,
        error.status() == Some(starting) || first == Some(starting),
    ) {
        return Err(HttpError::NotReady {
            call: call.clone(),
            says: status.to_string(),
        });
    }
    let now = Instant::now();
    Ok(Token {
        value: None,
        obtained: now,
        renew_at: now + NO_LOGIN_RECHECK,
        expires_at: now + NO_LOGIN_RECHECK,
    })
}

async fn log_in_by(
    api: LoginApi,
    transport: &Transport,
    server: &ServerAddress,
    user: &User,
) -> Result<Token, HttpError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct LoggedIn {
        access_token: String,
        #[serde(default = "default_ttl")]
        token_ttl: f64,
    }
    let request = Request::new("log in", reqwest::Method::POST, api.path())
        .form("username", user.name.to_string())
        .form("password", user.password.expose().to_owned());
    let asked = Instant::now();
    let answer = transport
        .send(server, &request, HeaderMap::new(), &[])
        .await?
        .accepted()
        .map_err(refused_login)?;
    let logged_in: LoggedIn = answer.json().map_err(|error| match error {
        // The answer may hold the token, so no error may quote it.
        HttpError::Malformed { call, what, .. } => HttpError::Malformed {
            call,
            what,
            excerpt: String::new(),
        },
        other => other,
    })?;
    let ttl = Duration::try_from_secs_f64(logged_in.token_ttl)
        .unwrap_or_default()
        .clamp(Duration::from_secs(1), Duration::from_secs(365 * 86_400));
    Ok(Token {
        value: Some(Secret::new(logged_in.access_token)),
        obtained: asked,
        // As Nacos's clients do: within the last tenth of its life.
        renew_at: asked + ttl.mul_f64(0.9),
        expires_at: asked + ttl,
    })
}

/// Nacos's default for `tokenTtl`, in seconds.
fn default_ttl() -> f64 {
    18_000.0
}

/// Bad credentials are a 403 up to 2.x, where unknown users are a 500 since
/// 2.5; 3.0.3 answers 500 to a bad password as well.
fn refused_login(error: HttpError) -> HttpError {
    match error {
        HttpError::Refused {
            call,
            status,
            code,
            excerpt,
            ..
        } if matches!(status.as_u16(), 400 | 403 | 500) => HttpError::Refused {
            call,
            status,
            code,
            class: Class::Unauthenticated,
            excerpt,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_credentials_are_refused() {
        let secret = |text: &str| Some(Secret::new(text));
        assert!(Credentials::user(Some("nacos"), None).is_err());
        assert!(Credentials::user(None, secret("x")).is_err());
        assert!(Credentials::user(Some(""), secret("x")).is_err());
        assert!(Credentials::user(Some("nacos"), secret("")).is_err());
        assert!(Credentials::user(Some("nacos"), secret("x")).is_ok());
        assert!(matches!(
            Credentials::user(None, None),
            Ok(Credentials::Anonymous)
        ));
    }

    #[test]
    fn tokens_go_into_headers_and_signatures_into_parameters_of_v1() {
        let token = Presented {
            fields: vec![("accessToken", "t".into())],
            session: Some(Arc::default()),
        };
        let (headers, parameters) = token.for_http("/v1/ns/instance");
        assert_eq!(headers["authorization"], "Bearer t");
        assert_eq!(headers["accesstoken"], "t");
        assert!(parameters.is_empty());

        let signed = Presented {
            fields: vec![("ak", "id".into())],
            session: None,
        };
        let (headers, parameters) = signed.for_http("/v1/ns/instance");
        assert!(headers.is_empty());
        assert_eq!(parameters, [("ak", Cow::Borrowed("id"))]);
        let (headers, parameters) = signed.for_http("/v3/client/ns/instance");
        assert_eq!(headers["ak"], "id");
        assert!(parameters.is_empty());
    }
}
