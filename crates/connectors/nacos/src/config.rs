//! What can be said of a Nacos server or cluster in a configuration.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use syncline_contract::{FilePath, Period, Secret};

/// A Nacos server or cluster, version 1.x to 3.x.
#[derive(Clone, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NacosConfig {
    /// The servers: `host`, `host:port` or a whole `https://host:port`. Port
    /// 8848 where none is named.
    #[schemars(length(min = 1))]
    pub servers: Vec<Server>,

    /// The path under which the servers answer.
    #[serde(default = "default_context_path")]
    pub context_path: String,

    /// The gRPC port, where it is not the HTTP port + 1000.
    #[serde(default)]
    pub grpc_port: Option<u16>,

    /// Where a 3.x server answers its console API, such as
    /// `http://10.0.0.1:8080`. Its admin API is on the servers themselves.
    #[serde(default)]
    pub admin_url: Option<HttpUrl>,

    /// How further members of the cluster are found.
    #[serde(default)]
    pub members: Members,

    /// The user to log in as.
    #[serde(default)]
    pub username: Option<String>,

    /// The user's password; best as `${file:…}` or `${VAR}`.
    #[serde(default)]
    pub password: Option<Secret>,

    /// An Aliyun access key, instead of a user.
    #[serde(default)]
    pub access_key: Option<String>,

    /// The secret of the access key.
    #[serde(default)]
    pub secret_key: Option<Secret>,

    /// TLS for `https://` servers and for gRPC.
    #[serde(default)]
    pub tls: Option<Tls>,

    /// How whole lists are read.
    #[serde(default)]
    pub list_api: ListApi,

    /// How far reading goes.
    #[serde(default)]
    pub view: ReadingView,

    /// As a target: how registrations stay alive.
    #[serde(default)]
    pub hold: HoldMode,

    /// As a target with `hold: connection`: on how many members each
    /// registration is held at once, so that the restart of one is not seen.
    /// Two on clusters and one on a single server where nothing is said.
    #[serde(default)]
    #[schemars(range(min = 1, max = 3))]
    pub copies: Option<u8>,

    /// How long to wait for answers.
    #[serde(default)]
    pub timeouts: Timeouts,
}

fn default_context_path() -> String {
    "/nacos".to_owned()
}

impl NacosConfig {
    /// A configuration that names servers and nothing else.
    pub fn of(servers: Vec<Server>) -> Self {
        Self {
            servers,
            context_path: default_context_path(),
            grpc_port: None,
            admin_url: None,
            members: Members::default(),
            username: None,
            password: None,
            access_key: None,
            secret_key: None,
            tls: None,
            list_api: ListApi::default(),
            view: ReadingView::default(),
            hold: HoldMode::default(),
            copies: None,
            timeouts: Timeouts::default(),
        }
    }

    /// What does not fit together: the key in question, and what is wrong,
    /// as it reads on from the key.
    pub fn contradictions(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut object = |key, what: &str| found.push((key, what.to_owned()));
        if self.servers.is_empty() {
            object("servers", "must name at least one server");
        }
        if self.grpc_port == Some(0) {
            object("grpc_port", "must be from 1 to 65535");
        }
        if self.copies.is_some_and(|copies| !(1..=3).contains(&copies)) {
            object("copies", "must be from 1 to 3");
        }
        if self.password.is_some() && self.username.is_none() {
            object("password", "needs a `username` beside it");
        }
        if self.access_key.is_some() != self.secret_key.is_some() {
            let key = if self.access_key.is_some() {
                "access_key"
            } else {
                "secret_key"
            };
            object(key, "needs both `access_key` and `secret_key`");
        }
        if self.access_key.is_some() && self.username.is_some() {
            object("access_key", "cannot be used together with `username`");
        }
        if let Some(tls) = &self.tls
            && tls.cert.is_some() != tls.key.is_some()
        {
            object("tls", "needs `cert` and `key` together, or neither");
        }
        found
    }
}

/// How further members of a cluster are found.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Members {
    /// The listed servers are the members.
    #[default]
    Listed,
    /// The listed servers are asked for the others.
    Discover,
    /// The listed address is a load balancer's: there is no second member to
    /// ask, and what follows one another may come from different members.
    Vip,
}

/// How whole lists are read.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ListApi {
    /// The best that the server's version and our rights allow.
    #[default]
    Auto,
    /// `GET /nacos/v1/ns/upgrade/ops/service/list`, which Nacos 2.0.2 to 2.1.2
    /// have.
    UpgradeOps,
}

/// How far reading goes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReadingView {
    /// Raw lists where the server and our rights allow them.
    #[default]
    Auto,
    /// Only what consumers see: disabled instances are hidden.
    Consumer,
}

/// How registrations at a target stay alive, and what consumers see when
/// Syncline itself dies.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HoldMode {
    /// `connection` where the install has several replicas, else `beat` where
    /// the target has it, else `connection`.
    #[default]
    Auto,
    /// By a gRPC connection: nothing to pay while alive, gone half a second
    /// after a crash.
    Connection,
    /// By HTTP beats: stays for up to three minutes after a crash, and costs
    /// the target a request per instance and interval.
    Beat,
    /// By the target itself: survives everything, is written slowly.
    Persistent,
}

/// TLS towards the servers.
#[derive(Clone, PartialEq, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Certificates (PEM) to trust instead of the system's.
    pub ca: Option<FilePath>,
    /// Our certificate (PEM), where servers ask for one.
    pub cert: Option<FilePath>,
    /// The key (PEM) of our certificate.
    pub key: Option<FilePath>,
    /// The name the servers' certificate carries, where it is not their host.
    pub server_name: Option<String>,
    /// Trust any certificate. For trying things out only: whoever stands
    /// between can read the password and change the lists.
    pub insecure_skip_verify: bool,
}

/// How long to wait for answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// For a connection to stand.
    pub connect: Period,
    /// For an answer to be complete.
    pub request: Period,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Period::from_secs(3),
            request: Period::from_secs(10),
        }
    }
}

/// The address of a server: `host`, `host:port`, or with `http://` or
/// `https://` before it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, extend("examples" = ["10.0.0.1:8848", "https://nacos.example.org"]))]
pub struct Server(#[schemars(length(min = 1))] String);

impl Server {
    /// The address as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for Server {
    type Error = BadAddress;

    fn try_from(text: String) -> Result<Self, BadAddress> {
        let authority = match text.split_once("://") {
            Some(("http" | "https", authority)) => authority,
            Some(_) => return Err(BadAddress::Scheme),
            None => &text,
        };
        check_authority(authority)?;
        Ok(Self(text))
    }
}

/// An `http://` or `https://` URL.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline)]
pub struct HttpUrl(
    #[schemars(regex(pattern = "^https?://"))]
    String,
);

impl HttpUrl {
    /// The URL as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HttpUrl {
    type Error = BadAddress;

    fn try_from(text: String) -> Result<Self, BadAddress> {
        match text.split_once("://") {
            Some(("http" | "https", authority)) => check_authority(authority)?,
            Some(_) | None => return Err(BadAddress::Scheme),
        }
        Ok(Self(text))
    }
}

/// What is wrong with an address, as it reads on from the address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadAddress {
    /// Another protocol.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// No host.
    #[error("names no host")]
    Host,
    /// Something that is no port.
    #[error("has a port that is not from 1 to 65535")]
    Port,
    /// An IPv6 address without brackets.
    #[error("has several colons; write an IPv6 address in brackets, as in [::1]:8848")]
    Brackets,
    /// Credentials or parameters.
    #[error("may only hold a host, a port and a path; user and password are keys of their own")]
    TooMuch,
}

/// Checks `host[:port][/path]`.
fn check_authority(text: &str) -> Result<(), BadAddress> {
    if text.contains(['@', '?', '#']) {
        return Err(BadAddress::TooMuch);
    }
    let authority = text.split('/').next().unwrap_or_default();
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(BadAddress::Brackets)?;
            host.parse::<std::net::Ipv6Addr>()
                .map_err(|_| BadAddress::Host)?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err(BadAddress::Port),
            }
        }
        None if authority.matches(':').count() > 1 => return Err(BadAddress::Brackets),
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() || host.contains(char::is_whitespace) {
        return Err(BadAddress::Host);
    }
    match port.map(str::parse::<u16>) {
        None => Ok(()),
        Some(Ok(port)) if port != 0 => Ok(()),
        Some(_) => Err(BadAddress::Port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> Result<Server, BadAddress> {
        text.to_owned().try_into()
    }

    #[test]
    fn servers_in_all_their_forms() {
        for text in [
            "10.0.0.1",
            "nacos:8848",
            "[::1]",
            "[2001:db8::1]:8848",
            "http://nacos",
            "https://nacos.example.org:443/registry",
        ] {
            assert_eq!(server(text).as_ref().map(Server::as_str), Ok(text));
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said() {
        for (text, why) in [
            ("", BadAddress::Host),
            (":8848", BadAddress::Host),
            ("a b:8848", BadAddress::Host),
            ("nacos:0", BadAddress::Port),
            ("nacos:99999", BadAddress::Port),
            ("nacos:http", BadAddress::Port),
            ("::1", BadAddress::Brackets),
            ("[::1", BadAddress::Brackets),
            ("ftp://nacos", BadAddress::Scheme),
            ("user:secret@nacos", BadAddress::TooMuch),
            ("nacos?x=1", BadAddress::TooMuch),
        ] {
            assert_eq!(server(text), Err(why), "{text:?}");
        }
        assert_eq!(
            HttpUrl::try_from("nacos:8080".to_owned()),
            Err(BadAddress::Scheme)
        );
    }

    #[test]
    fn keys_that_do_not_fit_together() {
        let mut config = NacosConfig::of(vec![]);
        config.password = Some(Secret::new("x"));
        config.access_key = Some("ak".to_owned());
        config.copies = Some(9);
        config.tls = Some(Tls {
            cert: Some(FilePath::new("a.pem")),
            ..Tls::default()
        });
        let keys: Vec<_> = config.contradictions().into_iter().map(|c| c.0).collect();
        assert_eq!(keys, ["servers", "copies", "password", "access_key", "tls"]);
    }
}
