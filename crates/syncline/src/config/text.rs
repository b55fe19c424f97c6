//! The texts that were read, and places in them.

use std::path::{Path, PathBuf};

/// The files of one configuration, in the order in which they were read.
#[derive(Debug, Default)]
pub(super) struct Texts {
    files: Vec<Text>,
}

/// One file.
#[derive(Debug)]
pub(super) struct Text {
    /// The name as the user would write it.
    pub(super) name: String,
    /// The folder against which relative paths are resolved.
    pub(super) folder: PathBuf,
    /// The content.
    pub(super) content: String,
}

/// A place in one of the files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Mark {
    /// The file's number.
    pub(super) file: usize,
    /// The line, from 1.
    pub(super) line: usize,
    /// The column in characters, from 1.
    pub(super) column: usize,
    /// How many characters are meant.
    pub(super) width: usize,
}

impl Texts {
    /// Adds a file and gives its number.
    pub(super) fn add(&mut self, text: Text) -> usize {
        self.files.push(text);
        self.files.len() - 1
    }

    /// A file by its number, which only [`Texts::add`] gives.
    pub(super) fn file(&self, number: usize) -> &Text {
        &self.files[number]
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// The line that a mark stands in, safe to show.
    pub(super) fn line(&self, mark: Mark) -> String {
        let line = self.files[mark.file]
            .content
            .lines()
            .nth(mark.line.saturating_sub(1))
            .unwrap_or_default();
        masked(line)
    }

    /// Whether a place means something to the user; what was made from a URL has none.
    pub(super) fn is_shown(&self, mark: Mark) -> bool {
        !self.files[mark.file].name.is_empty()
    }

    /// `file:line:column`.
    pub(super) fn place(&self, mark: Mark) -> String {
        let name = &self.files[mark.file].name;
        format!("{name}:{}:{}", mark.line, mark.column)
    }
}

impl Text {
    /// Makes a relative path one that does not depend on where we stand.
    pub(super) fn resolve(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }
}

/// Keys whose values are not shown, even where the user wrote them down.
const SECRET_KEYS: [&str; 4] = ["password", "secret_key", "token", "key"];

/// The line with every secret that stands in it blotted out, as long as before
/// so that what is marked below stays marked.
fn masked(line: &str) -> String {
    let mut shown: Vec<char> = line.chars().collect();
    for key in SECRET_KEYS {
        let key: Vec<char> = key.chars().chain([':']).collect();
        for start in 0..shown.len().saturating_sub(key.len()) {
            let word_begins = start == 0 || !is_word(shown[start - 1]);
            if word_begins && shown[start..].starts_with(&key) {
                blot(&mut shown[start + key.len()..]);
            }
        }
    }
    shown.into_iter().collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// Blots out the value that a line goes on with, unless it is a reference.
fn blot(rest: &mut [char]) {
    let begin = rest.iter().take_while(|c| c.is_whitespace()).count();
    let value = &mut rest[begin..];
    let quote = value.first().copied().filter(|c| matches!(c, '"' | '\''));
    let from = usize::from(quote.is_some());
    if value[from..].starts_with(&['$', '{']) {
        return;
    }
    let ends = |c: &char| quote.map_or(matches!(c, ',' | '}'), |quote| *c == quote);
    let length = value[from..].iter().take_while(|c| !ends(c)).count();
    value[from..from + length].fill('*');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_blotted_out_and_nothing_moves() {
        for (line, shown) in [
            ("  password: hunter2", "  password: *******"),
            (
                "a: { password: 'x,y', b: 1 }",
                "a: { password: '***', b: 1 }",
            ),
            ("{ secret_key: s3, z: 2 }", "{ secret_key: **, z: 2 }"),
            ("password: ${file:/run/x}", "password: ${file:/run/x}"),
            ("password: \"${P}\"", "password: \"${P}\""),
            ("not_a_password: yes", "not_a_password: yes"),
            ("monkey: 7", "monkey: 7"),
            ("key:", "key:"),
            (
                "install: { id: a, key: \"abc",
                "install: { id: a, key: \"***",
            ),
        ] {
            assert_eq!(masked(line), shown);
        }
    }
}
