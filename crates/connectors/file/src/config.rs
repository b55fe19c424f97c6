//! What can be said of a file in a configuration.

use schemars::JsonSchema;
use serde::Deserialize;
use syncline_contract::{Debounce, FilePath};

/// A file, or a folder of files, that always holds a whole list.
#[derive(Clone, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// The file; with `layout: per-service` the folder.
    pub path: FilePath,

    /// One document, or one per service.
    #[serde(default)]
    pub layout: Layout,

    /// What is written.
    #[serde(default)]
    pub format: Format,

    /// How long changes are gathered before they are written.
    #[serde(default)]
    pub debounce: Debounce,
}

impl FileConfig {
    /// Keys that do not fit together, and why.
    pub fn contradictions(&self) -> Vec<(&'static str, String)> {
        let debounce = self.debounce.contradiction();
        debounce.map(|why| ("debounce", why)).into_iter().collect()
    }
}

/// How lists are spread over files.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// One document with all services.
    #[default]
    One,
    /// One document for each service.
    PerService,
}

/// What is written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// JSON, indented, in a stable order.
    #[default]
    Json,
    /// YAML that says the same, every text in quotes.
    Yaml,
}

impl Format {
    /// What the name of a service's file ends in.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Yaml => "yaml",
        }
    }
}
