//! How far links have filled their targets, for whoever serves consumers from
//! one.

use std::collections::BTreeMap;

use syncline_model::LinkName;
use tokio::sync::watch;

use super::{Engine, Stopped};
use crate::core::Fill;

/// How far each link has filled its target since the start.
#[derive(Clone, Debug)]
pub struct Filling(watch::Receiver<BTreeMap<LinkName, Fill>>);

/// Where that is told.
#[derive(Debug)]
pub(super) struct Filled(watch::Sender<BTreeMap<LinkName, Fill>>);

impl Filled {
    pub(super) fn new() -> (Self, Filling) {
        let (sender, receiver) = watch::channel(BTreeMap::new());
        (Self(sender), Filling(receiver))
    }

    pub(super) fn tell(&self, link: LinkName, with: Fill) {
        self.0.send_modify(|filled| {
            filled.insert(link, with);
        });
    }
}

impl Filling {
    /// Waits until all these links have filled their targets so far.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn reaches(&mut self, with: Fill, links: &[LinkName]) -> Result<(), Stopped> {
        let reached = |filled: &BTreeMap<LinkName, Fill>| {
            let mut links = links.iter();
            links.all(|link| filled.get(link).is_some_and(|filled| *filled >= with))
        };
        let waited = self.0.wait_for(reached).await;
        waited.map(drop).map_err(|_| Stopped)
    }

    /// Whether any of these links has filled its target so far.
    pub fn any_reached(&self, with: Fill, links: &[LinkName]) -> bool {
        let filled = self.0.borrow();
        let mut links = links.iter();
        links.any(|link| filled.get(link).is_some_and(|filled| *filled >= with))
    }
}

impl Engine {
    /// How far targets are filled. A live engine tells; one that only looks
    /// does not.
    pub fn filling(&self) -> Filling {
        self.filling.clone()
    }
}
