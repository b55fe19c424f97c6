//! What the demo measured, as a table.

use std::time::Duration;

use crate::output::Palette;
use crate::output::number::grouped;

/// How long one change took to be seen, from the call that made it on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delays {
    /// By a subscriber of the registry in which it was made.
    pub(super) source: Duration,
    /// By a subscriber of the replica.
    pub(super) replica: Duration,
    /// By a reader of the file.
    pub(super) file: Duration,
}

/// What came of the demo.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    delays: Vec<Delays>,
    /// Instances that a consumer missed though they lived, or for whose death
    /// nobody had a proof.
    pub wrong_removals: usize,
}

impl Summary {
    pub(super) fn add(&mut self, delays: Delays) {
        self.delays.push(delays);
    }

    /// How many changes were made.
    pub fn changes(&self) -> usize {
        self.delays.len()
    }

    /// The table with which the demo ends.
    pub fn render(&self, palette: Palette) -> String {
        let row = |name: &str, of: fn(&Delays) -> Duration| {
            let mut delays: Vec<Duration> = self.delays.iter().map(of).collect();
            delays.sort_unstable();
            format!(
                "  {name:<26}{:>10}{:>10}\n",
                millis(percentile(&delays, 50)),
                millis(percentile(&delays, 99))
            )
        };
        let changes = grouped(self.changes());
        let head = format!("  {:<26}{:>10}{:>10}", "seen after", "median", "p99");
        let wrong = match self.wrong_removals {
            0 => palette.added("0".to_owned()),
            some => palette.removed(some.to_string()),
        };
        format!(
            "{changes} changes, each from the call that made it until somebody saw it\n{}\n{}{}{}  wrong removals: {wrong}\n",
            palette.dim(head),
            row("at the first registry", |d| d.source),
            row("at the replica", |d| d.replica),
            row("in the file", |d| d.file),
        )
    }
}

/// A duration in milliseconds with one decimal.
pub(super) fn millis(duration: Option<Duration>) -> String {
    duration.map_or("–".to_owned(), |d| {
        format!("{:.1} ms", d.as_secs_f64() * 1_000.0)
    })
}

fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    // The nearest rank: the worst of few values is not left out.
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_median_and_tail() {
        let mut summary = Summary::default();
        for at in 1..=101 {
            let delay = Duration::from_millis(at);
            summary.add(Delays {
                source: delay,
                replica: delay * 2,
                file: delay * 3,
            });
        }
        assert_eq!(
            summary.render(Palette::PLAIN),
            "\
101 changes, each from the call that made it until somebody saw it
  seen after                    median       p99
  at the first registry        51.0 ms  100.0 ms
  at the replica              102.0 ms  200.0 ms
  in the file                 153.0 ms  300.0 ms
  wrong removals: 0
"
        );
    }
}
