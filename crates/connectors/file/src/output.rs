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
        tokio::task::spawn_blocking(move || write_all(files))
            .await
            .map_err(|panic| Failure::new(Class::Fatal, "render a file").because(panic))?
    }
}

type File = (PathBuf, Option<Result<Vec<u8>, serde_json::Error>>);

/// Writes each file, also after one that failed; the first failure is told.
fn write_all(files: Vec<File>) -> Result<(), Failure> {
    let mut failures = files.into_iter().filter_map(|file| write(file).err());
    let first = failures.next();
    failures.for_each(|failure| tracing::debug!("{}", failure.chain()));
    first.map_or(Ok(()), Err)
}

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

    fn files_below(folder: &std::path::Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).expect("listed");
        let below = entries.map(|entry| entry.expect("readable").path());
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
        let output = FileOutput {
            path: Arc::new(outside.path().join("inside")),
            layout: Layout::PerService,
        };
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
            let below = path.strip_prefix(output.path.as_ref()).expect("inside");
            assert_eq!(below.components().count(), 3, "{}", below.display());
        }
        output
            .render(&Snapshot::new(), &changed)
            .await
            .expect("removed");
        assert_eq!(files_below(outside.path()).len(), 0);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_holds_up_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let output = FileOutput {
            path: Arc::new(folder.path().to_owned()),
            layout: Layout::PerService,
        };
        std::fs::create_dir_all(folder.path().join("public/G/a.json")).expect("in the way");
        let both = snapshot(&["a", "b"]);
        let changed: Vec<_> = both.keys().cloned().collect();
        let failure = output
            .render(&both, &changed)
            .await
            .expect_err("in the way");
        assert!(failure.chain().contains("a.json"), "{}", failure.chain());
        assert!(folder.path().join("public/G/b.json").is_file());
    }
}
