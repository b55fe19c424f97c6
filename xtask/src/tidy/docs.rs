//! Rules for pages: links lead somewhere, and both READMEs name the same commands.

use std::collections::BTreeSet;

use super::Finding;
use super::files::File;

/// The first page in both languages.
const READMES: [&str; 2] = ["README.md", "README.zh-CN.md"];

/// Checks every page; `exists` tells whether a path from the root is there.
pub(super) fn check(files: &[File], exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let pages = files.iter().filter(|file| file.name().ends_with(".md"));
    let mut findings: Vec<Finding> = pages.flat_map(|page| dead_links(page, &exists)).collect();
    findings.extend(readmes(files));
    findings
}

fn dead_links(page: &File, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in prose(&page.text) {
        for link in links(line).filter(|link| is_local(link)) {
            let path = link.split(['#', '?']).next().unwrap_or_default();
            let target = resolve(page.folder(), path);
            if !target.as_deref().is_some_and(&exists) {
                findings.push(Finding::new(
                    format!("{}:{}", page.path, index + 1),
                    format!("{link} leads nowhere"),
                ));
            }
        }
    }
    findings
}

/// The numbered lines outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// What stands between `](` and `)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(link, _)| link.trim())
}

fn is_local(link: &str) -> bool {
    !link.contains("://") && !link.starts_with('#') && !link.starts_with("mailto:")
}

/// A path as seen from a folder; `None` where it leaves the repository.
fn resolve(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Both READMEs are there and name the same commands.
fn readmes(files: &[File]) -> Vec<Finding> {
    let [one, two] = READMES.map(|path| files.iter().find(|file| file.path == path));
    let (Some(one), Some(two)) = (one, two) else {
        let is_missing = |path: &&&str| !files.iter().any(|file| file.path == **path);
        return READMES
            .iter()
            .filter(is_missing)
            .map(|path| Finding::new(*path, "is missing"))
            .collect();
    };
    let [in_one, in_two] = [one, two].map(|file| commands(&file.text));
    let lacks = |file: &File, command: &&str| {
        Finding::new(&file.path, format!("lacks the command `{command}`"))
    };
    let only_two = in_two
        .difference(&in_one)
        .map(|command| lacks(one, command));
    let only_one = in_one
        .difference(&in_two)
        .map(|command| lacks(two, command));
    only_two.chain(only_one).collect()
}

/// The lines in code blocks that run cargo or Syncline; comments at their end may differ by language.
fn commands(text: &str) -> BTreeSet<&str> {
    let prose: BTreeSet<usize> = prose(text).map(|(index, _)| index).collect();
    let code = text
        .lines()
        .enumerate()
        .filter(|(index, _)| !prose.contains(index));
    let lines = code.map(|(_, line)| line.trim().trim_start_matches("$ "));
    let commands = lines.filter(|line| line.starts_with("cargo ") || line.starts_with("syncline "));
    commands
        .map(|line| line.split(" #").next().unwrap_or(line).trim())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(path: &str, text: &str) -> File {
        File {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    fn findings(files: &[File]) -> Vec<String> {
        let exists = |path: &str| ["ARCHITECTURE.md", "docs/a.md"].contains(&path);
        check(files, exists)
            .iter()
            .map(Finding::to_string)
            .collect()
    }

    fn readmes_with(one: &str, two: &str) -> [File; 2] {
        [page("README.md", one), page("README.zh-CN.md", two)]
    }

    #[test]
    fn links_are_followed_from_their_page() {
        let text = "[a](ARCHITECTURE.md#map), [b](https://example.org) and [c](#here)";
        let [one, two] = readmes_with(text, "[x](docs/gone.md)\n```\n[y](docs/gone.md)\n```");
        let docs = page(
            "docs/b.md",
            "[up](../ARCHITECTURE.md) [beside](./a.md) [out](../../shared)",
        );
        let found = findings(&[one, two, docs]);
        assert_eq!(
            found,
            [
                "README.zh-CN.md:1: docs/gone.md leads nowhere",
                "docs/b.md:1: ../../shared leads nowhere"
            ]
        );
    }

    #[test]
    fn both_readmes_name_the_same_commands() {
        let one = "```sh\ncargo run --release -- demo  # try it\n$ cargo xtask test\n```\ncargo is prose here";
        let two = "```sh\ncargo run --release -- demo  # 试试\n```";
        assert_eq!(findings(&readmes_with(one, one)), [""; 0]);
        assert_eq!(
            findings(&readmes_with(one, two)),
            ["README.zh-CN.md: lacks the command `cargo xtask test`"]
        );
    }

    #[test]
    fn a_missing_readme_is_a_finding() {
        assert_eq!(
            findings(&[page("README.md", "")]),
            ["README.zh-CN.md: is missing"]
        );
    }
}
