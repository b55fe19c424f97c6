//! DNS zones: their addresses are taken with the start, and that a name is not
//! there is said once it is known what is.

use syncline_connector_dns::{ServedZone, Sockets};
use syncline_engine::core::Fill;
use syncline_engine::{Filling, Mode};
use syncline_model::EndpointName;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::opening::Fillers;
use super::{DaemonError, Options, connectors};
use crate::config::{Config, Link};

/// The zones of a configuration, by their endpoints.
#[derive(Clone, Default)]
pub(super) struct Zones(Vec<(EndpointName, ServedZone)>);

/// Makes the zones, and takes the addresses that they are to be served at. A
/// dry run takes none.
pub(super) async fn bind(
    config: &Config,
    options: &Options,
) -> Result<(Zones, Vec<Sockets>), DaemonError> {
    let (mut zones, mut taken) = (Vec::new(), Vec::new());
    for (endpoint, dns) in connectors::dns_endpoints(config, options) {
        if options.mode == Mode::Live {
            let sockets = Sockets::bind(dns.listen).await;
            taken.push(sockets.map_err(|source| DaemonError::ServeZone {
                endpoint: endpoint.clone(),
                source,
            })?);
        }
        zones.push((endpoint.clone(), ServedZone::new(dns)));
    }
    Ok((Zones(zones), taken))
}

impl Zones {
    /// The zone of an endpoint.
    pub(super) fn get(&self, endpoint: &EndpointName) -> Option<&ServedZone> {
        let mut zones = self.0.iter();
        zones
            .find(|(name, _)| name == endpoint)
            .map(|(_, zone)| zone)
    }

    /// Serves each at its sockets.
    pub(super) fn serve(
        &self,
        sockets: Vec<Sockets>,
        fillers: &Fillers,
        filling: &Filling,
        tasks: &TaskTracker,
        cancel: &CancellationToken,
    ) {
        for ((endpoint, zone), sockets) in self.0.iter().zip(sockets) {
            let (links, mut filling) = (fillers.fill(endpoint), filling.clone());
            let (filled, endpoint) = (zone.clone(), endpoint.clone());
            let open = async move {
                // An error means that the engine stops.
                if filling.reaches(Fill::LastKnown, &links).await.is_ok() {
                    tracing::info!(%endpoint, "the DNS zone is filled");
                    filled.open();
                }
            };
            let (zone, cancelled) = (zone.clone(), cancel.clone());
            tasks.spawn(async move {
                cancelled.run_until_cancelled(open).await;
            });
            let cancelled = cancel.clone();
            tasks.spawn(async move { zone.serve(sockets, cancelled).await });
        }
    }

    /// Forgets what links gave that do not fill a zone any more.
    pub(super) fn keep_only(&self, links: &[Link]) {
        for (endpoint, zone) in &self.0 {
            zone.retain_links(|name| {
                let mut links = links.iter();
                links.any(|link| link.name == *name && link.to == *endpoint)
            });
        }
    }
}
