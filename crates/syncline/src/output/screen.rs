//! Where the answer goes, and what is known of it.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use serde::Serialize;

use super::palette::Palette;
use super::safe;

/// The form of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, ValueEnum)]
pub enum Format {
    /// For people, cut to the screen.
    #[default]
    Table,
    /// For people, in full.
    Wide,
    /// For programs.
    Json,
    /// For programs, and for people with much to read.
    Yaml,
}

/// When to use colours.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Colour {
    /// The colours for an output.
    pub fn palette(self, is_terminal: bool, env: &dyn Fn(&str) -> Option<String>) -> Palette {
        let set = |name| env(name).is_some_and(|value| !value.is_empty());
        let on = match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto if set("NO_COLOR") => false,
            Self::Auto => is_terminal && env("TERM").is_none_or(|term| term != "dumb"),
        };
        if on {
            Palette::COLOURED
        } else {
            Palette::PLAIN
        }
    }
}

/// The standard output, with the form that was asked for.
#[derive(Debug)]
pub struct Screen {
    /// The form of the answer.
    pub format: Format,
    /// The colours.
    pub palette: Palette,
    /// The width in characters, where a terminal is looking.
    pub width: Option<usize>,
    out: io::Stdout,
}

impl Screen {
    /// Looks at the standard output.
    pub fn new(format: Format, colour: Colour, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let out = io::stdout();
        let is_terminal = out.is_terminal();
        let size = console::Term::stdout().size_checked();
        Self {
            format,
            palette: colour.palette(is_terminal, env),
            width: size
                .filter(|_| is_terminal)
                .map(|(_, columns)| usize::from(columns)),
            out,
        }
    }

    /// Writes lines at once. Only line ends and our own colours do anything in
    /// them.
    ///
    /// # Errors
    /// When nobody reads any more, which ends a command quietly.
    pub fn print(&self, text: &str) -> io::Result<()> {
        self.write(&safe::lines(text))
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let mut out = self.out.lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Writes one line, whatever is in it, and ends it.
    ///
    /// # Errors
    /// When nobody reads any more, which ends a command quietly.
    pub fn line(&self, text: &str) -> io::Result<()> {
        self.write(&format!("{}\n", safe::line(text)))
    }

    /// Whether the answer is for programs.
    pub fn wants_data(&self) -> bool {
        matches!(self.format, Format::Json | Format::Yaml)
    }

    /// Writes a whole answer for programs.
    ///
    /// # Errors
    /// When nobody reads any more, which ends a command quietly.
    pub fn data<T: Serialize>(&self, answer: &T) -> anyhow::Result<()> {
        let text = match self.format {
            Format::Yaml => serde_saphyr::to_string(answer)?,
            Format::Json | Format::Table | Format::Wide => {
                safe::json(&serde_json::to_string_pretty(answer)?).into_owned() + "\n"
            }
        };
        self.print(&text)?;
        Ok(())
    }

    /// Writes one item of an answer that goes on: a JSON line, or a YAML
    /// document.
    ///
    /// # Errors
    /// When nobody reads any more, which ends a command quietly.
    pub fn item<T: Serialize>(&self, item: &T) -> anyhow::Result<()> {
        let text = match self.format {
            Format::Yaml => format!("---\n{}", serde_saphyr::to_string(item)?),
            Format::Json | Format::Table | Format::Wide => {
                safe::json(&serde_json::to_string(item)?).into_owned() + "\n"
            }
        };
        self.print(&text)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_and_for_those_who_insist() {
        let none = |_: &str| None;
        let no_color = |name: &str| (name == "NO_COLOR").then(|| "1".to_owned());
        let dumb = |name: &str| (name == "TERM").then(|| "dumb".to_owned());
        assert!(Colour::Auto.palette(true, &none).is_on());
        assert!(!Colour::Auto.palette(false, &none).is_on());
        assert!(!Colour::Auto.palette(true, &no_color).is_on());
        assert!(!Colour::Auto.palette(true, &dumb).is_on());
        assert!(Colour::Always.palette(false, &no_color).is_on());
        assert!(!Colour::Never.palette(true, &none).is_on());
    }
}
