//! What one look at a registry is worth beside others.

use std::sync::Arc;

use syncline_contract::{Area, Coverage, Rejected};
use syncline_model::bugs::Bug;
use syncline_model::merge::merge;
use syncline_model::{Instance, ServiceKey, ServiceSet, Truth, View};

/// What was seen, and what was known of instances that now make no sense:
/// nonsense is no proof that an instance is gone.
pub(super) fn with_rejected(
    last: &ServiceSet,
    seen: &Arc<ServiceSet>,
    rejected: &[Rejected],
) -> Arc<ServiceSet> {
    if rejected.is_empty() || Bug::PoisonIsGone.is_planted() {
        return Arc::clone(seen);
    }
    let spoilt = |instance: &&Instance| {
        let address = instance.key.address();
        seen.get(&instance.key).is_empty() && rejected.iter().any(|r| r.what == address)
    };
    let kept = last.instances().iter().filter(spoilt);
    Arc::new(ServiceSet::new(
        seen.instances().iter().chain(kept).cloned().collect(),
    ))
}

/// Why the area of a service is suspect. A service's view is no better than its
/// area's: what is missing from a namespace that vanished is not gone.
pub(super) fn suspicion(areas: &[Area], service: &ServiceKey) -> Option<Arc<str>> {
    areas.iter().find_map(|area| match &area.coverage {
        Coverage::Suspect(why) if area.holds(service) => Some(Arc::clone(why)),
        _ => None,
    })
}

/// What a read showed, and what a list or a push showed while it was under way.
/// Nobody knows which of them is older, so what is known stays, what came is
/// added, and another read has to tell where they differ.
pub(super) fn overtaken(
    read: Arc<ServiceSet>,
    meanwhile: Option<&Arc<ServiceSet>>,
    known: &ServiceSet,
) -> (Arc<ServiceSet>, bool) {
    let Some(meanwhile) = meanwhile.filter(|_| !Bug::OldReadWins.is_planted()) else {
        return (read, false);
    };
    let news = |shown: &Instance| {
        let same = |i: &Instance| !i.content_differs(shown);
        !read.get(&shown.key).iter().any(same)
    };
    if !meanwhile.instances().iter().any(news) {
        return (read, false);
    }
    let both = merge(&read, meanwhile, Truth::Raw).set;
    (merge(&both, known, Truth::Raw).set, true)
}

/// The view, or what a planted bug makes of it.
pub(super) fn misread(view: View) -> View {
    match view {
        View::Failed(_) if Bug::FailedIsEmpty.is_planted() => {
            View::Complete(Truth::Raw, ServiceSet::empty())
        }
        View::Partial(set, _) | View::Suspect(set, _) if Bug::PartIsWhole.is_planted() => {
            View::Complete(Truth::Raw, set)
        }
        view => view,
    }
}

pub(super) fn proves_absence(area: &Area, service: &ServiceKey) -> bool {
    matches!(area.coverage, Coverage::Complete(_)) && area.holds(service)
}

pub(super) fn failed(area: &Area) -> bool {
    matches!(area.coverage, Coverage::Failed(_) | Coverage::Suspect(_))
}
