//! Text of others, made harmless.
//!
//! Names, metadata and messages come from whoever can register an instance. On
//! a screen or in a log they must neither begin a line of their own, nor colour
//! or move anything, nor change the order in which the rest is read. What could
//! is shown as Rust would write it in a literal: `\n`, `\u{1b}`, `\u{202e}`.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::palette;

/// Whether a character does something instead of being seen: controls, line
/// ends, what turns the direction of reading, and what has no width.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Text that stays within its line and is seen as it is.
pub fn safe(text: &str) -> Cow<'_, str> {
    escaped(text, |_| 0)
}

/// Text of ours in which only line ends and our own colours do something. A
/// second line of defence: what is put into it is [`safe`] already.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |rest| match rest.starts_with('\n') {
        true => 1,
        false => palette::sequence(rest),
    })
}

/// One line of ours, in which only our own colours do something.
pub(super) fn line(text: &str) -> Cow<'_, str> {
    escaped(text, palette::sequence)
}

/// Data of ours as JSON: hostile characters in its texts are escaped, so that
/// it means the same. Between its texts there are only line ends.
pub fn json(text: &str) -> Cow<'_, str> {
    let is_fine = |c: char| c == '\n' || !is_hostile(c);
    if text.chars().all(is_fine) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_fine(c) {
            safe.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            safe.push_str(&format!("\\u{unit:04x}"));
        }
    }
    Cow::Owned(safe)
}

/// A whole answer with all its texts safe, whatever fields it has.
///
/// # Errors
/// When it cannot be read back, which only an answer of another shape cannot.
pub fn answer<T: Serialize + DeserializeOwned>(answer: &T) -> serde_json::Result<T> {
    let mut value = serde_json::to_value(answer)?;
    walk(&mut value);
    serde_json::from_value(value)
}

fn walk(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(safe) = safe(text) {
                *text = safe;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(walk),
        Value::Object(fields) => {
            let taken = std::mem::take(fields);
            fields.extend(taken.into_iter().map(|(key, mut value)| {
                walk(&mut value);
                (safe(&key).into_owned(), value)
            }));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Escapes what is hostile, but not as many bytes as `kept` says of what is at
/// the beginning of the rest.
fn escaped(text: &str, kept: impl Fn(&str) -> usize) -> Cow<'_, str> {
    if !text.contains(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(is_hostile) {
        let (fine, hostile) = rest.split_at(at);
        safe.push_str(fine);
        let mut end = kept(hostile);
        if end > 0 {
            safe.push_str(&hostile[..end]);
        } else if let Some(c) = hostile.chars().next() {
            safe.extend(c.escape_default());
            end = c.len_utf8();
        }
        rest = &hostile[end..];
    }
    safe.push_str(rest);
    Cow::Owned(safe)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::output::Palette;

    /// Names that try to be more than names.
    pub(crate) const HOSTILE: [&str; 8] = [
        "orders\n2026-11-23T09:00:00Z  INFO syncline: all is well",
        "orders\r\x1b[2K\x1b[1Aforged",
        "\x1b[31mred\x1b[0m",
        "\x1b]0;title\x07\x1b]8;;http://evil\x1b\\",
        "\u{9b}2J\u{85}next",
        "user\u{202e}gnp.exe\u{2066}",
        "a\u{2028}b\u{2029}c\u{200b}\u{e0041}",
        "tab\tnul\0del\x7f",
    ];

    #[test]
    fn what_does_something_is_shown_instead() {
        for (hostile, shown) in [
            ("a\nb\r\nc\td", r"a\nb\r\nc\td"),
            ("\u{1b}[31mred\u{1b}[0m", r"\u{1b}[31mred\u{1b}[0m"),
            ("\u{9b}2J\u{7f}\0\u{7}", r"\u{9b}2J\u{7f}\u{0}\u{7}"),
            (
                "\u{202e}evil\u{2066}x\u{2069}",
                r"\u{202e}evil\u{2066}x\u{2069}",
            ),
            ("a\u{2028}b\u{2029}c\u{85}d", r"a\u{2028}b\u{2029}c\u{85}d"),
            (
                "z\u{200b}w\u{feff}\u{e0041}",
                r"z\u{200b}w\u{feff}\u{e0041}",
            ),
            ("订单服务 é ✓ → '\\", "订单服务 é ✓ → '\\"),
        ] {
            assert_eq!(safe(hostile), shown);
        }
    }

    #[test]
    fn every_hostile_name_is_seen_for_what_it_is() {
        for hostile in HOSTILE {
            let shown = safe(hostile);
            assert_ne!(shown, hostile);
            assert_eq!(safe(&shown), shown);
        }
    }

    #[test]
    fn our_own_colours_pass_and_others_do_not() {
        let ours = format!("{}\n", Palette::COLOURED.removed("gone"));
        assert_eq!(lines(&ours), ours);
        assert_eq!(line(&ours), format!("{}\\n", ours.trim_end()));
        assert_eq!(lines("\u{1b}[2Jx\n"), "\\u{1b}[2Jx\n");
        assert_eq!(lines("\u{1b}]0;title\u{7}"), "\\u{1b}]0;title\\u{7}");
    }

    #[test]
    fn data_means_the_same() {
        let hostile = "a\n\u{1b}\u{9b}\u{202e}\u{e0041}\u{7f}服务";
        let written = serde_json::to_string_pretty(&[hostile]).expect("JSON");
        let safe = json(&written);
        assert!(!safe.contains(|c| c != '\n' && is_hostile(c)), "{safe:?}");
        assert_eq!(safe.lines().count(), 3);
        let read: Vec<String> = serde_json::from_str(&safe).expect("JSON");
        assert_eq!(read, [hostile]);
    }

    #[test]
    fn an_answer_is_safe_to_its_last_field() {
        let mut hostile = std::collections::BTreeMap::new();
        hostile.insert("a\nb".to_owned(), vec![Some("\u{1b}[1m".to_owned()), None]);
        let safe = answer(&hostile).expect("the same shape");
        assert_eq!(safe["a\\nb"], [Some("\\u{1b}[1m".to_owned()), None]);
    }
}
