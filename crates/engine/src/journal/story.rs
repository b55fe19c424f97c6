//! Why something is as it is: all that the journal says of one service or one
//! instance, each change with how it ended.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{JournalEntry, Kind};
use super::error::JournalError;
use super::read::{JournalReader, Record};

/// What somebody wants to know.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Question {
    /// An instance, by its host, `host:port` or `host:port@cluster`, or a
    /// service, by its name, `group@@name` or `namespace/group/name`.
    pub about: String,
    /// Only on this link.
    pub link: Option<String>,
    /// Nothing older, in milliseconds since the Unix epoch.
    pub from_ms: Option<u64>,
    /// Nothing younger, in milliseconds since the Unix epoch.
    pub until_ms: Option<u64>,
}

/// What the journal says to a question.
#[derive(Clone, Default, Debug)]
pub struct Story {
    /// What happened, the oldest first.
    pub steps: Vec<Step>,
    /// What keeps the links of these steps from going on since: a source that is
    /// lost, a pause, an evacuation.
    pub lasting: Vec<Record>,
    /// The oldest line that was read: nothing is known of what came before.
    pub oldest: Option<Reach>,
    /// What could not be read, of many the first ones.
    pub unread: Vec<JournalError>,
    /// The services that there are in what was read, `namespace/group/name`.
    pub services: BTreeSet<String>,
}

/// How far back the journal reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reach {
    /// The number of the oldest line; above 0, older ones have been dropped.
    pub number: u64,
    /// When it was written, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

impl Reach {
    pub(super) fn of(record: &Record) -> Self {
        Self {
            number: record.number,
            at_ms: record.entry.at_ms,
        }
    }

    /// Whether nothing was dropped.
    pub fn is_whole(&self) -> bool {
        self.number == 0
    }
}

/// One thing that happened.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// What the journal says of it.
    pub record: Record,
    /// How it ended, where it is something that ends.
    pub outcome: Option<Outcome>,
}

/// How a write ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The target took it.
    Applied {
        /// When, in milliseconds since the Unix epoch.
        at_ms: u64,
    },
    /// The target did not take it, or gave no answer.
    Failed {
        /// When, in milliseconds since the Unix epoch.
        at_ms: u64,
        /// Why.
        why: String,
    },
    /// It was planned anew before it was begun, and never sent.
    Dropped,
    /// The daemon ended before anybody knew: the target may have taken it or
    /// not.
    Unknown,
    /// Nothing is known yet: it is under way, unless the daemon was killed.
    Open,
}

/// How many unreadable places are told.
const UNREAD_TOLD: usize = 10;

impl JournalReader {
    /// Answers a question from the whole journal.
    ///
    /// # Errors
    /// When the folder cannot be read. Damage in it is part of the answer.
    pub fn story(&self, question: &Question) -> Result<Story, JournalError> {
        let mut teller = Teller {
            question,
            story: Story::default(),
            open: BTreeMap::new(),
            holds: BTreeSet::new(),
            lasting: BTreeMap::new(),
        };
        for line in self.read(0)? {
            match line {
                Ok(record) => teller.hear(record),
                Err(error) if teller.story.unread.len() < UNREAD_TOLD => {
                    teller.story.unread.push(error);
                }
                Err(_) => {}
            }
        }
        Ok(teller.end())
    }
}

/// Goes through the lines in their order.
struct Teller<'a> {
    question: &'a Question,
    story: Story,
    /// The steps that wait for the outcome of an effect of this run.
    open: BTreeMap<u64, Vec<usize>>,
    /// Holds that the answer told of.
    holds: BTreeSet<String>,
    /// What keeps a link from going on, by what ends it.
    lasting: BTreeMap<(Option<String>, Trouble), Record>,
}

/// What keeps a link from going on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    Source,
    Target,
    Pause,
    /// Of what it names, as the line has it.
    Evacuation(Option<String>),
}

impl Trouble {
    /// Whether it goes on when the daemon ends and starts again.
    fn outlives_runs(&self) -> bool {
        matches!(self, Self::Evacuation(_))
    }
}

impl Teller<'_> {
    fn hear(&mut self, record: Record) {
        self.story.oldest.get_or_insert(Reach::of(&record));
        let entry = &record.entry;
        if let Some(service) = &entry.service {
            let name = service.to_string();
            if !self.story.services.contains(&name) {
                self.story.services.insert(name);
            }
        }
        match entry.kind {
            Kind::Started => {
                self.lasting
                    .retain(|(_, trouble), _| trouble.outlives_runs());
                self.run_ends();
            }
            Kind::Stopped => self.run_ends(),
            Kind::Applied | Kind::Failed | Kind::Dropped if self.settle(entry) => return,
            _ => {}
        }
        if self.question.until_ms.is_some_and(|end| entry.at_ms > end) {
            return;
        }
        self.note_trouble(&record);
        if self.is_asked_for(&record.entry) {
            self.tell(record);
        }
    }

    fn tell(&mut self, record: Record) {
        let entry = &record.entry;
        let begins = matches!(entry.kind, Kind::Intent | Kind::TakeUp);
        if let Some(effect) = entry.effect.filter(|_| begins) {
            let at = self.story.steps.len();
            self.open.entry(effect).or_default().push(at);
        }
        if let Some(hold) = entry.hold.as_ref().filter(|_| entry.kind == Kind::Held) {
            self.holds.insert(hold.clone());
        }
        self.story.steps.push(Step {
            outcome: begins.then_some(Outcome::Open),
            record,
        });
    }

    /// Gives an outcome to the steps that waited for it; whether there were any.
    fn settle(&mut self, entry: &JournalEntry) -> bool {
        let steps = entry.effect.and_then(|effect| self.open.remove(&effect));
        let Some(steps) = steps else {
            return false;
        };
        let at_ms = entry.at_ms;
        let outcome = match entry.kind {
            Kind::Applied => Outcome::Applied { at_ms },
            Kind::Dropped => Outcome::Dropped,
            _ => Outcome::Failed {
                at_ms,
                why: entry.note.clone().unwrap_or_default(),
            },
        };
        for at in steps {
            self.story.steps[at].outcome = Some(outcome.clone());
        }
        true
    }

    /// A run of the daemon ended: what has no outcome gets none any more.
    fn run_ends(&mut self) {
        for at in std::mem::take(&mut self.open).into_values().flatten() {
            self.story.steps[at].outcome = Some(Outcome::Unknown);
        }
    }

    fn note_trouble(&mut self, record: &Record) {
        let (trouble, begins) = match record.entry.kind {
            Kind::SourceLost => (Trouble::Source, true),
            Kind::SourceFound => (Trouble::Source, false),
            Kind::TargetLost => (Trouble::Target, true),
            Kind::TargetFound => (Trouble::Target, false),
            Kind::Paused => (Trouble::Pause, true),
            Kind::Resumed => (Trouble::Pause, false),
            Kind::Evacuated => (Trouble::Evacuation(record.entry.note.clone()), true),
            Kind::Restored => (Trouble::Evacuation(record.entry.note.clone()), false),
            _ => return,
        };
        let key = (record.entry.link.clone(), trouble);
        if begins {
            self.lasting.insert(key, record.clone());
        } else {
            self.lasting.remove(&key);
        }
    }

    fn is_asked_for(&self, entry: &JournalEntry) -> bool {
        let question = self.question;
        let in_time = question.from_ms.is_none_or(|from| entry.at_ms >= from);
        let on_link = question.link.is_none() || question.link == entry.link;
        let about = &question.about;
        let answers_hold = matches!(entry.kind, Kind::Released | Kind::Approved | Kind::Denied)
            && entry.hold.as_ref().is_some_and(|h| self.holds.contains(h));
        in_time
            && on_link
            && (entry.is_about_service(about) || entry.is_about_instance(about) || answers_hold)
    }

    fn end(mut self) -> Story {
        let steps = &self.story.steps;
        let links: BTreeSet<_> = steps.iter().map(|step| &step.record.entry.link).collect();
        let lasting = self.lasting.into_iter();
        let lasting = lasting.filter(|((link, _), _)| links.contains(link));
        self.story.lasting = lasting.map(|(_, record)| record).collect();
        self.story
    }
}

#[cfg(test)]
mod tests;
