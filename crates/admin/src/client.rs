//! How our own commands ask a running daemon.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{Method, Request};
use http_body_util::Full;
use hyper::body::Bytes;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::net::UnixStream;

use crate::adopt::AdoptQuery;
use crate::api;
use crate::exchange::exchange;
use crate::origins::OriginsQuery;

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// A daemon, by the socket in its state directory.
#[derive(Clone, Debug)]
pub struct ControlClient {
    socket: PathBuf,
}

/// A daemon could not be asked.
#[derive(Debug, Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error("no daemon answers at {}, so `syncline run` does not run with this state folder", socket.display())]
    NotRunning {
        /// The socket.
        socket: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The daemon refused, and said why.
    #[error("{0}")]
    Refused(String),
    /// The daemon did not answer in time.
    #[error("the daemon did not answer within 30 seconds")]
    Late,
    /// The answer broke off or makes no sense.
    #[error("the daemon's answer cannot be read")]
    Answer(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ControlClient {
    /// The name of the socket within the state directory.
    pub const SOCKET: &'static str = "control.sock";

    /// The daemon that uses this state directory.
    pub fn of(state: &Path) -> Self {
        Self {
            socket: state.join(Self::SOCKET),
        }
    }

    /// The daemon that listens on this socket.
    pub fn at(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
        }
    }

    /// Everything at a glance.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub async fn status(&self) -> Result<api::Status, ControlError> {
        self.ask(Method::GET, "/api/v1/status").await
    }

    /// What would be written now.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub async fn plan(&self) -> Result<api::Plan, ControlError> {
        self.ask(Method::GET, "/api/v1/plan").await
    }

    /// What the guard holds, with the instances that would go.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub async fn holds(&self) -> Result<api::Holds, ControlError> {
        self.ask(Method::GET, "/api/v1/holds").await
    }

    /// Who registered what in an embedded registry.
    ///
    /// # Errors
    /// When the daemon does not answer, has no such registry, or cannot read a
    /// pattern.
    pub async fn origins(
        &self,
        registry: &str,
        of: &OriginsQuery,
    ) -> Result<api::Origins, ControlError> {
        let (name, query) = (escaped(registry), of.to_query());
        let path = format!("/api/v1/registries/{name}/origins{query}");
        self.ask(Method::GET, &path).await
    }

    /// Lets a hold's losses through, or refuses them.
    ///
    /// # Errors
    /// When the daemon does not answer or has no such hold now.
    pub async fn decide(&self, hold: &str, approve: bool) -> Result<api::Done, ControlError> {
        let verb = if approve { "approve" } else { "deny" };
        let path = format!("/api/v1/holds/{}/{verb}", escaped(hold));
        self.ask(Method::POST, &path).await
    }

    /// Stops a link's planning, or lets it go on.
    ///
    /// # Errors
    /// When the daemon does not answer or knows no such link.
    pub async fn pause(&self, link: &str, paused: bool) -> Result<api::Done, ControlError> {
        let verb = if paused { "pause" } else { "resume" };
        let path = format!("/api/v1/links/{}/{verb}", escaped(link));
        self.ask(Method::POST, &path).await
    }

    /// Reads both sides of one link or of all, and compares them with the
    /// ledger.
    ///
    /// # Errors
    /// When the daemon does not answer or knows no such link.
    pub async fn verify(&self, link: Option<&str>) -> Result<api::Verification, ControlError> {
        let query = link.map_or(String::new(), |link| format!("?link={}", escaped(link)));
        self.ask(Method::GET, &format!("/api/v1/verify{query}"))
            .await
    }

    /// What an evacuation concerns, or would. It is named `link:NAME`,
    /// `origin:NAME` or `cluster:NAME`.
    ///
    /// # Errors
    /// When the daemon does not answer or knows nothing of that name.
    pub async fn evacuation(&self, what: &str) -> Result<api::Evacuation, ControlError> {
        let path = format!("/api/v1/evacuations/{}", escaped(what));
        self.ask(Method::GET, &path).await
    }

    /// Takes copies out of use at their targets, or puts them back.
    ///
    /// # Errors
    /// When the daemon does not answer or knows nothing of that name.
    pub async fn evacuate(&self, what: &str, on: bool) -> Result<api::Done, ControlError> {
        let verb = if on { "evacuate" } else { "restore" };
        let path = format!("/api/v1/evacuations/{}/{verb}", escaped(what));
        self.ask(Method::POST, &path).await
    }

    /// What could be taken over of what stands at targets.
    ///
    /// # Errors
    /// When the daemon does not answer, knows no such link, or cannot read the
    /// pattern.
    pub async fn adoption(&self, query: &AdoptQuery) -> Result<api::Adoption, ControlError> {
        let path = format!("/api/v1/adoption{}", query.to_query());
        self.ask(Method::GET, &path).await
    }

    /// Takes that over.
    ///
    /// # Errors
    /// When the daemon does not answer, knows no such link, or cannot read the
    /// pattern.
    pub async fn adopt(&self, query: &AdoptQuery) -> Result<api::Adoption, ControlError> {
        let path = format!("/api/v1/adoption{}", query.to_query());
        self.ask(Method::POST, &path).await
    }

    /// Looks at everything, for one link or for all.
    ///
    /// # Errors
    /// When the daemon does not answer or knows no such link.
    pub async fn trigger(&self, link: Option<&str>) -> Result<api::Done, ControlError> {
        let query = link.map_or(String::new(), |link| format!("?link={}", escaped(link)));
        self.ask(Method::POST, &format!("/api/v1/trigger{query}"))
            .await
    }

    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
    ) -> Result<T, ControlError> {
        tokio::time::timeout(DEADLINE, self.ask_once(method, path))
            .await
            .map_err(|_| ControlError::Late)?
    }

    async fn ask_once<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
    ) -> Result<T, ControlError> {
        let stream =
            UnixStream::connect(&self.socket)
                .await
                .map_err(|source| ControlError::NotRunning {
                    socket: self.socket.clone(),
                    source,
                })?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, "syncline")
            .body(Full::<Bytes>::default())
            .map_err(answer)?;
        let said = exchange(stream, request)
            .await
            .map_err(ControlError::Answer)?;
        if said.status().is_success() {
            return serde_json::from_slice(said.body()).map_err(answer);
        }
        let refusal: api::Refusal = serde_json::from_slice(said.body()).map_err(answer)?;
        Err(ControlError::Refused(refusal.error))
    }
}

fn answer(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ControlError {
    ControlError::Answer(error.into())
}

pub(crate) fn escaped(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    text.bytes()
        .map(|b| match plain(b) {
            true => char::from(b).to_string(),
            false => format!("%{b:02X}"),
        })
        .collect()
}
