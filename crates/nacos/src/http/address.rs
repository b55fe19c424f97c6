//! Where a server is reached.

use std::fmt;
use std::sync::Arc;

use reqwest::Url;

use super::tls::SetupError;

/// The HTTP port of a Nacos server that names none.
pub const DEFAULT_PORT: u16 = 8848;

/// The context path of a Nacos server that names none.
pub const DEFAULT_CONTEXT_PATH: &str = "/nacos";

/// How far above the HTTP port the gRPC port is.
const GRPC_OFFSET: u16 = 1000;

/// A server's name: its host and HTTP port as configured, such as
/// `10.0.0.1:8848`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId(Arc<str>);

impl ServerId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// One server's address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerAddress {
    id: ServerId,
    /// Scheme, host and port, without a slash at the end.
    origin: Arc<str>,
    host: Arc<str>,
    port: u16,
    context_path: Arc<str>,
    https: bool,
}

impl ServerAddress {
    /// Reads `host`, `host:port`, `http://host:port` or
    /// `https://host:port/context`. A bare host has port 8848; with a scheme
    /// the scheme's own port holds where none is named, as in Nacos's clients. A
    /// path in the address replaces `context_path`.
    ///
    /// # Errors
    /// Text that is no such address, or one that carries credentials or a query.
    pub fn parse(text: &str, context_path: &str) -> Result<Self, SetupError> {
        let invalid = |why: &str| {
            SetupError::Invalid(format!("{:?} is no server address: {why}", redacted(text)))
        };
        let trimmed = text.trim();
        let with_scheme = trimmed.contains("://");
        let url = if with_scheme {
            Url::parse(trimmed)
        } else {
            Url::parse(&format!("http://{trimmed}"))
        }
        .map_err(|error| {
            let hint = if trimmed.matches(':').count() > 1 && !trimmed.contains('[') {
                "; an IPv6 address stands in brackets"
            } else {
                ""
            };
            invalid(&format!("{error}{hint}"))
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("only http and https are spoken"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("user name and password are settings of their own"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("it has a query or a fragment"));
        }
        let host = url.host_str().ok_or_else(|| invalid("it has no host"))?;
        let port = match url.port() {
            Some(0) => return Err(invalid("port 0")),
            Some(port) => port,
            None if with_scheme => url.port_or_known_default().unwrap_or(DEFAULT_PORT),
            None if trimmed.trim_end_matches('/').ends_with(":80") => 80,
            None => DEFAULT_PORT,
        };
        let context_path = match url.path().trim_end_matches('/') {
            "" => normalized(context_path),
            path => path.to_owned(),
        };
        Ok(Self {
            id: ServerId(format!("{host}:{port}").into()),
            origin: format!("{}://{host}:{port}", url.scheme()).into(),
            host: host.trim_matches(['[', ']']).into(),
            port,
            context_path: context_path.into(),
            https: url.scheme() == "https",
        })
    }

    /// The name under which errors and answers mention the server.
    pub fn id(&self) -> &ServerId {
        &self.id
    }

    /// The host without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The HTTP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether HTTP goes over TLS.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// The port for gRPC: 1,000 above the HTTP port. `None` where there is no
    /// such port.
    pub fn grpc_port(&self) -> Option<u16> {
        self.port.checked_add(GRPC_OFFSET)
    }

    /// The URL of a path of the API, such as `/v1/ns/instance`.
    pub fn url(&self, path: &str) -> String {
        format!("{}{}{path}", self.origin, self.context_path)
    }
}

/// A context path with one slash before it and none after; empty for none.
fn normalized(path: &str) -> String {
    match path.trim().trim_matches('/') {
        "" => String::new(),
        path => format!("/{path}"),
    }
}

/// The text of an address that may carry a password.
fn redacted(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}://…{}", &text[..scheme], &text[at..])
        }
        (None, Some(at)) => format!("…{}", &text[at..]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ServerAddress {
        ServerAddress::parse(text, DEFAULT_CONTEXT_PATH).expect(text)
    }

    #[test]
    fn addresses_in_all_their_forms() {
        for (text, url, id) in [
            ("10.0.0.1", "http://10.0.0.1:8848/nacos/x", "10.0.0.1:8848"),
            ("10.0.0.1:80", "http://10.0.0.1:80/nacos/x", "10.0.0.1:80"),
            ("nacos:8849", "http://nacos:8849/nacos/x", "nacos:8849"),
            ("[::1]:8848", "http://[::1]:8848/nacos/x", "[::1]:8848"),
            ("http://a", "http://a:80/nacos/x", "a:80"),
            ("https://a/", "https://a:443/nacos/x", "a:443"),
            ("http://a:8848/reg/", "http://a:8848/reg/x", "a:8848"),
        ] {
            let address = parse(text);
            assert_eq!(address.url("/x"), url);
            assert_eq!(address.id().as_str(), id);
        }
        assert_eq!(parse("[::1]:8848").host(), "::1");
        assert_eq!(parse("a:8848").grpc_port(), Some(9848));
        assert_eq!(parse("a:65000").grpc_port(), None);
        assert!(parse("https://a:8848").is_https());
    }

    #[test]
    fn context_paths_may_be_empty_or_lack_slashes() {
        for (path, url) in [
            ("", "http://a:8848/x"),
            ("/", "http://a:8848/x"),
            ("reg", "http://a:8848/reg/x"),
            ("/reg/", "http://a:8848/reg/x"),
        ] {
            let address = ServerAddress::parse("a:8848", path).expect("an address");
            assert_eq!(address.url("/x"), url);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for text in [
            "",
            "a:0",
            "a:99999",
            "ftp://a",
            "http://a?x=1",
            "::1",
            "a b",
        ] {
            assert!(ServerAddress::parse(text, "").is_err(), "{text:?}");
        }
        let error =
            ServerAddress::parse("http://nacos:hunter2@a:8848", "").expect_err("credentials");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
