//! Colours, which can be off.

use std::fmt;

use anstyle::{AnsiColor, Style};

/// What a colour is to mean.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Tone {
    /// Ordinary text.
    #[default]
    Plain,
    /// Added, or healthy again.
    Added,
    /// Changed, or in need of a look.
    Changed,
    /// Removed, failed or unhealthy.
    Removed,
    /// Unchanged, or of little interest.
    Dim,
    /// What a line is about.
    Strong,
}

/// Colours text, or leaves it as it is. The words are the same either way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Palette {
    on: bool,
}

impl Palette {
    /// No colours.
    pub const PLAIN: Self = Self { on: false };
    /// Colours.
    pub const COLOURED: Self = Self { on: true };

    /// Whether there are colours.
    pub fn is_on(self) -> bool {
        self.on
    }

    /// Text in a tone.
    pub fn paint<T: fmt::Display>(self, tone: Tone, text: T) -> Painted<T> {
        let style = if self.on { style(tone) } else { Style::new() };
        Painted { style, text }
    }

    /// Added, or healthy again.
    pub fn added<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.paint(Tone::Added, text)
    }

    /// Changed, or in need of a look.
    pub fn changed<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.paint(Tone::Changed, text)
    }

    /// Removed, failed or unhealthy.
    pub fn removed<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.paint(Tone::Removed, text)
    }

    /// Unchanged, or of little interest.
    pub fn dim<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.paint(Tone::Dim, text)
    }

    /// What a line is about.
    pub fn strong<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.paint(Tone::Strong, text)
    }
}

fn style(tone: Tone) -> Style {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    match tone {
        Tone::Plain => Style::new(),
        Tone::Added => colour(AnsiColor::Green),
        Tone::Changed => colour(AnsiColor::Yellow),
        Tone::Removed => colour(AnsiColor::Red),
        Tone::Dim => Style::new().dimmed(),
        Tone::Strong => Style::new().bold(),
    }
}

/// How many bytes at the beginning of a text are a sequence that colours of
/// ours are made of; tables write the same otherwise.
pub(super) fn sequence(text: &str) -> usize {
    let Some(rest) = text.strip_prefix("\u{1b}[") else {
        return 0;
    };
    let Some(end) = rest.find('m') else { return 0 };
    match SEQUENCES.contains(&&rest[..end]) {
        true => "\u{1b}[".len() + end + 1,
        false => 0,
    }
}

/// Reset, bold, dimmed, and the three colours, as words of ours and as cells.
const SEQUENCES: [&str; 9] = [
    "0", "1", "2", "31", "32", "33", "38;5;1", "38;5;2", "38;5;3",
];

/// Text that brings its colour along.
#[derive(Clone, Copy, Debug)]
pub struct Painted<T> {
    style: Style,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.style.render())?;
        self.text.fmt(f)?;
        write!(f, "{}", self.style.render_reset())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colours_only_the_words_are_left() {
        assert_eq!(Palette::PLAIN.removed("gone").to_string(), "gone");
        assert_eq!(
            Palette::COLOURED.removed("gone").to_string(),
            "\u{1b}[31mgone\u{1b}[0m"
        );
        assert_eq!(format!("{:>6}|", Palette::PLAIN.dim("12")), "    12|");
    }
}
