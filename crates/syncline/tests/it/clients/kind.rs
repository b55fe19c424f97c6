//! Which clients there are, and what each cannot do, by no fault of a server.

use std::fmt;

use syncline_testkit::client::Kind as Program;
use syncline_testkit::nacos::fresh_name;
use syncline_testkit::run;

use crate::daemon::seen::Instance;

/// A client library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In a process of its own.
    Program(Program),
    /// `nacos-sdk`, in the process of the test.
    Rust,
}

/// Every client that is tested.
const ALL: [Kind; 7] = [
    Kind::Program(Program::Java("1.4.6")),
    Kind::Program(Program::Java("2.5.1")),
    Kind::Program(Program::Java("3.0.3")),
    Kind::Program(Program::Go),
    Kind::Program(Program::Python),
    Kind::Program(Program::Node),
    Kind::Rust,
];

impl Kind {
    /// All that can run here. A test with fewer than all counts as skipped, but
    /// what can run is tested.
    pub(crate) fn here() -> Vec<Self> {
        let can_run = |kind: &Self| match kind {
            Self::Program(program) => run::require_client(*program),
            Self::Rust => true,
        };
        ALL.into_iter().filter(can_run).collect()
    }

    /// Whether it registers over HTTP, keeps that alive by beats, and hears of
    /// changes over UDP. Otherwise its connection holds what it registers.
    pub(crate) fn beats(self) -> bool {
        matches!(self, Self::Program(Program::Java("1.4.6") | Program::Node))
    }

    /// Whether it registers several instances at once.
    pub(crate) fn batches(self) -> bool {
        !self.beats()
    }

    /// Whether it tells a subscriber that nothing is left. The one of npm passes
    /// such a list by.
    pub(crate) fn tells_of_none(self) -> bool {
        self != Self::Program(Program::Node)
    }

    /// Whether it registers persistent instances over gRPC, which servers take
    /// from 2.3 on; others do it over HTTP.
    pub(crate) fn persists_over_grpc(self) -> bool {
        matches!(self, Self::Program(Program::Python) | Self::Rust)
    }

    /// Whether it can be ended without the process. The Rust client runs until
    /// its process ends, which here is the test's; another test ends one.
    pub(crate) fn ends(self) -> bool {
        self != Self::Rust
    }

    /// Times that let an instance go soon when its client has ended. The client
    /// of npm begins to beat up to 10 s after it started.
    pub(crate) fn ending_soon(self, instance: Instance) -> Instance {
        let (interval, sick, gone) = match self {
            Self::Program(Program::Node) => ("5000", "12000", "13000"),
            _ => ("1000", "3000", "4000"),
        };
        instance
            .with("preserved.heart.beat.interval", interval)
            .with("preserved.heart.beat.timeout", sick)
            .with("preserved.ip.delete.timeout", gone)
    }

    /// A cluster that it can register in and shows. The client of npm looks into
    /// `DEFAULT` alone.
    pub(crate) fn cluster(self) -> &'static str {
        match self {
            Self::Program(Program::Node) => "DEFAULT",
            _ => "hz",
        }
    }

    /// Another one each time, so that clients do not meet: not those of other
    /// kinds, and not those of Rust that outlive their test and find their way
    /// to the next server at their port.
    pub(crate) fn namespace(self) -> String {
        fresh_name(&self.to_string().to_lowercase().replace([' ', '.'], "-"))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(program) => program.fmt(f),
            Self::Rust => f.write_str("Rust"),
        }
    }
}
