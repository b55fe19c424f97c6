//! What a link gives the page.

use std::sync::Arc;

use async_trait::async_trait;
use syncline_contract::{Debounce, Failure, Lasting, Output, OutputReport, Snapshot};
use syncline_model::ServiceKey;

use crate::board::Board;
use crate::config::PrometheusHttpConfig;
use crate::group::Origin;

/// A link's part of the page.
#[derive(Debug)]
pub struct PrometheusPage {
    board: Arc<Board>,
    origin: Origin,
    debounce: Debounce,
}

impl PrometheusPage {
    /// An output as configured.
    pub fn new(config: &PrometheusHttpConfig, board: &Arc<Board>, origin: Origin) -> Self {
        Self {
            board: Arc::clone(board),
            origin,
            debounce: config.debounce,
        }
    }
}

#[async_trait]
impl Output for PrometheusPage {
    fn describe(&self) -> OutputReport {
        OutputReport {
            product: format!("{}?link={}", Board::PATH, self.origin.link),
            debounce: self.debounce,
            lasting: Lasting::Ends,
        }
    }

    async fn render(&self, snapshot: &Snapshot, _: &[ServiceKey]) -> Result<(), Failure> {
        self.board.show(&self.origin, snapshot.clone());
        Ok(())
    }
}
