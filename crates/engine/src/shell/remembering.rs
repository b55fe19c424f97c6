//! What earlier runs put on disk, as the events that tell the core.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use syncline_model::{EndpointName, LinkName, ServiceKey, ServiceSet};

use crate::core::Event;
use crate::store::{LedgerEntry, LedgerRecord, LedgerState, StoreError, StoreReader};

use super::Clock;
use super::storing::{EVACUATED, LIVED, SEEN, wall_ms};

/// What we held, or were giving, within this time is taken up again at a start
/// before anything was looked at.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// What the guard of a link knew before the start, on this run's clock.
pub(super) fn recalled(
    reader: &StoreReader,
    link: &LinkName,
    clock: Clock,
) -> Result<Event, StoreError> {
    let (now, now_ms) = (clock.now(), wall_ms());
    let freeze = reader.freeze(link)?;
    let windows = reader.load_windows(link)?;
    let records = windows.map(|row| {
        let (service, window) = row?;
        Ok((service, window.on_clock(now, now_ms)))
    });
    let guarded = Event::Guarded {
        link: link.clone(),
        freeze: freeze.map(|freeze| freeze.on_clock(now, now_ms)),
        records: records.collect::<Result<_, StoreError>>()?,
    };
    Ok(guarded)
}

/// What an operator took out of use in earlier runs.
pub(super) fn evacuated(reader: &StoreReader) -> Result<Vec<Event>, StoreError> {
    let names = reader.blob(EVACUATED)?.unwrap_or_default();
    let names = String::from_utf8_lossy(&names);
    let what = names.lines().filter_map(|name| name.parse().ok());
    Ok(what
        .map(|what| Event::Evacuate { what, on: true })
        .collect())
}

/// What was last seen of each service. What a target was given is mostly the
/// same, and then stands in memory once.
#[derive(Default)]
pub(super) struct Cached(HashMap<EndpointName, HashMap<ServiceKey, Arc<ServiceSet>>>);

impl Cached {
    pub(super) fn note(&mut self, at: &EndpointName, service: &ServiceKey, set: &Arc<ServiceSet>) {
        if !self.0.contains_key(at) {
            self.0.insert(at.clone(), HashMap::new());
        }
        if let Some(services) = self.0.get_mut(at) {
            services.insert(service.clone(), Arc::clone(set));
        }
    }

    /// Makes a set the one that was seen, where the two are equal.
    pub(super) fn share(&self, at: &EndpointName, service: &ServiceKey, set: &mut Arc<ServiceSet>) {
        let seen = self.0.get(at).and_then(|services| services.get(service));
        if let Some(seen) = seen.filter(|seen| **seen == *set) {
            *set = Arc::clone(seen);
        }
    }
}

/// When an earlier run last listed a registry whole, if one did.
pub(super) fn seen_before(
    reader: &StoreReader,
    endpoint: &EndpointName,
    clock: Clock,
) -> Result<Option<Event>, StoreError> {
    let at_ms = reader.blob(&format!("{SEEN}{endpoint}"))?.and_then(number);
    Ok(at_ms.map(|at_ms| Event::SeenBefore {
        endpoint: endpoint.clone(),
        at: clock.ago(Duration::from_millis(wall_ms().saturating_sub(at_ms))),
    }))
}

fn number(text: Vec<u8>) -> Option<u64> {
    String::from_utf8(text).ok()?.parse().ok()
}

/// When an earlier run last held what the ledger says, if that was lately.
pub(super) fn lived_lately(reader: &StoreReader) -> Result<bool, StoreError> {
    let at = reader.blob(LIVED)?;
    Ok(at.and_then(number).is_some_and(is_lately))
}

fn is_lately(at_ms: u64) -> bool {
    u128::from(wall_ms().saturating_sub(at_ms)) <= FRESH.as_millis()
}

/// What a ledger record says a link's target was given. It is fresh where it
/// stood, or was being written, when somebody last held it, and that was lately.
pub(super) fn remembered(
    link: &LinkName,
    service: ServiceKey,
    record: LedgerRecord,
    lived_lately: bool,
) -> Event {
    let begun = record.instances.iter().map(|entry| entry.since_ms).max();
    let lately = lived_lately || begun.is_some_and(is_lately);
    let was_confirmed = record.confirmed_at_ms.is_some();
    let going = |entry: &LedgerEntry| entry.state == LedgerState::Removing;
    let (going, given): (Vec<_>, Vec<_>) = record.instances.into_iter().partition(going);
    // What was only going away, and may be gone, is not given again.
    let fresh = lately && (was_confirmed || !given.is_empty());
    let given = given.into_iter().map(|entry| entry.instance);
    Event::Held {
        link: link.clone(),
        service,
        set: Arc::new(ServiceSet::new(given.collect())),
        going: going.into_iter().map(|entry| entry.instance).collect(),
        fresh,
        confirmed: was_confirmed,
    }
}

#[cfg(test)]
mod tests {
    use syncline_model::{EndpointName, Instance, Port};

    use super::*;

    const LONG_AGO: u64 = 1_000;

    /// A record of instances, each in a state, since the same moment.
    fn record(states: &[LedgerState], since_ms: u64) -> LedgerRecord {
        let confirmed = |state: &LedgerState| *state == LedgerState::Confirmed;
        let entries = states.iter().zip(1..).map(|(state, port)| LedgerEntry {
            instance: Instance::new("10.0.0.1", Port::new(port).unwrap()),
            state: *state,
            since_ms,
            origin: Arc::from(""),
        });
        LedgerRecord {
            target: EndpointName::from("target"),
            instances: entries.collect(),
            confirmed_at_ms: states.iter().all(confirmed).then_some(since_ms),
        }
    }

    fn is_fresh(record: LedgerRecord, lived_lately: bool) -> bool {
        let service = ServiceKey::new("public", "G", "s");
        match remembered(&LinkName::from("l"), service, record, lived_lately) {
            Event::Held { fresh, .. } => fresh,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_stood_when_we_last_lived_is_fresh_however_long_it_stood() {
        use LedgerState::Confirmed;
        assert!(is_fresh(record(&[Confirmed], wall_ms()), false));
        assert!(is_fresh(record(&[Confirmed], LONG_AGO), true));
        assert!(!is_fresh(record(&[Confirmed], LONG_AGO), false));
    }

    #[test]
    fn what_was_being_written_is_fresh_and_what_was_only_going_is_not() {
        use LedgerState::{Intended, Removing};
        assert!(is_fresh(record(&[Intended, Removing], wall_ms()), false));
        assert!(!is_fresh(record(&[Intended, Removing], LONG_AGO), false));
        assert!(!is_fresh(record(&[Removing, Removing], wall_ms()), true));
    }
}
