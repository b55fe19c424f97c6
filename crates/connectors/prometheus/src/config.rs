//! What can be said of Prometheus in a configuration.

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use syncline_contract::{Debounce, FilePath};

/// A file for Prometheus's `file_sd_configs`, or a folder of them.
#[derive(Clone, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrometheusFileConfig {
    /// The file, which ends in `.json`, `.yml` or `.yaml`; with
    /// `layout: per-service` the folder.
    pub path: FilePath,

    /// One file, or one for each service.
    #[serde(default)]
    pub layout: Layout,

    /// With `layout: per-service`: what the files are. One file is what its name
    /// ends in.
    pub format: Option<Format>,

    /// How long changes are gathered before they are written.
    #[serde(default)]
    pub debounce: Debounce,
}

/// Prometheus's `http_sd_configs`: the page `/sd/prometheus` of the admin server.
#[derive(Clone, Copy, PartialEq, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrometheusHttpConfig {
    /// How long changes are gathered before the page shows them.
    #[serde(default)]
    pub debounce: Debounce,
}

/// How targets are spread over files.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// One file with the targets of all services.
    #[default]
    One,
    /// One file for each service, side by side, since Prometheus takes a pattern
    /// for the last part of a path alone.
    PerService,
}

/// What a file is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// JSON, a target group on each line.
    #[default]
    Json,
    /// YAML.
    Yaml,
}

impl Format {
    /// What the name of such a file ends in.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Yaml => "yaml",
        }
    }

    /// What Prometheus takes a file for, by its name; `None` for one that it
    /// does not read.
    fn of_name(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "json" | "JSON" => Some(Self::Json),
            "yml" | "yaml" | "YML" | "YAML" => Some(Self::Yaml),
            _ => None,
        }
    }
}

impl PrometheusFileConfig {
    /// What is written.
    pub fn format(&self) -> Format {
        let by_name = || match self.layout {
            Layout::One => Format::of_name(self.path.as_path()),
            Layout::PerService => None,
        };
        self.format.or_else(by_name).unwrap_or_default()
    }

    /// Keys that do not fit together, and why.
    pub fn contradictions(&self) -> Vec<(&'static str, String)> {
        let mut contradictions = Vec::new();
        let by_name = Format::of_name(self.path.as_path());
        match (self.layout, by_name, self.format) {
            (Layout::One, None, _) => contradictions.push((
                "path",
                "has to end in .json, .yml or .yaml: Prometheus reads no other file".to_owned(),
            )),
            (Layout::One, Some(by_name), Some(format)) if by_name != format => {
                contradictions.push((
                    "format",
                    format!(
                        "contradicts `path`: Prometheus takes {} for something else",
                        self.path.as_path().display()
                    ),
                ))
            }
            _ => {}
        }
        let debounce = self.debounce.contradiction();
        contradictions.extend(debounce.map(|why| ("debounce", why)));
        contradictions
    }
}

impl PrometheusHttpConfig {
    /// Keys that do not fit together, and why.
    pub fn contradictions(&self) -> Vec<(&'static str, String)> {
        let debounce = self.debounce.contradiction();
        debounce.map(|why| ("debounce", why)).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(path: &str, layout: Layout, format: Option<Format>) -> PrometheusFileConfig {
        PrometheusFileConfig {
            path: FilePath::new(path),
            layout,
            format,
            debounce: Debounce::default(),
        }
    }

    #[test]
    fn a_file_is_what_its_name_ends_in() {
        let one = |path| config(path, Layout::One, None);
        assert_eq!(one("a/nacos.json").format(), Format::Json);
        assert_eq!(one("a/nacos.yaml").format(), Format::Yaml);
        assert_eq!(
            config("a/targets.yml", Layout::PerService, None).format(),
            Format::Json
        );
    }

    #[test]
    fn what_prometheus_would_not_read_is_refused() {
        for (config, key) in [
            (config("nacos.txt", Layout::One, None), "path"),
            (config("nacos", Layout::One, Some(Format::Json)), "path"),
            (config("n.yml", Layout::One, Some(Format::Json)), "format"),
        ] {
            let contradictions = config.contradictions();
            assert_eq!(contradictions.len(), 1, "{contradictions:?}");
            assert_eq!(contradictions[0].0, key);
        }
        let fine = config("targets", Layout::PerService, Some(Format::Yaml));
        assert_eq!(fine.contradictions(), []);
    }
}
