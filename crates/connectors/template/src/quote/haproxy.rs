//! HAProxy, as `parse_line` of 2.6 reads it: words end at white space, lines at
//! their end, comments begin anywhere outside of quotes. Quotes may begin inside
//! a word, as in a shell, so every word can be written.

use super::shell::write_single_quoted;
use super::{Next, Reader, Reason, Value, plain_text, without_controls};

#[derive(Default)]
pub(super) struct Haproxy {
    place: Place,
    escaped: bool,
    /// Words of the line so far, the present one included.
    words: usize,
    /// Nothing of the word was written yet, quotes aside.
    fresh: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    Between,
    Word,
    Quotes(char),
    Comment,
}

impl Reader for Haproxy {
    fn literal(&mut self, next: char) -> Result<(), Reason> {
        if next == '\n' {
            if matches!(self.place, Place::Quotes(_)) {
                return Err("quotes are not closed on their line".into());
            }
            *self = Self::default();
            return Ok(());
        }
        if std::mem::take(&mut self.escaped) {
            self.fresh = false;
            return Ok(());
        }
        match (self.place, next) {
            (Place::Comment, _) => {}
            (Place::Quotes(quote), _) if next == quote => self.place = Place::Word,
            (Place::Quotes('\''), _) => self.fresh = false,
            (_, '\\') => {
                self.begin_word();
                self.escaped = true;
            }
            (Place::Quotes(_), _) => self.fresh = false,
            (_, '#') => self.place = Place::Comment,
            (_, '"' | '\'') => {
                self.begin_word();
                self.place = Place::Quotes(next);
            }
            (_, space) if is_space(space) => self.place = Place::Between,
            _ => {
                self.begin_word();
                self.fresh = false;
            }
        }
        Ok(())
    }

    fn value(&mut self, value: &Value<'_>, next: Next<'_>, out: &mut String) -> Result<(), Reason> {
        let text = without_controls(plain_text(value)?)?;
        if self.place == Place::Comment {
            out.push_str(text);
            return Ok(());
        }
        if self.escaped {
            return Err("stands right behind a backslash".into());
        }
        if text.contains('%') {
            return Err("has a percent sign, which fetches things in formats".into());
        }
        self.begin_word();
        if self.words == 1 {
            return Err("would be a keyword, since it begins a line".into());
        }
        if self.fresh && text.starts_with('-') {
            return Err("begins with a dash, as a flag does".into());
        }
        let alone = self.fresh && next.is(|c| is_space(c) || matches!(c, '"' | '\'' | '#'));
        if alone && ["{", "}", "!", "||", "or", "if", "unless"].contains(&text) {
            return Err("is a sign of a condition's".into());
        }
        if alone && text.is_empty() {
            return Err("is empty, where HAProxy takes its line for ended".into());
        }
        match self.place {
            Place::Quotes('"') => {
                for c in text.chars() {
                    if matches!(c, '"' | '\\' | '$') {
                        out.push('\\');
                    }
                    out.push(c);
                }
            }
            Place::Quotes(_) => {
                // What a quote would end, ends and begins again.
                out.push_str(&text.replace('\'', r"'\''"));
            }
            _ if !text.is_empty() && text.chars().all(is_bare) => out.push_str(text),
            _ if text.is_empty() => {}
            _ => write_single_quoted(text, out),
        }
        self.fresh &= text.is_empty();
        Ok(())
    }

    fn end(&mut self) -> Result<(), Reason> {
        self.literal('\n')
    }
}

impl Haproxy {
    fn begin_word(&mut self) {
        if self.place == Place::Between {
            self.place = Place::Word;
            self.words += 1;
            self.fresh = true;
        }
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.:/+,-*?&[]@=~^".contains(c)
}
