//! Configuration: endpoints, and the links between them.
//!
//! One YAML file, or a folder of them read as one. A file is first read into a
//! tree that knows where each value stands; references to variables and files
//! are resolved in it; then it is read into the types here, and what they name
//! is checked against each other. Everything that is wrong is reported at once,
//! each with its place and, where a name was meant that exists, with that name.
//!
//! Endpoints can also be given by a URL, which says the same in one word: see
//! [`url`].

mod check;
mod decode;
mod endpoint;
mod guard;
mod journal;
mod link;
mod load;
mod meaning;
mod name;
mod nearest;
mod peers;
mod problem;
mod reference;
mod schema;
mod shield;
mod text;
mod tree;
pub mod url;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::Deserialize;
use syncline_contract::{FilePath, Secret};
use syncline_model::{EndpointName, InstallId};

pub use endpoint::{Endpoint, Roles};
pub use guard::{Confirmation, Guard, LinkShare, ServiceShare, Share, ZeroServices};
pub use journal::{BadSize, Journal, Size};
pub use link::{
    AddressRule, Drift, Health, Link, Map, MetadataEdits, Mode, OnCollision, Removal,
    RemovalPolicy, Select, SourceLost, SourceLostPolicy, Strategy,
};
pub use load::{load, parse};
pub use meaning::{Fault, Faults};
pub(crate) use name::is_name;
pub(crate) use nearest::did_you_mean;
pub use peers::Peers;
pub use problem::{ConfigError, Problem};
pub use reference::Env;
pub use schema::schema;

/// Everything that a daemon is told.
#[derive(Clone, PartialEq, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Syncline configuration")]
pub struct Config {
    /// Who we are among the writers of a target.
    pub install: Install,

    /// The registries and consumers, by the names that links use.
    #[serde(deserialize_with = "name::endpoints")]
    #[schemars(with = "BTreeMap<String, Endpoint>")]
    pub endpoints: BTreeMap<EndpointName, Endpoint>,

    /// The routes between them.
    pub links: Vec<Link>,

    /// How the daemon can be asked.
    pub admin: Admin,

    /// The other replicas of this install.
    pub peers: Peers,

    /// The folder in which the ledger, the cache and the journal live. Where
    /// nothing is said: `$STATE_DIRECTORY` of systemd,
    /// `$XDG_STATE_HOME/syncline`, `~/.local/state/syncline`, or for root
    /// `/var/lib/syncline`.
    pub state: Option<FilePath>,

    /// How much of the journal is kept.
    pub journal: Journal,

    /// What is logged.
    pub log: Log,
}

/// Who we are among the writers of a target. Replicas that stand for each
/// other share it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Install {
    /// A name for this installation; made up once where nothing is said.
    #[serde(deserialize_with = "name::optional_name")]
    #[schemars(with = "Option<String>", regex(pattern = name::PATTERN))]
    pub id: Option<InstallId>,
    /// The key that signs our marks, 64 hexadecimal digits; made up once where
    /// nothing is said.
    pub key: Option<Secret>,
    /// How many daemons run with this configuration at the same time.
    #[schemars(range(min = 1, max = 9))]
    pub replicas: u8,
}

impl Default for Install {
    fn default() -> Self {
        Self {
            id: None,
            key: None,
            replicas: 1,
        }
    }
}

/// How the daemon can be asked.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// The HTTP address of metrics and the API. It asks for no credentials, so
    /// it must be a loopback address.
    #[serde(deserialize_with = "loopback")]
    #[schemars(with = "String", extend("examples" = ["127.0.0.1:8849"]))]
    pub listen: SocketAddr,
    /// The unix socket that the commands ask; `control.sock` in the state
    /// folder where nothing is said.
    pub socket: Option<FilePath>,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8849)),
            socket: None,
        }
    }
}

fn loopback<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    let address: Option<SocketAddr> = text.parse().ok();
    address
        .filter(|address| address.ip().is_loopback())
        .ok_or_else(|| {
            serde::de::Error::custom(
                "must be a loopback address and a port, such as 127.0.0.1:8849: \
                 the admin server asks for no credentials",
            )
        })
}

/// What is logged, to the standard error output.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How much, such as `info` or `warn,syncline_engine=debug`.
    pub level: String,
    /// In which form.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::default(),
        }
    }
}

/// The form of log lines.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}
