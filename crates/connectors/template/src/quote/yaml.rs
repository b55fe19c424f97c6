//! YAML: a value where a scalar begins is written as JSON writes it, and nothing
//! may follow it but what ends a scalar; inside quotes it is text; inside a bare
//! word only plain characters are taken.

use super::json::{write_escaped, write_value};
use super::{Kind, Next, Reader, Reason, Value, plain_text, without_controls};

pub(super) struct Yaml {
    place: Place,
    escaped: bool,
    /// Whether a scalar may begin here: only white space and indicators stand
    /// before, since the line began or the last scalar ended.
    fresh: bool,
    /// What stands before is an indicator, if white space follows.
    indicator: bool,
    /// How many brackets are open.
    depth: usize,
    /// A single quote closed the scalar; a second one opens it again.
    closed: bool,
    /// The character before.
    before: char,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Bare,
    Quotes(char),
    Comment,
}

impl Default for Yaml {
    fn default() -> Self {
        Self {
            place: Place::Bare,
            escaped: false,
            fresh: true,
            indicator: false,
            depth: 0,
            closed: false,
            before: '\n',
        }
    }
}

impl Reader for Yaml {
    fn literal(&mut self, next: char) -> Result<(), Reason> {
        let before = std::mem::replace(&mut self.before, next);
        if std::mem::take(&mut self.escaped) {
            return Ok(());
        }
        match (self.place, next) {
            (Place::Quotes(_), '\n') => return Err("quotes are not closed on their line".into()),
            (_, '\n') => {
                self.place = Place::Bare;
                self.fresh = true;
            }
            (Place::Comment, _) => {}
            (Place::Quotes('"'), '\\') => self.escaped = true,
            (Place::Quotes(quote), _) if next == quote => {
                self.place = Place::Bare;
                self.closed = quote == '\'';
            }
            (Place::Quotes(_), _) => {}
            (Place::Bare, _) => self.bare(before, next),
        }
        Ok(())
    }

    fn value(&mut self, value: &Value<'_>, next: Next<'_>, out: &mut String) -> Result<(), Reason> {
        if self.escaped {
            return Err("stands right behind a backslash".into());
        }
        match self.place {
            Place::Comment => out.push_str(without_controls(plain_text(value)?)?),
            Place::Quotes('"') => write_escaped(value.text, out),
            Place::Quotes(_) => {
                out.push_str(&without_controls(plain_text(value)?)?.replace('\'', "''"));
            }
            Place::Bare if self.stands_alone(value, next) => write_value(value, out),
            Place::Bare => {
                let text = plain_text(value)?;
                let plain = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
                if !text.chars().all(plain) || (self.begins() && text.starts_with('-')) {
                    return Err(
                        "needs quotes, and is only a part of a word: put the whole word in quotes"
                            .into(),
                    );
                }
                out.push_str(text);
            }
        }
        self.fresh = false;
        self.indicator = false;
        self.closed = false;
        self.before = 'v';
        Ok(())
    }

    fn end(&mut self) -> Result<(), Reason> {
        match self.place {
            Place::Quotes(_) => Err("quotes are not closed".into()),
            Place::Bare | Place::Comment => Ok(()),
        }
    }
}

impl Yaml {
    fn bare(&mut self, before: char, next: char) {
        let indicator = std::mem::take(&mut self.indicator);
        let closed = std::mem::take(&mut self.closed);
        match next {
            '\'' if closed => self.place = Place::Quotes(next),
            '"' | '\'' if self.fresh => {
                self.place = Place::Quotes(next);
                self.fresh = false;
            }
            '#' if is_space(before) => self.place = Place::Comment,
            '[' | '{' if self.fresh => self.depth += 1,
            ']' | '}' if self.depth > 0 => {
                self.depth -= 1;
                self.fresh = false;
            }
            ',' if self.depth > 0 => self.fresh = true,
            space if is_space(space) => self.fresh |= indicator,
            ':' => {
                self.indicator = true;
                self.fresh = false;
            }
            '-' | '?' => {
                self.indicator = self.fresh;
                self.fresh = false;
            }
            _ => self.fresh = false,
        }
    }

    fn begins(&self) -> bool {
        self.fresh && (is_space(self.before) || matches!(self.before, '[' | '{' | ','))
    }

    /// Whether the value is a scalar, or a whole structure, of its own.
    fn stands_alone(&self, value: &Value<'_>, next: Next<'_>) -> bool {
        let is_key = matches!(next, Next::Literal(text) if text.starts_with(": ") || text.starts_with(":\n"));
        let ends = is_key || next.is(|c| matches!(c, '\n' | '\r' | ',' | ']' | '}' | ' '));
        // A key is text, whatever it looks like.
        self.begins() && ends && (!is_key || value.kind == Kind::Text)
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n')
}
