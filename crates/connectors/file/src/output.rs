//! The output: renders snapshots into files.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use syncline_contract::{Class, Debounce, Failure, Lasting, Output, OutputReport, Snapshot, Whose};
use syncline_files::{FileChange, OnlyWriter, put_all, service_path};
use syncline_model::{ServiceKey, ServiceSet};

use crate::config::{FileConfig, Format, Layout};
use crate::{document, yaml};

/// A file, or a folder of files, that holds the whole list.
#[derive(Debug)]
pub struct FileOutput {
    path: PathBuf,
    layout: Layout,
    format: Format,
    debounce: Debounce,
    writer: Arc<OnlyWriter>,
}

impl FileOutput {
    /// An output as configured.
    pub fn new(config: &FileConfig) -> Self {
        let path = config.path.as_path();
        let writer = match config.layout {
            Layout::One => OnlyWriter::of_file(path),
            Layout::PerService => OnlyWriter::of_folder(path),
        };
        Self {
            path: path.to_owned(),
            layout: config.layout,
            format: config.format,
            debounce: config.debounce,
            writer: Arc::new(writer),
        }
    }

    fn whole(&self, snapshot: &Snapshot) -> Result<Vec<u8>, serde_json::Error> {
        match self.format {
            Format::Json => document::whole(snapshot),
            Format::Yaml => Ok(yaml::whole(snapshot)),
        }
    }

    /// The file of one service; none where the service has no instance.
    fn of_service(
        &self,
        snapshot: &Snapshot,
        service: &ServiceKey,
    ) -> Result<FileChange, serde_json::Error> {
        let path = service_path(service, self.format.extension());
        let document = |set: &Arc<ServiceSet>| match self.format {
            Format::Json => document::single(service, set),
            Format::Yaml => Ok(yaml::single(service, set)),
        };
        let bytes = snapshot.get(service).map(document).transpose()?;
        Ok((self.path.join(path), bytes))
    }
}

#[async_trait]
impl Output for FileOutput {
    fn describe(&self) -> OutputReport {
        OutputReport {
            product: self.path.display().to_string(),
            debounce: self.debounce,
            lasting: Lasting::Stays,
        }
    }

    async fn render(&self, snapshot: &Snapshot, changed: &[ServiceKey]) -> Result<(), Failure> {
        let files = match self.layout {
            Layout::One => self
                .whole(snapshot)
                .map(|document| vec![(self.path.clone(), Some(document))]),
            Layout::PerService => changed
                .iter()
                .map(|service| self.of_service(snapshot, service))
                .collect(),
        };
        let files = files.map_err(|error| {
            Failure::new(Class::Fatal, format!("render {}", self.path.display()))
                .blaming(Whose::Us)
                .because(error)
        })?;
        put_all(&self.writer, files).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_contract::FilePath;
    use syncline_model::{Instance, Port};

    fn output(path: impl Into<PathBuf>, layout: Layout) -> FileOutput {
        FileOutput::new(&FileConfig {
            path: FilePath::new(path),
            layout,
            format: Default::default(),
            debounce: Default::default(),
        })
    }

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
        let output = output(folder.path(), Layout::PerService);
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
        let output = output(&path, Layout::One);
        output.render(&Snapshot::new(), &[]).await.expect("written");
        let text = std::fs::read_to_string(path).expect("there");
        assert_eq!(text, "{\n  \"services\": []\n}\n");
    }

    /// Parts of names that lead elsewhere on some system, or into a terminal.
    const HOSTILE: [&str; 25] = [
        "..",
        "../..",
        "../../etc/passwd",
        "/etc/passwd",
        "..\\..\\boot.ini",
        "C:\\x",
        ".",
        "",
        ".hidden",
        "~root",
        "a/../b",
        "a//b",
        "%2e%2e%2f",
        "\0",
        "a\0b",
        "a\nb",
        "a\r\nb",
        "\u{1b}[2J",
        "\u{202e}gpj.exe",
        "CON",
        "nul.json",
        "-rf",
        "$(id)",
        "`id`;|&",
        "a:b@@c",
    ];

    /// All files but the lock.
    fn files_below(folder: &std::path::Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).expect("listed");
        let below = entries.map(|entry| entry.expect("readable").path());
        let below = below.filter(|path| !path.ends_with(".syncline.lock"));
        below
            .flat_map(|path| match path.is_dir() {
                true => files_below(&path),
                false => vec![path],
            })
            .collect()
    }

    #[tokio::test]
    async fn no_name_leads_out_of_the_folder() {
        let outside = tempfile::tempdir().expect("a folder");
        let output = output(outside.path().join("inside"), Layout::PerService);
        let long = "x".repeat(512);
        let names = HOSTILE.into_iter().chain([long.as_str()]);
        let services: Vec<ServiceKey> = names
            .flat_map(|name| {
                let doubled = format!("{name}{name}");
                [
                    ServiceKey::new("public", "G", name),
                    ServiceKey::new("public", name, "s"),
                    ServiceKey::new(name, "G", "s"),
                    ServiceKey::new(name, name, name),
                    ServiceKey::new("public", "G", format!("a{name}")),
                    ServiceKey::new("public", "G", format!("{name}.b")),
                    ServiceKey::new("public", doubled.as_str(), "t"),
                    ServiceKey::new(doubled.as_str(), "H", format!("{name}/{name}")),
                ]
            })
            .collect();
        let set = Arc::clone(&snapshot(&["a"]).into_values().next().expect("one"));
        let all: Snapshot = services.iter().map(|s| (s.clone(), set.clone())).collect();
        assert!(all.len() >= 190, "{} names", all.len());
        let changed: Vec<ServiceKey> = all.keys().cloned().collect();
        output.render(&all, &changed).await.expect("written");
        let written = files_below(outside.path());
        assert_eq!(written.len(), all.len(), "each has a file of its own");
        for path in &written {
            let below = path.strip_prefix(&output.path).expect("inside");
            assert_eq!(below.components().count(), 3, "{}", below.display());
        }
        output
            .render(&Snapshot::new(), &changed)
            .await
            .expect("removed");
        assert_eq!(files_below(outside.path()).len(), 0);
    }
}
