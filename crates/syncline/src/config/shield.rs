//! `${VAR}` within `{ … }` and `[ … ]`, which is no YAML by the letter.

/// Characters that YAML reads as structure, and what stands for them while it
/// reads; no keyboard types the latter.
const SHIELDS: [(char, char); 7] = [
    ('{', '\u{F8F0}'),
    ('}', '\u{F8F1}'),
    ('[', '\u{F8F2}'),
    (']', '\u{F8F3}'),
    (',', '\u{F8F4}'),
    (':', '\u{F8F5}'),
    ('#', '\u{F8F6}'),
];

/// Hides what stands between `${` and `}` from the parser: within `{ … }` and
/// `[ … ]` YAML would take the braces of `${VAR}` for its own. One character
/// for one, so that every place stays what it was.
pub(super) fn shielded(content: &str) -> String {
    let mut shielded = String::with_capacity(content.len());
    let mut rest = content;
    while let Some(start) = rest.find("${") {
        let end = rest[start..].find(['}', '\n']);
        let Some(end) = end
            .map(|end| start + end)
            .filter(|end| rest[*end..].starts_with('}'))
        else {
            let (done, left) = rest.split_at(start + 2);
            shielded.push_str(done);
            rest = left;
            continue;
        };
        shielded.push_str(&rest[..start]);
        let swapped = rest[start..=end]
            .chars()
            .map(|c| swap(c, SHIELDS.iter().copied()));
        shielded.extend(swapped);
        rest = &rest[end + 1..];
    }
    shielded.push_str(rest);
    shielded
}

/// What a shielded text was.
pub(super) fn unshielded(text: &str) -> String {
    let back = || SHIELDS.iter().map(|(real, shield)| (*shield, *real));
    text.chars().map(|c| swap(c, back())).collect()
}

fn swap(c: char, mut pairs: impl Iterator<Item = (char, char)>) -> char {
    pairs
        .find_map(|(from, to)| (from == c).then_some(to))
        .unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_hidden_and_come_back() {
        for text in [
            "a: { b: ${FILE:-x, [y]: #z}, c: 1 }",
            "no reference: { a: b }",
            "${open {\n${A}",
            "$${A} ${} ${file:/run/é}",
        ] {
            let hidden = shielded(text);
            assert_eq!(hidden.chars().count(), text.chars().count(), "{text}");
            assert_eq!(unshielded(&hidden), text);
        }
        assert!(!shielded("{ b: ${A:-x, y} }")[5..].starts_with("${"));
        assert_eq!(shielded("{ b: c }, ${open\n}"), "{ b: c }, ${open\n}");
    }
}
