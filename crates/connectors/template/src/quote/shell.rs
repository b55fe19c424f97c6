//! A POSIX shell, and files of `NAME=value` lines that shells read.

use super::{Next, Reader, Reason, Value, plain_text, without_controls};

#[derive(Default)]
pub(super) struct Shell {
    place: Place,
    escaped: bool,
    /// Whether the word is not the first of its command.
    later: bool,
    /// The character before, for pairs.
    before: Option<char>,
    /// Inside the braces of a parameter.
    in_braces: bool,
    /// What was seen that changes how quotes are read from there on.
    beyond: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    Between,
    Word,
    Quotes(char),
    Comment,
}

impl Reader for Shell {
    fn literal(&mut self, next: char) -> Result<(), Reason> {
        let before = self.before.replace(next);
        if std::mem::take(&mut self.escaped) {
            return Ok(());
        }
        if !matches!(self.place, Place::Quotes('\'') | Place::Comment) {
            match (before, next) {
                (_, '`') | (Some('$'), '(' | '\'') => self.beyond = Some("a substitution"),
                (Some('$'), '{') => self.in_braces = true,
                (_, '}') => self.in_braces = false,
                (Some('<'), '<') => self.beyond = Some("a here-document"),
                _ => {}
            }
        }
        match (self.place, next) {
            (Place::Comment, '\n') => self.begin_command(),
            (Place::Comment, _) => {}
            (Place::Quotes(quote), _) if next == quote => self.place = Place::Word,
            (Place::Quotes('\''), _) => {}
            (Place::Quotes(_), '\\') => self.escaped = true,
            (Place::Quotes(_), _) => {}
            (_, '\\') => {
                self.place = Place::Word;
                self.escaped = true;
            }
            (_, '"' | '\'') => self.place = Place::Quotes(next),
            (Place::Between, '#') => self.place = Place::Comment,
            (_, ' ' | '\t') => self.end_word(),
            (_, '\n' | ';' | '&' | '|' | '(' | ')' | '{' | '}' | '!') => self.begin_command(),
            _ => self.place = Place::Word,
        }
        Ok(())
    }

    fn value(&mut self, value: &Value<'_>, _: Next<'_>, out: &mut String) -> Result<(), Reason> {
        let text = without_controls(plain_text(value)?)?;
        if self.place == Place::Comment {
            out.push_str(text);
            return Ok(());
        }
        if let Some(what) = self.beyond {
            return Err(format!("stands in or behind {what}, where quoting cannot be told").into());
        }
        if self.escaped || self.in_braces || self.before == Some('$') {
            return Err("stands where another sign would change it".into());
        }
        self.before = None;
        match self.place {
            Place::Quotes('"') => {
                for c in text.chars() {
                    if matches!(c, '"' | '\\' | '$' | '`') {
                        out.push('\\');
                    }
                    out.push(c);
                }
            }
            Place::Quotes(_) => out.push_str(&text.replace('\'', r"'\''")),
            Place::Between if !self.later => {
                return Err("would be a command".into());
            }
            Place::Word if text.is_empty() => {}
            _ => {
                write_single_quoted(text, out);
                self.place = Place::Word;
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Reason> {
        match self.place {
            Place::Quotes(_) => Err("quotes are not closed".into()),
            _ => Ok(()),
        }
    }
}

impl Shell {
    fn begin_command(&mut self) {
        self.place = Place::Between;
        self.later = false;
    }

    fn end_word(&mut self) {
        if self.place == Place::Word {
            self.later = true;
        }
        self.place = Place::Between;
    }
}

/// Between single quotes everything stands for itself; a single quote stands
/// between two such words. What needs no quotes has none.
pub(super) fn write_single_quoted(text: &str, out: &mut String) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.:/+,-@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        out.push_str(text);
        return;
    }
    out.push('\'');
    out.push_str(&text.replace('\'', r"'\''"));
    out.push('\'');
}
