//! Links of which only the ledger knows: removed from the configuration since
//! they wrote, or told to write elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use syncline_model::{EndpointName, LinkName, NamespaceId};

use super::State;
use crate::store::{Durability, LedgerKey, StoreError, StoreOp};

/// What a link gave a target that it is not configured to write to any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Retired {
    /// As the ledger knows it.
    pub ledger: LinkName,
    /// As it is called from now on: as before, unless a link of that name writes
    /// elsewhere now.
    pub link: LinkName,
    /// The endpoint that it wrote to.
    pub to: EndpointName,
    /// The namespaces at the target where its copies are.
    pub namespaces: BTreeSet<NamespaceId>,
    /// How many instances it gave.
    pub instances: usize,
}

impl Retired {
    /// What a link is called at a target that it does not write to any more.
    pub fn name(link: &LinkName, to: &EndpointName) -> LinkName {
        LinkName::from(format!("{link}@{to}"))
    }

    fn new(ledger: &LinkName, link: LinkName, to: &EndpointName) -> Self {
        Self {
            ledger: ledger.clone(),
            link,
            to: to.clone(),
            namespaces: BTreeSet::new(),
            instances: 0,
        }
    }
}

impl State {
    /// What the ledger knows of other links than these, with where they write
    /// to, or of theirs at other targets.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn retired(
        &self,
        links: &BTreeMap<LinkName, EndpointName>,
    ) -> Result<Vec<Retired>, StoreError> {
        let reader = self.store.reader();
        let mut retired = Vec::new();
        for ledger in reader.ledger_links()? {
            let writes_to = links.get(&ledger);
            let mut by_target: BTreeMap<EndpointName, Retired> = BTreeMap::new();
            for row in reader.load_ledger(&ledger)? {
                let (service, record) = row?;
                if writes_to == Some(&record.target) {
                    continue;
                }
                let name = || match writes_to {
                    None => ledger.clone(),
                    Some(_) => Retired::name(&ledger, &record.target),
                };
                let of_target = by_target
                    .entry(record.target.clone())
                    .or_insert_with(|| Retired::new(&ledger, name(), &record.target));
                of_target.namespaces.insert(service.namespace);
                of_target.instances += record.instances.len();
            }
            retired.extend(by_target.into_values());
        }
        Ok(retired)
    }

    /// Lets the ledger know by another name what a link gave a target.
    pub(super) fn rename(
        &mut self,
        ledger: &LinkName,
        link: &LinkName,
        to: &EndpointName,
    ) -> Result<(), StoreError> {
        let mut ops = Vec::new();
        for row in self.store.reader().load_ledger(ledger)? {
            let (service, record) = row?;
            if record.target == *to {
                let key = |link: &LinkName| LedgerKey {
                    link: link.clone(),
                    service: service.clone(),
                };
                ops.push(StoreOp::DropLedger(key(ledger)));
                ops.push(StoreOp::PutLedger(key(link), record));
            }
        }
        match ops.is_empty() {
            true => Ok(()),
            false => self.store.commit(&ops, Durability::Immediate),
        }
    }
}
