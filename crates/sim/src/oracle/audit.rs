//! Whether the journal tells of every write, before and after, and of no other.

use std::collections::BTreeMap;

use syncline_contract::Write;
use syncline_engine::core::{Happening, Line};
use syncline_model::plan::Change;
use syncline_model::{LinkName, ServiceKey};

type Place = (LinkName, ServiceKey);

/// The lines of the run, by what they are about.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    /// The changes that were told last of a service, and the number of their
    /// write.
    intended: BTreeMap<Place, (u64, Vec<Change>)>,
    /// Writes under way whose outcome has to be told.
    under_way: BTreeMap<Place, u64>,
}

impl Audit {
    /// A line was told; what is wrong with it.
    pub(crate) fn line(&mut self, line: &Line) -> Option<String> {
        let (Some(service), Some(effect)) = (&line.service, line.effect) else {
            return None;
        };
        let place = (line.link.clone(), service.clone());
        match (line.happening, &line.change) {
            (Happening::Intent, Some(change)) => {
                let intended = self.intended.entry(place).or_default();
                if intended.0 != effect {
                    *intended = (effect, Vec::new());
                }
                intended.1.push(change.clone());
                None
            }
            (Happening::Applied | Happening::Failed, _) => {
                let told = self.intended.get(&place).map(|(number, _)| *number);
                if self.under_way.get(&place) == Some(&effect) {
                    self.under_way.remove(&place);
                }
                let known = told == Some(effect) || line.happening == Happening::Failed;
                (!known).then(|| format!("an outcome of {service} was told without an intent"))
            }
            _ => None,
        }
    }

    /// A write begins; what is wrong with what was told of it.
    pub(crate) fn applies(&mut self, link: &LinkName, write: &Write) -> Option<String> {
        if write.changes.is_empty() {
            return None;
        }
        let place = (link.clone(), write.service.clone());
        let told = self.intended.get(&place);
        let Some((effect, changes)) = told.filter(|(_, told)| *told == *write.changes) else {
            let service = &write.service.name;
            return Some(format!("{link} writes {service} without its intents"));
        };
        debug_assert!(!changes.is_empty());
        self.under_way.insert(place, *effect);
        None
    }

    /// The number of the write of a service that has not ended, where its
    /// outcome has to be told.
    pub(crate) fn under_way(&self, link: &LinkName, service: &ServiceKey) -> Option<u64> {
        let place = (link.clone(), service.clone());
        self.under_way.get(&place).copied()
    }

    /// The core was told how a write ended and has answered; what is missing.
    pub(crate) fn ended(
        &mut self,
        link: &LinkName,
        service: &ServiceKey,
        effect: u64,
    ) -> Option<String> {
        let silent = self.under_way(link, service) == Some(effect);
        silent.then(|| format!("nothing tells how the write of {} ended", service.name))
    }
}
