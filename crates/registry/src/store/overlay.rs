//! Metadata that operators lay over instances, many at a time.

use syncline_model::{Instance, Metadata, ServiceKey};

use super::Store;
use super::edit::{EditError, Override};
use crate::moment::Moment;

/// What becomes of the metadata that was laid over an instance.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Overlay {
    /// These are added to it, and replace what has the same key.
    Put(Metadata),
    /// These keys are taken from it; what the publisher says shows again.
    Take(Metadata),
}

impl Overlay {
    fn over(&self, laid: &Metadata) -> Metadata {
        let laid = laid.pairs().iter().cloned();
        match self {
            Self::Put(added) => Metadata::from_pairs(laid.chain(added.pairs().iter().cloned())),
            Self::Take(keys) => {
                Metadata::from_pairs(laid.filter(|(key, _)| keys.get(key).is_none()))
            }
        }
    }
}

impl Store {
    /// Changes what is laid over the metadata of an instance that somebody
    /// sees, and nothing else of it. Nacos 2.x resets weight and `enabled` of
    /// an instance that had nothing laid over it before.
    pub(crate) fn overlay(
        &mut self,
        key: &ServiceKey,
        shown: &Instance,
        overlay: &Overlay,
        now: Moment,
    ) -> Result<(), EditError> {
        let id = self.listed(key).ok_or(EditError::ServiceMissing)?;
        let service = self.services.get(id).ok_or(EditError::ServiceMissing)?;
        let set = match service.overrides.get(&shown.key) {
            Some(set) => Override::new(set.weight, set.enabled, overlay.over(&set.metadata)),
            None => {
                let metadata = overlay.over(&Metadata::empty());
                Override::new(shown.weight, shown.enabled, metadata)
            }
        };
        self.set_override(key, shown.key.clone(), set, now)
    }
}
