//! What can be said of a webhook in a configuration.

use std::fmt;
use std::path::Path;

use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use syncline_contract::{FilePath, Period, Secret};
use syncline_nacos::http::TlsOptions;

use crate::guarded;

/// A URL to which changes are posted.
#[derive(Clone, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where posts go. `https` unless the receiver is next door.
    #[schemars(with = "String", extend("examples" = ["https://hooks.example.com/nacos"]))]
    pub url: PostUrl,

    /// What posts are signed with, at least 16 characters; the receiver knows it
    /// too.
    pub secret: Secret,

    /// How long the receiver may take to answer a post.
    #[serde(default = "ten_seconds")]
    pub timeout: Period,

    /// TLS towards the receiver.
    #[serde(default)]
    pub tls: WebhookTls,
}

/// TLS towards the receiver.
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookTls {
    /// Certificates (PEM) to trust instead of the system's.
    pub ca: Option<FilePath>,
}

fn ten_seconds() -> Period {
    Period::from_secs(10)
}

/// The shortest secret that nobody guesses.
const SHORTEST_SECRET: usize = 16;

impl WebhookConfig {
    /// What does not fit together: the key in question, and what is wrong, as
    /// it reads on from the key.
    pub fn contradictions(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if self.secret.expose().len() < SHORTEST_SECRET {
            let what = "is too short: at least 16 characters, as `openssl rand -hex 32` prints";
            found.push(("secret", what.to_owned()));
        }
        if self.timeout == Period::ZERO {
            found.push(("timeout", "must be longer than nothing".to_owned()));
        }
        if let Some(why) = guarded::refused_literal(&self.url.0) {
            found.push(("url", why));
        }
        found
    }

    pub(crate) fn tls(&self) -> TlsOptions {
        TlsOptions {
            ca_file: self
                .tls
                .ca
                .as_ref()
                .map(AsRef::<Path>::as_ref)
                .map(Path::to_owned),
            ..TlsOptions::default()
        }
    }
}

/// An `http` or `https` URL without a user in it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct PostUrl(pub(crate) Url);

impl PostUrl {
    /// Where it leads, without path and query: those may be secret.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

impl TryFrom<String> for PostUrl {
    type Error = BadUrl;

    fn try_from(text: String) -> Result<Self, BadUrl> {
        let url: Url = text.parse().map_err(|_| BadUrl::NotOne)?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(BadUrl::NotOne);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadUrl::User);
        }
        Ok(Self(url))
    }
}

/// As far as it may be shown.
impl fmt::Display for PostUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

/// What is wrong with a URL, as it reads on from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadUrl {
    /// No URL, or one of another kind.
    #[error("must be a URL with http or https, such as https://hooks.example.com/nacos")]
    NotOne,
    /// A user in the URL.
    #[error("must not name a user: posts are signed with `secret`")]
    User,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str, secret: &str) -> WebhookConfig {
        WebhookConfig {
            url: url.to_owned().try_into().expect("a URL"),
            secret: Secret::new(secret),
            timeout: ten_seconds(),
            tls: WebhookTls::default(),
        }
    }

    #[test]
    fn urls_lead_somewhere_and_name_nobody() {
        let url = |text: &str| PostUrl::try_from(text.to_owned());
        assert_eq!(url("ftp://a"), Err(BadUrl::NotOne));
        assert_eq!(url("a/b"), Err(BadUrl::NotOne));
        assert_eq!(url("https://me:x@a/b"), Err(BadUrl::User));
        let shown = url("https://a.example:8443/token?x=y").map(|url| url.to_string());
        assert_eq!(shown, Ok("https://a.example:8443".to_owned()));
    }

    #[test]
    fn what_nobody_can_mean_is_told() {
        let secret = "0123456789abcdef";
        assert_eq!(config("https://a.example/", secret).contradictions(), []);
        let keys = |config: WebhookConfig| {
            let found = config.contradictions().into_iter();
            found.map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(
            keys(config("http://169.254.169.254/", "short")),
            ["secret", "url"]
        );
    }
}
