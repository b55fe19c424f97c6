//! Rules for Rust sources.

use std::collections::BTreeMap;

use super::Finding;
use super::files::File;

/// The longest file; think about splitting it long before.
const MOST_LINES: usize = 700;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 8] = [
    "utils", "util", "helpers", "helper", "common", "manager", "misc", "stuff",
];

/// Marks of unfinished work, put together so that this file is not its own finding.
const MARKS: [&str; 3] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];

/// Starting programs is for chores and tests. What ships starts them in one file alone, which runs the commands that a
/// configuration names, word by word, so that no name or metadata from a registry can ever be a part of a command.
const STARTS_PROGRAMS: [&str; 2] = ["process::Command", "std::process::{Command"];

/// Where programs may be started.
const MAY_START_PROGRAMS: [&str; 3] = [
    "xtask/",
    "crates/testkit/",
    "crates/connectors/template/src/hook.rs",
];

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let sources: Vec<&File> = files
        .iter()
        .filter(|file| file.name().ends_with(".rs"))
        .collect();
    let mut findings: Vec<Finding> = sources.iter().copied().flat_map(check_file).collect();
    findings.extend(forgotten(&sources));
    findings
}

fn check_file(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = file.text.lines().count();
    if lines > MOST_LINES {
        findings.push(Finding::new(
            &file.path,
            format!("has {lines} lines, more than {MOST_LINES}: split it"),
        ));
    }
    let parts = file.path.trim_end_matches(".rs").split('/');
    findings.extend(parts.filter(|part| EMPTY_NAMES.contains(part)).map(|part| {
        Finding::new(
            &file.path,
            format!("`{part}` says nothing: name it after what it holds"),
        )
    }));
    let is_root = file.path.ends_with("src/lib.rs") || file.path.ends_with("src/main.rs");
    if is_root && !file.text.starts_with("//!") {
        findings.push(Finding::new(
            &file.path,
            "lacks the `//!` page of its crate",
        ));
    }
    findings.extend(unfinished(file));
    findings.extend(starts_programs(file));
    findings
}

/// A room that ships and starts programs.
fn starts_programs(file: &File) -> impl Iterator<Item = Finding> {
    let may = MAY_START_PROGRAMS
        .iter()
        .any(|room| file.path.starts_with(room))
        || file.path.contains("/tests/");
    let lines = file.text.lines().enumerate().filter(move |_| !may);
    lines.filter_map(|(index, line)| {
        let starts = STARTS_PROGRAMS.iter().any(|start| line.contains(start));
        let place = format!("{}:{}", file.path, index + 1);
        starts.then(|| Finding::new(place, "starts a program: only the hooks of templates may"))
    })
}

/// Marks of unfinished work that name no issue.
fn unfinished(file: &File) -> impl Iterator<Item = Finding> {
    file.text.lines().enumerate().filter_map(|(index, line)| {
        let mark = MARKS.into_iter().find(|mark| has_bare_mark(line, mark))?;
        let place = format!("{}:{}", file.path, index + 1);
        Some(Finding::new(
            place,
            format!("{mark} without an issue: write {mark}(#12)"),
        ))
    })
}

fn has_bare_mark(line: &str, mark: &str) -> bool {
    line.match_indices(mark)
        .any(|(at, _)| is_word(line, at, mark.len()) && !line[at + mark.len()..].starts_with("(#"))
}

/// Whether the `length` bytes at `at` stand by themselves.
fn is_word(line: &str, at: usize, length: usize) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    !line[..at].ends_with(is_part) && !line[at + length..].starts_with(is_part)
}

/// Sources that no `mod` names: the compiler passes them by in silence, tests included.
fn forgotten(sources: &[&File]) -> Vec<Finding> {
    let texts: BTreeMap<&str, &str> = sources
        .iter()
        .map(|file| (file.path.as_str(), file.text.as_str()))
        .collect();
    let is_named = |file: &&File| {
        let (module, parents) = parents(file);
        parents.is_empty()
            || parents
                .iter()
                .filter_map(|parent| texts.get(parent.as_str()))
                .any(|text| names(text, &module))
    };
    let forgotten = sources.iter().copied().filter(|file| !is_named(file));
    forgotten
        .map(|file| Finding::new(&file.path, "is no module of anything: no `mod` names it"))
        .collect()
}

/// The module that a file is, and the files that may declare it; none for files that are roots themselves.
fn parents(file: &File) -> (String, Vec<String>) {
    let (stem, folder) = (file.name().trim_end_matches(".rs"), file.folder());
    let in_tree = ["/src/", "/tests/"]
        .iter()
        .any(|tree| file.path.contains(tree));
    let folder_name = folder.rsplit('/').next().unwrap_or_default();
    let is_root = matches!(stem, "lib" | "main" | "build")
        || matches!(folder_name, "tests" | "bin" | "examples" | "benches");
    if is_root || !in_tree {
        return (stem.to_owned(), Vec::new());
    }
    if stem == "mod" {
        let above = folder.rsplit_once('/').map_or("", |(above, _)| above);
        return (folder_name.to_owned(), declaring(above));
    }
    (stem.to_owned(), declaring(folder))
}

/// The files that may declare the modules of a folder.
fn declaring(folder: &str) -> Vec<String> {
    let inside = ["lib.rs", "main.rs", "mod.rs"]
        .iter()
        .map(|name| format!("{folder}/{name}"));
    inside.chain([format!("{folder}.rs")]).collect()
}

fn names(text: &str, module: &str) -> bool {
    text.lines().any(|line| {
        let declaration = line.trim().trim_end_matches(';');
        declaration
            .strip_suffix(module)
            .is_some_and(|before| before.ends_with("mod "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    fn findings(files: &[File]) -> Vec<String> {
        check(files).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn a_tidy_crate_has_no_findings() {
        let files = [
            file(
                "crates/a/src/lib.rs",
                "//! A.\nmod b;\npub(crate) mod c;\n#[cfg(test)]\nmod tests;",
            ),
            file("crates/a/src/b.rs", "mod d;"),
            file("crates/a/src/b/d.rs", ""),
            file("crates/a/src/c/mod.rs", ""),
            file("crates/a/src/tests.rs", ""),
            file("crates/a/tests/it/main.rs", "mod e;"),
            file("crates/a/tests/it/e.rs", ""),
            file("crates/a/build.rs", ""),
        ];
        assert_eq!(findings(&files), [""; 0]);
    }

    #[test]
    fn a_forgotten_file_is_found() {
        let files = [
            file("crates/a/tests/it/main.rs", "mod e;"),
            file("crates/a/tests/it/f.rs", ""),
        ];
        assert_eq!(
            findings(&files),
            ["crates/a/tests/it/f.rs: is no module of anything: no `mod` names it"]
        );
    }

    #[test]
    fn long_files_and_empty_names_are_found() {
        let long = "\n".repeat(MOST_LINES + 1);
        let files = [
            file("crates/a/src/lib.rs", &format!("//!\nmod utils;{long}")),
            file("crates/a/src/utils.rs", ""),
        ];
        let found = findings(&files);
        assert!(found[0].contains("has 702 lines"), "{found:?}");
        assert!(found[1].contains("`utils` says nothing"), "{found:?}");
    }

    #[test]
    fn a_root_without_its_page_is_found() {
        let found = findings(&[file("crates/a/src/lib.rs", "mod a;")]);
        assert_eq!(
            found,
            ["crates/a/src/lib.rs: lacks the `//!` page of its crate"]
        );
    }

    #[test]
    fn what_ships_starts_programs_in_one_file_alone() {
        let text = "//! A.\nuse tokio::process::Command;\nuse std::process::{Command, Stdio};\nuse std::process::exit;\n";
        let files = [
            file("crates/a/src/lib.rs", text),
            file("crates/testkit/src/lib.rs", text),
            file("crates/a/tests/it/main.rs", text),
            file(
                "crates/connectors/template/src/lib.rs",
                "//! T.\nmod hook;\n",
            ),
            file("crates/connectors/template/src/hook.rs", text),
        ];
        let found = findings(&files);
        assert_eq!(
            found,
            [2, 3].map(|line| format!(
                "crates/a/src/lib.rs:{line}: starts a program: only the hooks of templates may"
            ))
        );
    }

    #[test]
    fn unfinished_work_names_its_issue() {
        let mark = MARKS[0];
        let text =
            format!("//! A.\n// {mark}(#7): known\n// {mark}: some day\n// {mark}S is a word\n");
        let found = findings(&[file("crates/a/src/lib.rs", &text)]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/a/src/lib.rs:3: "), "{found:?}");
    }
}
