//! The end of a run: everything heals, or everything but what stays broken for
//! good, and then nothing may be wrong and nothing may be written any more.

use std::time::Duration;

use syncline_contract::Observation;
use syncline_engine::core::Event;

use super::{Item, World};
use crate::fault::Fault;
use crate::oracle::{Oracle, naive};

/// How often everything is looked at by a schedule.
const ROUND: Duration = Duration::from_secs(300);
/// After so many rounds everything has to have converged.
const MOST_ROUNDS: u32 = 12;
/// How long nothing may be written at rest.
const SILENT_ROUNDS: u32 = 10;
/// Whoever takes more steps than this in one round goes round in circles.
const MOST_STEPS: u64 = 30_000;
/// Longer than any run.
const FOR_GOOD: Duration = Duration::from_secs(1_000_000_000);

impl World<'_> {
    pub(super) fn rest(&mut self) {
        if self.violation.is_some() {
            return;
        }
        // Whoever dies now would have to write again what it held.
        self.run.crash_after = None;
        self.heal();
        let mut rounds = 0;
        loop {
            let before = self.watch.applied;
            self.round();
            let held = self.holds();
            self.decide(true, true);
            rounds += 1;
            if self.violation.is_some() {
                return;
            }
            if self.watch.applied == before && !held && rounds > 2 {
                break;
            }
            if rounds > MOST_ROUNDS {
                let what = format!("it does not come to rest within {rounds} rounds");
                return self.violates(Oracle::Silence, what);
            }
        }
        self.check_model();
        let before = self.watch.applied;
        self.tell(|| "nothing may be written from now on".to_owned());
        for _ in 0..SILENT_ROUNDS {
            self.round();
        }
        if self.watch.applied != before {
            let count = self.watch.applied - before;
            self.violates(Oracle::Silence, format!("{count} writes at rest"));
        }
        self.check_model();
    }

    fn check_model(&mut self) {
        if let Some(wrong) = naive::disagreement(self.setup, &self.registries) {
            self.violates(Oracle::Model, wrong);
        }
    }

    fn holds(&self) -> bool {
        let status = self.core.status(self.now);
        let mut links = status.links.iter();
        links.any(|link| !link.holds.is_empty())
    }

    /// Somebody asks for a look at everything, and then time goes by.
    fn round(&mut self) {
        self.queue_in(Duration::ZERO, Item::Tell(Event::Trigger { link: None }));
        let until = self.now + ROUND;
        let steps = self.tally.steps;
        while self.violation.is_none() && self.go_on(until) {
            if self.tally.steps - steps > MOST_STEPS {
                let what = "it goes round in circles".to_owned();
                self.violates(Oracle::Silence, what);
            }
        }
        self.now = until;
    }

    fn heal(&mut self) {
        self.tell(|| "all that is not broken for good heals".to_owned());
        self.frozen = None;
        self.process_faults.clear();
        self.store_reopens();
        for (place, endpoint) in self.setup.endpoints.iter().enumerate() {
            let was_down = self.registries[place].has(Fault::Down);
            self.registries[place].faults.clear();
            self.note_emptiness_of_all(place);
            if endpoint.stays_broken {
                let until = self.now + FOR_GOOD;
                let faults = [Fault::Down, Fault::WriteRefused];
                let faults = faults.map(|fault| (fault, until));
                self.registries[place].faults.extend(faults);
                self.observe(place, Observation::Down("gone for good".into()));
            } else if was_down {
                self.observe(place, Observation::Up);
            }
        }
        for link in 0..self.setup.links.len() {
            self.resumes(link);
        }
        self.start();
    }
}
