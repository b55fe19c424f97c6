//! What can be said of a template in a configuration.

use schemars::JsonSchema;
use serde::Deserialize;
use syncline_contract::{Debounce, FilePath, Period};

/// A file that is rendered from a template, checked, put in place and taken
/// over by whoever reads it.
#[derive(Clone, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateConfig {
    /// The template, in the language of Jinja.
    pub template: FilePath,

    /// The file that is rendered.
    pub path: FilePath,

    /// The language of the file, by which values are quoted. Told by the ending
    /// of `path` where that is `.json`, `.yaml`, `.yml`, `.sh` or `.env`.
    #[serde(default)]
    pub context: Option<Context>,

    /// A command that must succeed before the file counts, as a list of words.
    /// Where `{}` stands the path of the staged file is put, and the file comes
    /// in place only after; without `{}` it runs with the new file in place.
    #[serde(default)]
    pub check: Vec<String>,

    /// A command that makes the consumer read the file, as a list of words.
    #[serde(default)]
    pub reload: Vec<String>,

    /// HAProxy's `stats socket` with `level admin`: where only servers changed,
    /// the running process is told over it, and `reload` is for all else.
    #[serde(default)]
    pub runtime: Option<FilePath>,

    /// How long a command may take before it is killed with all it started.
    #[serde(default = "default_timeout")]
    pub timeout: Period,

    /// How long changes are gathered before the file is rendered.
    #[serde(default)]
    pub debounce: Debounce,
}

/// The language of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Context {
    /// The configuration of nginx.
    Nginx,
    /// The configuration of HAProxy.
    Haproxy,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// A POSIX shell, or `NAME=value` lines.
    Shell,
    /// `/etc/hosts` and what dnsmasq reads: names and addresses alone.
    Hosts,
    /// Anything in lines; nothing is quoted.
    Plain,
}

fn default_timeout() -> Period {
    Period::from_secs(30)
}

impl TemplateConfig {
    /// The language of the file: as said, else as its name tells.
    pub fn context(&self) -> Option<Context> {
        let ending = self
            .path
            .as_path()
            .extension()
            .and_then(|ending| ending.to_str());
        let told = match ending {
            Some("json") => Some(Context::Json),
            Some("yaml" | "yml") => Some(Context::Yaml),
            Some("sh" | "env") => Some(Context::Shell),
            _ => None,
        };
        self.context.or(told)
    }

    /// Keys that do not fit together, and why.
    pub fn contradictions(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if self.context().is_none() {
            let why = format!(
                "is needed: the name {} does not tell in which language values are to be quoted; \
                 write one of nginx, haproxy, json, yaml, shell, hosts, plain",
                self.path.as_path().display()
            );
            found.push(("context", why));
        }
        for (key, command) in [("check", &self.check), ("reload", &self.reload)] {
            if command.first().is_some_and(String::is_empty) {
                found.push((key, "begins with an empty word".to_owned()));
            }
        }
        if self.timeout == Period::ZERO {
            found.push(("timeout", "leaves commands no time at all".to_owned()));
        }
        if self.runtime.is_some()
            && (self.context() != Some(Context::Haproxy) || self.reload.is_empty())
        {
            let why =
                "is HAProxy's: it needs `context: haproxy`, and a `reload` for what it cannot do";
            found.push(("runtime", why.to_owned()));
        }
        found.extend(self.debounce.contradiction().map(|why| ("debounce", why)));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(path: &str) -> TemplateConfig {
        TemplateConfig {
            template: FilePath::new("t.j2"),
            path: FilePath::new(path),
            context: None,
            check: Vec::new(),
            reload: Vec::new(),
            runtime: None,
            timeout: default_timeout(),
            debounce: Debounce::default(),
        }
    }

    #[test]
    fn the_ending_tells_the_language_where_it_can() {
        assert_eq!(config("a.yml").context(), Some(Context::Yaml));
        assert_eq!(config("a.env").context(), Some(Context::Shell));
        let said = |config: TemplateConfig| {
            let found = config.contradictions().into_iter();
            found
                .map(|(key, why)| format!("{key} {why}"))
                .collect::<String>()
        };
        assert_eq!(said(config("a.json")), "");
        assert!(said(config("nginx.conf")).starts_with("context is needed: the name nginx.conf"));
        let nginx = TemplateConfig {
            context: Some(Context::Nginx),
            ..config("nginx.conf")
        };
        assert_eq!(said(nginx.clone()), "");
        let runtime = Some(FilePath::new("socket"));
        assert!(said(TemplateConfig { runtime, ..nginx }).starts_with("runtime is HAProxy's"));
        let timeout = Period::ZERO;
        assert!(
            said(TemplateConfig {
                timeout,
                ..config("a.json")
            })
            .starts_with("timeout leaves")
        );
    }
}
