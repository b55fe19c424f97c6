//! The table of connectors: what each kind of endpoint is to a link.

use std::sync::Arc;

use syncline_connector_dns::DnsConfig;
use syncline_connector_embedded::EmbeddedConfig;
use syncline_connector_file::FileOutput;
use syncline_connector_nacos::{NacosConfig, NacosSource, NacosTarget, TargetOptions};
use syncline_connector_prometheus::{Origin, PrometheusFile, PrometheusPage};
use syncline_connector_template::TemplateOutput;
use syncline_connector_webhook::WebhookTarget;
use syncline_contract::Source;
use syncline_engine::Sink;
use syncline_model::EndpointName;
use syncline_nacos::http::SetupError;
use syncline_registry::{ConfigUpstream, Registry};

use super::outlets::Outlets;
use super::{Options, ServedRegistry};
use crate::config::{Config, Endpoint, Link};

/// What a connector is told beside its own configuration.
pub(super) struct Surroundings<'a> {
    /// The embedded registries that are served.
    pub(super) registries: &'a [ServedRegistry],
    /// What consumers come to.
    pub(super) outlets: &'a Outlets,
    /// How many daemons run with this configuration.
    pub(super) replicas: usize,
}

impl<'a> Surroundings<'a> {
    pub(super) fn new(
        config: &Config,
        registries: &'a [ServedRegistry],
        outlets: &'a Outlets,
    ) -> Self {
        Self {
            registries,
            outlets,
            replicas: usize::from(config.install.replicas),
        }
    }

    fn registry(&self, endpoint: &EndpointName) -> Option<&Registry> {
        self.registries
            .iter()
            .find(|served| served.endpoint == *endpoint)
            .map(|served| &served.registry)
    }
}

/// How an endpoint is read; `None` for a consumer that cannot be.
pub(super) fn source(
    name: &EndpointName,
    endpoint: &Endpoint,
    around: &Surroundings<'_>,
) -> Option<Arc<dyn Source>> {
    match endpoint {
        Endpoint::Nacos(config) => Some(Arc::new(NacosSource::new(config, name.clone()))),
        Endpoint::Embedded(_) => {
            let registry = around.registry(name)?;
            Some(Arc::new(syncline_connector_embedded::source(registry)))
        }
        _ => None,
    }
}

/// How an endpoint is written by a link; `None` for what cannot be.
pub(super) fn sink(
    name: &EndpointName,
    endpoint: &Endpoint,
    link: &Link,
    around: &Surroundings<'_>,
) -> Option<Sink> {
    let origin = || Origin {
        source: link.from.clone(),
        link: link.name.clone(),
    };
    match endpoint {
        Endpoint::Nacos(config) => {
            let options = TargetOptions {
                replicas: around.replicas,
            };
            let target = NacosTarget::new(config, name.clone(), options);
            Some(Sink::Target(Arc::new(target)))
        }
        Endpoint::Embedded(_) => {
            let registry = around.registry(name)?;
            let target = syncline_connector_embedded::target(registry, &link.name);
            Some(Sink::Target(Arc::new(target)))
        }
        Endpoint::File(config) => {
            let output = FileOutput::new(config);
            Some(Sink::Output(Arc::new(output)))
        }
        Endpoint::PrometheusFile(config) => {
            let output = PrometheusFile::new(config, origin());
            Some(Sink::Output(Arc::new(output)))
        }
        Endpoint::PrometheusHttp(config) => {
            let board = &around.outlets.pages.prometheus;
            let output = PrometheusPage::new(config, board, origin());
            Some(Sink::Output(Arc::new(output)))
        }
        Endpoint::Template(config) => {
            let output = TemplateOutput::new(config);
            Some(Sink::Output(Arc::new(output)))
        }
        Endpoint::Dns(_) => {
            let target = around.outlets.zones.get(name)?.target(&link.name);
            Some(Sink::Target(Arc::new(target)))
        }
        Endpoint::Webhook(config) => {
            let target = WebhookTarget::new(config, &link.name);
            Some(Sink::Target(Arc::new(target)))
        }
        Endpoint::Xds(config) => {
            let output = around.outlets.planes.output(name, config);
            Some(Sink::Output(Arc::new(output)))
        }
    }
}

/// Whether copies at an endpoint carry a mark: a registry in our own process
/// and what consumers are given need none.
pub(super) fn marks(endpoint: &Endpoint) -> bool {
    matches!(endpoint, Endpoint::Nacos(_))
}

/// Whether consumers look for what an endpoint last had while nobody knows
/// better. A webhook's receiver has it already.
pub(super) fn serves_last_known(endpoint: &Endpoint) -> bool {
    !matches!(endpoint, Endpoint::Nacos(_) | Endpoint::Webhook(_))
}

/// The endpoints that the links of a run use, or all where no link is named.
pub(super) fn used_endpoints<'a>(
    config: &'a Config,
    options: &Options,
) -> impl Iterator<Item = (&'a EndpointName, &'a Endpoint)> {
    let used = |name: &EndpointName| {
        let runs = |link: &&Link| options.runs(&link.name);
        let mut links = config.links.iter().filter(runs);
        options.links.is_empty() || links.any(|link| link.from == *name || link.to == *name)
    };
    config.endpoints.iter().filter(move |(name, _)| used(name))
}

/// The embedded registries among them.
pub(super) fn embedded_endpoints<'a>(
    config: &'a Config,
    options: &Options,
) -> Vec<(&'a EndpointName, &'a EmbeddedConfig)> {
    let embedded = used_endpoints(config, options).filter_map(|(name, endpoint)| match endpoint {
        Endpoint::Embedded(embedded) => Some((name, &**embedded)),
        _ => None,
    });
    embedded.collect()
}

/// The DNS zones, in the same way.
pub(super) fn dns_endpoints<'a>(
    config: &'a Config,
    options: &Options,
) -> Vec<(&'a EndpointName, &'a DnsConfig)> {
    let zones = used_endpoints(config, options).filter_map(|(name, endpoint)| match endpoint {
        Endpoint::Dns(dns) => Some((name, &**dns)),
        _ => None,
    });
    zones.collect()
}

/// Where an embedded registry passes calls about configurations on to.
///
/// # Errors
/// What it names cannot be used as configured: a file that cannot be read, say.
pub(crate) fn configs_from(
    config: &Config,
    embedded: &EmbeddedConfig,
) -> Result<Option<ConfigUpstream>, SetupError> {
    let named = embedded.configs_from.as_deref().map(EndpointName::from);
    match named.and_then(|name| config.endpoints.get(&name)) {
        Some(Endpoint::Nacos(nacos)) => config_upstream(nacos).map(Some),
        _ => Ok(None),
    }
}

/// A Nacos to which calls about configurations are passed on.
///
/// # Errors
/// As [`configs_from`].
pub(crate) fn config_upstream(nacos: &NacosConfig) -> Result<ConfigUpstream, SetupError> {
    let (http, mut grpc) = syncline_connector_nacos::anonymous(nacos)?;
    grpc.labels.insert("module".to_owned(), "config".to_owned());
    Ok(ConfigUpstream::new(http, grpc))
}
