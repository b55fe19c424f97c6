//! What `check` says of endpoints that it asked.

use serde::Serialize;

use crate::cli::Exit;
use crate::daemon::Reached;
use crate::output::palette::{Palette, Tone};
use crate::output::safe::safe;
use crate::output::table::{Cell, Table};

/// What came of asking one endpoint.
#[derive(Serialize)]
pub(super) struct ReachedRow {
    endpoint: String,
    /// What it is; absent where it did not answer.
    product: Option<String>,
    /// How it is read, where a link reads it.
    reading: Option<String>,
    /// How changes are learnt, where a link reads it.
    watching: Option<String>,
    /// How registrations stay alive, where a link writes to it.
    hold: Option<&'static str>,
    /// Why it cannot be used.
    failures: Vec<String>,
    /// What of the selection could not be read whole.
    doubts: Vec<String>,
    /// What to grant, to name or to know.
    advice: Vec<String>,
}

impl ReachedRow {
    pub(super) fn of(reached: &Reached) -> Self {
        let mut row = Self {
            endpoint: reached.endpoint.to_string(),
            product: None,
            reading: None,
            watching: None,
            hold: None,
            failures: Vec::new(),
            doubts: Vec::new(),
            advice: Vec::new(),
        };
        match &reached.source {
            Some(Ok(source)) => {
                let report = &source.report;
                row.product = Some(report.product.clone());
                row.reading = Some(report.reading.clone());
                row.watching = Some(report.watching.clone());
                row.advice.extend(report.advice.iter().cloned());
                let doubts = source
                    .doubts
                    .iter()
                    .filter_map(|area| area.coverage.doubt());
                row.doubts.extend(doubts.map(|why| why.to_string()));
            }
            Some(Err(failure)) => row.failures.push(failure.chain()),
            None => {}
        }
        match &reached.target {
            Some(Ok(report)) => {
                row.product = Some(report.product.clone());
                row.hold = Some(report.hold.as_str());
                row.advice.extend(report.advice.iter().cloned());
            }
            Some(Err(failure)) => row.failures.push(failure.chain()),
            None => {}
        }
        row.failures.dedup();
        row.advice.dedup();
        row
    }
}

/// Every endpoint that was asked, and below it what is wrong or worth knowing.
pub(super) fn text(rows: &[ReachedRow], palette: Palette) -> String {
    let mut table = Table::new()
        .column("ENDPOINT")
        .column("IS")
        .column("READ BY")
        .column("WATCHED BY")
        .column("HOLD");
    for row in rows {
        let product = match (&row.product, row.failures.is_empty()) {
            (Some(product), true) => Cell::from(product.as_str()),
            (None, true) => Cell::from(""),
            (_, false) => Cell::new(Tone::Removed, "does not answer"),
        };
        table.row([
            row.endpoint.as_str().into(),
            product,
            row.reading.as_deref().unwrap_or_default().into(),
            row.watching.as_deref().unwrap_or_default().into(),
            row.hold.unwrap_or_default().into(),
        ]);
    }
    let mut text = format!("\n{}", table.render(palette));
    for row in rows {
        for what in row.failures.iter().chain(&row.doubts) {
            let sign = palette.changed("!");
            // A failure usually begins with the endpoint's name.
            let name = format!("{}: ", row.endpoint);
            let what = what.strip_prefix(&name).unwrap_or(what);
            text.push_str(&format!("{sign} {name}{}\n", safe(what)));
        }
        for advice in &row.advice {
            let advice = format!("{}: {advice}", row.endpoint);
            text.push_str(&format!("  {}\n", palette.dim(safe(&advice))));
        }
    }
    text
}

/// Failed where an endpoint does not answer, partial where a part is hidden.
pub(super) fn exit(rows: &[ReachedRow]) -> Exit {
    if rows.iter().any(|row| !row.failures.is_empty()) {
        Exit::Failure
    } else if rows.iter().any(|row| !row.doubts.is_empty()) {
        Exit::Partial
    } else {
        Exit::Ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_contract::{Class, Failure};

    #[test]
    fn what_does_not_answer_is_said_below_the_table() {
        let failure = || Failure::new(Class::Transient, "b: connection refused");
        let rows = [ReachedRow::of(&Reached {
            endpoint: "b".into(),
            source: Some(Err(failure())),
            target: Some(Err(failure())),
        })];
        assert_eq!(
            text(&rows, Palette::PLAIN),
            "
ENDPOINT  IS               READ BY  WATCHED BY  HOLD
b         does not answer
! b: connection refused
"
        );
        assert_eq!(exit(&rows), Exit::Failure);
    }
}
