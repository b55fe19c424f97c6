//! The file, by what every output owes its consumers.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use syncline_connector_file::config::Format;
use syncline_connector_file::{FileConfig, FileOutput, Layout};
use syncline_contract::{Debounce, FilePath, Output};
use syncline_model::ServiceKey;
use syncline_testkit::output::{Consumer, Entry, List, conforms};
use tempfile::TempDir;

struct Reader {
    folder: TempDir,
    layout: Layout,
    format: Format,
}

impl Reader {
    fn of(layout: Layout, format: Format) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            layout,
            format,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("list")
    }

    fn documents(&self) -> Vec<PathBuf> {
        match self.layout {
            Layout::One => vec![self.path()],
            Layout::PerService => files_below(&self.path()),
        }
    }
}

/// All files but the lock, in order.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("listed");
    let mut below: Vec<_> = entries
        .map(|entry| entry.expect("readable").path())
        .filter(|path| !path.ends_with(".syncline.lock"))
        .collect();
    below.sort();
    let below = below.into_iter().flat_map(|path| match path.is_dir() {
        true => files_below(&path),
        false => vec![path],
    });
    below.collect()
}

impl Consumer for Reader {
    fn output(&self) -> Arc<dyn Output> {
        Arc::new(FileOutput::new(&FileConfig {
            path: FilePath::new(self.path()),
            layout: self.layout,
            format: self.format,
            debounce: Debounce::default(),
        }))
    }

    fn reads(&self) -> Option<List> {
        if !self.path().exists() {
            return None;
        }
        let mut list = List::new();
        for path in self.documents() {
            let text = std::fs::read_to_string(path).expect("readable");
            let document: Value = match self.format {
                Format::Json => serde_json::from_str(&text).expect("JSON"),
                Format::Yaml => serde_saphyr::from_str(&text).expect("YAML"),
            };
            let services = match self.layout {
                Layout::One => document["services"].as_array().expect("services").clone(),
                Layout::PerService => vec![document],
            };
            list.extend(services.iter().map(service));
        }
        Some(list)
    }

    fn bytes(&self) -> Vec<u8> {
        let documents = self.documents().into_iter();
        let bytes = documents.map(|path| std::fs::read(path).expect("readable"));
        bytes.flatten().collect()
    }
}

fn service(document: &Value) -> (ServiceKey, BTreeSet<Entry>) {
    let [namespace, group, name] =
        ["namespace", "group", "service"].map(|key| document[key].as_str().expect("a name"));
    let instances = document["instances"].as_array().expect("instances");
    (
        ServiceKey::new(namespace, group, name),
        instances.iter().map(entry).collect(),
    )
}

fn entry(document: &Value) -> Entry {
    let text = |key: &str| document[key].as_str().expect("a text");
    let address = match text("ip") {
        ip if ip.contains(':') => format!("[{ip}]:{}", document["port"]),
        ip => format!("{ip}:{}", document["port"]),
    };
    let metadata = document["metadata"].as_object().expect("metadata");
    let values = metadata.values().map(|value| value.as_str().expect("text"));
    Entry {
        address,
        cluster: text("cluster").to_owned(),
        weight: document["weight"].as_f64().expect("a number").to_string(),
        healthy: document["healthy"].as_bool(),
        enabled: document["enabled"].as_bool().expect("a truth"),
        metadata: values.map(str::to_owned).collect(),
    }
}

#[tokio::test]
async fn one_document_conforms() {
    conforms(|| Reader::of(Layout::One, Format::Json)).await;
    conforms(|| Reader::of(Layout::One, Format::Yaml)).await;
}

#[tokio::test]
async fn a_document_for_each_service_conforms() {
    conforms(|| Reader::of(Layout::PerService, Format::Json)).await;
    conforms(|| Reader::of(Layout::PerService, Format::Yaml)).await;
}
