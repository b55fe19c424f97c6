//! Endpoints: the registries and consumers that links connect.

use std::net::SocketAddr;
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use syncline_connector_dns::config::DnsConfig;
use syncline_connector_embedded::config::EmbeddedConfig;
use syncline_connector_file::config::FileConfig;
use syncline_connector_nacos::config::NacosConfig;
use syncline_connector_prometheus::{Board, PrometheusFileConfig, PrometheusHttpConfig};
use syncline_connector_template::TemplateConfig;
use syncline_connector_webhook::config::WebhookConfig;
use syncline_connector_xds::XdsConfig;

/// A registry or a consumer. What may be said of it depends on its `kind`; each
/// connector owns that part.
// A mapping is read as the variant that its `kind` names (see `decode`), which
// is why serde needs no tag here and the schema does.
#[derive(Clone, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(tag = "kind")]
pub enum Endpoint {
    /// A Nacos server or cluster: a source or a target.
    Nacos(Box<NacosConfig>),
    /// A Nacos-compatible registry inside this process: a source or a target.
    Embedded(Box<EmbeddedConfig>),
    /// A file or a folder of files: a target.
    File(FileConfig),
    /// Prometheus's service discovery by file: a target.
    PrometheusFile(PrometheusFileConfig),
    /// Prometheus's service discovery over HTTP: a target.
    PrometheusHttp(PrometheusHttpConfig),
    /// A file rendered from a template, checked and reloaded: a target.
    Template(Box<TemplateConfig>),
    /// A DNS zone that this process answers for: a target.
    Dns(Box<DnsConfig>),
    /// A URL to which changes are posted: a target.
    Webhook(Box<WebhookConfig>),
    /// A control plane for Envoy and gRPC clients: a target.
    Xds(XdsConfig),
}

/// What an endpoint can be to a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Roles {
    /// Whether links may read from it.
    pub source: bool,
    /// Whether links may write to it.
    pub target: bool,
}

impl Endpoint {
    /// The kind as the configuration names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Nacos(_) => "nacos",
            Self::Embedded(_) => "embedded",
            Self::File(_) => "file",
            Self::PrometheusFile(_) => "prometheus-file",
            Self::PrometheusHttp(_) => "prometheus-http",
            Self::Template(_) => "template",
            Self::Dns(_) => "dns",
            Self::Webhook(_) => "webhook",
            Self::Xds(_) => "xds",
        }
    }

    /// What it can be to a link.
    pub fn roles(&self) -> Roles {
        match self {
            Self::Nacos(_) | Self::Embedded(_) => Roles {
                source: true,
                target: true,
            },
            _ => Roles {
                source: false,
                target: true,
            },
        }
    }

    /// Where it is, for people: its servers, its address, its path.
    pub fn place(&self) -> String {
        match self {
            Self::Nacos(nacos) => nacos
                .servers
                .iter()
                .map(|server| server.as_str())
                .collect::<Vec<_>>()
                .join(", "),
            Self::Embedded(embedded) => embedded.listen.to_string(),
            Self::File(file) => file.path.as_path().display().to_string(),
            Self::PrometheusFile(file) => file.path.as_path().display().to_string(),
            Self::PrometheusHttp(_) => Board::PATH.to_owned(),
            Self::Template(template) => template.path.as_path().display().to_string(),
            Self::Dns(dns) => format!("{} at {}", dns.zone, dns.listen),
            Self::Webhook(webhook) => webhook.url.to_string(),
            Self::Xds(xds) => xds.listen.to_string(),
        }
    }

    /// The file, or the folder of files, that it is.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(file.path.as_path()),
            Self::PrometheusFile(file) => Some(file.path.as_path()),
            Self::Template(template) => Some(template.path.as_path()),
            _ => None,
        }
    }

    /// The address at which others connect to it.
    pub(super) fn listens(&self) -> Option<SocketAddr> {
        match self {
            Self::Embedded(embedded) => Some(embedded.listen.http()),
            Self::Dns(dns) => Some(dns.listen),
            Self::Xds(xds) => Some(xds.listen),
            _ => None,
        }
    }

    /// Keys that do not fit together, and why.
    pub(super) fn contradictions(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Nacos(nacos) => nacos.contradictions(),
            Self::Embedded(embedded) => embedded.contradictions(),
            Self::File(file) => file.contradictions(),
            Self::PrometheusFile(file) => file.contradictions(),
            Self::PrometheusHttp(page) => page.contradictions(),
            Self::Template(template) => template.contradictions(),
            Self::Dns(dns) => dns.contradictions(),
            Self::Webhook(webhook) => webhook.contradictions(),
            Self::Xds(xds) => xds.contradictions(),
        }
    }
}
