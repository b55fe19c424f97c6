//! Asking a replica.

use std::time::Duration;

use http::{Method, Request};
use http_body_util::Full;
use hyper::body::Bytes;
use serde::de::DeserializeOwned;
use syncline_engine::core as engine;
use thiserror::Error;
use tokio::net::TcpStream;

use super::seal::{NONCE, PeerKey, SIGNATURE, Sealed, TIME, now_ms, random_text};
use super::words;
use crate::api;
use crate::exchange::exchange;

/// How long an answer may take: what comes later says too little of now.
const DEADLINE: Duration = Duration::from_secs(5);

/// A replica, by its address.
#[derive(Clone, Debug)]
pub struct PeerClient {
    address: String,
    key: PeerKey,
}

/// What a replica told of itself.
#[derive(Clone, Debug)]
pub struct Reported {
    /// The process that told it.
    pub node: String,
    /// What it told.
    pub report: engine::PeerReport,
}

/// A replica could not be asked.
#[derive(Debug, Error)]
pub enum PeerError {
    /// Nobody listens there.
    #[error("connect to {address}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why not.
        source: std::io::Error,
    },
    /// It did not answer in time.
    #[error("no answer within 5 seconds")]
    Late,
    /// It refused, and said why.
    #[error("it refuses: {0}")]
    Refused(String),
    /// The answer is signed by nobody who has the install's key.
    #[error("its answer is not signed with this install's key")]
    Forged,
    /// The answer broke off or makes no sense.
    #[error("its answer cannot be read")]
    Answer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The system has no random numbers.
    #[error("the system gave no random numbers to sign with")]
    NoRandomness,
}

impl PeerClient {
    /// The replica at `host:port`.
    pub fn new(address: impl Into<String>, key: PeerKey) -> Self {
        let address = address.into();
        Self { address, key }
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it tells of itself.
    ///
    /// # Errors
    /// When it does not answer, or somebody else does.
    pub async fn report(&self) -> Result<Reported, PeerError> {
        let report: words::Report = self.ask(Method::GET, "/peer/v1/report", Vec::new()).await?;
        Ok(Reported {
            node: report.node.clone(),
            report: report.read(),
        })
    }

    /// Where what it holds differs from what we do.
    ///
    /// # Errors
    /// When it does not answer, or somebody else does.
    pub async fn compare(
        &self,
        question: &engine::PeerQuestion,
    ) -> Result<engine::PeerAnswer, PeerError> {
        let body = serde_json::to_vec(&words::Question::of(question)).map_err(unreadable)?;
        let answer: words::Answer = self.ask(Method::POST, "/peer/v1/compare", body).await?;
        let read = answer.read();
        read.ok_or_else(|| unreadable("an instance without a port"))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, PeerError> {
        tokio::time::timeout(DEADLINE, self.ask_once(method, path, body))
            .await
            .map_err(|_| PeerError::Late)?
    }

    async fn ask_once<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, PeerError> {
        let nonce = random_text().ok_or(PeerError::NoRandomness)?;
        let time_ms = now_ms();
        let seal = self.key.seal(&Sealed {
            method: method.as_str(),
            path,
            time_ms,
            nonce: &nonce,
            body: &body,
        });
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, &self.address)
            .header(TIME, time_ms)
            .header(NONCE, nonce)
            .header(SIGNATURE, &seal)
            .body(Full::new(Bytes::from(body)))
            .map_err(unreadable)?;
        let (status, signature, body) = self.exchange(request).await?;
        if status == http::StatusCode::UNAUTHORIZED {
            // Whoever does not know the key cannot sign its refusal either.
            let refusal = serde_json::from_slice(&body);
            let why = refusal.map_or_else(|_| "401".to_owned(), |r: api::Refusal| r.error);
            return Err(PeerError::Refused(why));
        }
        let signed = self
            .key
            .is_answer(&seal, status.as_u16(), &body, &signature);
        if !signed {
            return Err(PeerError::Forged);
        }
        if !status.is_success() {
            let refusal: api::Refusal = serde_json::from_slice(&body).map_err(unreadable)?;
            return Err(PeerError::Refused(refusal.error));
        }
        serde_json::from_slice(&body).map_err(unreadable)
    }

    /// Sends one request; the status, the signature and the body of the answer.
    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(http::StatusCode, String, Bytes), PeerError> {
        let stream = TcpStream::connect(&self.address).await.map_err(|source| {
            let address = self.address.clone();
            PeerError::Unreachable { address, source }
        })?;
        let said = exchange(stream, request).await.map_err(PeerError::Answer)?;
        let signature = said.headers().get(SIGNATURE);
        let signature = signature.and_then(|value| value.to_str().ok());
        let signature = signature.unwrap_or_default().to_owned();
        Ok((said.status(), signature, said.into_body()))
    }
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> PeerError {
    PeerError::Answer(error.into())
}
