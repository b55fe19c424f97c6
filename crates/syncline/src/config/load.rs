//! Reading a file, or a folder of files, into one configuration.

use std::io;
use std::path::{Path, PathBuf};

use super::Config;
use super::check::check;
use super::decode::decode;
use super::problem::{ConfigError, Problems};
use super::reference::{Env, resolve};
use super::text::{Mark, Text, Texts};
use super::tree::{self, Entry, Node, Numbering, Value};

/// Longer than any configuration; a limit against a wrong path.
const LONGEST_FILE: u64 = 8 * 1024 * 1024;

/// Reads a file, or all `*.yaml` and `*.yml` files of a folder as if they were
/// one: their endpoints and links together, everything else said once.
///
/// # Errors
/// With everything that is wrong, each with its place.
pub fn load(path: &Path, env: Env<'_>) -> Result<Config, ConfigError> {
    let mut problems = Problems::default();
    let mut texts = Texts::default();
    match files(path) {
        Ok(files) if files.is_empty() => {
            problems.add_without_place("the folder holds no *.yaml or *.yml file");
        }
        Ok(files) => {
            for file in files {
                match read(&file) {
                    Ok(text) => {
                        texts.add(text);
                    }
                    Err(error) => problems.add_without_place(unreadable(&file, &error)),
                }
            }
        }
        Err(error) => problems.add_without_place(unreadable(path, &error)),
    }
    finish(path.display().to_string(), texts, env, problems)
}

/// Reads a configuration from a text. Relative paths are resolved against
/// `folder`.
///
/// # Errors
/// With everything that is wrong, each with its place.
pub fn parse(name: &str, folder: &Path, text: &str, env: Env<'_>) -> Result<Config, ConfigError> {
    let mut texts = Texts::default();
    texts.add(Text {
        name: name.to_owned(),
        folder: folder.to_owned(),
        content: text.to_owned(),
    });
    finish(name.to_owned(), texts, env, Problems::default())
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("cannot read {}: {error}", path.display())
}

fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        let hidden = file
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let yaml = file
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        if yaml && !hidden && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> io::Result<Text> {
    let length = std::fs::metadata(path)?.len();
    if length > LONGEST_FILE {
        let message = format!("it is longer than {LONGEST_FILE} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    let folder = std::path::absolute(path)?;
    Ok(Text {
        name: path.display().to_string(),
        folder: folder.parent().unwrap_or(&folder).to_owned(),
        content: std::fs::read_to_string(path)?,
    })
}

fn finish(
    subject: String,
    texts: Texts,
    env: Env<'_>,
    mut problems: Problems,
) -> Result<Config, ConfigError> {
    let mut numbering = Numbering::default();
    let roots = (0..texts.len())
        .filter_map(|file| tree::parse(&texts, file, &mut numbering, &mut problems))
        .collect();
    let mut config = None;
    if let Some(mut root) = merged(roots, &texts, &mut problems) {
        let failed = resolve(&mut root, &texts, env, &mut problems);
        let decoded = decode(&root, &texts, failed, &mut problems);
        check(&root, &decoded, &texts, &mut problems);
        config = decoded.value;
    }
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(ConfigError::new(subject, problems.into_sorted())),
    }
}

/// One tree from the trees of all files.
fn merged(roots: Vec<Node>, texts: &Texts, problems: &mut Problems) -> Option<Node> {
    let mut roots = roots.into_iter();
    let mut all = roots.next()?;
    for root in roots {
        if root.is_null() {
            continue;
        }
        if all.is_null() {
            all = root;
            continue;
        }
        match (&mut all.value, root.value) {
            (Value::Map(all), Value::Map(more)) => {
                for entry in more {
                    add(all, entry, texts, problems);
                }
            }
            _ => problems.show(
                texts,
                root.mark,
                "a file must be a mapping of keys to values",
            ),
        }
    }
    Some(all)
}

/// Adds a key of one file to those of the others. Endpoints and links come
/// together from all files; the rest is said once.
fn add(all: &mut Vec<Entry>, entry: Entry, texts: &Texts, problems: &mut Problems) {
    let Some(known) = all.iter_mut().find(|known| known.key == entry.key) else {
        all.push(entry);
        return;
    };
    if entry.value.is_null() {
        return;
    }
    if known.value.is_null() {
        *known = entry;
        return;
    }
    let mut twice = |key: &str, mark: Mark, first: Mark| {
        let first = texts.place(first);
        let message = format!("`{key}` stands here a second time; the first is at {first}");
        problems.add(texts, mark, message);
    };
    match (&*entry.key, &mut known.value.value, entry.value.value) {
        ("endpoints", Value::Map(endpoints), Value::Map(more)) => {
            for entry in more {
                match endpoints.iter().find(|known| known.key == entry.key) {
                    Some(first) => twice(&entry.key, entry.mark, first.mark),
                    None => endpoints.push(entry),
                }
            }
        }
        ("links", Value::List(links), Value::List(more)) => links.extend(more),
        (key, _, _) => twice(key, entry.mark, known.mark),
    }
}
