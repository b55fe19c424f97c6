//! Tables as Markdown: a terminal and the pages under `docs` show the same.

use std::fmt;
use std::time::Duration;

/// A table under a heading.
#[derive(Debug, Clone)]
pub struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    /// A table without rows.
    pub fn new(title: impl Into<String>, columns: &[&str]) -> Self {
        Self {
            title: title.into(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a row, with a cell for each column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut cells: Vec<String> = cells.into_iter().collect();
        cells.resize(self.columns.len(), String::new());
        self.rows.push(cells);
    }

    /// Adds a row for something that was left out.
    pub fn not_run(&mut self, what: &str) {
        self.row([what.to_owned(), "not run".to_owned()]);
    }

    /// Adds a sentence below the table.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |at: usize| {
            let cells = self.rows.iter().map(|row| &row[at]);
            let all = cells.chain([&self.columns[at]]);
            all.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let line = |f: &mut fmt::Formatter<'_>, cells: &[String]| {
            for (cell, &width) in cells.iter().zip(&widths) {
                write!(f, "| {cell:width$} ")?;
            }
            writeln!(f, "|")
        };
        writeln!(f, "**{}**\n", self.title)?;
        line(f, &self.columns)?;
        for &width in &widths {
            write!(f, "|{}", "-".repeat(width + 2))?;
        }
        writeln!(f, "|")?;
        for row in &self.rows {
            line(f, row)?;
        }
        if !self.notes.is_empty() {
            writeln!(f)?;
        }
        for note in &self.notes {
            writeln!(f, "* {note}")?;
        }
        Ok(())
    }
}

/// Seconds, to the hundredth.
pub fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

/// Milliseconds, to the tenth below a hundred.
pub fn milliseconds(duration: Option<Duration>) -> String {
    match duration.map(|duration| duration.as_secs_f64() * 1000.0) {
        None => "–".to_owned(),
        Some(ms) if ms < 100.0 => format!("{ms:.1} ms"),
        Some(ms) => format!("{ms:.0} ms"),
    }
}

/// Mebibytes.
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// A number with its thousands apart.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many times the one is the other.
pub fn ratio(of: Option<Duration>, to: Option<Duration>) -> String {
    match (of, to) {
        (Some(of), Some(to)) if !to.is_zero() => {
            format!("{:.3}", of.as_secs_f64() / to.as_secs_f64())
        }
        _ => "–".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_markdown() {
        let mut table = Table::new("Delays", &["what", "n"]);
        table.row(["register".to_owned(), "200".to_owned()]);
        table.row(["all".to_owned()]);
        table.note("one run");
        let text = "**Delays**\n\n| what     | n   |\n|----------|-----|\n\
                    | register | 200 |\n| all      |     |\n\n* one run\n";
        assert_eq!(table.to_string(), text);
    }

    #[test]
    fn figures_read_well() {
        assert_eq!(seconds(Duration::from_millis(1_234)), "1.23 s");
        assert_eq!(milliseconds(Some(Duration::from_micros(5_432))), "5.4 ms");
        assert_eq!(milliseconds(Some(Duration::from_millis(571))), "571 ms");
        assert_eq!(milliseconds(None), "–");
        assert_eq!(mebibytes(3 << 19), "1.5 MiB");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(number(100), "100");
        let ratio = |a, b| {
            ratio(
                Some(Duration::from_millis(a)),
                Some(Duration::from_millis(b)),
            )
        };
        assert_eq!(ratio(105, 100), "1.050");
        assert_eq!(ratio(1, 0), "–");
    }
}
