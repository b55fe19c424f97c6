//! The shortest story that still goes wrong.

use crate::deed::Timed;
use crate::oracle::Violation;
use crate::setup::Setup;
use crate::world::{self, Run};

/// Runs that are spent on one story.
const MOST_RUNS: u32 = 1_500;

/// A story that goes wrong.
#[derive(Clone, Debug)]
pub struct Story {
    /// The world.
    pub setup: Setup,
    /// The deeds that are left of it.
    pub deeds: Vec<Timed>,
    /// What goes wrong.
    pub violation: Violation,
}

/// Leaves out faults, then what applications and operators do, as long as the
/// same oracle speaks.
pub fn shrink(setup: &Setup, deeds: &[Timed], run: Run) -> Option<Story> {
    let violation = world::run(setup, deeds, run).violation?;
    let mut shrinking = Shrinking {
        setup,
        run,
        runs: 0,
        violation,
    };
    let mut deeds = deeds.to_vec();
    loop {
        let before = deeds.len();
        deeds = shrinking.without(deeds, |timed| timed.deed.is_fault());
        deeds = shrinking.without(deeds, |_| true);
        if deeds.len() == before {
            break;
        }
    }
    Some(Story {
        setup: setup.clone(),
        deeds,
        violation: shrinking.violation,
    })
}

struct Shrinking<'a> {
    setup: &'a Setup,
    run: Run,
    runs: u32,
    violation: Violation,
}

impl Shrinking<'_> {
    /// Leaves out as many of these deeds as possible: large parts first, single
    /// ones last.
    fn without(&mut self, mut deeds: Vec<Timed>, these: impl Fn(&Timed) -> bool) -> Vec<Timed> {
        let mut size = deeds.len().div_ceil(2);
        while size > 0 {
            let mut start = 0;
            while start < deeds.len() {
                let part = start..(start + size).min(deeds.len());
                let keeps = |(at, timed): &(usize, &Timed)| !part.contains(at) || !these(timed);
                let fewer = deeds.iter().enumerate().filter(keeps);
                let fewer: Vec<Timed> = fewer.map(|(_, timed)| timed.clone()).collect();
                if fewer.len() < deeds.len() && self.still_fails(&fewer) {
                    deeds = fewer;
                } else {
                    start += size;
                }
            }
            size /= 2;
        }
        deeds
    }

    fn still_fails(&mut self, deeds: &[Timed]) -> bool {
        self.runs += 1;
        if self.runs > MOST_RUNS {
            return false;
        }
        let violation = world::run(self.setup, deeds, self.run).violation;
        match violation {
            Some(violation) if violation.oracle == self.violation.oracle => {
                self.violation = violation;
                true
            }
            _ => false,
        }
    }
}

impl Story {
    /// The story as text: the world, and then line by line what happened.
    pub fn told(&self, run: Run) -> String {
        let told = Run { told: true, ..run };
        let ended = world::run(&self.setup, &self.deeds, told);
        let mut text = format!("seed {} · {}\n\n", self.setup.seed, self.violation);
        for link in &self.setup.links {
            let (hold, removal) = (link.hold.as_str(), link.removal);
            text += &format!("  link {}: {hold}, {removal:?}", link.name);
            let words = [(!link.realtime, ", timed"), (link.is_guarded, ", guarded")];
            for (_, word) in words.iter().filter(|(applies, _)| *applies) {
                text += word;
            }
            text += "\n";
        }
        for endpoint in &self.setup.endpoints {
            let words = [
                (endpoint.is_file, "is a file"),
                (endpoint.strips_marks, "strips marks"),
                (endpoint.is_embedded, "is embedded"),
                (endpoint.stays_broken, "stays broken"),
            ];
            for (_, word) in words.iter().filter(|(applies, _)| *applies) {
                text += &format!("  {} {word}\n", endpoint.name);
            }
        }
        text += "\n";
        for line in &ended.story {
            text += line;
            text += "\n";
        }
        text
    }
}
