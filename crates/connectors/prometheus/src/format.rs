//! How target groups are written down.

use syncline_files::quote;

use crate::config::Format;

impl Format {
    /// Adds a group with one target.
    pub(crate) fn group<'a>(
        self,
        text: &mut String,
        target: &str,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
    ) {
        match self {
            Self::Json => {
                text.push_str(if text.is_empty() { "[\n" } else { ",\n" });
                text.push_str("{\"targets\":[");
                quote(text, target);
                text.push_str("],\"labels\":{");
                for (at, (name, value)) in labels.enumerate() {
                    if at > 0 {
                        text.push(',');
                    }
                    quote(text, name);
                    text.push(':');
                    quote(text, value);
                }
                text.push_str("}}");
            }
            Self::Yaml => {
                text.push_str("- targets: [");
                quote(text, target);
                text.push_str("]\n  labels:\n");
                for (name, value) in labels {
                    text.push_str("    ");
                    text.push_str(name);
                    text.push_str(": ");
                    quote(text, value);
                    text.push('\n');
                }
            }
        }
    }

    /// The whole document, once all groups were added.
    pub(crate) fn document(self, mut groups: String) -> String {
        match self {
            _ if groups.is_empty() => groups.push_str("[]\n"),
            Self::Json => groups.push_str("\n]\n"),
            Self::Yaml => {}
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_without_groups_is_an_empty_list() {
        for format in [Format::Json, Format::Yaml] {
            assert_eq!(format.document(String::new()), "[]\n");
        }
    }
}
