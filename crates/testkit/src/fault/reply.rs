//! What a request is answered in place of the server's answer.

use std::fmt::Write as _;
use std::sync::Arc;

/// Which requests get another answer.
#[derive(Clone, Debug)]
pub struct Rule {
    start: String,
    parameter: Option<String>,
    reply: Reply,
}

impl Rule {
    /// Requests that begin like this: a path such as `/nacos/v1/ns/` whatever the method, or with a method,
    /// `POST /nacos/v1/ns/instance`. The empty string is every request.
    pub fn new(start: impl Into<String>, reply: Reply) -> Self {
        Self {
            start: start.into(),
            parameter: None,
            reply,
        }
    }

    /// Only those that carry this in their query, such as `pageNo=2`.
    #[must_use]
    pub fn with_query(self, parameter: impl Into<String>) -> Self {
        Self {
            parameter: Some(parameter.into()),
            ..self
        }
    }

    /// The reply to a request with this first line, if it is one of those.
    pub(super) fn reply_to(&self, line: &str) -> Option<&Reply> {
        let mut words = line.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let begins = if self.start.is_empty() || self.start.starts_with('/') {
            target.starts_with(&self.start)
        } else {
            let start = self.start.split_once(' ');
            start.is_some_and(|(only, path)| method == only && target.starts_with(path))
        };
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let asks = |wanted: &String| query.split('&').any(|parameter| parameter == wanted);
        (begins && self.parameter.as_ref().is_none_or(asks)).then_some(&self.reply)
    }
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The server is not asked; these bytes are sent, and the connection closes.
    Instead(Arc<[u8]>),
    /// The server does what it is asked, and its answer is lost: the connection is reset.
    Lost,
    /// The server's answer stops in the middle of its body, and the connection closes as if all had been said.
    Half,
    /// The server's answer stops in the middle of its body by a reset.
    Broken,
}

impl Reply {
    /// An answer that looks like the server's. `Content-Length` is right unless `headers` has its own.
    pub fn new(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let mut answer = format!("HTTP/1.1 {status} \r\nConnection: close\r\n");
        let mut add = |name: &str, value: &str| {
            // Writing to a string cannot fail.
            write!(answer, "{name}: {value}\r\n").ok();
        };
        let named = |wanted: &str| {
            let is = |(name, _): &(&str, &str)| name.eq_ignore_ascii_case(wanted);
            headers.iter().any(is)
        };
        if !named("content-length") {
            add("Content-Length", &body.len().to_string());
        }
        for (name, value) in headers {
            add(name, value);
        }
        answer.push_str("\r\n");
        answer.push_str(body);
        Self::Instead(answer.into_bytes().into())
    }

    /// Status 200 and JSON, or what claims to be.
    pub fn json(body: &str) -> Self {
        Self::new(200, &[("Content-Type", "application/json")], body)
    }

    /// A status with a line of text.
    pub fn status(status: u16) -> Self {
        Self::new(status, &[("Content-Type", "text/plain")], "fault injected")
    }

    /// What a proxy with a login of its own answers to everything: status 200, and a page.
    pub fn login_page() -> Self {
        let page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>\
                    <form method=\"post\"><input name=\"user\"></form></body></html>";
        Self::new(200, &[("Content-Type", "text/html; charset=utf-8")], page)
    }
}
