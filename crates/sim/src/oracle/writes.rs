//! What is watched at every write: that it is ours to write, that the ledger
//! knows first, and that nobody writes too often or while the link is paused.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use syncline_contract::Write;
use syncline_engine::core::Persist;
use syncline_model::plan::Change;
use syncline_model::{InstanceKey, LinkName, Moment, ServiceKey, ServiceSet};

type Place = (LinkName, ServiceKey);

/// More writes of one service than this within [`WITHIN`] are a storm. A world
/// changes a service a few times a second at most.
const MOST_WRITES: usize = 25;
/// The time in which writes are counted.
const WITHIN: Duration = Duration::from_secs(1);

/// What was written, by service.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    /// All that a link ever gave its target.
    given: BTreeMap<Place, BTreeSet<InstanceKey>>,
    /// What the ledger was last told to remember of what is about to be written.
    intended: BTreeMap<Place, Arc<ServiceSet>>,
    recent: BTreeMap<Place, VecDeque<Moment>>,
}

impl Writes {
    /// The ledger took something.
    pub(crate) fn stored(&mut self, persist: &Persist) {
        if let Persist::Intend {
            link,
            service,
            accepted,
            ..
        } = persist
        {
            let place = (link.clone(), service.clone());
            // The process may die before it has been written.
            let keys = accepted.instances().iter().map(|i| i.key.clone());
            self.given.entry(place.clone()).or_default().extend(keys);
            self.intended.insert(place, Arc::clone(accepted));
        }
    }

    /// A write begins; what is wrong with it.
    pub(crate) fn applies(
        &mut self,
        link: &LinkName,
        write: &Write,
        now: Moment,
    ) -> Option<String> {
        let place = (link.clone(), write.service.clone());
        let given = self.given.entry(place.clone()).or_default();
        for change in write.changes.iter() {
            let touched = match change {
                Change::Add(_) => continue,
                Change::Update { from, .. } | Change::MarkUnavailable { from, .. } => &from.key,
                Change::Remove { instance, .. } => &instance.key,
            };
            if !given.contains(touched) {
                let service = &write.service.name;
                return Some(format!(
                    "{link} takes {touched} of {service} for its own and never wrote it"
                ));
            }
        }
        given.extend(write.accepted.instances().iter().map(|i| i.key.clone()));
        self.applies_durably(&place, write)
            .or_else(|| self.applies_calmly(place, now))
    }

    fn applies_durably(&self, place: &Place, write: &Write) -> Option<String> {
        let takes = |change: &Change| !matches!(change, Change::Add(_) | Change::Update { .. });
        let taking = write.changes.iter().find(|change| takes(change))?;
        let intended = self.intended.get(place);
        let known = intended.is_some_and(|intended| *intended == write.accepted);
        let (link, service) = (&place.0, &place.1.name);
        (!known).then(|| {
            let key = taking.key();
            format!("{link} takes {key} of {service} away before the ledger knows")
        })
    }

    fn applies_calmly(&mut self, place: Place, now: Moment) -> Option<String> {
        let (link, service) = (place.0.clone(), place.1.name.clone());
        let recent = self.recent.entry(place).or_default();
        recent.push_back(now);
        while recent.front().is_some_and(|at| now.since(*at) > WITHIN) {
            recent.pop_front();
        }
        (recent.len() > MOST_WRITES).then(|| {
            let many = recent.len();
            format!("{link} writes {service} {many} times within {WITHIN:?}")
        })
    }
}
