//! What a connection is told when its fuzzy watches begin or are compared.
//!
//! A round is the answer to one such request: names in batches of ten, each
//! acknowledged by the client, and after the last one of a first round the word
//! that this was all. A round holds names only. Whether a service is there is
//! looked up when its batch goes out, so that no round contradicts a change
//! that was told before.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_model::ServiceKey;

use super::outbox::Topic;

/// Names in a batch, as in Nacos 3.0.
const BATCH: usize = 10;

/// A name of a round.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Named {
    pub(super) service: ServiceKey,
    /// Whether the client knows it already, and is to hear only if it is gone.
    pub(super) known: bool,
}

/// The rounds of one connection that are not over, by their numbers.
#[derive(Default)]
pub(super) struct Rounds {
    open: BTreeMap<u64, Round>,
    last: u64,
}

struct Round {
    pattern: Arc<str>,
    /// Whether it is the client's first, and ends with a word.
    first: bool,
    /// What is not acknowledged.
    batches: BTreeMap<usize, Arc<[Named]>>,
    total: usize,
}

/// One batch on its way.
pub(super) struct Batch {
    pub(super) pattern: Arc<str>,
    pub(super) first: bool,
    pub(super) names: Arc<[Named]>,
    pub(super) total: usize,
}

impl Rounds {
    /// Begins a round in place of the pattern's last one; gives what is to be
    /// said.
    pub(super) fn begin(&mut self, pattern: &Arc<str>, first: bool, names: &[Named]) -> Vec<Topic> {
        self.end(pattern);
        self.last += 1;
        let id = self.last;
        let batches: BTreeMap<usize, Arc<[Named]>> =
            (1..).zip(names.chunks(BATCH).map(Arc::from)).collect();
        let topics = batches.keys().map(|&batch| Topic::Batch(id, batch));
        let mut topics: Vec<Topic> = topics.collect();
        if batches.is_empty() {
            if !first {
                return topics;
            }
            topics.push(Topic::Finish(id));
        }
        let round = Round {
            pattern: pattern.clone(),
            first,
            total: batches.len(),
            batches,
        };
        self.open.insert(id, round);
        topics
    }

    /// Forgets what a pattern's watcher was to be told.
    pub(super) fn end(&mut self, pattern: &str) {
        self.open.retain(|_, round| *round.pattern != *pattern);
    }

    /// A batch that is not acknowledged.
    pub(super) fn batch(&self, round: u64, batch: usize) -> Option<Batch> {
        let round = self.open.get(&round)?;
        Some(Batch {
            pattern: round.pattern.clone(),
            first: round.first,
            names: round.batches.get(&batch)?.clone(),
            total: round.total,
        })
    }

    /// The pattern of a round.
    pub(super) fn pattern(&self, round: u64) -> Option<Arc<str>> {
        Some(self.open.get(&round)?.pattern.clone())
    }

    /// Takes note that the client took something; gives what follows.
    pub(super) fn taken(&mut self, topic: &Topic) -> Option<Topic> {
        match *topic {
            Topic::Batch(id, batch) => {
                let round = self.open.get_mut(&id)?;
                round.batches.remove(&batch)?;
                if !round.batches.is_empty() {
                    return None;
                }
                if round.first {
                    return Some(Topic::Finish(id));
                }
                self.open.remove(&id);
            }
            Topic::Finish(id) => {
                self.open.remove(&id);
            }
            Topic::Instances(_) | Topic::Name(_) => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<Named> {
        let service = |n| ServiceKey::new("public", "G", format!("s{n}"));
        let named = |n| Named {
            service: service(n),
            known: false,
        };
        (0..count).map(named).collect()
    }

    #[test]
    fn the_end_is_told_after_every_batch_was_taken() {
        let mut rounds = Rounds::default();
        let told = rounds.begin(&"p".into(), true, &names(25));
        let [one, two, three] = &told[..] else {
            panic!("three batches, not {told:?}");
        };
        assert_eq!(rounds.batch(1, 3).map(|batch| batch.names.len()), Some(5));
        assert_eq!(rounds.taken(three), None);
        assert_eq!(rounds.taken(three), None, "an echo");
        assert_eq!(rounds.taken(one), None);
        assert_eq!(rounds.taken(two), Some(Topic::Finish(1)));
        assert!(rounds.pattern(1).is_some());
        rounds.taken(&Topic::Finish(1));
        assert!(rounds.open.is_empty());
    }

    #[test]
    fn a_later_round_ends_the_one_before() {
        let (mut rounds, pattern) = (Rounds::default(), "p".into());
        let before = rounds.begin(&pattern, true, &names(1));
        assert_eq!(rounds.begin(&pattern, true, &[]), [Topic::Finish(2)]);
        assert_eq!(rounds.taken(&before[0]), None, "too late");
        assert!(rounds.begin(&pattern, false, &[]).is_empty());
        assert!(rounds.open.is_empty(), "a comparison has no last word");
    }
}
