//! `${VAR}`, `${VAR:-default}` and `${file:PATH}` in values.
//!
//! References are resolved in values that were already parsed, never in the
//! text of the file: what a variable holds cannot become structure.

use std::io::Read;
use std::path::Path;

use super::problem::Problems;
use super::text::{Text, Texts};
use super::tree::{Node, Value};

/// Longer than any secret; a limit against a wrong path.
const LONGEST_FILE: u64 = 64 * 1024;

/// Gives the value of an environment variable.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Resolves the references in all values of a tree. What cannot be resolved is
/// reported, and its node's number returned: its value means nothing.
pub(super) fn resolve(
    root: &mut Node,
    texts: &Texts,
    env: Env<'_>,
    problems: &mut Problems,
) -> Vec<usize> {
    let mut failed = Vec::new();
    let mut todo = vec![root];
    while let Some(node) = todo.pop() {
        match &mut node.value {
            Value::List(items) => todo.extend(items),
            Value::Map(entries) => todo.extend(entries.iter_mut().map(|e| &mut e.value)),
            Value::Scalar(scalar) if scalar.text.contains("${") => {
                match resolved(&scalar.text, texts.file(node.mark.file), env) {
                    Ok(text) => {
                        // A number may come from a variable, quoted or not.
                        scalar.plain = true;
                        scalar.written = Some(std::mem::replace(&mut scalar.text, text));
                    }
                    Err(message) => {
                        problems.add(texts, node.mark, message);
                        failed.push(node.id);
                    }
                }
            }
            Value::Scalar(_) => {}
        }
    }
    failed
}

fn resolved(text: &str, file: &Text, env: Env<'_>) -> Result<String, String> {
    let mut done = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if let Some(before) = rest[..start].strip_suffix('$') {
            // `$${` is how a literal `${` is written.
            done.push_str(before);
            done.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        done.push_str(&rest[..start]);
        let Some(length) = rest[start..].find('}') else {
            return Err(format!("`{}` has no closing `}}`", &rest[start..]));
        };
        done.push_str(&value_of(&rest[start + 2..start + length], file, env)?);
        rest = &rest[start + length + 1..];
    }
    done.push_str(rest);
    Ok(done)
}

fn value_of(reference: &str, file: &Text, env: Env<'_>) -> Result<String, String> {
    if let Some(path) = reference.strip_prefix("file:") {
        return read(&file.resolve(Path::new(path)))
            .map_err(|error| format!("`${{{reference}}}` cannot be read: {error}"));
    }
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(legal)
    {
        return Err(format!(
            "`${{{reference}}}` is no reference: write ${{VAR}}, ${{VAR:-default}} or ${{file:PATH}}, \
             and $${{ for a literal ${{"
        ));
    }
    match (env(name).filter(|value| !value.is_empty()), default) {
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!(
            "the environment has no `{name}`; set it, or write ${{{name}:-default}}"
        )),
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(LONGEST_FILE + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST_FILE {
        let message = format!("it is longer than {LONGEST_FILE} bytes");
        return Err(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            message,
        ));
    }
    // Editors and `echo` end a file with a line end that is not part of it.
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(text: &str) -> Result<String, String> {
        let env = |name: &str| match name {
            "HOST" => Some("10.0.0.1".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let file = Text {
            name: "syncline.yaml".to_owned(),
            folder: std::env::temp_dir(),
            content: String::new(),
        };
        resolved(text, &file, &env)
    }

    #[test]
    fn variables_and_defaults() {
        assert_eq!(say("${HOST}:8848").as_deref(), Ok("10.0.0.1:8848"));
        assert_eq!(say("${NONE:-a}${NONE:-}").as_deref(), Ok("a"));
        assert_eq!(say("${EMPTY:-b}").as_deref(), Ok("b"));
        assert_eq!(say("$${HOST} $HOST").as_deref(), Ok("${HOST} $HOST"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let said = say("${NONE}").unwrap_err();
        assert_eq!(
            said,
            "the environment has no `NONE`; set it, or write ${NONE:-default}"
        );
        assert!(say("${HOST").unwrap_err().contains("no closing"));
        assert!(say("${a b}").unwrap_err().contains("is no reference"));
        assert!(
            say("${file:/none/such}")
                .unwrap_err()
                .contains("cannot be read")
        );
    }

    #[test]
    fn a_value_is_not_read_for_references_again() {
        let env = |_: &str| Some("${HOST}".to_owned());
        let file = Text {
            name: String::new(),
            folder: std::env::temp_dir(),
            content: String::new(),
        };
        assert_eq!(resolved("${A}", &file, &env).as_deref(), Ok("${HOST}"));
    }
}
