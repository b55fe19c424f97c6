//! What a link's settings mean to the engine: scopes, mappings and policies.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use syncline_contract::Period;
use syncline_engine::core;
use syncline_model::ServiceName;
use syncline_model::mapping::{self, Field, Mapping, Rules, Template, WeightFactor};
use syncline_model::plan;
use syncline_model::scope::{Condition, NamespacePattern, Pattern, PatternError, Patterns, Scope};

use super::link::{
    AddressRule, Link, Map, OnCollision, Removal, RemovalPolicy, Select, SourceLost,
    SourceLostPolicy,
};

/// A setting that cannot mean anything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The keys, and the places in lists, that lead to the setting.
    pub path: Vec<String>,
    /// What is wrong; it quotes the setting.
    pub message: String,
}

/// All settings of something that cannot mean anything.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages: Vec<_> = self.0.iter().map(|fault| fault.message.as_str()).collect();
        f.write_str(&messages.join("; "))
    }
}

impl Error for Faults {}

impl Faults {
    fn add(&mut self, path: &[&str], message: impl Into<String>) {
        self.0.push(Fault {
            path: path.iter().map(|step| (*step).to_owned()).collect(),
            message: message.into(),
        });
    }

    /// The value of a result, or a fault of the setting it was made from.
    fn keep<T, E: Error>(&mut self, path: &[&str], result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(path, whole(&error))).ok()
    }

    /// Takes over the faults of what stands under a key.
    fn under(&mut self, key: &str, inner: Self) {
        for mut fault in inner.0 {
            fault.path.insert(0, key.to_owned());
            self.0.push(fault);
        }
    }

    fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }
}

/// The error and its causes in one line.
fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // A regular expression's error draws a picture of several lines, of
        // which the last says what is wrong.
        let said = error.to_string();
        let last = said.lines().last().unwrap_or_default();
        text.push_str(": ");
        text.push_str(last.strip_prefix("error: ").unwrap_or(last));
        cause = error.source();
    }
    text
}

impl Select {
    /// The scope that is selected. Reads the file of services.
    ///
    /// # Errors
    /// With every pattern, condition and file that cannot be used.
    pub fn scope(&self) -> Result<Scope, Faults> {
        let mut faults = Faults::default();
        let namespaces = each(&mut faults, "namespaces", &self.namespaces, |text| {
            NamespacePattern::parse(text)
        });
        let groups = patterns(&mut faults, "groups", &self.groups);
        let services = patterns(&mut faults, "services", &self.services);
        let exclude = patterns(&mut faults, "exclude", &self.exclude);
        let condition = self
            .r#where
            .as_ref()
            .and_then(|text| faults.keep(&["where"], Condition::parse(text)));
        let listed = self.services_file.as_ref().and_then(|file| {
            let path = file.as_path();
            match listed(path) {
                Ok(names) => Some(Arc::new(names)),
                Err(error) => {
                    let message = format!("cannot read {}: {error}", path.display());
                    faults.add(&["services_file"], message);
                    None
                }
            }
        });
        for (key, none) in [
            ("namespaces", self.namespaces.is_empty()),
            ("groups", self.groups.is_empty()),
            ("services", self.services.is_empty()),
        ] {
            if none {
                faults.add(
                    &[key],
                    format!("`{key}` selects nothing; leave it out for all"),
                );
            }
        }
        faults.or(Scope {
            namespaces,
            groups,
            services,
            exclude,
            listed,
            condition,
        })
    }
}

fn each<T, E: Error>(
    faults: &mut Faults,
    key: &str,
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, E>,
) -> Vec<T> {
    let mut parsed = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        parsed.extend(faults.keep(&[key, &at.to_string()], parse(text)));
    }
    parsed
}

fn patterns(faults: &mut Faults, key: &str, texts: &[String]) -> Patterns {
    each(
        faults,
        key,
        texts,
        |text| -> Result<Pattern, PatternError> { Pattern::parse(text) },
    )
    .into_iter()
    .collect()
}

fn listed(path: &Path) -> std::io::Result<BTreeSet<ServiceName>> {
    let text = std::fs::read_to_string(path)?;
    Ok(text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(ServiceName::from)
        .collect())
}

impl Map {
    fn rules(&self, faults: &mut Faults) -> Rules {
        let mut rules = Rules::identity();
        template(faults, "namespace", &self.namespace, &mut rules.namespace);
        template(faults, "group", &self.group, &mut rules.group);
        template(faults, "service", &self.service, &mut rules.service);
        template(faults, "cluster", &self.cluster, &mut rules.cluster);
        for (at, rule) in self.address.iter().enumerate() {
            let at = at.to_string();
            match rule.meaning() {
                Ok(rule) => rules.addresses.push(rule),
                Err(message) => faults.add(&["address", &at], message),
            }
        }
        rules.address_keys = self
            .address_metadata
            .iter()
            .map(|key| key.as_str().into())
            .collect();
        if let Some(factor) = self.weight {
            match WeightFactor::new(factor) {
                Some(factor) => rules.weight = factor,
                None => faults.add(&["weight"], format!("`weight: {factor}` is below 0")),
            }
        }
        rules.drop = {
            let mut inner = Faults::default();
            let drop = patterns(&mut inner, "drop", &self.metadata.drop);
            faults.under("metadata", inner);
            drop
        };
        for (key, text) in &self.metadata.set {
            let path = ["metadata", "set", key.as_str()];
            if let Some(template) = faults.keep(&path, Template::parse(text)) {
                rules.set.push((key.as_str().into(), template));
            }
        }
        let gateway =
            |rule: &mapping::AddressRule| matches!(rule, mapping::AddressRule::Gateway { .. });
        rules.on_collision = match self.on_collision {
            Some(OnCollision::Add) => mapping::OnCollision::Add,
            Some(OnCollision::Report) => mapping::OnCollision::Report,
            None if rules.addresses.iter().any(gateway) => mapping::OnCollision::Add,
            None => mapping::OnCollision::Report,
        };
        rules
    }
}

/// Takes a template over where one is written.
fn template<F: Field>(
    faults: &mut Faults,
    key: &str,
    text: &Option<String>,
    into: &mut Template<F>,
) {
    let Some(text) = text else { return };
    if let Some(template) = faults.keep(&[key], Template::parse(text)) {
        *into = template;
    }
}

impl AddressRule {
    fn meaning(&self) -> Result<mapping::AddressRule, String> {
        match (&self.from, &self.to, &self.metadata) {
            (Some(from), Some(to), None) => mapping::AddressRule::parse(from, to),
            (None, Some(gateway), None) => mapping::AddressRule::gateway(gateway),
            (None, None, Some(key)) => Ok(mapping::AddressRule::metadata(key.as_str())),
            _ => {
                return Err(
                    "an address rule has `from` and `to`, or `to` alone, or `metadata` alone"
                        .to_owned(),
                );
            }
        }
        .map_err(|error| whole(&error))
    }
}

impl Link {
    /// What the link selects. Reads the file of services.
    ///
    /// # Errors
    /// With everything in `select` that cannot be used.
    pub fn scope(&self) -> Result<Scope, Faults> {
        self.select.scope().map_err(|inner| {
            let mut faults = Faults::default();
            faults.under("select", inner);
            faults
        })
    }

    /// How the link translates what it reads.
    ///
    /// # Errors
    /// With everything in `map` that cannot be used.
    pub fn mapping(&self) -> Result<Mapping, Faults> {
        let mut inner = Faults::default();
        let rules = self.map.rules(&mut inner);
        let mapping = inner.keep(&["metadata", "set"], Mapping::new(self.from.clone(), rules));
        let mut faults = Faults::default();
        faults.under("map", inner);
        match mapping {
            Some(mapping) => faults.or(mapping),
            None => Err(faults),
        }
    }

    /// What happens while the source stays lost. Where no time is said, which
    /// the check of a configuration refuses, nothing does.
    pub fn source_lost(&self) -> core::SourceLost {
        let SourceLost { policy, after } = self.source_lost;
        let Some(after) = after.map(Period::get) else {
            return core::SourceLost::Keep;
        };
        match policy {
            SourceLostPolicy::Keep => core::SourceLost::Keep,
            SourceLostPolicy::Deprioritize => core::SourceLost::Deprioritize { after },
            SourceLostPolicy::MarkUnavailable => core::SourceLost::MarkUnavailable { after },
        }
    }

    /// What happens to what went away at the source.
    pub fn removal_policy(&self) -> plan::RemovalPolicy {
        let Removal {
            policy,
            grace,
            expire_after,
        } = self.removal;
        let grace = grace.get();
        match policy {
            RemovalPolicy::Delete => plan::RemovalPolicy::Delete { grace },
            RemovalPolicy::MarkUnavailable => plan::RemovalPolicy::MarkUnavailable {
                grace,
                expire_after: expire_after.map(Duration::from),
            },
            RemovalPolicy::Keep => plan::RemovalPolicy::Keep,
        }
    }
}
