//! What outputs show over HTTP, on the daemon's own server.

use std::sync::Arc;

use syncline_connector_prometheus::Board;
use syncline_contract::Page;

use super::Options;
use crate::config::{Config, Endpoint};

/// The pages of a daemon. They outlive a change of the configuration, so that
/// links that stay show what they show.
#[derive(Clone, Default)]
pub(super) struct Pages {
    pub(super) prometheus: Arc<Board>,
}

impl Pages {
    /// Tells each page which links lead there from now on.
    pub(super) fn expect(&self, config: &Config, options: &Options) {
        let links = config.links.iter().filter(|link| options.runs(&link.name));
        let leads_there = |to| {
            let endpoint = config.endpoints.get(to);
            matches!(endpoint, Some(Endpoint::PrometheusHttp(_)))
        };
        let links = links.filter(|link| leads_there(&link.to));
        self.prometheus.expect(links.map(|link| link.name.clone()));
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Arc<dyn Page>> {
        vec![Arc::clone(&self.prometheus) as Arc<dyn Page>]
    }
}
