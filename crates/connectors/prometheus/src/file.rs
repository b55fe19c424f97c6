//! Files for `file_sd_configs`.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use syncline_contract::{Debounce, Failure, Lasting, Output, OutputReport, Snapshot};
use syncline_files::{FileChange, OnlyWriter, put_all, service_file};
use syncline_model::ServiceKey;

use crate::config::{Format, Layout, PrometheusFileConfig};
use crate::group::Origin;

/// A file that Prometheus watches, or a folder of them.
#[derive(Debug)]
pub struct PrometheusFile {
    path: PathBuf,
    layout: Layout,
    format: Format,
    debounce: Debounce,
    origin: Origin,
    writer: Arc<OnlyWriter>,
}

impl PrometheusFile {
    /// An output as configured.
    pub fn new(config: &PrometheusFileConfig, origin: Origin) -> Self {
        let path = config.path.as_path();
        let writer = match config.layout {
            Layout::One => OnlyWriter::of_file(path),
            Layout::PerService => OnlyWriter::of_folder(path),
        };
        Self {
            path: path.to_owned(),
            layout: config.layout,
            format: config.format(),
            debounce: config.debounce,
            origin,
            writer: Arc::new(writer),
        }
    }

    fn whole(&self, snapshot: &Snapshot) -> FileChange {
        let mut groups = String::new();
        for (service, set) in snapshot {
            self.origin.groups(&mut groups, service, set, self.format);
        }
        let document = self.format.document(groups);
        (self.path.clone(), Some(document.into_bytes()))
    }

    /// One service's file; none where it has no instance, by which Prometheus
    /// forgets its targets.
    fn single(&self, snapshot: &Snapshot, service: &ServiceKey) -> FileChange {
        let name = service_file(service, self.format.extension());
        let document = snapshot.get(service).map(|set| {
            let mut groups = String::new();
            self.origin.groups(&mut groups, service, set, self.format);
            self.format.document(groups).into_bytes()
        });
        (self.path.join(name), document)
    }
}

#[async_trait]
impl Output for PrometheusFile {
    fn describe(&self) -> OutputReport {
        OutputReport {
            product: self.path.display().to_string(),
            debounce: self.debounce,
            lasting: Lasting::Stays,
        }
    }

    async fn render(&self, snapshot: &Snapshot, changed: &[ServiceKey]) -> Result<(), Failure> {
        let files = match self.layout {
            Layout::One => vec![self.whole(snapshot)],
            Layout::PerService => changed
                .iter()
                .map(|service| self.single(snapshot, service))
                .collect(),
        };
        put_all(&self.writer, files).await
    }
}
