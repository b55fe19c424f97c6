//! Links that are configured no more: what they gave is withdrawn, and what
//! another link gives now is handed to it.

use syncline_model::ServiceKey;
use syncline_model::plan::{Natives, Standing};

use super::Core;
use super::link::Link;

impl Core {
    /// Whether a link that is configured no more may withdraw: the others that
    /// write there have planned what they give, which may be the same, or cannot
    /// be waited for.
    pub(super) fn others_have_begun(&self, link: &Link) -> bool {
        let same_target = |other: &&Link| !other.rules.retired && other.rules.to == link.rules.to;
        let mut others = self.links.values().filter(same_target);
        let begun = |other: &Link| {
            let source = &self.readers[&other.rules.from];
            other.settled || other.paused || (source.was_listed_or_failed() && !source.listed())
        };
        !link.rules.retired || others.all(begun)
    }

    /// Links that are configured no more may have waited for others.
    pub(super) fn open_retired(&mut self) {
        let retired = self.links.values().filter(|link| link.rules.retired);
        let retired: Vec<_> = retired.map(|link| link.rules.name.clone()).collect();
        for link in retired {
            self.open(&link);
        }
    }

    /// Where other links give the same target something, or are about to: what a
    /// link gave that is configured no more is theirs then.
    pub(super) fn given_by_others(&self, retired: &Link, service: &ServiceKey) -> Natives {
        let same_target = |link: &&Link| !link.rules.retired && link.rules.to == retired.rules.to;
        let others = self.links.values().filter(same_target);
        let given = others
            .filter_map(|link| link.service(service))
            .flat_map(|state| {
                let writing = state.writing.as_ref().map(|writing| &writing.accepted);
                [Some(&state.held), writing].into_iter().flatten()
            });
        given
            .flat_map(|set| set.instances())
            .map(|i| ((i.key.host.clone(), i.key.port), Standing::OtherLink))
            .collect()
    }
}
