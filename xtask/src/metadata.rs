//! What cargo knows of the workspace and its dependencies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::step;

/// The answer of `cargo metadata`, as far as chores ask.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The folder of the root manifest.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    /// Our own crates.
    pub(crate) members: Vec<Package>,
    /// Everybody else's.
    pub(crate) foreign: Vec<Package>,
    /// Which package (by id) uses which to build, what only tests use left out.
    pub(crate) uses: BTreeMap<String, Vec<String>>,
}

/// A crate.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// The SPDX expression, if the crate names one.
    pub(crate) license: Option<String>,
    /// Where it came from; `None` for our own.
    pub(crate) source: Option<String>,
    /// The folder of its manifest.
    pub(crate) folder: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) has_library: bool,
}

/// An arrow from one crate to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Whether only tests, examples and benches use it.
    pub(crate) dev: bool,
}

impl Workspace {
    /// Asks cargo. Only crates for the platforms at hand are resolved by name; all are listed.
    pub(crate) fn load() -> anyhow::Result<Self> {
        let output = step::cargo()
            .args(["metadata", "--format-version", "1"])
            .stderr(std::process::Stdio::inherit())
            .output()
            .context("start cargo metadata")?;
        ensure!(output.status.success(), "cargo metadata failed");
        Self::parse(&serde_json::from_slice(&output.stdout).context("read cargo metadata")?)
    }

    fn parse(metadata: &Value) -> anyhow::Result<Self> {
        let members: BTreeSet<&str> = array(metadata, "workspace_members")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let packages = array(metadata, "packages")
            .iter()
            .map(package)
            .collect::<anyhow::Result<Vec<_>>>()?;
        let (members, foreign) = packages
            .into_iter()
            .partition(|package| members.contains(package.id.as_str()));
        let nodes = array(&metadata["resolve"], "nodes").iter();
        Ok(Self {
            root: text(metadata, "workspace_root")?.into(),
            target: text(metadata, "target_directory")?.into(),
            members,
            foreign,
            uses: nodes
                .map(|node| Ok((text(node, "id")?, used(node)?)))
                .collect::<anyhow::Result<_>>()?,
        })
    }
}

/// What a node of the resolved graph uses to build.
fn used(node: &Value) -> anyhow::Result<Vec<String>> {
    let is_built_with = |used: &&Value| {
        array(used, "dep_kinds")
            .iter()
            .any(|kind| kind["kind"].as_str() != Some("dev"))
    };
    array(node, "deps")
        .iter()
        .filter(is_built_with)
        .map(|used| text(used, "pkg"))
        .collect()
}

fn package(value: &Value) -> anyhow::Result<Package> {
    let manifest = PathBuf::from(text(value, "manifest_path")?);
    let dependency = |value: &Value| {
        Ok(Dependency {
            name: text(value, "name")?,
            dev: value["kind"].as_str() == Some("dev"),
        })
    };
    Ok(Package {
        id: text(value, "id")?,
        name: text(value, "name")?,
        version: text(value, "version")?,
        license: value["license"].as_str().map(str::to_owned),
        source: value["source"].as_str().map(str::to_owned),
        folder: manifest
            .parent()
            .context("a manifest lies in a folder")?
            .to_owned(),
        dependencies: array(value, "dependencies")
            .iter()
            .map(dependency)
            .collect::<anyhow::Result<_>>()?,
        has_library: array(value, "targets")
            .iter()
            .any(|target| target["kind"][0] == "lib"),
    })
}

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value, key: &str) -> anyhow::Result<String> {
    value[key]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("cargo metadata lacks {key}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tells_our_crates_from_others_and_tests_from_builds() {
        let package = |name: &str, source: Value| {
            json!({
                "id": name, "name": name, "version": "1.0.0", "license": "MIT", "source": source,
                "manifest_path": format!("/w/{name}/Cargo.toml"),
                "dependencies": [{"name": "b", "kind": null}, {"name": "c", "kind": "dev"}],
                "targets": [{"kind": ["lib"]}],
            })
        };
        let metadata = json!({
            "workspace_root": "/w", "target_directory": "/w/target", "workspace_members": ["a"],
            "packages": [package("a", Value::Null), package("b", json!("registry"))],
            "resolve": {"nodes": [{"id": "a", "deps": [
                {"pkg": "b", "dep_kinds": [{"kind": null}, {"kind": "dev"}]}, {"pkg": "c", "dep_kinds": [{"kind": "dev"}]},
            ]}]},
        });
        let workspace = Workspace::parse(&metadata).unwrap();
        assert_eq!(workspace.members[0].name, "a");
        assert_eq!(workspace.members[0].folder, PathBuf::from("/w/a"));
        let dev: Vec<bool> = workspace.members[0]
            .dependencies
            .iter()
            .map(|dependency| dependency.dev)
            .collect();
        assert_eq!(dev, [false, true]);
        assert_eq!(workspace.foreign[0].source.as_deref(), Some("registry"));
        assert_eq!(workspace.uses["a"], ["b"]);
        assert!(Workspace::parse(&json!({})).is_err());
    }
}
