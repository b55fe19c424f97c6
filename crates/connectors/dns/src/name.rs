//! Names as DNS writes them: labels, each behind its length.

use std::fmt;

/// What a whole name has at most, with all lengths and the root.
const LONGEST: usize = 255;

/// A name without the root behind it, in lower case: of the zone, or relative
/// to it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Name(Box<[u8]>);

impl Name {
    /// A name of labels that fit; none of them is empty or longer than 63.
    pub(crate) fn of<L: AsRef<str>>(labels: impl IntoIterator<Item = L>) -> Self {
        let mut bytes = Vec::new();
        for label in labels {
            let label = label.as_ref().as_bytes();
            debug_assert!((1..=63).contains(&label.len()));
            bytes.push(label.len() as u8);
            bytes.extend(label.to_ascii_lowercase());
        }
        Self(bytes.into())
    }

    /// Reads a name that people write, such as `svc.example.com`; `None` for
    /// what is no name of a host or zone.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let label = |label: &str| {
            let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            let edges = !label.starts_with('-') && !label.ends_with('-');
            (1..=63).contains(&label.len()) && edges && label.bytes().all(inner)
        };
        let fits = text.len() + 2 <= LONGEST && text.split('.').all(label);
        fits.then(|| Self::of(text.split('.')))
    }

    /// The labels behind their lengths, without the root.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same name below another.
    pub(crate) fn below(&self, above: &Self) -> Self {
        Self([&*self.0, &*above.0].concat().into())
    }
}

/// As people write it, with the root.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for label in labels(&self.0) {
            write!(f, "{}.", String::from_utf8_lossy(label))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The name one label above; `None` for the root.
pub(crate) fn parent(name: &[u8]) -> Option<&[u8]> {
    let first = usize::from(*name.first()?);
    name.get(first + 1..)
}

/// The labels of a name.
pub(crate) fn labels(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let above = parent(rest)?;
        let label = &rest[1..rest.len() - above.len()];
        rest = above;
        Some(label)
    })
}

/// Reads a name from a message: its length there, and its labels in lower case.
/// A question comes first in a message, so there is nothing to point back to
/// and a pointer is refused.
pub(crate) fn read(message: &[u8]) -> Option<(usize, Box<[u8]>)> {
    let mut end = 0;
    loop {
        let length = usize::from(*message.get(end)?);
        if length == 0 {
            let labels = message.get(..end)?;
            // Lengths are below 64, where there are no letters.
            return Some((end + 1, labels.to_ascii_lowercase().into()));
        }
        end += length + 1;
        if length > 63 || end >= LONGEST {
            return None;
        }
    }
}

/// Where a name in a message ends, which may end in a pointer.
pub(crate) fn skip(message: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        match usize::from(*message.get(at)?) {
            0 => return Some(at + 1),
            0xc0.. => return Some(at + 2),
            length @ 1..=63 => at += length + 1,
            _ => return None,
        }
        if at - from >= LONGEST {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_hosts_and_zones_are_read() {
        let name = Name::parse("NS.nacos.internal.").expect("a name");
        assert_eq!(name.as_bytes(), b"\x02ns\x05nacos\x08internal");
        assert_eq!(name.to_string(), "ns.nacos.internal.");
        for text in [
            "",
            ".",
            "a..b",
            "-a",
            "a-",
            "a b",
            "订",
            &"a".repeat(64),
            &"a.".repeat(130),
        ] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_name_in_a_message_ends_or_is_none() {
        let read = |bytes: &[u8]| super::read(bytes);
        assert_eq!(read(b"\x02Ab\x00rest"), Some((4, b"\x02ab"[..].into())));
        assert_eq!(read(b"\x00"), Some((1, b""[..].into())));
        for bad in [&b"\x02ab"[..], b"", b"\xc0\x0c", b"\x40", &[1; 300]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert_eq!(skip(b"\x02ab\xc0\x0crest", 0), Some(5));
        assert_eq!(skip(b"\x02ab", 0), None);
    }

    #[test]
    fn labels_from_the_left() {
        let name = Name::of(["a", "bc"]);
        assert_eq!(
            labels(name.as_bytes()).collect::<Vec<_>>(),
            [&b"a"[..], b"bc"]
        );
        assert_eq!(parent(b"\x01a\x02bc"), Some(&b"\x02bc"[..]));
        assert_eq!(parent(b""), None);
    }
}
