//! Texts that hold anything, as files hold them.

/// Adds a text in quotes, in which JSON and YAML read the same: what either
/// cannot hold as it is, is escaped. Both hold all beyond the first 65,536
/// characters.
pub fn quote(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(needs_escape) {
        out.push_str(&rest[..at]);
        let escaped = rest[at..].chars().next().unwrap_or_default();
        match escaped {
            '"' | '\\' => out.extend(['\\', escaped]),
            _ => out.push_str(&format!("\\u{:04x}", u32::from(escaped))),
        }
        rest = &rest[at + escaped.len_utf8()..];
    }
    out.push_str(rest);
    out.push('"');
}

fn needs_escape(c: char) -> bool {
    let holds = matches!(c, ' '..='~' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..);
    // Quotes, line ends of YAML, and what says that the text may be of another
    // byte order.
    !holds || matches!(c, '"' | '\\' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_read_back_from_json_and_from_yaml() {
        let mut hostile: Vec<String> = [
            "plain",
            "",
            "\"},{\"targets\":[\"evil:1\"]",
            "a\\u0041",
            "a\nb\r\t\0",
            "\u{7f}\u{85}\u{9f}\u{2028}\u{2029}\u{feff}\u{fffe}\u{ffff}",
            "订单 😀",
            "- a: b # c",
            "{{ x }} ${y} %z",
            "\u{1b}[2J\u{202e}",
        ]
        .map(str::to_owned)
        .into();
        hostile.extend((0..0x3000).filter_map(char::from_u32).map(String::from));
        for text in hostile {
            let mut quoted = String::new();
            quote(&mut quoted, &text);
            let json: String = serde_json::from_str(&quoted).expect("JSON");
            assert_eq!(json, text);
            let yaml: Vec<String> = serde_saphyr::from_str(&format!("[{quoted}]")).expect("YAML");
            assert_eq!(yaml, [text.as_str()]);
        }
    }
}
