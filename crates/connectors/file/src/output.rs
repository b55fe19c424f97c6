//! The output: renders snapshots into files.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use syncline_contract::{Class, Failure, Output, Snapshot, Whose};
use syncline_model::{ServiceKey, ServiceSet};

use crate::config::{FileConfig, Layout};
use crate::{document, name, replace};

/// A file, or a folder of files, that holds the whole list.
#[derive(Debug)]
pub struct FileOutput {
    path: Arc<PathBuf>,
    layout: Layout,
}

impl FileOutput {
    /// An output as configured.
    pub fn new(config: &FileConfig) -> Self {
        Self {
            path: Arc::new(config.path.as_path().to_owned()),
            layout: config.layout,
        }
    }

    /// What it is, for status lines.
    pub fn product(&self) -> String {
        self.path.display().to_string()
    }
}

#[async_trait]
impl Output for FileOutput {
    async fn render(&self, snapshot: &Snapshot, changed: &[ServiceKey]) -> Result<(), Failure> {
        let files = match self.layout {
            Layout::One => vec![(self.path.to_path_buf(), Some(document::whole(snapshot)))],
            Layout::PerService => changed
                .iter()
                .map(|service| {
                    let rendered = |set: &Arc<ServiceSet>| document::single(service, set);
                    let path = self.path.join(name::relative_path(service));
                    (path, snapshot.get(service).map(rendered))
                })
                .collect(),
        };
        // Writing and syncing block, and may block for long on a sick disk.
        tokio::task::spawn_blocking(move || files.into_iter().try_for_each(write))
            .await
            .map_err(|panic| Failure::new(Class::Fatal, "render a file").because(panic))?
    }
}

type File = (PathBuf, Option<Result<Vec<u8>, serde_json::Error>>);

fn write((path, bytes): File) -> Result<(), Failure> {
    let written = match bytes {
        Some(bytes) => {
            let bytes = bytes.map_err(|error| failure(&path, error))?;
            replace::replace(&path, &bytes)
        }
        None => replace::remove(&path),
    };
    written.map_err(|error| failure(&path, error))
}

fn failure(
    path: &std::path::Path,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Failure {
    Failure::new(Class::Transient, format!("write {}", path.display()))
        .blaming(Whose::Us)
        .because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_model::{Instance, Port};

    fn snapshot(services: &[&str]) -> Snapshot {
        let set = Arc::new(ServiceSet::new(vec![Instance::new(
            "10.0.0.1",
            Port::new(80).expect("not zero"),
        )]));
        services
            .iter()
            .map(|name| (ServiceKey::new("public", "G", *name), Arc::clone(&set)))
            .collect()
    }

    #[tokio::test]
    async fn one_file_per_service_comes_and_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let output = FileOutput {
            path: Arc::new(folder.path().to_owned()),
            layout: Layout::PerService,
        };
        let both: Vec<_> = snapshot(&["a", "b/c"]).into_keys().collect();
        output
            .render(&snapshot(&["a", "b/c"]), &both)
            .await
            .expect("written");
        assert!(folder.path().join("public/G/b%2Fc.json").is_file());
        output
            .render(&snapshot(&["a"]), &both[1..])
            .await
            .expect("written");
        assert!(!folder.path().join("public/G/b%2Fc.json").exists());
        assert!(folder.path().join("public/G/a.json").is_file());
    }

    #[tokio::test]
    async fn a_list_without_services_is_a_valid_document() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("services.json");
        let output = FileOutput {
            path: Arc::new(path.clone()),
            layout: Layout::One,
        };
        output.render(&Snapshot::new(), &[]).await.expect("written");
        let text = std::fs::read_to_string(path).expect("there");
        assert_eq!(text, "{\n  \"services\": []\n}\n");
    }
}
