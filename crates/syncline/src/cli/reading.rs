//! Looking into a registry from the command line.

use std::sync::Arc;

use anyhow::Context as _;
use syncline_connector_nacos::NacosSource;
use syncline_connector_nacos::config::{NacosConfig, Server};
use syncline_contract::source::{Coverage, ListEnd, Listed, SourceReport};
use syncline_contract::{Class, Source};
use syncline_model::scope::Scope;
use syncline_model::{EndpointName, NamespaceId, ServiceSet, View};
use tokio::sync::mpsc;

use super::route::Selection;
use super::{Context, Hinted, Usage};
use crate::config::Endpoint;

/// How many services may wait between who reads and who shows.
const WAITING_SERVICES: usize = 256;

/// A registry and the part of it that is meant.
pub(super) struct Reading {
    /// The registry as the user named it.
    pub(super) word: String,
    /// Who reads it.
    pub(super) source: Arc<dyn Source>,
    /// What is meant.
    pub(super) scope: Scope,
}

/// All that was read at once, sorted.
pub(super) struct Whole {
    /// The services with the instances that are meant.
    pub(super) services: Vec<Listed>,
    /// How far the list can be believed.
    pub(super) end: ListEnd,
}

impl Reading {
    /// Finds the registry that a word names.
    pub(super) fn of(context: &Context, word: &str, selection: Selection) -> anyhow::Result<Self> {
        let (endpoint, select) = context.endpoint(word)?;
        let source: Arc<dyn Source> = match endpoint {
            Endpoint::Nacos(config) => Arc::new(NacosSource::new(&config, word.into())),
            // It lives in another process, where it is a Nacos like any other.
            Endpoint::Embedded(config) => {
                let scheme = if config.tls.is_some() { "https://" } else { "" };
                let server = Server::try_from(format!("{scheme}{}", config.listen))
                    .with_context(|| format!("{} is no server address", config.listen))?;
                let config = NacosConfig::of(vec![server]);
                Arc::new(NacosSource::new(&config, EndpointName::from(word)))
            }
            consumer => {
                let kind = consumer.kind();
                let what = format!("is a {kind}, which can be written but not listed");
                return Err(Usage(format!("{word} {what}")).into());
            }
        };
        let scope = selection
            .over(select)
            .scope()
            .map_err(|faults| Usage(faults.to_string()))?;
        Ok(Self {
            word: crate::config::url::without_password(word),
            source,
            scope,
        })
    }

    /// Asks the registry what it is.
    pub(super) async fn describe(&self) -> anyhow::Result<SourceReport> {
        self.source.describe().await.map_err(|failure| {
            // A failure names the endpoint, which is called as the user called it.
            let hint = hint(failure.class);
            let error = anyhow::Error::from(failure);
            match hint {
                Some(hint) => Hinted::new(error, hint).into(),
                None => error,
            }
        })
    }

    /// Reads all that is meant.
    pub(super) async fn list(&self) -> Whole {
        let (sink, mut listed) = mpsc::channel(WAITING_SERVICES);
        let collect = async {
            let mut services = Vec::new();
            while let Some(service) = listed.recv().await {
                services.extend(self.meant(service));
            }
            services
        };
        let scopes = [self.scope.clone()];
        let (end, mut services) = tokio::join!(self.source.list(&scopes, sink), collect);
        services.sort_by(|a, b| a.service.cmp(&b.service));
        Whole { services, end }
    }

    /// The service with the instances that are meant; nothing where a condition
    /// lets none of them in.
    fn meant(&self, listed: Listed) -> Option<Listed> {
        let view = self.admitted(&listed.service, listed.view);
        let none = view.seen().is_some_and(|set| set.is_empty());
        let left = !(none && self.scope.condition.is_some());
        left.then_some(Listed { view, ..listed })
    }

    /// A view of the instances that the condition lets in. Where it has no
    /// answer, an instance is shown rather than hidden.
    pub(super) fn admitted(&self, service: &syncline_model::ServiceKey, view: View) -> View {
        if self.scope.condition.is_none() {
            return view;
        }
        let admit = |set: &Arc<ServiceSet>| {
            let admitted = set
                .instances()
                .iter()
                .filter(|instance| self.scope.admits(service, instance).unwrap_or(true));
            Arc::new(ServiceSet::new(admitted.cloned().collect()))
        };
        view.map(admit)
    }
}

impl Whole {
    /// What could not be read, or not be believed: where, and why.
    pub(super) fn doubts(&self) -> Vec<(String, String)> {
        let areas = self.end.areas.iter().filter_map(|area| {
            let why = area.coverage.doubt()?;
            let all = |name: Option<&str>| name.unwrap_or("*").to_owned();
            let namespace = all(area.namespace.as_ref().map(NamespaceId::as_str));
            let group = all(area.group.as_ref().map(|group| group.as_str()));
            Some((format!("{namespace}/{group}"), why.to_string()))
        });
        let services = self.services.iter().filter_map(|listed| {
            let why = listed.view.doubt()?;
            Some((listed.service.to_string(), why.to_string()))
        });
        areas.chain(services).collect()
    }

    /// Why nothing at all could be read.
    pub(super) fn failure(&self) -> Option<String> {
        let mut failures = self.end.areas.iter().map(|area| match &area.coverage {
            Coverage::Failed(why) => Some(why.to_string()),
            Coverage::Complete(_) | Coverage::Partial(_) | Coverage::Suspect(_) => None,
        });
        let first = failures.next()??;
        (self.services.is_empty() && failures.all(|why| why.is_some())).then_some(first)
    }
}

/// What a user can do about a failure.
fn hint(class: Class) -> Option<&'static str> {
    match class {
        Class::Transient => {
            Some("does a Nacos server listen there? its HTTP port is 8848 unless it was changed")
        }
        Class::Malformed | Class::Unsupported | Class::NotFound => Some(
            "something answers there that is not Nacos's naming API; use the HTTP port (8848), \
             not that of gRPC (9848) or the console (8080), and see context_path",
        ),
        Class::Unauthenticated => Some("check the user, and the password in NACOS_PASSWORD"),
        Class::Forbidden => {
            Some("the user may not read this; name a namespace or group that it may")
        }
        Class::NotReady => Some("the server is still starting, or its cluster has no leader"),
        Class::Throttled | Class::Conflict | Class::Fatal => None,
    }
}
