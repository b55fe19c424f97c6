//! What the pages say is true: commands parse, configurations load, links lead
//! to headings, and reference pages know every command and every key.

mod commands;
mod configuration;
mod page;

use std::path::{Path, PathBuf};

use clap::Parser;
use syncline::cli::Cli;
use syncline::config;

use page::Page;

/// The first page in both languages.
const READMES: [&str; 2] = ["README.md", "README.zh-CN.md"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The READMEs and everything under `docs`.
fn pages() -> Vec<Page> {
    let mut paths: Vec<PathBuf> = READMES.map(PathBuf::from).into();
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).expect("a folder of pages") {
            let entry = entry.expect("an entry");
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "md") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths.iter().map(|path| Page::read(&root(), path)).collect()
}

/// Variables that configurations on pages refer to.
fn env(name: &str) -> Option<String> {
    (name == "NACOS_PASSWORD").then(|| "hunter2".to_owned())
}

fn page(path: &str) -> Page {
    Page::read(&root(), Path::new(path))
}

#[test]
fn both_readmes_show_the_same_commands_and_configurations_in_the_same_order() {
    let [one, two] = READMES.map(page);
    assert_eq!(one.commands(), two.commands());
    assert_eq!(one.code("yaml"), two.code("yaml"));
    assert!(one.commands().len() >= 8, "{:?}", one.commands());
}

#[test]
fn every_command_of_every_page_parses() {
    for page in pages() {
        for command in page.commands() {
            if !command.starts_with("syncline ") {
                continue;
            }
            if let Err(error) = Cli::try_parse_from(page::words(&command)) {
                panic!("{}: {command}: {error}", page.path.display());
            }
        }
    }
}

#[test]
fn every_whole_configuration_of_every_page_loads() {
    let mut seen = 0;
    for page in pages() {
        let whole = |text: &&String| {
            let says = |key: &str| text.lines().any(|line| line == key);
            says("endpoints:") && says("links:")
        };
        for text in page.code("yaml").iter().filter(whole) {
            let text = text.replace("${file:/run/secrets/nacos}", "${NACOS_PASSWORD}");
            let name = page.path.display().to_string();
            if let Err(error) = config::parse(&name, &root(), &text, &env) {
                panic!("{error}");
            }
            seen += 1;
        }
    }
    assert!(seen >= 4, "only {seen} configurations were found");
}

#[test]
fn links_to_headings_lead_to_headings() {
    for page in pages() {
        for (path, anchor) in page.anchors() {
            let target = match path.as_str() {
                "" => page.path.clone(),
                path => page.folder().join(path),
            };
            let slugs = Page::read(&root(), &target).slugs();
            assert!(
                slugs.contains(&anchor),
                "{}: {path}#{anchor} is none of {slugs:?}",
                page.path.display()
            );
        }
    }
}
