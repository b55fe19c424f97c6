//! What the receiver took, service by service: from that a post says what
//! changed, and a post that is tried again is the same post.
//!
//! The engine does not tell it: once a write failed, it cannot know what stands,
//! and gives the whole set without saying what is different.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use syncline_contract::Write;
use syncline_model::{Change, Instance, ServiceKey, ServiceSet};

/// What is remembered for as long as the process lives.
#[derive(Debug)]
pub(crate) struct Memory {
    /// What sets our ids apart from those of other processes.
    since: u128,
    posted: u64,
    services: HashMap<ServiceKey, Known>,
}

/// What is known of one service.
#[derive(Debug)]
struct Known {
    /// What the receiver took last; `None` where that was before our time.
    taken: Option<Arc<ServiceSet>>,
    /// A post that was not taken: its id, and what it holds.
    waiting: Option<(String, Arc<ServiceSet>)>,
}

/// What a post says beside the set itself.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Post {
    pub(crate) id: String,
    /// `None` where it is not known what the receiver has.
    pub(crate) steps: Option<Vec<Step>>,
}

/// One instance's change.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Step {
    Added(Instance),
    Updated { before: Instance, after: Instance },
    Removed(Instance),
}

impl Memory {
    pub(crate) fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            since: since.unwrap_or_default().as_nanos(),
            posted: 0,
            services: HashMap::new(),
        }
    }

    /// The post that a write is.
    pub(crate) fn post(&mut self, write: &Write) -> Post {
        let known = self.services.entry(write.service.clone());
        let known = known.or_insert_with(|| Known {
            taken: before(write),
            waiting: None,
        });
        let id = match &known.waiting {
            Some((id, set)) if steps_between(set, &write.accepted).is_empty() => id.clone(),
            _ => {
                self.posted += 1;
                format!("{:x}-{}", self.since, self.posted)
            }
        };
        known.waiting = Some((id.clone(), Arc::clone(&write.accepted)));
        let steps = known.taken.as_ref();
        Post {
            id,
            steps: steps.map(|taken| steps_between(taken, &write.accepted)),
        }
    }

    /// The receiver took a write.
    pub(crate) fn taken(&mut self, write: &Write) {
        if write.accepted.is_empty() {
            self.services.remove(&write.service);
            return;
        }
        let known = Known {
            taken: Some(Arc::clone(&write.accepted)),
            waiting: None,
        };
        self.services.insert(write.service.clone(), known);
    }
}

/// What the receiver had before the first write about a service, as far as that
/// tells.
fn before(write: &Write) -> Option<Arc<ServiceSet>> {
    if write.changes.is_empty() {
        return None;
    }
    let changed: HashSet<_> = write.changes.iter().map(Change::key).collect();
    let same = write.accepted.instances().iter();
    let same = same.filter(|instance| !changed.contains(&instance.key));
    let other = write.changes.iter().filter_map(Change::before);
    let set = ServiceSet::new(same.chain(other).cloned().collect());
    Some(Arc::new(set))
}

/// What makes one set of another, removals last.
fn steps_between(before: &ServiceSet, after: &ServiceSet) -> Vec<Step> {
    let only_in = |one: &ServiceSet, other: &ServiceSet| {
        let instances = one.instances().iter();
        // What one look could tell and another could not is no difference.
        let missing = |instance: &&Instance| {
            let mut others = other.get(&instance.key).iter();
            others.all(|other| instance.content_differs(other))
        };
        instances.filter(missing).cloned().collect::<Vec<_>>()
    };
    let (mut gone, new) = (only_in(before, after), only_in(after, before));
    let mut steps: Vec<Step> = new
        .into_iter()
        .map(|after| {
            // Both are sorted by key.
            let place = gone.binary_search_by(|before| before.key.cmp(&after.key));
            match place {
                Ok(place) => Step::Updated {
                    before: gone.remove(place),
                    after,
                },
                Err(_) => Step::Added(after),
            }
        })
        .collect();
    steps.extend(gone.into_iter().map(Step::Removed));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_model::{Port, Seen, Weight};

    fn instance(n: u8, weight: f64) -> Instance {
        let host = format!("10.0.0.{n}");
        let mut instance = Instance::new(&*host, Port::new(80).expect("not zero"));
        instance.weight = Weight::new(weight).expect("legal");
        instance
    }

    fn write(instances: &[Instance], changes: &[Change]) -> Write {
        Write {
            service: ServiceKey::new("public", "G", "order"),
            accepted: Arc::new(ServiceSet::new(instances.to_vec())),
            changes: changes.into(),
            taken_over: Arc::from([]),
        }
    }

    fn updated(before: Instance, after: Instance) -> Step {
        Step::Updated { before, after }
    }

    #[test]
    fn what_is_tried_again_is_the_same_post() {
        let mut memory = Memory::new();
        let (one, heavy) = (instance(1, 1.0), instance(1, 3.0));
        let first = write(std::slice::from_ref(&one), &[Change::Add(one.clone())]);
        let post = memory.post(&first);
        assert_eq!(post.steps, Some(vec![Step::Added(one.clone())]));
        // The engine forgets what changed when a write failed.
        let again = write(std::slice::from_ref(&one), &[]);
        assert_eq!(memory.post(&again), post);
        memory.taken(&again);
        let next = memory.post(&write(std::slice::from_ref(&heavy), &[]));
        assert_eq!(next.steps, Some(vec![updated(one.clone(), heavy.clone())]));
        assert_ne!(next.id, post.id);
        // It changed once more before that was taken: another post.
        let two = [heavy.clone(), instance(2, 1.0)];
        let last = memory.post(&write(&two, &[Change::Add(two[1].clone())]));
        let expected = vec![updated(one, heavy), Step::Added(two[1].clone())];
        assert_eq!(last.steps, Some(expected));
        assert_ne!(last.id, next.id);
    }

    #[test]
    fn what_only_one_look_could_tell_is_no_change() {
        let mut memory = Memory::new();
        let mut dim = instance(1, 1.0);
        (dim.ephemeral, dim.healthy) = (Seen::Unknown, Seen::Unknown);
        memory.taken(&write(&[instance(1, 1.0)], &[]));
        let post = memory.post(&write(&[dim], &[]));
        assert_eq!(post.steps, Some(Vec::new()));
    }

    #[test]
    fn nothing_is_claimed_of_what_was_before_our_time() {
        let mut memory = Memory::new();
        let one = write(&[instance(1, 1.0)], &[]);
        assert_eq!(memory.post(&one).steps, None);
        memory.taken(&one);
        let none = write(&[], &[]);
        let steps = memory.post(&none).steps;
        assert_eq!(steps, Some(vec![Step::Removed(instance(1, 1.0))]));
        memory.taken(&none);
        assert!(memory.services.is_empty());
    }

    #[test]
    fn the_first_write_tells_what_was_before() {
        let mut memory = Memory::new();
        let (one, heavy, two) = (instance(1, 1.0), instance(1, 3.0), instance(2, 1.0));
        let update = Change::Update {
            from: one.clone(),
            to: heavy.clone(),
        };
        let post = memory.post(&write(&[heavy.clone(), two], &[update]));
        assert_eq!(post.steps, Some(vec![updated(one, heavy)]));
    }
}
