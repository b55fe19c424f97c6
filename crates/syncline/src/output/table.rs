//! Tables without borders: aligned columns and nothing else.

use std::borrow::Cow;

use comfy_table::{Attribute, Cell as Inner, CellAlignment, Color, ContentArrangement};

use super::palette::{Palette, Tone};
use super::safe::safe;

/// A table to be.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Clone, Debug)]
struct Column {
    header: &'static str,
    right: bool,
}

/// One cell.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell in a tone, which stays within its line whatever is in it.
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        let text = text.into();
        let text = match safe(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(safe) => safe,
        };
        Self { text, tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(Tone::Plain, text)
    }
}

impl Table {
    /// A table without columns.
    pub fn new() -> Self {
        Self {
            columns: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Adds a column of text; a header may be empty.
    #[must_use]
    pub fn column(mut self, header: &'static str) -> Self {
        self.columns.push(Column {
            header,
            right: false,
        });
        self
    }

    /// Adds a column of counts, which stand to the right.
    #[must_use]
    pub fn count(mut self, header: &'static str) -> Self {
        self.columns.push(Column {
            header,
            right: true,
        });
        self
    }

    /// Adds a row, one cell for each column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The text, each line ended, no space at the end of any.
    pub fn render(&self, palette: Palette) -> String {
        let mut table = comfy_table::Table::new();
        table
            .load_style(comfy_table::presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(self.columns.iter().map(|column| {
                let tone = Tone::Dim;
                inner(&Cell::new(tone, column.header))
            }));
        for row in &self.rows {
            table.add_row(row.iter().map(inner));
        }
        if palette.is_on() {
            table.enforce_styling().style_text_only();
        } else {
            table.force_no_tty();
        }
        for (at, column) in self.columns.iter().enumerate() {
            if let Some(inner) = table.column_mut(at) {
                inner.set_padding((0, 2));
                if column.right {
                    inner.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        let mut text = String::new();
        for line in table.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

fn inner(cell: &Cell) -> Inner {
    let inner = Inner::new(&cell.text);
    match cell.tone {
        // Colours around nothing would keep the spaces before them alive.
        _ if cell.text.is_empty() => inner,
        Tone::Plain => inner,
        Tone::Added => inner.fg(Color::DarkGreen),
        Tone::Changed => inner.fg(Color::DarkYellow),
        Tone::Removed => inner.fg(Color::DarkRed),
        Tone::Dim => inner.add_attribute(Attribute::Dim),
        Tone::Strong => inner.add_attribute(Attribute::Bold),
    }
}

/// The text cut to a width, with `…` where something was cut.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new().column("SERVICE").count("HEALTHY").column("");
        table.row(["order".into(), "12/12".into(), "".into()]);
        let note = Cell::new(Tone::Changed, "1 unhealthy");
        table.row(["payment".into(), "3/4".into(), note]);
        table
    }

    #[test]
    fn columns_are_aligned_and_lines_end_where_text_does() {
        assert_eq!(
            table().render(Palette::PLAIN),
            "SERVICE  HEALTHY\n\
             order      12/12\n\
             payment      3/4  1 unhealthy\n"
        );
    }

    #[test]
    fn colours_do_not_move_anything() {
        let coloured = table().render(Palette::COLOURED);
        assert!(coloured.contains("\u{1b}["), "{coloured:?}");
        assert_eq!(
            console::strip_ansi_codes(&coloured),
            table().render(Palette::PLAIN)
        );
    }

    #[test]
    fn wide_characters_take_two_places() {
        let mut table = Table::new().column("服务").column("X");
        table.row(["订单服务".into(), "a".into()]);
        table.row(["pay".into(), "b".into()]);
        assert_eq!(
            table.render(Palette::PLAIN),
            "服务      X\n订单服务  a\npay       b\n"
        );
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(cut("zone=a, version=2", 9), "zone=a, …");
        assert_eq!(cut("zone=a", 6), "zone=a");
    }
}
