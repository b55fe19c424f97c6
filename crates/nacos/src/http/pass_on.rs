//! Calls that somebody else makes through us, passed on as they came.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{self, HeaderMap, HeaderName};
use reqwest::{Method, StatusCode};

use super::client::HttpClient;
use super::error::HttpError;
use super::servers::Route;

/// A call of somebody else.
#[derive(Clone, Debug)]
pub struct Passed {
    /// Its method.
    pub method: Method,
    /// What is asked for, below the context path, with its parameters.
    pub path_and_query: String,
    /// Its headers. Those that concern one connection alone are left out.
    pub headers: HeaderMap,
    /// What was sent.
    pub body: Bytes,
    /// How long the answer may take altogether: some calls wait for a change.
    pub patience: Duration,
}

/// The answer to it, whatever it is.
#[derive(Clone, Debug)]
pub struct PassedBack {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, without those that concern one connection alone.
    pub headers: HeaderMap,
    /// The answer, unpacked.
    pub body: Bytes,
}

/// Headers of one connection, and those that follow from how a body is sent.
const OF_ONE_CONNECTION: [HeaderName; 10] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::HOST,
    header::CONTENT_LENGTH,
    header::ACCEPT_ENCODING,
];

/// Leaves out what concerns one connection alone.
pub(crate) fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    let named = headers.get_all(header::CONNECTION).iter();
    let named: Vec<HeaderName> = named
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&OF_ONE_CONNECTION) {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers
}

impl HttpClient {
    /// Passes a call on to a server that answers, with the caller's credentials
    /// and none of ours.
    ///
    /// # Errors
    /// If no server answers. A refusal is an answer.
    pub async fn pass_on(&self, call: &Passed) -> Result<PassedBack, HttpError> {
        let mut attempts = self.servers().attempts(&Route::Any);
        while let Some(server) = attempts.next() {
            let answered = self.transport().pass_on(&server, call).await;
            if let Some(outcome) = attempts.outcome(&server, answered) {
                return outcome.map(|answered| answered.value);
            }
        }
        Err(attempts.exhausted("pass a call on".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_one_connection_stays_behind() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("accesstoken", "t"),
            ("long-pulling-timeout", "30000"),
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("host", "syncline:8848"),
            ("content-length", "7"),
        ] {
            headers.insert(name, value.parse().expect("a value"));
        }
        let kept = end_to_end(headers);
        let mut names: Vec<_> = kept.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accesstoken", "long-pulling-timeout"]);
    }
}
