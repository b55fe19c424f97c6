//! What was counted, for the report.

use std::time::Duration;

use crate::fault::Fault;

/// The kinds of effects, as they are counted.
pub const EFFECTS: [&str; 7] = [
    "list", "read", "follow", "persist", "apply", "tell", "settled",
];

/// What was counted in one run or many.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Runs.
    pub seeds: u64,
    /// Events told to the core and effects performed.
    pub steps: u64,
    /// Writes that changed something.
    pub writes: u64,
    /// Removals among them.
    pub removals: u64,
    /// How long after healing the last thing was written or shown otherwise, run by
    /// run.
    pub rests: Vec<Duration>,
    /// By the places of fault and kind of effect, how often the one met the other.
    pub met: [[u64; EFFECTS.len()]; Fault::ALL.len()],
}

impl Tally {
    /// Adds what another counted.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.steps += other.steps;
        self.writes += other.writes;
        self.removals += other.removals;
        self.rests.extend(&other.rests);
        for (mine, theirs) in self.met.iter_mut().zip(&other.met) {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine += theirs;
            }
        }
    }

    /// How long it took until rest after healing: the longest of a hundredth less
    /// than all runs, and the longest of all.
    pub fn rested_within(&self) -> Option<(Duration, Duration)> {
        let mut rests = self.rests.clone();
        rests.sort_unstable();
        let p99 = (rests.len() * 99).div_ceil(100).checked_sub(1)?;
        Some((rests[p99], *rests.last()?))
    }

    /// The table of faults and effects.
    pub fn table(&self) -> String {
        let mut table = format!("{:36}", "fault");
        for effect in EFFECTS {
            table += &format!(" {effect:>9}");
        }
        for fault in Fault::ALL {
            table += &format!("\n{fault:36}");
            for times in self.met[fault.place()] {
                table += &format!(" {times:>9}");
            }
        }
        table
    }
}
