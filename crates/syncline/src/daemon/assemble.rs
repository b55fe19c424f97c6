//! From a configuration to what the engine is told to do.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::str::FromStr;
use std::sync::Arc;

use croner::Cron;
use syncline_contract::Source;
use syncline_engine::core::LinkRules;
use syncline_engine::store::Install;
use syncline_engine::{EndpointSpec, EngineSpec, LinkSpec, Retired, Strategy};
use syncline_model::desire::{HealthPolicy, Marking, Rules};
use syncline_model::ownership::{KeyTooShort, Signer};
use syncline_model::scope::NamespacePattern;
use syncline_model::{EndpointName, LinkName};
use thiserror::Error;

use super::Options;
use super::connectors::{self, Surroundings};
use super::given::Given;
use super::peers;
use crate::config::{Config, Endpoint, Faults, Health, Link, Mode};

/// A configuration that does not hold together. What a file says is checked
/// with its place when it is read; this is for configurations made otherwise.
#[derive(Debug, Error)]
pub enum AssembleError {
    /// A link that is not there.
    #[error("there is no link `{0}`")]
    NoSuchLink(LinkName),
    /// An endpoint that is not there.
    #[error("link `{link}` names endpoint `{endpoint}`, which is not defined")]
    NoSuchEndpoint {
        /// Which link.
        link: LinkName,
        /// Which endpoint.
        endpoint: EndpointName,
    },
    /// An endpoint that cannot be what the link wants it to be.
    #[error("link `{link}` cannot {what} endpoint `{endpoint}`, which is of kind {kind}")]
    WrongRole {
        /// Which link.
        link: LinkName,
        /// Which endpoint.
        endpoint: EndpointName,
        /// Read or write.
        what: &'static str,
        /// What it is.
        kind: &'static str,
    },
    /// A setting that cannot mean anything.
    #[error("link `{link}`")]
    Setting {
        /// Which link.
        link: LinkName,
        /// What is wrong with it.
        source: Faults,
    },
    /// A strategy that lacks what it needs.
    #[error("link `{link}`: {why}")]
    Strategy {
        /// Which link.
        link: LinkName,
        /// What it lacks.
        why: String,
    },
    /// The install's key.
    #[error("the install's key cannot sign")]
    Key(#[from] KeyTooShort),
}

impl Options {
    /// Whether a link takes part.
    pub(super) fn runs(&self, link: &LinkName) -> bool {
        self.links.is_empty() || self.links.contains(link)
    }
}

/// Makes what the engine is told to do.
pub(super) fn assemble(
    config: &Config,
    install: &Install,
    options: &Options,
    around: Surroundings<'_>,
    given: &Given,
    retired: &[Retired],
) -> Result<EngineSpec, AssembleError> {
    for name in &options.links {
        if !config.links.iter().any(|link| link.name == *name) {
            return Err(AssembleError::NoSuchLink(name.clone()));
        }
    }
    let assembler = Assembler {
        config,
        signer: signer(install)?,
        given,
        around,
    };
    let mut sources = BTreeMap::new();
    let mut links = Vec::new();
    for link in config.links.iter().filter(|link| options.runs(&link.name)) {
        links.push(assembler.link(link, &mut sources)?);
    }
    for retired in retired {
        links.extend(assembler.retired(retired, &mut sources)?);
    }
    Ok(EngineSpec {
        endpoints: sources
            .into_iter()
            .map(|(name, source)| EndpointSpec { name, source })
            .collect(),
        links,
        mode: options.mode,
        peers: peers::settings(config),
        paused: Vec::new(),
    })
}

/// Who signs the marks of an install's copies.
pub(super) fn signer(install: &Install) -> Result<Signer, AssembleError> {
    Ok(Signer::new(install.id.clone(), install.key.bytes())?)
}

struct Assembler<'a> {
    config: &'a Config,
    signer: Signer,
    given: &'a Given,
    around: Surroundings<'a>,
}

impl Assembler<'_> {
    fn link(
        &self,
        link: &Link,
        sources: &mut BTreeMap<EndpointName, Arc<dyn Source>>,
    ) -> Result<LinkSpec, AssembleError> {
        let to = self.endpoint(link, &link.to)?;
        if !self.read(link, &link.from, sources)? {
            return Err(wrong_role(
                link,
                &link.from,
                "read",
                self.endpoint(link, &link.from)?,
            ));
        }
        let target_is_read = self.read(link, &link.to, sources)?;
        let made = || connectors::sink(&link.to, to, link, &self.around);
        let given = self.given.target(&link.name);
        let sink = given
            .or_else(made)
            .ok_or_else(|| wrong_role(link, &link.to, "write", to))?;
        let faulty = |source| AssembleError::Setting {
            link: link.name.clone(),
            source,
        };
        let marking = target_is_read.then(|| Marking {
            from: self.signer.hop(&link.from),
            to: self.signer.hop(&link.to),
            signer: self.signer.clone(),
            marks: connectors::marks(to),
        });
        let rules = LinkRules {
            name: link.name.clone(),
            from: link.from.clone(),
            to: link.to.clone(),
            target_is_read,
            rules: Rules {
                scope: link.scope().map_err(faulty)?,
                mapping: link.mapping().map_err(faulty)?,
                health: match link.health {
                    Health::Copy => HealthPolicy::Copy,
                    Health::Ignore => HealthPolicy::Ignore,
                },
                marking,
            },
            removal: link.removal_policy(),
            guard: link.guard.settings(),
            serves_last_known: connectors::serves_last_known(to),
            realtime: link.strategy.mode == Mode::Realtime,
            source_lost: link.source_lost(),
            health_dwell: link.health_dwell.get(),
            removals_per_second: at_least_one(link.limits.removals_per_second),
            retired: false,
        };
        Ok(LinkSpec {
            rules,
            known_as: None,
            sink,
            strategy: strategy(link)?,
            verify_every: link.strategy.verify_every.get(),
            in_flight: in_flight(link),
        })
    }

    /// A link that is configured no more and whose copies are to be withdrawn:
    /// what it would be without anything to copy. A consumer's file stays as it
    /// is, and a zone forgets by itself.
    fn retired(
        &self,
        retired: &Retired,
        sources: &mut BTreeMap<EndpointName, Arc<dyn Source>>,
    ) -> Result<Option<LinkSpec>, AssembleError> {
        let Retired { link, to, .. } = retired;
        let as_link = Link::between(link.clone(), to.clone(), to.clone());
        match self.config.endpoints.get(to) {
            Some(Endpoint::Nacos(_) | Endpoint::Embedded(_)) => {}
            // What consumers read is nobody's to take back.
            Some(_) => return Ok(None),
            None => {
                tracing::warn!(%link, endpoint = %to, instances = retired.instances,
                    "the link is configured no more, and neither is the endpoint that it wrote \
                     to: its copies stay there as they are. Configure the endpoint again to have \
                     them withdrawn");
                return Ok(None);
            }
        }
        let mut spec = self.link(&as_link, sources)?;
        spec.known_as = Some(retired.ledger.clone());
        spec.rules.retired = true;
        let namespaces = retired.namespaces.iter().map(NamespacePattern::of);
        spec.rules.rules.scope.namespaces = namespaces.collect();
        tracing::warn!(%link, endpoint = %to, instances = retired.instances,
            "the link is configured no more: its copies are withdrawn, as far as the guard lets them");
        Ok(Some(spec))
    }

    /// Makes sure that an endpoint is read, once for all links; whether it can
    /// be.
    fn read(
        &self,
        link: &Link,
        name: &EndpointName,
        sources: &mut BTreeMap<EndpointName, Arc<dyn Source>>,
    ) -> Result<bool, AssembleError> {
        if sources.contains_key(name) {
            return Ok(true);
        }
        let endpoint = self.endpoint(link, name)?;
        let made = || connectors::source(name, endpoint, &self.around);
        let source = self.given.source(name).or_else(made);
        Ok(source
            .map(|source| sources.insert(name.clone(), source))
            .is_some())
    }

    fn endpoint(&self, link: &Link, name: &EndpointName) -> Result<&Endpoint, AssembleError> {
        self.config
            .endpoints
            .get(name)
            .ok_or_else(|| AssembleError::NoSuchEndpoint {
                link: link.name.clone(),
                endpoint: name.clone(),
            })
    }
}

fn wrong_role(
    link: &Link,
    endpoint: &EndpointName,
    what: &'static str,
    is: &Endpoint,
) -> AssembleError {
    AssembleError::WrongRole {
        link: link.name.clone(),
        endpoint: endpoint.clone(),
        what,
        kind: is.kind(),
    }
}

/// What the check of a configuration refuses, none at all, would do nothing
/// for ever.
fn at_least_one(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

fn in_flight(link: &Link) -> NonZeroUsize {
    NonZeroUsize::try_from(at_least_one(link.limits.in_flight)).unwrap_or(NonZeroUsize::MAX)
}

fn strategy(link: &Link) -> Result<Strategy, AssembleError> {
    let lacks = |why: String| AssembleError::Strategy {
        link: link.name.clone(),
        why,
    };
    match link.strategy.mode {
        Mode::Realtime => Ok(Strategy::Realtime),
        Mode::Event => Ok(Strategy::Event),
        Mode::Interval => match link.strategy.every {
            Some(every) => Ok(Strategy::Interval(every.get())),
            None => Err(lacks(
                "`mode: interval` needs `every`, such as 30s".to_owned(),
            )),
        },
        Mode::Cron => {
            let text = link.strategy.cron.as_deref().ok_or_else(|| {
                lacks("`mode: cron` needs `cron`, such as \"0 3 * * *\"".to_owned())
            })?;
            let cron = Cron::from_str(text)
                .map_err(|error| lacks(format!("`{text}` is no schedule: {error}")))?;
            Ok(Strategy::Cron(Box::new(cron)))
        }
    }
}
