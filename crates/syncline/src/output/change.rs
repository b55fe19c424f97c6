//! Changes, one line each.

use serde::Serialize;

use super::palette::{Palette, Tone};
use super::safe::safe;

/// What happened to an instance, or would.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It is new.
    Add,
    /// Its content changed, or it takes no traffic any more.
    Update,
    /// It is gone.
    Remove,
    /// It is left alone, and someone should know why.
    Conflict,
}

impl Kind {
    /// The sign at the beginning of a line.
    pub fn sign(self) -> char {
        match self {
            Self::Add => '+',
            Self::Update => '~',
            Self::Remove => '-',
            Self::Conflict => '!',
        }
    }

    /// Its colour.
    pub fn tone(self) -> Tone {
        match self {
            Self::Add => Tone::Added,
            Self::Update | Self::Conflict => Tone::Changed,
            Self::Remove => Tone::Removed,
        }
    }
}

/// One change, ready to be shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ChangeRow {
    /// When it happened; nothing in a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What happened.
    pub kind: Kind,
    /// The service, as short as the reader needs it.
    pub service: String,
    /// The instance's address.
    pub address: String,
    /// What changed, or why.
    pub detail: String,
}

impl ChangeRow {
    /// The same, staying within its line.
    fn safe(&self) -> Self {
        let text = |text: &str| safe(text).into_owned();
        Self {
            at: self.at.as_deref().map(text),
            kind: self.kind,
            service: text(&self.service),
            address: text(&self.address),
            detail: text(&self.detail),
        }
    }
}

/// Lays out lines that come one after another. Columns are as wide as the
/// widest value so far, so that a stream settles down.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    service: usize,
    address: usize,
}

impl Layout {
    /// For a stream of which nothing is known yet.
    pub const STREAM: Self = Self {
        service: 22,
        address: 15,
    };

    /// For rows that are all known.
    pub fn of(rows: &[ChangeRow]) -> Self {
        let mut layout = Self {
            service: 0,
            address: 0,
        };
        for row in rows {
            layout.widen(&row.safe());
        }
        // Two more than the one between the columns of a stream.
        layout.service += 2;
        layout.address += 2;
        layout
    }

    fn widen(&mut self, row: &ChangeRow) {
        self.service = self.service.max(row.service.chars().count());
        self.address = self.address.max(row.address.chars().count());
    }

    /// The line of a change, without its end.
    pub fn line(&mut self, row: &ChangeRow, palette: Palette) -> String {
        let row = &row.safe();
        self.widen(row);
        let time = row
            .at
            .as_ref()
            .map_or_else(String::new, |at| format!("{}  ", palette.dim(at)));
        let sign = palette.paint(row.kind.tone(), row.kind.sign());
        let (service, address) = (self.service, self.address);
        let line = format!(
            "{time}{sign} {:service$} {:address$} {}",
            row.service, row.address, row.detail
        );
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: Kind, service: &str, address: &str, detail: &str) -> ChangeRow {
        ChangeRow {
            at: Some("14:03:21.482".to_owned()),
            kind,
            service: service.to_owned(),
            address: address.to_owned(),
            detail: detail.to_owned(),
        }
    }

    #[test]
    fn a_stream_keeps_its_columns() {
        let mut layout = Layout::STREAM;
        let mut say = |row| layout.line(&row, Palette::PLAIN);
        assert_eq!(
            say(row(
                Kind::Add,
                "payment-service",
                "10.2.0.7:8080",
                "weight 1, zone=b"
            )),
            "14:03:21.482  + payment-service        10.2.0.7:8080   weight 1, zone=b"
        );
        assert_eq!(
            say(row(
                Kind::Update,
                "order-service",
                "10.2.0.3:8080",
                "weight 1 → 5"
            )),
            "14:03:21.482  ~ order-service          10.2.0.3:8080   weight 1 → 5"
        );
        let long = "a-service-with-a-rather-long-name";
        say(row(Kind::Remove, long, "10.2.0.9:8080", "deregistered"));
        assert_eq!(
            say(row(Kind::Remove, "short", "10.2.0.9:8080", "")),
            "14:03:21.482  - short                             10.2.0.9:8080"
        );
    }

    #[test]
    fn colour_is_on_the_sign_and_the_time() {
        let mut layout = Layout::STREAM;
        let line = layout.line(&row(Kind::Remove, "s", "a:1", "x"), Palette::COLOURED);
        assert!(
            line.starts_with("\u{1b}[2m14:03:21.482\u{1b}[0m  \u{1b}[31m-\u{1b}[0m s "),
            "{line:?}"
        );
    }
}
