//! nginx, as `ngx_conf_read_token` of 1.22 reads it: words end at white space,
//! `;` and `{`; quotes count only where a word begins; a backslash hides the
//! next character; a dollar sign begins a variable wherever it stands, and
//! cannot be written otherwise.

use super::{Next, Reader, Reason, Value, plain_text, without_controls};

/// nginx reads words of less than 4,096 bytes.
const LONGEST: usize = 2_048;

/// Words that a `map` or `geo` block takes for something else than a key.
const NO_KEYS: [&str; 8] = [
    "default",
    "delete",
    "hostnames",
    "include",
    "proxy",
    "proxy_recursive",
    "ranges",
    "volatile",
];

#[derive(Default)]
pub(super) struct Nginx {
    place: Place,
    /// A backslash came before.
    escaped: bool,
    /// A variable's name may go on here.
    variable: bool,
    /// Nothing of the word was written yet, quotes aside.
    fresh: bool,
    /// Whether the word is not the first of its statement.
    later: bool,
    /// The first word of the statement so far.
    name: String,
    /// A value is part of that word.
    tainted: bool,
    /// The blocks around: whether their statements begin with keys.
    blocks: Vec<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    Between,
    Word,
    Quotes(char),
    Comment,
}

impl Reader for Nginx {
    fn literal(&mut self, next: char) -> Result<(), Reason> {
        match self.place {
            Place::Comment if next == '\n' => self.place = Place::Between,
            Place::Comment => {}
            Place::Between => self.between(next),
            Place::Word | Place::Quotes(_) => self.inside(next)?,
        }
        Ok(())
    }

    fn value(&mut self, value: &Value<'_>, next: Next<'_>, out: &mut String) -> Result<(), Reason> {
        let text = without_controls(plain_text(value)?)?;
        if self.place == Place::Comment {
            out.push_str(text);
            return Ok(());
        }
        self.can_hold(text)?;
        match self.place {
            Place::Quotes(quote) => self.write_inside(text, quote, out),
            Place::Word if text.chars().all(is_bare) => self.write_bare(text, out),
            Place::Between if !text.is_empty() && text.chars().all(is_bare) => {
                self.write_bare(text, out);
            }
            Place::Between if next.is(ends_word) => {
                self.begin(Place::Quotes('"'));
                out.push('"');
                self.write_inside(text, '"', out);
                out.push('"');
                self.end_word()?;
            }
            Place::Between | Place::Word | Place::Comment => {
                return Err(
                    "needs quotes, and is only a part of a word: put the whole word in quotes"
                        .into(),
                );
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Reason> {
        match self.place {
            Place::Quotes(_) => Err("quotes are not closed".into()),
            Place::Word => self.end_word(),
            Place::Between | Place::Comment => Ok(()),
        }
    }
}

impl Nginx {
    fn between(&mut self, next: char) {
        match next {
            ';' => self.begin_statement(),
            '{' => {
                let keys = ["map", "geo", "types", "charset_map"].contains(&self.name.as_str());
                self.blocks.push(keys);
                self.begin_statement();
            }
            '}' => {
                self.blocks.pop();
                self.begin_statement();
            }
            '#' => self.place = Place::Comment,
            '"' | '\'' => self.begin(Place::Quotes(next)),
            space if is_space(space) => {}
            _ => {
                self.begin(Place::Word);
                self.escaped = next == '\\';
                match self.escaped {
                    true => self.fresh = false,
                    false => self.grow(next),
                }
            }
        }
    }

    fn inside(&mut self, next: char) -> Result<(), Reason> {
        if self.escaped {
            self.escaped = false;
            self.grow(next);
            return Ok(());
        }
        match (self.place, next) {
            (_, '\\') => {
                self.escaped = true;
                self.variable = false;
                self.fresh = false;
            }
            (Place::Quotes(quote), _) if next == quote => self.end_word()?,
            (Place::Word, '{') if self.variable => {}
            (Place::Word, _) if ends_word(next) => {
                self.end_word()?;
                self.between(next);
            }
            _ => self.grow(next),
        }
        Ok(())
    }

    /// One more character of a word.
    fn grow(&mut self, next: char) {
        let goes_on = self.variable && (next.is_ascii_alphanumeric() || matches!(next, '_' | '{'));
        self.variable = next == '$' || goes_on;
        self.fresh = false;
        if !self.later {
            self.name.push(next);
        }
    }

    fn begin(&mut self, place: Place) {
        self.place = place;
        self.escaped = false;
        self.variable = false;
        self.fresh = true;
    }

    fn begin_statement(&mut self) {
        self.place = Place::Between;
        self.later = false;
        self.tainted = false;
        self.name.clear();
    }

    /// A word is complete. Where it begins a statement and data had a part in
    /// it, it must not name what nginx shall do.
    fn end_word(&mut self) -> Result<(), Reason> {
        self.place = Place::Between;
        self.variable = false;
        if self.later || !self.tainted {
            self.later = true;
            return Ok(());
        }
        self.later = true;
        let in_keys = self.blocks.last().copied().unwrap_or(false);
        let could_be_a_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let forbidden = match in_keys {
            true => NO_KEYS.contains(&self.name.as_str()),
            false => self.name.chars().all(could_be_a_name),
        };
        match forbidden {
            true => Err(format!("`{}` from data would be a directive", self.name).into()),
            false => Ok(()),
        }
    }

    fn can_hold(&self, text: &str) -> Result<(), Reason> {
        if self.escaped {
            return Err("stands right behind a backslash".into());
        }
        if self.variable {
            return Err("would be a part of a variable's name".into());
        }
        if text.contains('$') {
            return Err("has a dollar sign, which begins a variable wherever it stands".into());
        }
        if text.len() > LONGEST {
            return Err(format!("is longer than {LONGEST} bytes").into());
        }
        let begins = self.place == Place::Between || self.fresh;
        if begins && text.starts_with(['~', '^', '=', '@', '!']) {
            return Err("begins with a sign that nginx takes for an operator".into());
        }
        Ok(())
    }

    fn write_bare(&mut self, text: &str, out: &mut String) {
        if self.place == Place::Between {
            self.begin(Place::Word);
        }
        self.take(text);
        out.push_str(text);
    }

    fn write_inside(&mut self, text: &str, quote: char, out: &mut String) {
        self.take(text);
        for c in text.chars() {
            if c == quote || c == '\\' {
                out.push('\\');
            }
            out.push(c);
        }
    }

    /// Data becomes a part of the word.
    fn take(&mut self, text: &str) {
        self.fresh &= text.is_empty();
        if !self.later {
            self.tainted = true;
            self.name.push_str(text);
        }
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn ends_word(c: char) -> bool {
    is_space(c) || matches!(c, ';' | '{')
}

/// Whether a character means nothing to nginx wherever it stands in a word.
fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.:/%+,-*?&[]@=".contains(c) || !c.is_ascii()
}
