//! The end of a run: everything heals, or everything but what stays broken for
//! good, and then nothing may be wrong and nothing may be written any more.

use std::time::Duration;

use syncline_contract::Observation;
use syncline_engine::core::Event;

use super::{Item, World};
use crate::fault::Fault;
use crate::oracle::{Oracle, naive};

/// How long after all has healed everything has to be as it should (P4).
pub const CONVERGES_WITHIN: Duration = Duration::from_secs(900);
/// How often everything is looked at by a schedule until then: a link that follows
/// no changes gets what came so far by one look.
const SCHEDULE: Duration = Duration::from_secs(60);
/// How soon an operator approves what waits for one.
const OPERATOR: Duration = Duration::from_secs(20);
/// How often everything is looked at afterwards, and how many times.
const ROUND: Duration = Duration::from_secs(300);
const SILENT_ROUNDS: u32 = 10;
/// What has not converged in time gets so many rounds more, to tell what is late
/// from what never comes.
const LATE_ROUNDS: u32 = 12;
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
        self.converge();
        if self.violation.is_some() {
            return;
        }
        let before = self.watch.applied;
        self.tell(|| "nothing may be written from now on".to_owned());
        for _ in 0..SILENT_ROUNDS {
            self.round(ROUND);
        }
        if self.watch.applied != before {
            let count = self.watch.applied - before;
            self.violates(Oracle::Silence, format!("{count} writes at rest"));
        }
        self.check_model(Oracle::Model);
    }

    /// Lets everything become as it should be, in time.
    fn converge(&mut self) {
        let healed = self.now;
        self.watch.stirred = healed;
        while self.now.since(healed) < CONVERGES_WITHIN && self.violation.is_none() {
            if self
                .now
                .since(healed)
                .as_secs()
                .is_multiple_of(SCHEDULE.as_secs())
            {
                self.look_at_all();
            }
            self.go_on_for(OPERATOR);
            self.decide(true, true);
        }
        self.tally.rests.push(self.watch.stirred.since(healed));
        if self.wrong().is_some() && self.violation.is_none() {
            self.tell(|| "the time is over in which all has to be right".to_owned());
            for _ in 0..LATE_ROUNDS {
                self.round(ROUND);
                self.decide(true, true);
            }
            self.check_model(Oracle::Model);
            let what = format!("it is right only later than {CONVERGES_WITHIN:?} after healing");
            self.violates(Oracle::Liveness, what);
        }
    }

    fn check_model(&mut self, oracle: Oracle) {
        if let Some(wrong) = self.wrong() {
            self.violates(oracle, wrong);
        }
    }

    fn wrong(&self) -> Option<String> {
        naive::disagreement(self.setup, &self.registries)
    }

    /// Somebody asks for a look at everything, and then time goes by.
    fn round(&mut self, time: Duration) {
        self.look_at_all();
        self.go_on_for(time);
    }

    fn look_at_all(&mut self) {
        self.queue_in(Duration::ZERO, Item::Tell(Event::Trigger { link: None }));
    }

    fn go_on_for(&mut self, time: Duration) {
        let until = self.now + time;
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
            let lied = self.registries[place].has(Fault::Amnesia);
            self.registries[place].faults.clear();
            if lied {
                self.push_all(place);
            }
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
