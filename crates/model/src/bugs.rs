//! Mistakes that can be planted, to see whether the simulator sees them.
//!
//! Each is one that a tool of this kind has made, or could: the places that would
//! make it ask [`Bug::is_planted`] and nothing else. Without the feature
//! `planted-bugs`, which nothing that ships has, the answer is a constant.

/// Declares the bugs with what they do wrong, in a few words.
macro_rules! bugs {
    ($($name:ident: $what:literal,)*) => {
        /// A mistake.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Bug {
            $(#[doc = $what] $name,)*
        }

        impl Bug {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What it does wrong.
            pub const fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }
        }
    };
}

bugs! {
    FailedIsEmpty: "a read that failed is taken as empty",
    PartIsWhole: "a part of a service is taken as the whole",
    ListProvesAbsence: "what a list lacks goes without a read",
    NoRelist: "what a list lacks is never asked for",
    DropsEvents: "what happens during a write is dropped",
    KeysOnly: "a change of content is no change",
    ColdRemoval: "something goes before the source has been listed",
    MoveIsRemoval: "a move between clusters is removed and added",
    ForgedMark: "a mark is believed without its signature",
    NativesDoubled: "natives at the target are not seen",
    NoPath: "a copy goes on to where it came from",
    MarksOnly: "whose a copy is, only its mark tells",
    GuardForgets: "the guard has no window",
    OneView: "one view confirms a loss",
    OnlyRemovalsCount: "becoming unhealthy is no loss",
    StandsElsewhere: "an address that always stood elsewhere has moved",
    DenialApproves: "a denied loss goes",
    UnheardIsDone: "a write that failed is taken as done",
    FailedIsUndone: "a write that failed is taken as not arrived",
    NoRetry: "a write that failed is not tried again",
    NoBackoff: "a write that failed is tried again at once",
    WriteFirst: "the ledger is told of a removal after it",
    NoLedger: "the ledger is not read at the start",
    NothingTakenUp: "what died with us is not written again",
    EarlyFile: "a file is rendered while a part of it waits",
    PauseGoesOn: "a paused link plans",
    PoisonIsGone: "an instance that makes no sense is gone",
    PoisonSpoils: "a service with an instance that makes no sense is not read",
    OldReadWins: "a read that was overtaken puts back what it showed",
    NoIntent: "the journal is not told what is about to be written",
    NoOutcome: "the journal is not told how a write ended",
}

#[cfg(feature = "planted-bugs")]
mod planted {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    impl Bug {
        /// Whether this one is made on this thread.
        pub fn is_planted(self) -> bool {
            PLANTED.get() == Some(self)
        }

        /// Makes a mistake on this thread from now on, and no other.
        pub fn plant(bug: Option<Self>) {
            PLANTED.set(bug);
        }
    }
}

#[cfg(not(feature = "planted-bugs"))]
impl Bug {
    /// Never: nothing can be planted in what ships.
    pub const fn is_planted(self) -> bool {
        false
    }
}
