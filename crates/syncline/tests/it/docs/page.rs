//! A Markdown page, as far as tests read it.

use std::path::{Path, PathBuf};

/// A page of the repository.
pub(super) struct Page {
    /// From the root.
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Page {
    pub(super) fn read(root: &Path, path: &Path) -> Self {
        let text = match std::fs::read_to_string(root.join(path)) {
            Ok(text) => text,
            Err(error) => panic!("{}: {error}", path.display()),
        };
        let path = path.to_owned();
        Self { path, text }
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).to_owned()
    }

    /// The contents of the code blocks of a language.
    pub(super) fn code(&self, language: &str) -> Vec<String> {
        let mut blocks = Vec::new();
        let mut open: Option<(bool, String)> = None;
        for line in self.text.lines() {
            let fence = line.trim_start().strip_prefix("```");
            open = match (open.take(), fence) {
                (None, Some(named)) => Some((named == language, String::new())),
                (Some((wanted, text)), Some(_)) => {
                    blocks.extend(wanted.then_some(text));
                    None
                }
                (Some((wanted, text)), None) => Some((wanted, text + line + "\n")),
                (None, None) => None,
            };
        }
        blocks
    }

    /// The lines of the `sh` blocks without their comments.
    pub(super) fn commands(&self) -> Vec<String> {
        let blocks = self.code("sh");
        let lines = blocks.iter().flat_map(|block| block.lines());
        lines
            .map(|line| line.split(" #").next().unwrap_or(line).trim().to_owned())
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect()
    }

    /// The headings, outside of code.
    pub(super) fn headings(&self) -> Vec<&str> {
        let mut in_code = false;
        let outside = |line: &&str| {
            in_code ^= line.starts_with("```");
            !in_code
        };
        let lines = self.text.lines().filter(outside);
        let headings = lines.filter(|line| line.starts_with('#'));
        headings
            .map(|line| line.trim_start_matches('#').trim())
            .collect()
    }

    /// What headings are called in links.
    pub(super) fn slugs(&self) -> Vec<String> {
        let slug = |heading: &str| -> String {
            let lower = heading.to_lowercase();
            let kept = lower
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        };
        self.headings().into_iter().map(slug).collect()
    }

    /// Links with an anchor to pages of ours: the path, and the anchor.
    pub(super) fn anchors(&self) -> Vec<(String, String)> {
        let links = self.text.split("](").skip(1);
        let links = links.filter_map(|rest| rest.split_once(')'));
        let local = links.filter(|(link, _)| !link.contains("://"));
        local
            .filter_map(|(link, _)| link.split_once('#'))
            .map(|(path, anchor)| (path.to_owned(), anchor.to_owned()))
            .collect()
    }
}

/// The words of a command line as a shell would split it, without the
/// redirections and pipes behind it.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '|' | '>') => break,
            (None, ' ') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[test]
fn words_are_split_as_a_shell_does() {
    let split = words(r#"syncline list 'a b' -w 'm["x"] == "y"' x="" | jq ."#);
    assert_eq!(
        split,
        ["syncline", "list", "a b", "-w", r#"m["x"] == "y""#, "x="]
    );
}

#[test]
fn code_headings_and_links_are_told_apart() {
    let page = Page {
        path: "docs/a.md".into(),
        text:
            "# A `b` and c\n```sh\n# no heading\nsyncline run  # here\n```\n[x](b.md#c-d) [y](#e)\n"
                .to_owned(),
    };
    assert_eq!(page.commands(), ["syncline run"]);
    assert_eq!(page.slugs(), ["a-b-and-c"]);
    let anchors = page.anchors();
    let anchors: Vec<_> = anchors
        .iter()
        .map(|(p, a)| (p.as_str(), a.as_str()))
        .collect();
    assert_eq!(anchors, [("b.md", "c-d"), ("", "e")]);
}
