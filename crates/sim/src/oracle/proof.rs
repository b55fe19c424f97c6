//! Whether a removal was proved: what the core was told, apart from the core.
//!
//! Nothing may go before its source has been listed since the start. A copy may
//! go when a complete read that began after the last look which showed the
//! instance was answered at a moment at which it was truly not there. A list is no
//! such proof, and what an answer leaves out though it is there is not disproved,
//! however complete it says it is.

use std::collections::{BTreeMap, BTreeSet};

use syncline_model::{Identity, InstanceKey, ServiceKey};

use crate::registry::Sight;

type Place = (usize, ServiceKey);
type Seen = BTreeSet<(InstanceKey, u8)>;

/// What the core was told since it was started.
#[derive(Debug, Default)]
pub(crate) struct Proofs {
    places: BTreeMap<Place, Proof>,
    /// Endpoints that were listed whole.
    whole: BTreeSet<usize>,
    /// Endpoints that were listed, as far as that is allowed.
    listed: BTreeSet<usize>,
}

#[derive(Debug, Default)]
struct Proof {
    /// What no read has denied since it was there last.
    present: Seen,
    /// What was shown since a read began that has not ended.
    reading: Option<Seen>,
    /// Whether a complete read has ended.
    read: bool,
}

impl Proofs {
    pub(crate) fn read_begins(&mut self, endpoint: usize, service: &ServiceKey) {
        self.place(endpoint, service).reading = Some(Seen::new());
    }

    /// A list told of a service; of these it could make sense when it was answered.
    pub(crate) fn listed(&mut self, endpoint: usize, service: &ServiceKey, sensible: &Sight) {
        let proof = self.place(endpoint, service);
        proof.present.extend(sensible.iter().cloned());
    }

    /// A list or a push showed these.
    pub(crate) fn look(&mut self, endpoint: usize, service: &ServiceKey, sight: &Sight) {
        let proof = self.place(endpoint, service);
        if let Some(reading) = &mut proof.reading {
            reading.extend(sight.iter().cloned());
        }
        proof.present.extend(sight.iter().cloned());
    }

    /// A read ended; these were there when it was answered, and these it showed.
    pub(crate) fn read_ends(
        &mut self,
        endpoint: usize,
        service: &ServiceKey,
        (there, shown): (&Sight, &Sight),
        complete: bool,
    ) {
        let proof = self.place(endpoint, service);
        let meanwhile = proof.reading.take().unwrap_or_default();
        if complete {
            // What an answer leaves out though it is there is not disproved.
            let stands = |at: &(InstanceKey, u8)| meanwhile.contains(at) || there.contains(at);
            proof.present.retain(stands);
            proof.read = true;
        }
        proof.present.extend(shown.iter().cloned());
    }

    /// A list ended; these were there when it was answered.
    pub(crate) fn list_ends(
        &mut self,
        endpoint: usize,
        (answers, whole): (bool, bool),
        truth: &[(ServiceKey, Sight)],
    ) {
        if answers {
            self.listed.insert(endpoint);
        }
        if whole {
            self.whole.insert(endpoint);
        }
        for (service, sight) in truth {
            let proof = self.place(endpoint, service);
            // A read that ended meanwhile is the newer of the two.
            if !proof.read {
                proof.present.extend(sight.iter().cloned());
            }
        }
    }

    /// A link was told that what it wrote stands: what it had there before and
    /// is not there now is gone. What a link wrote was at its source before.
    pub(crate) fn written(
        &mut self,
        endpoint: usize,
        service: &ServiceKey,
        source: usize,
        now: &Sight,
    ) {
        let proof = self.place(endpoint, service);
        let others = |visited: u8| visited & 1 << source == 0;
        proof.present.retain(|at| others(at.1) || now.contains(at));
    }

    /// Whether it was proved that nothing stands at a key of an endpoint but
    /// what came through one of these registries, which a link does not carry.
    pub(crate) fn is_gone(
        &self,
        (endpoint, service): &Place,
        key: &InstanceKey,
        identity: Identity,
        not_carried: u8,
    ) -> bool {
        if !self.listed.contains(endpoint) {
            return false;
        }
        let place = (*endpoint, service.clone());
        let Some(proof) = self.places.get(&place) else {
            return self.whole.contains(endpoint);
        };
        let stands = |(at, visited): &(InstanceKey, u8)| {
            visited & not_carried == 0 && at.same(key, identity)
        };
        (proof.read || self.whole.contains(endpoint)) && !proof.present.iter().any(stands)
    }

    fn place(&mut self, endpoint: usize, service: &ServiceKey) -> &mut Proof {
        self.places.entry((endpoint, service.clone())).or_default()
    }
}
