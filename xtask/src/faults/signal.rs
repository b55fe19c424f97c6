//! What Syncline says of a fault: its status and its log.

use syncline_admin::api::{Endpoint, Link, Status};

/// What Syncline says at a moment.
#[derive(Debug)]
pub(crate) struct Told {
    /// `None` where no daemon answers.
    pub(crate) status: Option<Status>,
    /// What it logged since the trial began.
    pub(crate) log: String,
}

/// Something that a fault has to make Syncline say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signal {
    /// What it is called in the table.
    pub(crate) name: &'static str,
    pub(crate) is_told: fn(&Told) -> bool,
}

impl Told {
    fn links(&self) -> impl Iterator<Item = &Link> {
        self.status.iter().flat_map(|status| &status.links)
    }

    /// Whether a link is as described.
    pub(crate) fn link(&self, is: impl Fn(&Link) -> bool) -> bool {
        self.links().any(is)
    }

    /// Whether an endpoint is as described.
    pub(crate) fn endpoint(&self, is: impl Fn(&Endpoint) -> bool) -> bool {
        let endpoints = self.status.iter().flat_map(|status| &status.endpoints);
        endpoints.into_iter().any(is)
    }

    /// Whether every link is in step, and nothing is held.
    pub(crate) fn is_calm(&self) -> bool {
        let calm = |link: &Link| link.state == "in step" && link.holds.is_empty();
        self.links().next().is_some() && self.links().all(calm)
    }

    /// What keeps it from being calm, in a few words.
    pub(crate) fn unrest(&self) -> String {
        let Some(status) = &self.status else {
            return "no daemon answers".to_owned();
        };
        let link = |link: &Link| {
            let (name, state) = (&link.name, &link.state);
            let holds = link.holds.len();
            format!("{name} is {state}, {} pending, {holds} held", link.pending)
        };
        let links: Vec<String> = status.links.iter().map(link).collect();
        links.join("; ")
    }
}

/// The source does not answer, or cannot be read.
pub(crate) const SOURCE_LOST: Signal = Signal {
    name: "status: source lost",
    is_told: |told| told.link(|link| link.state == "source lost"),
};

/// A list is not believed.
pub(crate) const SUSPECT: Signal = Signal {
    name: "status: suspect",
    is_told: |told| {
        told.endpoint(|endpoint| endpoint.areas.iter().any(|area| area.coverage == "suspect"))
    },
};

/// The target does not take what it should.
pub(crate) const PENDING: Signal = Signal {
    name: "status: pending",
    is_told: |told| told.link(|link| link.name == "to-nacos" && link.pending > 0),
};

/// Copies are not being kept alive.
pub(crate) const NO_BEATS: Signal = Signal {
    name: "log: beats do not arrive",
    is_told: |told| told.log.contains("beats do not arrive"),
};

/// A connection to the source was lost.
pub(crate) const CONNECTION_LOST: Signal = Signal {
    name: "log: lost the connection to Nacos",
    is_told: |told| told.log.contains("lost the connection to Nacos"),
};

/// An application registers at the target what we mirror.
pub(crate) const SHADOWED: Signal = Signal {
    name: "status: shadowed",
    is_told: |told| told.link(|link| link.shadowed > 0),
};

/// Instances that make no sense are left out.
pub(crate) const PROBLEMS: Signal = Signal {
    name: "status: problems",
    is_told: |told| told.endpoint(|endpoint| !endpoint.problems.is_empty()),
};

/// Nobody answers for Syncline itself.
pub(crate) const NO_DAEMON: Signal = Signal {
    name: "status: no daemon answers",
    is_told: |told| told.status.is_none(),
};

/// The disk takes nothing.
pub(crate) const NOTHING_STORED: Signal = Signal {
    name: "log: nothing is stored",
    is_told: |told| {
        told.log
            .contains("nothing is stored and nothing will be removed")
    },
};

/// A file cannot be written.
pub(crate) const FILE_PENDING: Signal = Signal {
    name: "status: pending (file)",
    is_told: |told| told.link(|link| link.name == "to-file" && link.pending > 0),
};

/// The system gives no more descriptors.
pub(crate) const NO_DESCRIPTORS: Signal = Signal {
    name: "log: too many open files",
    is_told: |told| told.log.contains("Too many open files") || told.log.contains("os error 24"),
};

/// The guard keeps losses back.
pub(crate) const HELD: Signal = Signal {
    name: "status: held",
    is_told: |told| told.link(|link| !link.holds.is_empty()),
};
