//! What we ship is licensed, comes from crates.io, and is none of the banned crates: `deny.toml`, checked without
//! cargo-deny so that a clone with nothing but Rust can do it. cargo-deny itself, where installed, checks more.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::ensure;

use super::{Finding, licence};
use crate::metadata::{Package, Workspace};
use crate::rooms;

/// The only source of foreign crates.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What `deny.toml` says, as far as this check reads it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Policy {
    licences: Vec<String>,
    banned: BTreeSet<String>,
    /// Crates that may be there once, in one version.
    single: BTreeSet<String>,
}

impl Policy {
    /// Reads the lists `allow` and `deny`. They are written one entry a line, which saves a parser for TOML here.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let licences = entries(text, "allow = [").filter_map(quoted).collect();
        let (single, banned): (Vec<&str>, _) = entries(text, "deny = [")
            .partition(|entry| entry.contains("deny-multiple-versions = true"));
        let names = |entries: Vec<&str>| entries.into_iter().filter_map(quoted).collect();
        let policy = Self {
            licences,
            banned: names(banned),
            single: names(single),
        };
        ensure!(
            !policy.licences.is_empty(),
            "deny.toml: no list `allow` of licences, one a line"
        );
        ensure!(
            !policy.banned.is_empty(),
            "deny.toml: no list `deny` of crates, one a line"
        );
        Ok(policy)
    }
}

/// The lines of a list, comments left out.
fn entries<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = text
        .lines()
        .map(str::trim)
        .skip_while(move |line| *line != start)
        .skip(1);
    lines
        .take_while(|line| *line != "]")
        .filter(|line| !line.starts_with('#'))
}

/// The first string in a line.
fn quoted(line: &str) -> Option<String> {
    line.split('"').nth(1).map(str::to_owned)
}

/// Checks every foreign crate that is built into what we ship.
pub(super) fn check(workspace: &Workspace, policy: &Policy) -> Vec<Finding> {
    let ways = shipped(workspace);
    let mut findings = Vec::new();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in workspace
        .foreign
        .iter()
        .filter(|package| ways.contains_key(package.id.as_str()))
    {
        findings.extend(check_package(package, ways[package.id.as_str()], policy));
        if policy.single.contains(&package.name) {
            versions
                .entry(&package.name)
                .or_default()
                .push(&package.version);
        }
    }
    let several = versions
        .into_iter()
        .filter(|(_, versions)| versions.len() > 1);
    findings.extend(several.map(|(name, versions)| {
        Finding::new(
            format!("dependency {name}"),
            format!("is there in several versions: {}", versions.join(", ")),
        )
    }));
    findings
}

fn check_package(package: &Package, way: &str, policy: &Policy) -> Vec<Finding> {
    let place = format!("dependency {} {}", package.name, package.version);
    let mut findings = Vec::new();
    if policy.banned.contains(&package.name) {
        findings.push(Finding::new(
            &place,
            format!("is banned by deny.toml; it comes by way of {way}"),
        ));
    }
    if package.source.as_deref() != Some(CRATES_IO) {
        findings.push(Finding::new(&place, "does not come from crates.io"));
    }
    match &package.license {
        Some(expression) if licence::is_allowed(expression, &policy.licences) => {}
        Some(expression) => findings.push(Finding::new(
            &place,
            format!("has the licence {expression}, not in deny.toml"),
        )),
        None => findings.push(Finding::new(&place, "names no licence")),
    }
    findings
}

/// Every package built into the rooms that ship, with the package that first brought it in.
fn shipped(workspace: &Workspace) -> BTreeMap<&str, &str> {
    let ships = |package: &&Package| {
        ![rooms::TESTKIT, rooms::SIM, "xtask"].contains(&package.name.as_str())
    };
    let mut ways: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue: VecDeque<&str> = workspace
        .members
        .iter()
        .filter(ships)
        .map(|package| package.id.as_str())
        .collect();
    while let Some(id) = queue.pop_front() {
        for used in workspace.uses.get(id).into_iter().flatten() {
            if !ways.contains_key(used.as_str()) {
                ways.insert(used, id);
                queue.push_back(used);
            }
        }
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
        allow = [
            "MIT", # permissive
        ]
        deny = [
            # the reason
            { crate = "chrono", reason = "jiff" },
            { crate = "rustls", deny-multiple-versions = true },
        ]
    "#;

    fn package(name: &str, version: &str, ours: bool) -> Package {
        Package {
            id: format!("{name} {version}"),
            name: name.to_owned(),
            version: version.to_owned(),
            license: Some("MIT".to_owned()),
            source: (!ours).then(|| CRATES_IO.to_owned()),
            folder: "/w".into(),
            dependencies: Vec::new(),
            has_library: true,
        }
    }

    fn workspace(foreign: Vec<Package>) -> Workspace {
        let ids = foreign.iter().map(|package| package.id.clone()).collect();
        Workspace {
            root: "/w".into(),
            target: "/w/target".into(),
            members: vec![package("syncline", "0.1.0", true)],
            foreign,
            uses: BTreeMap::from([("syncline 0.1.0".to_owned(), ids)]),
        }
    }

    fn findings(foreign: Vec<Package>) -> Vec<String> {
        let policy = Policy::parse(POLICY).unwrap();
        check(&workspace(foreign), &policy)
            .iter()
            .map(Finding::to_string)
            .collect()
    }

    #[test]
    fn the_policy_is_read() {
        let policy = Policy::parse(POLICY).unwrap();
        assert_eq!(policy.licences, ["MIT"]);
        assert!(policy.banned.contains("chrono") && !policy.banned.contains("rustls"));
        assert!(policy.single.contains("rustls"));
        assert!(Policy::parse("").is_err());
    }

    #[test]
    fn a_banned_crate_is_found_with_its_way() {
        let found = findings(vec![
            package("serde", "1.0.0", false),
            package("chrono", "0.4.0", false),
        ]);
        assert_eq!(
            found,
            ["dependency chrono 0.4.0: is banned by deny.toml; it comes by way of syncline 0.1.0"]
        );
    }

    #[test]
    fn two_versions_of_one_that_must_be_single_are_found() {
        let found = findings(vec![
            package("rustls", "0.22.0", false),
            package("rustls", "0.23.0", false),
        ]);
        assert_eq!(
            found,
            ["dependency rustls: is there in several versions: 0.22.0, 0.23.0"]
        );
    }

    #[test]
    fn licence_and_source_are_checked() {
        let mut odd = package("odd", "1.0.0", false);
        odd.license = Some("GPL-3.0".to_owned());
        odd.source = Some("git+https://example.org/odd".to_owned());
        assert_eq!(findings(vec![odd]).len(), 2);
    }

    #[test]
    fn what_only_tests_use_is_free() {
        let mut workspace = workspace(vec![package("chrono", "0.4.0", false)]);
        workspace.uses.clear();
        assert_eq!(check(&workspace, &Policy::parse(POLICY).unwrap()), []);
    }
}
