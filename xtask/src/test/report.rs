//! What the reader sees at the end.

use std::time::Duration;

use super::outcome::Outcome;

/// One line of the table.
pub(super) struct Row {
    pub(super) room: String,
    pub(super) outcome: Outcome,
    pub(super) took: Duration,
}

/// The whole run.
pub(super) struct Report {
    rows: Vec<Row>,
    strict: bool,
    failed_before: u32,
}

impl Report {
    pub(super) fn new(strict: bool, failed_before: u32) -> Self {
        Self {
            rows: Vec::new(),
            strict,
            failed_before,
        }
    }

    pub(super) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Prints the table, the names and, last, the counts. Whether all was well.
    pub(super) fn print(&self) -> bool {
        print!("\n{}", self.text());
        self.counts().1 == 0
    }

    /// Passed, failed, skipped. With `--strict` a skip is a failure.
    fn counts(&self) -> (u32, u32, u32) {
        let sum =
            |of: fn(&Outcome) -> u32| self.rows.iter().map(|row| of(&row.outcome)).sum::<u32>();
        let (passed, failed, skipped) = (
            sum(|outcome| outcome.passed),
            sum(|outcome| outcome.failed),
            sum(|outcome| outcome.skipped),
        );
        match self.strict {
            true => (passed, failed + skipped + self.failed_before, 0),
            false => (passed, failed + self.failed_before, skipped),
        }
    }

    fn text(&self) -> String {
        let mut text = self.table();
        self.names(
            &mut text,
            "not in this tier (cargo xtask test --all)",
            |outcome| &outcome.other_tier,
        );
        self.names(&mut text, "skipped", |outcome| &outcome.skips);
        self.names(&mut text, "failed", |outcome| &outcome.failures);
        if self.failed_before > 0 {
            text += &format!("\nfailed before the tests: {}\n", self.failed_before);
        }
        let (passed, failed, skipped) = self.counts();
        text += &format!("\n{passed} passed, {failed} failed");
        if skipped > 0 {
            text += &format!(", {skipped} skipped");
        }
        text + "\n"
    }

    fn table(&self) -> String {
        let width = self
            .rows
            .iter()
            .map(|row| row.room.len())
            .max()
            .unwrap_or(0);
        let mut text = format!("{:width$}  passed  failed  skipped  minutes\n", "room");
        for Row {
            room,
            outcome,
            took,
        } in &self.rows
        {
            let Outcome {
                passed,
                failed,
                skipped,
                ..
            } = outcome;
            let minutes = took.as_secs_f64() / 60.0;
            text += &format!("{room:width$}  {passed:6}  {failed:6}  {skipped:7}  {minutes:7.1}\n");
        }
        text
    }

    fn names(&self, text: &mut String, heading: &str, of: fn(&Outcome) -> &Vec<String>) {
        let lines: Vec<String> = self
            .rows
            .iter()
            .flat_map(|row| {
                of(&row.outcome)
                    .iter()
                    .map(|name| format!("  {}: {name}\n", row.room))
            })
            .collect();
        if !lines.is_empty() {
            text.push_str(&format!("\n{heading}: {}\n{}", lines.len(), lines.concat()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(strict: bool, failed_before: u32) -> Report {
        let mut report = Report::new(strict, failed_before);
        let outcome = Outcome {
            passed: 7,
            skipped: 1,
            skips: vec!["a: no java".to_owned()],
            ..Outcome::default()
        };
        report.add(Row {
            room: "syncline-model".to_owned(),
            outcome,
            took: Duration::from_secs(30),
        });
        report
    }

    #[test]
    fn the_last_line_is_the_count() {
        let text = report(false, 0).text();
        assert_eq!(text.lines().last(), Some("7 passed, 0 failed, 1 skipped"));
        assert!(
            text.contains("syncline-model       7       0        1      0.5"),
            "{text}"
        );
        assert!(text.contains("  syncline-model: a: no java"), "{text}");
    }

    #[test]
    fn strict_makes_a_skip_a_failure() {
        assert_eq!(
            report(true, 0).text().lines().last(),
            Some("7 passed, 1 failed")
        );
    }

    #[test]
    fn earlier_failures_count() {
        assert_eq!(report(false, 2).counts(), (7, 2, 1));
    }
}
