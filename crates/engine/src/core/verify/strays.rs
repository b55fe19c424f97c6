//! Copies at a target that bear our mark and that nobody here remembers.

use syncline_model::{Instance, MARK_KEY, ServiceKey};

use super::{Difference, Why};
use crate::core::Core;
use crate::core::link::Link;
use crate::core::reader::Reader;
use crate::core::service::LinkService;

impl Core {
    /// What stands at a link's target, came from its source by its mark, and is
    /// in no ledger: nobody will take it away, since a mark alone allows nothing.
    pub(super) fn strays(&self, link: &Link, target: &Reader) -> Vec<Difference> {
        let mut strays = Vec::new();
        for (service, known) in target.services() {
            for shown in known.last.instances() {
                if came_by(link, service, shown) && !self.is_held(link, service, shown) {
                    strays.push(Difference {
                        service: service.clone(),
                        instance: shown.key.clone(),
                        source: None,
                        ledger: None,
                        target: Some(shown.clone()),
                        why: Why::Stray,
                    });
                }
            }
        }
        strays
    }

    /// Whether a link of ours gave the target what stands there, or is about to.
    fn is_held(&self, link: &Link, service: &ServiceKey, shown: &Instance) -> bool {
        let gives = |writer: &Link, state: &LinkService| {
            let writing = state.writing.as_ref().map(|writing| &writing.accepted);
            let mut sets = [Some(&state.held), writing].into_iter().flatten();
            sets.any(|set| set.matching(&shown.key, writer.identity()).next().is_some())
        };
        let mut writers = self.links.values().filter(|w| w.rules.to == link.rules.to);
        writers.any(|writer| {
            let state = writer.service(service);
            state.is_some_and(|state| gives(writer, state))
        })
    }
}

/// Whether an instance bears a mark that says that it came from where the link
/// reads.
fn came_by(link: &Link, service: &ServiceKey, shown: &Instance) -> bool {
    if shown.metadata.get(MARK_KEY).is_none() {
        return false;
    }
    let Some(marking) = link.rules.rules.marking.as_ref() else {
        return false;
    };
    let path = marking.path_of(service, shown);
    path.is_some_and(|path| path.hops().last() == Some(&marking.from))
}
