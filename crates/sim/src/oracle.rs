//! What watches a run, apart from the core and written a second time.
//!
//! | oracle | what it says |
//! |---|---|
//! | O1 | at rest, every registry shows what the truth and the links say, by field |
//! | O2 | at every step: nothing goes without a proof, nothing that is not ours changes, no service is emptied, the guard's thresholds hold |
//! | O3 | what an application said last is never followed by what it said before |
//! | O4 | a crash at any step changes nothing of how it ends |
//! | O5 | where nothing truly went away, nothing is removed |
//! | O6 | at rest, nothing is written |
//! | O7 | every write has its lines in the journal, before and after |
//! | O8 | the same seed gives the same trace |
//! | P4 | so long after all has healed, everything is as it should be |

pub(crate) mod audit;
pub(crate) mod guard;
pub(crate) mod naive;
pub(crate) mod order;
pub(crate) mod proof;
pub(crate) mod writes;

use std::fmt;

use syncline_model::Moment;

use crate::workload::BEGINNING;

/// Which oracle speaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Oracle {
    /// The naive model.
    Model,
    /// The monitors of every step.
    Monitor,
    /// The order of what is applied.
    Order,
    /// Crash equivalence.
    Crash,
    /// The differential.
    Differential,
    /// Convergence within its bound after healing.
    Liveness,
    /// Silence at rest.
    Silence,
    /// The journal's bijection.
    Journal,
    /// Determinism.
    Determinism,
}

impl Oracle {
    /// Its number and name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "O1 model",
            Self::Monitor => "O2 monitor",
            Self::Order => "O3 order",
            Self::Crash => "O4 crash",
            Self::Differential => "O5 differential",
            Self::Liveness => "P4 liveness",
            Self::Silence => "O6 silence",
            Self::Journal => "O7 journal",
            Self::Determinism => "O8 determinism",
        }
    }
}

/// Something that must not be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Who says so.
    pub oracle: Oracle,
    /// When.
    pub at: Moment,
    /// After how many steps.
    pub step: u64,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (oracle, at) = (self.oracle.as_str(), self.at.since(BEGINNING));
        write!(
            f,
            "{oracle}: {} (step {}, after {:.3} s)",
            self.what,
            self.step,
            at.as_secs_f64()
        )
    }
}
