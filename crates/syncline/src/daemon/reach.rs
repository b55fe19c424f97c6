//! Asking every endpoint of a configuration what it is, without running it.

use std::time::Duration;

use syncline_connector_template::TemplateOutput;
use syncline_contract::{Area, Class, Failure, Source, SourceReport, TargetReport};
use syncline_engine::Sink;
use syncline_model::EndpointName;
use syncline_model::scope::Scope;
use tokio::sync::mpsc;

use super::connectors::{self, Surroundings};
use super::outlets::Outlets;
use crate::config::{Config, Endpoint, Link};

/// How long an endpoint may take to say what it is and to be listed.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of asking one endpoint.
#[derive(Debug)]
pub struct Reached {
    /// Which one.
    pub endpoint: EndpointName,
    /// As a source, where a link reads from it.
    pub source: Option<Result<ReachedSource, Failure>>,
    /// As a target, where a link writes to it.
    pub target: Option<Result<TargetReport, Failure>>,
}

/// A source that answered.
#[derive(Debug)]
pub struct ReachedSource {
    /// What it says of itself.
    pub report: SourceReport,
    /// What of the links' scopes could not be read whole, and why.
    pub doubts: Vec<Area>,
}

/// Asks every server that a link of the configuration uses. Embedded registries
/// and DNS zones
/// are there when the daemon is, and a file is nobody to ask.
pub async fn reach(config: &Config) -> Vec<Reached> {
    let mut reached = Vec::new();
    for (name, endpoint) in &config.endpoints {
        if matches!(endpoint, Endpoint::Embedded(_)) {
            continue;
        }
        let from: Vec<&Link> = config.links.iter().filter(|l| l.from == *name).collect();
        let to = config.links.iter().find(|link| link.to == *name);
        let outlets = Outlets::default();
        let around = Surroundings::new(config, &[], &outlets);
        let source = match connectors::source(name, endpoint, &around) {
            Some(source) if !from.is_empty() => {
                Some(in_time(name, ask_source(&*source, &from)).await)
            }
            _ => None,
        };
        let target = match (to, endpoint) {
            // Whoever reads the file is nobody to ask; the template can be looked at.
            (Some(_), Endpoint::Template(config)) => Some(TemplateOutput::new(config).check()),
            (Some(link), _) => match connectors::sink(name, endpoint, link, &around) {
                Some(Sink::Target(target)) => Some(in_time(name, target.describe()).await),
                Some(Sink::Output(_)) | None => None,
            },
            (None, _) => None,
        };
        if source.is_some() || target.is_some() {
            reached.push(Reached {
                endpoint: name.clone(),
                source,
                target,
            });
        }
    }
    reached
}

async fn ask_source(source: &dyn Source, links: &[&Link]) -> Result<ReachedSource, Failure> {
    let report = source.describe().await?;
    let scopes: Vec<Scope> = links.iter().filter_map(|link| link.scope().ok()).collect();
    let (sink, mut listed) = mpsc::channel(256);
    let list = source.list(&scopes, sink);
    let ignore = async { while listed.recv().await.is_some() {} };
    let (end, ()) = tokio::join!(list, ignore);
    let doubtful = |area: &Area| area.coverage.doubt().is_some();
    Ok(ReachedSource {
        report,
        doubts: end.areas.into_iter().filter(doubtful).collect(),
    })
}

async fn in_time<T>(
    endpoint: &EndpointName,
    asked: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answered) => answered,
        Err(_) => Err(Failure::new(
            Class::Transient,
            format!("{endpoint}: no answer within {} s", PATIENCE.as_secs()),
        )),
    }
}
