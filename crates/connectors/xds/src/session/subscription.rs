//! What a client wants of one kind.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::resources::{Kind, Resource};

/// How many names a client may subscribe to, in one kind.
const MOST_NAMES: usize = 200_000;

/// Everything, in place of a name.
const WILDCARD: &str = "*";

/// A client subscribed to more names than anybody needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a stream may subscribe to {MOST_NAMES} names of a kind")]
pub(crate) struct TooMany;

/// What a client wants of one kind.
#[derive(Default, Debug)]
pub(super) struct Subscription {
    /// Whether it wants all that there is.
    all: bool,
    /// What it wants by name.
    names: BTreeSet<Arc<str>>,
    /// Whether it ever named anything: from then on no names mean nothing, and
    /// not everything.
    named: bool,
}

impl Subscription {
    /// Wants exactly these names from now on. Whether there are any among them
    /// that it did not want before.
    pub(super) fn replace(&mut self, kind: Kind, names: Vec<String>) -> Result<bool, TooMany> {
        self.named |= !names.is_empty();
        let is_all = |name: &String| name == WILDCARD;
        self.all = match self.named {
            true => names.iter().any(is_all),
            false => kind.is_told_whole(),
        };
        let names = names.into_iter().filter(|name| !is_all(name));
        let names: BTreeSet<Arc<str>> = names.map(Arc::from).collect();
        let asks_for_more = !names.is_subset(&self.names);
        self.names = names;
        self.checked()?;
        Ok(asks_for_more)
    }

    /// Wants these names too.
    pub(super) fn add(&mut self, names: impl Iterator<Item = Arc<str>>) -> Result<(), TooMany> {
        for name in names {
            self.named = true;
            match &*name {
                WILDCARD => self.all = true,
                _ => drop(self.names.insert(name)),
            }
        }
        self.checked()
    }

    /// Wants all, as a first request does that names nothing.
    pub(super) fn add_all_unless_named(&mut self, kind: Kind) {
        self.all |= !self.named && kind.is_told_whole();
    }

    /// Wants a name no longer.
    pub(super) fn remove(&mut self, name: &str) {
        match name {
            WILDCARD => self.all = false,
            _ => drop(self.names.remove(name)),
        }
    }

    /// Whether it wants all that there is.
    pub(super) fn all(&self) -> bool {
        self.all
    }

    /// What it wants by name.
    pub(super) fn names(&self) -> &BTreeSet<Arc<str>> {
        &self.names
    }

    /// Whether a resource of that name belongs to the subscription.
    pub(super) fn covers(&self, name: &str, resource: Option<&Resource>) -> bool {
        let among_all = self.all && resource.is_none_or(|resource| !resource.only_by_name);
        among_all || self.names.contains(name)
    }

    fn checked(&self) -> Result<(), TooMany> {
        match self.names.len() <= MOST_NAMES {
            true => Ok(()),
            false => Err(TooMany),
        }
    }
}
