//! JSON: a value outside of quotes is a JSON value, inside it is text.

use super::{Kind, Next, Reader, Reason, Value};

#[derive(Default)]
pub(super) struct Json {
    in_text: bool,
    escaped: bool,
    /// What stands before is a part of a bare word such as `tru`.
    in_word: bool,
}

impl Reader for Json {
    fn literal(&mut self, next: char) -> Result<(), Reason> {
        if std::mem::take(&mut self.escaped) {
            return Ok(());
        }
        match next {
            '\\' if self.in_text => self.escaped = true,
            '"' => self.in_text = !self.in_text,
            '\n' if self.in_text => return Err("quotes are not closed on their line".into()),
            _ => {}
        }
        self.in_word = !self.in_text && (next.is_alphanumeric() || matches!(next, '.' | '-' | '+'));
        Ok(())
    }

    fn value(&mut self, value: &Value<'_>, next: Next<'_>, out: &mut String) -> Result<(), Reason> {
        if self.escaped {
            return Err("stands right behind a backslash".into());
        }
        if self.in_text {
            write_escaped(value.text, out);
            return Ok(());
        }
        let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '"' | '.' | '-' | '+');
        if self.in_word || next == Next::Value || (next != Next::End && next.is(goes_on)) {
            return Err("is only a part of a word: put the whole word in quotes".into());
        }
        write_value(value, out);
        self.in_word = true;
        Ok(())
    }

    fn end(&mut self) -> Result<(), Reason> {
        match self.in_text {
            true => Err("quotes are not closed".into()),
            false => Ok(()),
        }
    }
}

/// A value as JSON has it, which is a value of YAML too.
pub(super) fn write_value(value: &Value<'_>, out: &mut String) {
    match value.kind {
        Kind::Number | Kind::Bool | Kind::Structure => out.push_str(value.text),
        Kind::Nothing => out.push_str("null"),
        Kind::Text => {
            out.push('"');
            write_escaped(value.text, out);
            out.push('"');
        }
    }
}

/// Text inside double quotes. Whatever could be taken for a line break is
/// escaped too, which JSON allows and YAML and JavaScript need.
pub(super) fn write_escaped(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
}
