//! Control planes: consumers connect to them, so that their ports are taken at
//! the start, and kept while the configuration changes.

use std::collections::BTreeMap;

use syncline_connector_xds::{ControlPlane, XdsConfig, XdsOutput};
use syncline_engine::Mode;
use syncline_model::EndpointName;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{DaemonError, Options, connectors};
use crate::config::{Config, Endpoint};

/// What links write to, for clients of the control planes that are served.
#[derive(Clone, Default)]
pub(super) struct Planes(BTreeMap<EndpointName, XdsOutput>);

impl Planes {
    /// Serves those that the links of a run use. Clients that connect are
    /// answered once there is a whole list.
    pub(super) async fn serve(
        config: &Config,
        options: &Options,
        tasks: &TaskTracker,
        cancel: &CancellationToken,
    ) -> Result<Self, DaemonError> {
        let mut planes = BTreeMap::new();
        if options.mode == Mode::Dry {
            return Ok(Self(planes));
        }
        for (endpoint, config) in endpoints(config, options) {
            let bound = ControlPlane::bind(config).await;
            let plane = bound.map_err(|source| DaemonError::ControlPlane {
                endpoint: endpoint.clone(),
                source,
            })?;
            planes.insert(endpoint.clone(), plane.output());
            let (endpoint, cancel) = (endpoint.clone(), cancel.clone());
            tasks.spawn(async move {
                if let Err(error) = plane.serve(cancel).await {
                    tracing::error!(%endpoint, %error, "the control plane stopped serving");
                }
            });
        }
        Ok(Self(planes))
    }

    /// What a link writes to; clients see nothing of a control plane that is
    /// not served.
    pub(super) fn output(&self, endpoint: &EndpointName, config: &XdsConfig) -> XdsOutput {
        let served = self.0.get(endpoint).cloned();
        served.unwrap_or_else(|| XdsOutput::new(config.clone()))
    }
}

/// The control planes that the links of a run use, or that are configured where
/// no link is named.
pub(super) fn endpoints<'a>(
    config: &'a Config,
    options: &Options,
) -> Vec<(&'a EndpointName, &'a XdsConfig)> {
    let endpoints = connectors::used_endpoints(config, options);
    let planes = endpoints.filter_map(|(name, endpoint)| match endpoint {
        Endpoint::Xds(xds) => Some((name, xds)),
        _ => None,
    });
    planes.collect()
}
