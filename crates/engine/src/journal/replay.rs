//! What a target had been given at a moment, by doing again in mind what was
//! done before it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::entry::{Change, Content, JournalEntry, Kind, ServiceName};
use super::error::JournalError;
use super::read::JournalReader;
use super::story::Reach;

/// What the targets of a service had been given at a moment.
#[derive(Clone, Default, Debug)]
pub struct AsOf {
    /// One for each link and service of that name.
    pub given: Vec<Given>,
    /// How far back the journal reaches: what was given before that and has
    /// never changed since is not in it.
    pub oldest: Option<Reach>,
    /// How many places could not be read.
    pub unread: usize,
}

/// What one link had given its target of one service.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Given {
    /// The link.
    pub link: String,
    /// Where it writes.
    pub target: Option<String>,
    /// The service at the target.
    pub service: ServiceName,
    /// Its instances in the order of their names.
    pub instances: Vec<GivenInstance>,
}

/// One instance that a target had been given.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct GivenInstance {
    /// `host:port`, followed by `@cluster` where that is not the default one.
    pub instance: String,
    /// What was given of it; absent where the journal left it out.
    pub content: Option<Content>,
    /// When the target confirmed that, or was sent it where nobody knows how
    /// that ended, in milliseconds since the Unix epoch; absent where it was
    /// before the journal begins.
    pub since_ms: Option<u64>,
    /// Whether it is certain: not while a write is under way, or after one of
    /// which nobody knows how it ended.
    pub certain: bool,
}

impl JournalReader {
    /// What the targets of a service had been given at a moment, in milliseconds
    /// since the Unix epoch. The service is named as at the source or as at the
    /// target.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn given_at(
        &self,
        service: &str,
        link: Option<&str>,
        at_ms: u64,
    ) -> Result<AsOf, JournalError> {
        let mut replay = Replay {
            at_ms,
            ..Replay::default()
        };
        let mut answer = AsOf::default();
        for line in self.read(0)? {
            let Ok(record) = line else {
                answer.unread += 1;
                continue;
            };
            answer.oldest.get_or_insert(Reach::of(&record));
            let entry = record.entry;
            match entry.kind {
                // Numbers of effects begin anew.
                Kind::Started => replay.run_ends(),
                Kind::Applied | Kind::Failed | Kind::Dropped => replay.outcome(&entry),
                Kind::Intent | Kind::TakeUp
                    if entry.is_about_service(service)
                        && link.is_none_or(|link| entry.link.as_deref() == Some(link)) =>
                {
                    replay.intent(entry);
                }
                _ => {}
            }
        }
        replay.run_ends();
        answer.given = replay.given();
        Ok(answer)
    }
}

/// A link and a service at its target.
type Place = (String, ServiceName);

#[derive(Default)]
struct Replay {
    at_ms: u64,
    places: BTreeMap<Place, Shown>,
    /// Intents of this run from before the moment, by their effects.
    open: BTreeMap<u64, Vec<JournalEntry>>,
}

/// What one target had been given of a service.
#[derive(Default)]
struct Shown {
    target: Option<String>,
    instances: BTreeMap<String, Standing>,
}

/// What is known of an instance.
enum Standing {
    Given(GivenInstance),
    /// It was not there, so that what comes later says nothing of before.
    Gone,
}

impl Replay {
    fn intent(&mut self, entry: JournalEntry) {
        let at_ms = self.at_ms;
        let Some(shown) = self.shown(&entry) else {
            return;
        };
        if entry.endpoint.is_some() {
            shown.target.clone_from(&entry.endpoint);
        }
        if entry.at_ms <= at_ms {
            if let Some(effect) = entry.effect {
                self.open.entry(effect).or_default().push(entry);
            }
            return;
        }
        // What it was before the first change that is known, it was all along.
        if let Some(instance) = entry.instance {
            let standing = entry.before.map_or(Standing::Gone, |before| {
                Standing::Given(GivenInstance {
                    instance: instance.clone(),
                    content: Some(before),
                    since_ms: None,
                    certain: true,
                })
            });
            shown.instances.entry(instance).or_insert(standing);
        }
    }

    fn outcome(&mut self, entry: &JournalEntry) {
        let intents = entry.effect.and_then(|effect| self.open.remove(&effect));
        if entry.kind == Kind::Dropped {
            return;
        }
        let confirmed = entry.kind == Kind::Applied && entry.at_ms <= self.at_ms;
        for intent in intents.into_iter().flatten() {
            self.make(intent, confirmed.then_some(entry.at_ms));
        }
    }

    /// Nobody knows how what is open ended, or it had not ended at the moment.
    fn run_ends(&mut self) {
        for intent in std::mem::take(&mut self.open).into_values().flatten() {
            self.make(intent, None);
        }
    }

    /// Does in mind what was written, and confirmed at that time if at all.
    fn make(&mut self, intent: JournalEntry, confirmed_ms: Option<u64>) {
        let Some(shown) = self.shown(&intent) else {
            return;
        };
        if intent.kind == Kind::TakeUp && confirmed_ms.is_some() {
            for standing in shown.instances.values_mut() {
                if let Standing::Given(given) = standing {
                    given.certain = true;
                }
            }
        }
        let Some(instance) = intent.instance else {
            return;
        };
        let removed = intent.change == Some(Change::Remove);
        if removed && confirmed_ms.is_some() {
            shown.instances.insert(instance, Standing::Gone);
            return;
        }
        let content = if removed { intent.before } else { intent.after };
        let given = GivenInstance {
            instance: instance.clone(),
            content,
            since_ms: Some(confirmed_ms.unwrap_or(intent.at_ms)),
            certain: confirmed_ms.is_some(),
        };
        shown.instances.insert(instance, Standing::Given(given));
    }

    fn shown(&mut self, entry: &JournalEntry) -> Option<&mut Shown> {
        let place = (entry.link.clone()?, entry.service.clone()?);
        Some(self.places.entry(place).or_default())
    }

    fn given(self) -> Vec<Given> {
        let given = |((link, service), shown): (Place, Shown)| Given {
            link,
            target: shown.target,
            service,
            instances: shown
                .instances
                .into_values()
                .filter_map(|standing| match standing {
                    Standing::Given(given) => Some(given),
                    Standing::Gone => None,
                })
                .collect(),
        };
        self.places.into_iter().map(given).collect()
    }
}

#[cfg(test)]
mod tests;
