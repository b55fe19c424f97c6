//! Files and the page, by what every output owes its consumers.

use std::path::PathBuf;
use std::sync::Arc;

use http::Request;
use serde_json::Value;
use syncline_connector_prometheus::config::{Format, Layout};
use syncline_connector_prometheus::{
    Board, Origin, PrometheusFile, PrometheusFileConfig, PrometheusHttpConfig, PrometheusPage,
};
use syncline_contract::{Debounce, FilePath, Output, Page};
use syncline_model::{EndpointName, LinkName, ServiceKey};
use syncline_testkit::output::{Consumer, Entry, List, conforms};
use tempfile::TempDir;

fn origin() -> Origin {
    Origin {
        source: EndpointName::from("hangzhou"),
        link: LinkName::from("hz-scrape"),
    }
}

/// Adds what Prometheus makes of a document to a list. Names of labels are
/// looked at as 2.x does, which refuses a whole document for a bad one.
fn discover(document: &Value, list: &mut List) {
    for group in document.as_array().expect("a list") {
        let [target] = &group["targets"].as_array().expect("targets")[..] else {
            panic!("one target a group: {group}")
        };
        let labels = group["labels"].as_object().expect("labels");
        assert_eq!(group.as_object().map(|group| group.len()), Some(2));
        for name in labels.keys() {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            assert!(name.chars().all(plain), "{name:?}");
        }
        let label = |name: &str| {
            let label = labels[&format!("__meta_nacos_{name}")].as_str();
            label.expect("a text").to_owned()
        };
        let key = ServiceKey::new(label("namespace"), label("group"), label("service"));
        let metadata = labels
            .iter()
            .filter(|(name, _)| name.starts_with("__meta_nacos_metadata_"))
            .map(|(_, value)| value.as_str().expect("a text").to_owned());
        let entry = Entry {
            address: target.as_str().expect("a text").to_owned(),
            cluster: label("cluster"),
            weight: label("weight"),
            healthy: label("healthy").parse().ok(),
            enabled: label("enabled").parse().expect("a truth"),
            metadata: metadata.collect(),
        };
        list.entry(key).or_default().insert(entry);
    }
}

struct Watcher {
    folder: TempDir,
    layout: Layout,
    format: Format,
}

impl Watcher {
    fn of(layout: Layout, format: Format) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            layout,
            format,
        }
    }

    fn path(&self) -> PathBuf {
        match self.layout {
            Layout::One => self
                .folder
                .path()
                .join(format!("nacos.{}", self.format.extension())),
            Layout::PerService => self.folder.path().join("targets"),
        }
    }

    /// What `*.json` or `*.yaml` of a folder is to Prometheus: hidden files too,
    /// and nothing in folders below.
    fn files(&self) -> Vec<PathBuf> {
        if self.layout == Layout::One {
            return vec![self.path()];
        }
        let entries = std::fs::read_dir(self.path()).expect("listed");
        let paths = entries.map(|entry| entry.expect("readable").path());
        let mut files: Vec<_> = paths
            .filter(|path| path.to_string_lossy().ends_with(self.format.extension()))
            .collect();
        files.sort();
        files
    }
}

impl Consumer for Watcher {
    fn output(&self) -> Arc<dyn Output> {
        let config = PrometheusFileConfig {
            path: FilePath::new(self.path()),
            layout: self.layout,
            format: Some(self.format),
            debounce: Debounce::default(),
        };
        assert_eq!(config.contradictions(), []);
        Arc::new(PrometheusFile::new(&config, origin()))
    }

    fn reads(&self) -> Option<List> {
        if !self.path().exists() {
            return None;
        }
        let mut list = List::new();
        for path in self.files() {
            let text = std::fs::read_to_string(path).expect("readable");
            let document: Value = match self.format {
                Format::Json => serde_json::from_str(&text).expect("JSON"),
                Format::Yaml => serde_saphyr::from_str(&text).expect("YAML"),
            };
            discover(&document, &mut list);
        }
        Some(list)
    }

    fn bytes(&self) -> Vec<u8> {
        let files = self.files().into_iter();
        let bytes = files.map(|path| std::fs::read(path).expect("readable"));
        bytes.flatten().collect()
    }
}

struct Asker(Arc<Board>);

impl Asker {
    fn new() -> Self {
        let board = Arc::new(Board::default());
        board.expect([origin().link]);
        Self(board)
    }

    fn asks(&self) -> (u16, Vec<u8>) {
        let request = Request::get(Board::PATH).body(()).expect("a request");
        let response = self.0.answer(&request);
        (response.status().as_u16(), response.into_body().to_vec())
    }
}

impl Consumer for Asker {
    fn output(&self) -> Arc<dyn Output> {
        let config = PrometheusHttpConfig::default();
        Arc::new(PrometheusPage::new(&config, &self.0, origin()))
    }

    fn reads(&self) -> Option<List> {
        let (200, body) = self.asks() else {
            return None;
        };
        let document = serde_json::from_slice(&body).expect("JSON");
        let mut list = List::new();
        discover(&document, &mut list);
        Some(list)
    }

    fn bytes(&self) -> Vec<u8> {
        self.asks().1
    }
}

#[tokio::test]
async fn one_file_conforms_as_json_and_as_yaml() {
    conforms(|| Watcher::of(Layout::One, Format::Json)).await;
    conforms(|| Watcher::of(Layout::One, Format::Yaml)).await;
}

#[tokio::test]
async fn a_file_for_each_service_conforms_as_json_and_as_yaml() {
    conforms(|| Watcher::of(Layout::PerService, Format::Json)).await;
    conforms(|| Watcher::of(Layout::PerService, Format::Yaml)).await;
}

#[tokio::test]
async fn the_page_conforms() {
    conforms(Asker::new).await;
}
