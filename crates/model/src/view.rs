//! What was seen of a service, and how far it can be trusted.
//!
//! Every tool of this kind has wiped its consumers by taking an observation
//! that was not the whole truth for a removal. Here that cannot be written: the
//! only way to a removal is an [`Absence`], the only way to an [`Absence`] is
//! [`View::absence`], and that gives one for complete views alone. A failed
//! read has no instances to be empty of.

use std::fmt;
use std::sync::Arc;

use crate::instance::{Identity, InstanceKey};
use crate::service::ServiceSet;

/// Whose eyes a complete view was seen with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Truth {
    /// What a consumer is shown: disabled instances are left out, and under the
    /// protect threshold all are shown healthy.
    Consumer,
    /// What is registered: disabled and unhealthy instances included.
    Raw,
}

impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Consumer => "consumer's view",
            Self::Raw => "raw",
        })
    }
}

/// What one look at a service gave.
///
/// No kind turns into another, and there is no default: whoever makes a view
/// says what it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum View {
    /// All there is to see, as far as such eyes see.
    Complete(Truth, Arc<ServiceSet>),
    /// Some of it; the rest could not be read or was not permitted.
    Partial(Arc<ServiceSet>, Arc<str>),
    /// It reads like a whole answer, but something speaks against believing it.
    Suspect(Arc<ServiceSet>, Arc<str>),
    /// Nothing was seen.
    Failed(Arc<str>),
}

/// Proof that an instance is not registered, drawn from a complete view.
///
/// It cannot be made in any other way, which is what keeps a failed read from
/// becoming a removal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Absence {
    truth: Truth,
}

impl Absence {
    /// Whose eyes did not see the instance. Absence from a consumer's view
    /// means "gone or disabled" and needs a second query.
    pub fn truth(self) -> Truth {
        self.truth
    }
}

impl View {
    /// The instances that were seen; `None` where the look failed, which is not
    /// the same as none.
    pub fn seen(&self) -> Option<&Arc<ServiceSet>> {
        match self {
            Self::Complete(_, set) | Self::Partial(set, _) | Self::Suspect(set, _) => Some(set),
            Self::Failed(_) => None,
        }
    }

    /// The instances of a complete view.
    pub fn complete(&self) -> Option<(Truth, &Arc<ServiceSet>)> {
        match self {
            Self::Complete(truth, set) => Some((*truth, set)),
            Self::Partial(..) | Self::Suspect(..) | Self::Failed(_) => None,
        }
    }

    /// Why the view is not complete.
    pub fn doubt(&self) -> Option<&Arc<str>> {
        match self {
            Self::Complete(..) => None,
            Self::Partial(_, why) | Self::Suspect(_, why) | Self::Failed(why) => Some(why),
        }
    }

    /// Proof that an instance is absent: given only by a complete view that
    /// does not show it.
    pub fn absence(&self, key: &InstanceKey, identity: Identity) -> Option<Absence> {
        let (truth, set) = self.complete()?;
        set.matching(key, identity)
            .next()
            .is_none()
            .then_some(Absence { truth })
    }

    /// The same look at other instances, such as the mapped ones: how far it
    /// can be trusted stays as it is.
    pub fn map(&self, with: impl FnOnce(&Arc<ServiceSet>) -> Arc<ServiceSet>) -> Self {
        match self {
            Self::Complete(truth, set) => Self::Complete(*truth, with(set)),
            Self::Partial(set, why) => Self::Partial(with(set), why.clone()),
            Self::Suspect(set, why) => Self::Suspect(with(set), why.clone()),
            Self::Failed(why) => Self::Failed(why.clone()),
        }
    }

    /// Several looks that together make up one service: whole only where each
    /// is whole, and only as true as the least true of them.
    ///
    /// `None` where there are no looks, since nothing is no view.
    pub fn together(views: impl IntoIterator<Item = Self>) -> Option<Self> {
        views.into_iter().reduce(|a, b| match (a, b) {
            (Self::Complete(s, x), Self::Complete(t, y)) => Self::Complete(s.min(t), union(&x, &y)),
            (Self::Failed(why), Self::Failed(_)) => Self::Failed(why),
            (Self::Failed(why), other) | (other, Self::Failed(why)) => {
                let seen = other.seen().cloned().unwrap_or_else(ServiceSet::empty);
                Self::Partial(seen, why)
            }
            (Self::Suspect(x, why), other) | (other, Self::Suspect(x, why)) => {
                Self::Suspect(union_seen(&x, &other), why)
            }
            (Self::Partial(x, why), other) | (other, Self::Partial(x, why)) => {
                Self::Partial(union_seen(&x, &other), why)
            }
        })
    }

    /// The same look, doubted: a complete view becomes suspect, and nothing
    /// ever becomes more trusted.
    pub fn doubted(self, why: impl Into<Arc<str>>) -> Self {
        match self {
            Self::Complete(_, set) => Self::Suspect(set, why.into()),
            doubted => doubted,
        }
    }
}

fn union(a: &ServiceSet, b: &ServiceSet) -> Arc<ServiceSet> {
    let both = a.instances().iter().chain(b.instances()).cloned();
    Arc::new(ServiceSet::new(both.collect()))
}

fn union_seen(set: &Arc<ServiceSet>, other: &View) -> Arc<ServiceSet> {
    other
        .seen()
        .map_or_else(|| set.clone(), |seen| union(set, seen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::{Instance, Port};

    fn there() -> Instance {
        Instance::new("10.0.0.1", Port::new(80).expect("not zero"))
    }

    #[test]
    fn only_a_complete_view_proves_absence() {
        let key = there().key;
        let none = ServiceSet::empty();
        let prove = |view: View| view.absence(&key, Identity::AddressAndCluster);
        assert_eq!(
            prove(View::Complete(Truth::Raw, none.clone())).map(Absence::truth),
            Some(Truth::Raw)
        );
        assert_eq!(prove(View::Partial(none.clone(), "page 2".into())), None);
        assert_eq!(prove(View::Suspect(none, "empty after full".into())), None);
        assert_eq!(prove(View::Failed("timed out".into())), None);
    }

    #[test]
    fn what_is_there_is_not_absent() {
        let view = View::Complete(Truth::Raw, Arc::new(ServiceSet::new(vec![there()])));
        let absence = view.absence(&there().key, Identity::AddressAndCluster);
        assert_eq!(absence, None);
    }

    #[test]
    fn doubt_never_turns_into_trust() {
        let failed = View::Failed("refused".into());
        assert_eq!(failed.clone().doubted("members disagree"), failed);
        let complete = View::Complete(Truth::Raw, ServiceSet::empty());
        assert_eq!(complete.doubted("members disagree").complete(), None);
    }
}
