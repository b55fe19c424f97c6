//! Links: what is read where, what is made of it, and where it is written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use syncline_contract::{FilePath, Period};
use syncline_model::{EndpointName, LinkName};

use super::guard::Guard;
use super::name;

/// One route from a source to a target.
#[derive(Clone, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The link's name, in metrics, commands and the journal.
    #[serde(deserialize_with = "name::name")]
    #[schemars(with = "String", regex(pattern = name::PATTERN))]
    pub name: LinkName,

    /// The endpoint that is read.
    #[serde(deserialize_with = "name::name")]
    #[schemars(with = "String")]
    pub from: EndpointName,

    /// The endpoint that is written.
    #[serde(deserialize_with = "name::name")]
    #[schemars(with = "String")]
    pub to: EndpointName,

    /// Which services, and which of their instances.
    #[serde(default)]
    pub select: Select,

    /// What they are called at the target.
    #[serde(default)]
    pub map: Map,

    /// When the source is looked at.
    #[serde(default)]
    pub strategy: Strategy,

    /// What happens to instances that went away at the source.
    #[serde(default)]
    pub removal: Removal,

    /// What holds a plan that takes too much away.
    #[serde(default)]
    pub guard: Guard,

    /// Whether the source's health is carried over.
    #[serde(default)]
    pub health: Health,

    /// How long a change of health has to last before it is carried over.
    #[serde(default)]
    pub health_dwell: Period,

    /// What happens where an operator changed our copy at the target.
    #[serde(default)]
    pub drift: Drift,

    /// What happens while the source stays lost.
    #[serde(default)]
    pub source_lost: SourceLost,

    /// How much the target is asked to bear.
    #[serde(default)]
    pub limits: Limits,
}

impl Link {
    /// A link that carries everything as it is, with every default.
    pub fn between(name: LinkName, from: EndpointName, to: EndpointName) -> Self {
        Self {
            name,
            from,
            to,
            select: Select::default(),
            map: Map::default(),
            strategy: Strategy::default(),
            removal: Removal::default(),
            guard: Guard::default(),
            health: Health::default(),
            health_dwell: Period::default(),
            drift: Drift::default(),
            source_lost: SourceLost::default(),
            limits: Limits::default(),
        }
    }
}

/// How much a link asks its target to bear.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The most writes to the target that are under way at once. There are
    /// fewer while it is slow, refuses for load, or does not answer.
    #[schemars(range(min = 1))]
    pub in_flight: u32,
    /// The most instances that are taken away in a second, also with an
    /// approval. Ten seconds' worth may go at once after a quiet time.
    #[schemars(range(min = 1))]
    pub removals_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: 32,
            removals_per_second: 100,
        }
    }
}

/// The part of the source that a link carries. Patterns are globs, or regular
/// expressions after `re:`.
#[derive(Clone, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Select {
    /// Namespaces by their id, or by their show name after `name:`.
    pub namespaces: Vec<String>,
    /// Groups.
    pub groups: Vec<String>,
    /// Service names without their group.
    pub services: Vec<String>,
    /// Services that are left out though they match. Dubbo's `consumers:*`,
    /// `routers:*` and `configurators:*` are left out unless `services` names
    /// them.
    pub exclude: Vec<String>,
    /// A condition on each instance, such as `metadata["zone"] == "a"`.
    pub r#where: Option<String>,
    /// A file with one service name per line: only services that it lists are
    /// selected. Empty lines and lines that begin with `#` do not count.
    pub services_file: Option<FilePath>,
}

impl Default for Select {
    fn default() -> Self {
        let all = || vec!["*".to_owned()];
        Self {
            namespaces: all(),
            groups: all(),
            services: all(),
            exclude: Vec::new(),
            r#where: None,
            services_file: None,
        }
    }
}

/// What becomes of names, addresses and content on the way. Templates may use
/// `{namespace}`, `{group}`, `{service}` and `{source}`, and where instances are
/// meant `{cluster}`.
#[derive(Clone, PartialEq, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Map {
    /// The namespace at the target; a template.
    pub namespace: Option<String>,
    /// The group at the target; a template.
    pub group: Option<String>,
    /// The service name at the target; a template.
    pub service: Option<String>,
    /// The cluster at the target; a template that may use `{cluster}`.
    pub cluster: Option<String>,
    /// How addresses are translated: the first rule that applies decides.
    pub address: Vec<AddressRule>,
    /// Metadata whose values hold an address, which is translated alike.
    pub address_metadata: Vec<String>,
    /// A factor for the weight.
    pub weight: Option<f64>,
    /// What is added to and taken from the metadata.
    pub metadata: MetadataEdits,
    /// What happens where several instances become one. Where nothing is said:
    /// `add` behind a gateway, else `report`.
    pub on_collision: Option<OnCollision>,
}

/// How addresses are translated: from a network to another of equal size, from
/// an address to another, to what the instance states in its `metadata`, or
/// with `to` alone every address to one gateway.
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AddressRule {
    /// A network such as `10.0.0.0/16`, or an address with or without a port.
    pub from: Option<String>,
    /// A network or an address of the same form; alone a gateway with its port.
    pub to: Option<String>,
    /// The metadata key under which an instance states its address.
    pub metadata: Option<String>,
}

/// What happens where several instances become one at the target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnCollision {
    /// Their weights add up.
    Add,
    /// The first stands, and the others are reported.
    Report,
}

/// What is added to and taken from the metadata.
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MetadataEdits {
    /// Pairs that are set; values may be templates.
    pub set: BTreeMap<String, String>,
    /// Keys that are dropped; globs.
    pub drop: Vec<String>,
}

/// When the source is looked at.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Strategy {
    /// What makes the link look.
    pub mode: Mode,
    /// With `mode: interval`: the time between two looks.
    pub every: Option<Period>,
    /// With `mode: cron`: when, such as `0 3 * * *`.
    pub cron: Option<String>,
    /// With `mode: realtime`: how often all is read again, to find what no push
    /// told.
    pub verify_every: Period,
}

impl Default for Strategy {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            every: None,
            cron: None,
            verify_every: Period::from_secs(300),
        }
    }
}

/// What makes a link look at its source.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Every change, as soon as the source tells it.
    #[default]
    Realtime,
    /// A fixed time after the last look.
    Interval,
    /// A schedule.
    Cron,
    /// Only `syncline trigger` or a call of the trigger API.
    Event,
}

impl Mode {
    /// The mode as the configuration names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Realtime => "realtime",
            Self::Interval => "interval",
            Self::Cron => "cron",
            Self::Event => "event",
        }
    }
}

/// What happens to instances that went away at the source.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Removal {
    /// What happens.
    pub policy: RemovalPolicy,
    /// How long an instance has to be gone first.
    pub grace: Period,
    /// With `policy: mark-unavailable`: how long after it went an instance is
    /// removed. Never where nothing is said.
    pub expire_after: Option<Period>,
}

/// What happens to an instance that went away at the source.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RemovalPolicy {
    /// It is removed at the target.
    #[default]
    Delete,
    /// It stays and takes no traffic.
    MarkUnavailable,
    /// It stays as it was.
    Keep,
}

/// Whether the source's health is carried over.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Unhealthy there is unhealthy here.
    #[default]
    Copy,
    /// All is healthy.
    Ignore,
}

/// What happens where an operator changed our copy at the target.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Drift {
    /// The operator's change stands and is reported.
    #[default]
    Report,
    /// The source's content is written again.
    Reset,
}

/// What happens while the source stays lost.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SourceLost {
    /// What happens.
    pub policy: SourceLostPolicy,
    /// How long the source has to be lost first; needed by every policy but
    /// `keep`.
    pub after: Option<Period>,
}

/// What happens to a link's instances while its source stays lost.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SourceLostPolicy {
    /// Consumers keep what they have.
    #[default]
    Keep,
    /// Weights fall to the least, so that consumers prefer others.
    Deprioritize,
    /// The instances take no traffic.
    MarkUnavailable,
}

impl SourceLostPolicy {
    /// The policy as the configuration names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Deprioritize => "deprioritize",
            Self::MarkUnavailable => "mark-unavailable",
        }
    }
}
