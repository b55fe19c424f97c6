//! How far targets have again what they are to have after a start: whoever
//! serves consumers from one answers nobody before it is filled.

use syncline_model::LinkName;

use super::link::Link;
use super::service::LinkService;
use super::{Core, Effect};

/// How far a link has filled its target since the start, further and further.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fill {
    /// With nothing: it held nothing before.
    Nothing,
    /// With all that it held before.
    LastKnown,
    /// With what the first list of its source showed.
    FirstList,
}

/// How far a link is with that.
#[derive(Debug, Default)]
pub(super) struct Filling {
    /// What was told.
    told: Option<Fill>,
    /// Whether the target held anything before.
    held: bool,
    /// Services that the target lacks of what it held before.
    lacking: usize,
    /// Whether it was told that all of them were given.
    resumed: bool,
}

impl Filling {
    /// So many services are to be taken up again.
    pub(super) fn lacks(&mut self, services: usize) {
        self.held = services > 0;
        self.lacking = services;
    }

    /// One of them stands, or will not any more.
    pub(super) fn stands(&mut self) {
        self.lacking = self.lacking.saturating_sub(1);
    }
}

impl Link {
    /// How far its target is filled.
    fn filled(&self) -> Option<Fill> {
        if self.settled && !self.is_writing() {
            return Some(Fill::FirstList);
        }
        match &self.filling {
            Filling { held: false, .. } => Some(Fill::Nothing),
            Filling { lacking: 0, .. } => Some(Fill::LastKnown),
            _ => None,
        }
    }
}

impl Link {
    /// Whether the target takes lists and is being given, or has, all that it was
    /// given before the start: a whole list again.
    fn has_resumed(&self) -> bool {
        let given = |state: &LinkService| state.writing.is_some() || state.live;
        let mut services = self.services().map(|(_, state)| state);
        self.writes_lists()
            && self.filling.held
            && services.all(|state| state.held.is_empty() || given(state))
    }
}

impl Core {
    /// Tells how far a link's target is filled, where it is further than before.
    pub(super) fn tell_filled(&mut self, name: &LinkName) {
        let Some(link) = self.links.get_mut(name) else {
            return;
        };
        if !link.filling.resumed && link.has_resumed() {
            link.filling.resumed = true;
            let link = name.clone();
            self.effects.push(Effect::Resumed { link });
        }
        if link.filling.told == Some(Fill::FirstList) {
            return;
        }
        let filled = link.filled();
        if filled > link.filling.told
            && let Some(with) = filled
        {
            link.filling.told = filled;
            let link = name.clone();
            self.effects.push(Effect::Filled { link, with });
        }
    }
}
