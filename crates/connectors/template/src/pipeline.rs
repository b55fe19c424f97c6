//! From rendered to applied, step by step.
//!
//! What happens is decided here and done elsewhere: an [`Attempt`] is told what
//! is on the disk and names the next step; whoever takes it tells how that went.
//! So a crash between any two steps is a test like any other.
//!
//! Three hashes are kept on the disk: of what was last *rendered*, of what was
//! last *written*, and of what consumers are known to have *applied*. Before the
//! file changes, the last one is forgotten, and it is set again only when a
//! reload went well; so whatever a crash leaves behind, the reload is not
//! missed. A copy of what was last applied is kept too, to go back to.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// What is kept on the disk about a file.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Known {
    /// What the template last gave and the check let through.
    pub(crate) rendered: Option<Digest>,
    /// What was last put in place.
    pub(crate) written: Option<Digest>,
    /// What consumers have taken over, if that is certain.
    pub(crate) applied: Option<Digest>,
}

/// What is on the disk.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Disk {
    /// The file itself; `None` where there is none.
    pub(crate) file: Option<Digest>,
    /// The copy of what was last applied.
    pub(crate) good: Option<Digest>,
    /// What is known of them.
    pub(crate) known: Known,
}

/// The commands that there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Commands {
    pub(crate) check: Option<Check>,
    pub(crate) reload: bool,
}

/// When a check is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Check {
    /// Of the staged file, before it is put in place.
    Staged,
    /// With the new file in place, before the reload.
    InPlace,
}

/// What is done next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Write the new version beside the file.
    Stage,
    /// Run the check, on the staged file or with the new file in place.
    Check,
    /// Keep a copy of a file that was there before us.
    KeepFormer,
    /// Write down what is kept.
    Note(Known),
    /// Put the staged file in place.
    Swap,
    /// Run the reload.
    Reload,
    /// Keep a copy of what was applied.
    KeepApplied,
    /// Put the copy of what was last applied back, or take the file away where
    /// there was none.
    Restore,
}

/// One try to make consumers apply what was rendered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    rendered: Digest,
    commands: Commands,
    disk: Disk,
    /// What was applied when it began.
    before: Option<Digest>,
    staged: bool,
    checked: bool,
    reload_begun: bool,
    reloaded: bool,
    /// A step went wrong: from then on it is undone.
    failed: bool,
    /// The steps that undo; each is tried once.
    restored: bool,
    restored_reloaded: bool,
    ended: bool,
}

impl Attempt {
    pub(crate) fn new(rendered: Digest, commands: Commands, disk: Disk) -> Self {
        Self {
            rendered,
            commands,
            before: disk.known.applied,
            disk,
            staged: false,
            checked: false,
            reload_begun: false,
            reloaded: false,
            failed: false,
            restored: false,
            restored_reloaded: false,
            ended: false,
        }
    }

    /// What is to be done now; `None` at the end.
    pub(crate) fn next(&self) -> Option<Step> {
        match (self.ended, self.failed) {
            (true, _) => None,
            (false, true) => self.back(),
            (false, false) => self.forth(),
        }
    }

    /// Whether consumers have what was rendered.
    pub(crate) fn is_applied(&self) -> bool {
        let rendered = Some(self.rendered);
        self.disk.file == rendered && self.disk.known.applied == rendered
    }

    fn forth(&self) -> Option<Step> {
        let rendered = Some(self.rendered);
        let applied = Known {
            rendered,
            written: rendered,
            applied: rendered,
        };
        if self.is_applied() {
            return (self.disk.known != applied).then_some(Step::Note(applied));
        }
        let in_place = self.disk.file == Some(self.rendered);
        let check_is = |at| self.commands.check == Some(at) && !self.checked;
        if !in_place {
            if !self.staged {
                return Some(Step::Stage);
            }
            if check_is(Check::Staged) {
                return Some(Step::Check);
            }
            // What we wrote ourselves and nobody applied is nothing to go back to.
            let foreign = self.disk.known.written.is_none();
            if self.disk.good.is_none() && self.disk.file.is_some() && foreign {
                return Some(Step::KeepFormer);
            }
        }
        let intended = Known {
            applied: None,
            ..applied
        };
        let done = !self.commands.reload || self.reloaded;
        if self.disk.known != intended {
            Some(Step::Note(intended))
        } else if !in_place {
            Some(Step::Swap)
        } else if check_is(Check::InPlace) {
            Some(Step::Check)
        } else if !done {
            Some(Step::Reload)
        } else if self.disk.good != Some(self.rendered) {
            Some(Step::KeepApplied)
        } else {
            Some(Step::Note(applied))
        }
    }

    /// Undoes what was done, as far as it was.
    fn back(&self) -> Option<Step> {
        let in_place = self.disk.file == Some(self.rendered);
        let to_restore = in_place && self.disk.good != Some(self.rendered);
        if to_restore && !self.restored {
            return Some(Step::Restore);
        }
        // Only a copy that stands in place again is worth telling of.
        let back = self
            .disk
            .good
            .filter(|good| self.disk.file == Some(*good))?;
        let reload = self.reload_begun && self.restored;
        if reload && !self.restored_reloaded {
            return Some(Step::Reload);
        }
        let untouched = !self.reload_begun && self.before == Some(back);
        let again = Known {
            rendered: self.disk.known.rendered,
            written: Some(back),
            applied: (self.reloaded || untouched).then_some(back),
        };
        (self.disk.known != again).then_some(Step::Note(again))
    }

    /// A step was taken, and the disk is as told.
    pub(crate) fn took(&mut self, step: Step, went_well: bool, disk: Disk) {
        // What the consumer refuses is undone. A disk that refuses is not asked
        // to undo as well, nor is undoing tried twice: the next attempt begins
        // from whatever it finds.
        let in_place = disk.file == Some(self.rendered);
        let undoes = matches!(step, Step::Check | Step::Reload) && in_place && !self.failed;
        self.ended = !went_well && !undoes && (step != Step::Reload || !self.failed);
        match step {
            Step::Stage => self.staged = went_well,
            Step::Check => self.checked = went_well,
            Step::Reload if self.failed => {
                self.restored_reloaded = true;
                self.reloaded = went_well;
            }
            Step::Reload => {
                self.reload_begun = true;
                self.reloaded = went_well;
            }
            Step::Restore => self.restored = true,
            Step::KeepFormer | Step::KeepApplied | Step::Note(_) | Step::Swap => {}
        }
        self.failed |= !went_well;
        self.disk = disk;
    }

    /// Whether the former version stands in place again after a failure.
    pub(crate) fn went_back(&self) -> bool {
        self.failed && self.restored && self.disk.file == self.disk.good
    }
}

#[cfg(test)]
mod tests;
