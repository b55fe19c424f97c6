//! Marks around values in a rendered text.
//!
//! They are characters that Unicode sets aside for the inside of programs; a
//! value never has them, as they are taken out of it when it is marked.

use std::borrow::Cow;

const OPEN: char = '\u{fdd0}';
const SAYS: char = '\u{fdd1}';
const CLOSE: char = '\u{fdd2}';

/// What sort of value it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Text,
    Number,
    Bool,
    /// None.
    Nothing,
    /// A list or a map, as JSON.
    Structure,
}

/// A value in a rendered text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Value<'a> {
    /// The how manyeth it was when it was marked.
    pub(super) number: usize,
    pub(super) kind: Kind,
    pub(super) text: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Piece<'a> {
    /// What the template's author wrote.
    Literal(&'a str),
    Value(Value<'a>),
}

/// A value with its mark.
pub(crate) fn marked(number: usize, kind: Kind, text: &str) -> String {
    // A digit first: filters that change letters must not change a mark.
    let kind = match kind {
        Kind::Text => 0,
        Kind::Number => 1,
        Kind::Bool => 2,
        Kind::Nothing => 3,
        Kind::Structure => 4,
    };
    format!("{OPEN}{kind}{number}{SAYS}{}{CLOSE}", unmarked(text))
}

/// A text without marks: of what was marked, what it says.
pub(crate) fn unmarked(text: &str) -> Cow<'_, str> {
    if !text.contains([OPEN, SAYS, CLOSE]) {
        return Cow::Borrowed(text);
    }
    let mut said = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find([OPEN, SAYS, CLOSE]) {
        said.push_str(&rest[..at]);
        let mark = &rest[at..];
        let end = match mark.strip_prefix(OPEN) {
            Some(inside) => {
                head(inside).map_or(OPEN.len_utf8(), |(_, _, length)| OPEN.len_utf8() + length)
            }
            None => SAYS.len_utf8(),
        };
        rest = &mark[end..];
    }
    said.push_str(rest);
    Cow::Owned(said)
}

/// Kind and number at the beginning of a mark, and how long they are.
fn head(inside: &str) -> Option<(Kind, usize, usize)> {
    let end = inside.find(|c: char| !c.is_ascii_digit())?;
    let (kind, number) = inside[..end].split_at_checked(1)?;
    let kind = match kind {
        "0" => Kind::Text,
        "1" => Kind::Number,
        "2" => Kind::Bool,
        "3" => Kind::Nothing,
        "4" => Kind::Structure,
        _ => return None,
    };
    let number = number.parse().ok()?;
    inside[end..]
        .starts_with(SAYS)
        .then_some((kind, number, end + SAYS.len_utf8()))
}

/// Takes a rendered text apart.
///
/// # Errors
/// The template took marked text apart by itself, and whose words they are
/// cannot be told any more.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, &'static str> {
    const TORN: &str = "takes text apart that it had put together";
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((literal, marked)) = rest.split_once(OPEN) {
        let (kind, number, length) = head(marked).ok_or(TORN)?;
        let (text, after) = marked[length..].split_once(CLOSE).ok_or(TORN)?;
        let stray = |text: &str| text.contains([OPEN, SAYS, CLOSE]);
        if stray(literal) || stray(text) {
            return Err(TORN);
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        pieces.push(Piece::Value(Value { number, kind, text }));
        rest = after;
    }
    if rest.contains([SAYS, CLOSE]) {
        return Err(TORN);
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_marked_is_found_again() {
        let text = format!(
            "a {}b{}",
            marked(0, Kind::Text, "x"),
            marked(12, Kind::Number, "7")
        );
        let value = |number, kind, text| Piece::Value(Value { number, kind, text });
        assert_eq!(
            pieces(&text),
            Ok(vec![
                Piece::Literal("a "),
                value(0, Kind::Text, "x"),
                Piece::Literal("b"),
                value(12, Kind::Number, "7"),
            ])
        );
        assert_eq!(unmarked(&text), "a xb7");
    }

    #[test]
    fn no_value_brings_marks_of_its_own() {
        for hostile in [
            "\u{fdd2};",
            "\u{fdd0}00\u{fdd1}x\u{fdd2}",
            "\u{fdd0}",
            "\u{fdd1}\u{fdd0}9",
        ] {
            let text = marked(1, Kind::Text, hostile);
            let pieces = pieces(&text).expect("whole");
            assert_eq!(pieces.len(), 1, "{hostile:?}");
            assert!(matches!(pieces[0], Piece::Value(_)));
        }
    }

    #[test]
    fn what_was_torn_is_refused() {
        let text = marked(3, Kind::Text, "abc");
        for (at, _) in text.char_indices().skip(1) {
            assert!(pieces(&text[at..]).is_err(), "{at}");
            assert!(pieces(&text[..at]).is_err(), "{at}");
        }
    }
}
