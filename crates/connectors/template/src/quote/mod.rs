//! Quoting by place: what data says never becomes syntax.
//!
//! A template is rendered with a mark around every value. The text is then read
//! as the consumer would read it: what the template's author wrote moves a small
//! reader of the consumer's language along, and each value is written as the
//! place that it stands in needs, as a bare word, inside quotes or in a
//! comment. A value that the place cannot hold fails the whole render. So an
//! author writes plain templates, and cannot forget to quote.

mod haproxy;
mod json;
mod lines;
mod marks;
mod nginx;
mod shell;
#[cfg(test)]
mod tests;
mod yaml;

pub(crate) use marks::{Kind, marked, unmarked};

use crate::config::Context;
use marks::{Piece, Value, pieces};

/// Why a rendered text cannot be quoted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    /// Reads on from the value, or from the place in the template.
    pub(crate) reason: String,
    /// Which value it is, by the number of its mark, and what it says; `None`
    /// where it is the template's own text.
    pub(crate) value: Option<(usize, String)>,
    /// The line of the rendered text.
    pub(crate) line: usize,
}

/// Writes each value as its place in the consumer's language needs it.
///
/// # Errors
/// A value cannot stand where it stands, or the template's own text cannot be
/// followed.
pub(crate) fn quoted(marked: &str, context: Context) -> Result<String, Refusal> {
    match context {
        Context::Nginx => walk(marked, nginx::Nginx::default()),
        Context::Haproxy => walk(marked, haproxy::Haproxy::default()),
        Context::Json => walk(marked, json::Json::default()),
        Context::Yaml => walk(marked, yaml::Yaml::default()),
        Context::Shell => walk(marked, shell::Shell::default()),
        Context::Hosts => walk(marked, lines::Hosts::default()),
        Context::Plain => walk(marked, lines::Plain),
    }
}

/// Whether a text could be written, were it in the friendliest place of its
/// language: alone, or alone between quotes.
pub(crate) fn is_quotable(text: &str, context: Context) -> bool {
    let around = match context {
        Context::Nginx | Context::Haproxy => "name ",
        Context::Shell => "NAME=",
        Context::Json | Context::Yaml | Context::Hosts | Context::Plain => "",
    };
    let marked = format!("{around}{}\n", marked(0, Kind::Text, text));
    quoted(&marked, context).is_ok()
}

/// What follows a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next<'a> {
    /// What the template's author wrote; not empty.
    Literal(&'a str),
    Value,
    End,
}

impl Next<'_> {
    /// Whether the text ends, or goes on with such a character.
    fn is(self, of: impl Fn(char) -> bool) -> bool {
        match self {
            Self::Literal(text) => text.starts_with(of),
            Self::Value => false,
            Self::End => true,
        }
    }
}

/// Why a value, or a piece of the template, cannot stand where it stands.
type Reason = std::borrow::Cow<'static, str>;

/// A reader of one language, as far as quotes, words and comments go.
trait Reader {
    /// Reads on over what the template's author wrote.
    fn literal(&mut self, next: char) -> Result<(), Reason>;

    /// Writes a value where the reader stands.
    fn value(&mut self, value: &Value<'_>, next: Next<'_>, out: &mut String) -> Result<(), Reason>;

    /// The text ends here.
    fn end(&mut self) -> Result<(), Reason> {
        Ok(())
    }
}

fn walk(marked: &str, mut reader: impl Reader) -> Result<String, Refusal> {
    let mut out = String::with_capacity(marked.len());
    let refusal = |reason: Reason, value: Option<&Value<'_>>, out: &str| Refusal {
        reason: reason.into_owned(),
        value: value.map(|value| (value.number, value.text.to_owned())),
        line: 1 + out.matches('\n').count(),
    };
    let pieces = pieces(marked).map_err(|reason| refusal(reason.into(), None, ""))?;
    for (at, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Literal(text) => {
                for next in text.chars() {
                    reader
                        .literal(next)
                        .map_err(|reason| refusal(reason, None, &out))?;
                    out.push(next);
                }
            }
            Piece::Value(value) => {
                let next = match pieces.get(at + 1) {
                    Some(Piece::Literal(text)) => Next::Literal(text),
                    Some(Piece::Value(_)) => Next::Value,
                    None => Next::End,
                };
                reader
                    .value(value, next, &mut out)
                    .map_err(|reason| refusal(reason, Some(value), &out))?;
            }
        }
    }
    reader.end().map_err(|reason| refusal(reason, None, &out))?;
    Ok(out)
}

/// Lists and unknown values have no form outside of JSON and YAML.
fn plain_text<'a>(value: &Value<'a>) -> Result<&'a str, Reason> {
    match value.kind {
        Kind::Text | Kind::Number | Kind::Bool => Ok(value.text),
        Kind::Nothing => Err("is unknown here: use `default`, or ask for it with `if`".into()),
        Kind::Structure => Err("is a list: write its parts, or use `| tojson`".into()),
    }
}

/// What no line of any language holds without somebody taking it for the end of
/// the line, or for nothing at all.
fn without_controls(text: &str) -> Result<&str, Reason> {
    let breaks = |c: char| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
    if text.contains(breaks) {
        return Err("has a line break".into());
    }
    if text.contains('\0') {
        return Err("has a NUL".into());
    }
    match text.chars().find(|c| c.is_control()) {
        Some(control) => {
            Err(format!("has the control character {}", control.escape_unicode()).into())
        }
        None => Ok(text),
    }
}
