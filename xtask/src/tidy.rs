//! `cargo xtask tidy`: the rules of the repository that no other tool knows.
//!
//! Each rule is a pure function from what it reads to findings.

mod arrows;
mod dependencies;
mod docs;
mod files;
mod licence;
mod sources;

use std::fmt;

use anyhow::Context as _;

use crate::metadata::Workspace;

/// A breach of a rule: where, and what to do about it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    place: String,
    text: String,
}

impl Finding {
    fn new(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            text: text.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// Applies every rule and prints what it finds; whether all is tidy.
pub(crate) fn run() -> anyhow::Result<bool> {
    let workspace = Workspace::load()?;
    let files = files::read(&workspace.root)?;
    let policy =
        std::fs::read_to_string(workspace.root.join("deny.toml")).context("read deny.toml")?;
    let mut findings = arrows::check(&workspace.members);
    findings.extend(dependencies::check(
        &workspace,
        &dependencies::Policy::parse(&policy)?,
    ));
    findings.extend(sources::check(&files));
    findings.extend(docs::check(&files, |path| {
        workspace.root.join(path).exists()
    }));
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    println!("tidy: {} files, {} findings", files.len(), findings.len());
    Ok(findings.is_empty())
}
