//! What is wrong with a configuration, all of it at once.

use std::fmt;

use serde::Serialize;

use super::text::{Mark, Texts};
use crate::output::Palette;
use crate::output::number::plural;
use crate::output::safe::safe;

/// One thing that is wrong, and where.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Problem {
    /// `file:line:column`; nothing where the configuration is not a file.
    pub place: Option<String>,
    /// What is wrong, and what would be right.
    pub message: String,
    #[serde(skip)]
    excerpt: Option<Excerpt>,
}

/// The line in question, or as much of it as a screen takes.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Excerpt {
    number: usize,
    line: String,
    /// What stands before the marks below: as wide as what is above it.
    before: String,
    width: usize,
}

/// How many characters of a line are shown, and how many of them may stand
/// before the place that is meant.
const EXCERPT: usize = 120;
const BEFORE: usize = 60;

impl Excerpt {
    fn of(line: &str, mark: Mark) -> Self {
        let length = line.chars().count();
        let column = (mark.column - 1).min(length);
        // A line that fits is shown whole; of a longer one, what is around the
        // place.
        let (from, until) = match length <= EXCERPT {
            true => (0, length),
            false => {
                let from = column.saturating_sub(BEFORE);
                (from, length.min(from + EXCERPT))
            }
        };
        let shown = line.chars().skip(from).take(until - from);
        let mut shown: String = shown.map(visible).collect();
        let before = shown.chars().take(column - from);
        let mut before: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        if from > 0 {
            shown.insert(0, '…');
            before.insert(0, ' ');
        }
        // A mark may be wider than its line: a map spans many.
        let width = mark
            .width
            .min((until + 1).saturating_sub(mark.column))
            .max(1);
        if until < length {
            shown.push('…');
        }
        Self {
            number: mark.line,
            line: shown,
            before,
            width,
        }
    }
}

/// Controls take one place, as they do in the text; a tab stays one.
fn visible(c: char) -> char {
    match c {
        '\t' => c,
        _ if safe(c.encode_utf8(&mut [0; 4])).len() > c.len_utf8() => '\u{fffd}',
        _ => c,
    }
}

/// How long a message may be that quotes what a user wrote.
const MESSAGE: usize = 400;

/// A message in one line, without the middle of what is too long to be read.
fn shortened(message: &str) -> String {
    let message = safe(message);
    let length = message.chars().count();
    if length <= MESSAGE {
        return message.into_owned();
    }
    let half = MESSAGE / 2;
    let begin: String = message.chars().take(half).collect();
    let end: String = message.chars().skip(length - half).collect();
    format!("{begin}…{end}")
}

/// A configuration that cannot be used, with everything that is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    subject: String,
    problems: Vec<Problem>,
}

impl ConfigError {
    /// Says that a file, a folder or a URL has problems.
    pub(super) fn new(subject: String, problems: Vec<Problem>) -> Self {
        Self { subject, problems }
    }

    /// Everything that is wrong, in the order of its place.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The text for a person, without a line end; the headline does not say
    /// `error:`.
    pub fn render(&self, palette: Palette) -> String {
        let count = plural(self.problems.len(), "problem");
        let mut lines = vec![format!("{count} in {}", self.subject), String::new()];
        let width = self.problems.iter().map(Problem::place_width).max();
        for problem in &self.problems {
            problem.render(width.unwrap_or(0), palette, &mut lines);
        }
        lines.join("\n")
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Palette::PLAIN))
    }
}

impl std::error::Error for ConfigError {}

/// Where the number of an excerpt's line ends on the screen.
const GUTTER: usize = 9;

impl Problem {
    fn place_width(&self) -> usize {
        self.place.as_ref().map_or(0, |place| place.chars().count())
    }

    fn render(&self, width: usize, palette: Palette, lines: &mut Vec<String>) {
        let gap = if width == 0 { "" } else { "  " };
        let place = self.place.as_deref().unwrap_or_default();
        let place = palette.strong(format!("{place:width$}"));
        lines.push(format!("  {place}{gap}{}", self.message));
        let Some(excerpt) = &self.excerpt else { return };
        let bar = palette.dim("|");
        let number = palette.dim(format!("{:>GUTTER$}", excerpt.number));
        lines.push(format!("{number} {bar} {}", excerpt.line));
        let carets = palette.removed("^".repeat(excerpt.width));
        lines.push(format!("{:GUTTER$} {bar} {}{carets}", "", excerpt.before));
    }
}

/// Collects problems together with their place.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<(Option<Mark>, Problem)>,
}

impl Problems {
    /// Adds a problem at a place; the message quotes what it is about.
    pub(super) fn add(&mut self, texts: &Texts, mark: Mark, message: impl Into<String>) {
        self.push(texts, mark, message.into(), None);
    }

    /// Adds a problem at a place and shows the line.
    pub(super) fn show(&mut self, texts: &Texts, mark: Mark, message: impl Into<String>) {
        let excerpt = Excerpt::of(&texts.line(mark), mark);
        self.push(texts, mark, message.into(), Some(excerpt));
    }

    /// Adds a problem of something that is not a file, or that could not be
    /// opened.
    pub(super) fn add_without_place(&mut self, message: impl Into<String>) {
        let problem = Problem {
            place: None,
            message: shortened(&message.into()),
            excerpt: None,
        };
        self.found.push((None, problem));
    }

    fn push(&mut self, texts: &Texts, mark: Mark, message: String, excerpt: Option<Excerpt>) {
        let problem = Problem {
            place: texts.is_shown(mark).then(|| texts.place(mark)),
            message: shortened(&message),
            excerpt: excerpt.filter(|_| texts.is_shown(mark)),
        };
        self.found.push((Some(mark), problem));
    }

    /// Whether nothing is wrong.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// All problems in the order of their places.
    pub(super) fn into_sorted(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|(mark, _)| *mark);
        self.found.into_iter().map(|(_, problem)| problem).collect()
    }
}
