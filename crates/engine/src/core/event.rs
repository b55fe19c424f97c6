//! What goes into the core, and what comes out of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use syncline_contract::{ListEnd, Listed, Observation, Purpose, Rejected, TargetReport, Write};
use syncline_model::guard::{Freeze, HoldId, Record};
use syncline_model::plan::Change;
use syncline_model::{
    EndpointName, Instance, InstanceKey, LinkName, Moment, ServiceKey, ServiceSet, Truth, View,
};

use super::adopt::Adoption;
use super::aside::Evacuation;
use super::filling::Fill;
use super::peers::{PeerAnswer, PeerName, PeerReport};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// What the store knew of a source service before the start.
    Remembered {
        /// Where it was read.
        endpoint: EndpointName,
        /// Which service.
        service: ServiceKey,
        /// What was last seen of it.
        set: Arc<ServiceSet>,
    },
    /// What the ledger says a link gave its target before the start.
    Held {
        /// Which link.
        link: LinkName,
        /// The service at the target.
        service: ServiceKey,
        /// What it was given.
        set: Arc<ServiceSet>,
        /// What a write that nobody confirmed was to take away or to change,
        /// and that may still be there.
        going: Vec<Instance>,
        /// Whether it was confirmed lately enough to be taken up again at once.
        fresh: bool,
        /// Whether the target had confirmed all of it.
        confirmed: bool,
    },
    /// What a link's guard knew before the start, on this run's clock.
    Guarded {
        /// Which link.
        link: LinkName,
        /// Whether all its losses waited.
        freeze: Option<Freeze>,
        /// What was known of its services.
        records: Vec<(ServiceKey, Record)>,
    },
    /// When a registry was last listed whole before the start, on this run's
    /// clock.
    SeenBefore {
        /// Which one.
        endpoint: EndpointName,
        /// When.
        at: Moment,
    },
    /// All that was remembered has been told: begin.
    Started,
    /// A target was asked what it can do.
    Described {
        /// The link that writes to it.
        link: LinkName,
        /// What it said.
        report: TargetReport,
    },
    /// A list gave a service.
    Listed {
        /// Which registry was listed.
        endpoint: EndpointName,
        /// The service.
        listed: Listed,
    },
    /// A list ended.
    ListEnded {
        /// Which registry was listed.
        endpoint: EndpointName,
        /// What was read whole.
        end: ListEnd,
    },
    /// A watch saw something.
    Observed {
        /// Which registry is watched.
        endpoint: EndpointName,
        /// What it saw.
        observation: Observation,
    },
    /// A read of one service ended.
    Read {
        /// Which registry was read.
        endpoint: EndpointName,
        /// Which service.
        service: ServiceKey,
        /// What was seen.
        view: View,
        /// Instances that make no sense.
        rejected: Vec<Rejected>,
    },
    /// What a write intends is on disk.
    Stored {
        /// The link that writes.
        link: LinkName,
        /// The service at the target.
        service: ServiceKey,
        /// Why it is not on disk, if it is not.
        result: Result<(), Arc<str>>,
    },
    /// A write ended.
    Applied {
        /// The link that wrote.
        link: LinkName,
        /// The service at the target.
        service: ServiceKey,
        /// How it went.
        result: Result<(), WriteError>,
    },
    /// Somebody asks for a look at everything: a timer, a schedule, an operator.
    Trigger {
        /// For one link, or for all.
        link: Option<LinkName>,
    },
    /// Somebody wants to compare the sides of links as they are now: they are
    /// read, and no link plans because of it that waits for a trigger.
    Relist {
        /// Of one link, or of all.
        link: Option<LinkName>,
    },
    /// The store was opened again after a failure: what was put there before
    /// may be gone.
    StoreReopened,
    /// An operator decides on a hold.
    Decide {
        /// Which hold.
        hold: HoldId,
        /// Whether its losses may go through.
        approve: bool,
    },
    /// An operator stops a link's planning, or lets it go on.
    Pause {
        /// Which link.
        link: LinkName,
        /// Whether it is paused from now on.
        paused: bool,
    },
    /// Time to look how well each link sees its source, for replicas to be told.
    TakeStock,
    /// A replica told of itself.
    PeerReported {
        /// Which replica.
        peer: PeerName,
        /// What it told.
        report: PeerReport,
    },
    /// A replica cannot be reached.
    PeerLost {
        /// Which replica.
        peer: PeerName,
        /// Why not.
        why: Arc<str>,
    },
    /// What was taken for a replica is none: it is this process.
    PeerIsUs {
        /// What it was called.
        peer: PeerName,
    },
    /// A replica said where what it holds differs from what we hold.
    PeerAnswered {
        /// Which replica.
        peer: PeerName,
        /// The link that it was asked about.
        link: LinkName,
        /// What it said.
        answer: PeerAnswer,
        /// How long it took, from the question on.
        took: Duration,
    },
    /// Somebody takes over: nothing is planned for so long, or from now on it
    /// is again.
    HandOver {
        /// For how long; `None` to go on.
        lease: Option<Duration>,
    },
    /// An operator takes copies out of use at their targets, or ends that.
    Evacuate {
        /// Which copies.
        what: Evacuation,
        /// Whether they are out of use from now on.
        on: bool,
    },
    /// An operator takes over what stands at a target.
    Adopt(Adoption),
    /// The process stood still for a while, as on a machine that slept: what
    /// was seen before is older than it seems.
    StoodStill,
    /// Time went by.
    Tick,
}

/// Why a write did not go well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WriteError {
    /// What went wrong, with its causes.
    pub what: Arc<str>,
    /// The least wait that the peer asked for.
    pub retry_after: Option<Duration>,
    /// Whether trying again without a change is of no use for a while.
    pub hopeless: bool,
}

/// Something that has to be done.
#[derive(Clone, Debug)]
pub enum Effect {
    /// List a registry.
    List {
        /// Which one.
        endpoint: EndpointName,
    },
    /// Read one service.
    Read {
        /// Where.
        endpoint: EndpointName,
        /// Which service.
        service: ServiceKey,
        /// To what end.
        purpose: Purpose,
    },
    /// Watch a registry from now on, which is asked for once.
    Watch {
        /// Which one.
        endpoint: EndpointName,
        /// What is known to be there already.
        listed: Arc<[ServiceKey]>,
    },
    /// Watch a service at a target by name, as soon as the target is watched,
    /// or not any more.
    Follow {
        /// Where.
        endpoint: EndpointName,
        /// Which service.
        service: ServiceKey,
        /// Whether to begin or to end.
        follow: bool,
    },
    /// Put something on disk.
    Persist(Persist),
    /// Write to a target.
    Apply {
        /// The link that writes.
        link: LinkName,
        /// What.
        write: Write,
    },
    /// Tell the journal.
    Tell(Box<Line>),
    /// A link whose target takes lists has given it again all that it gave before
    /// the start; not told of one that gave nothing.
    Resumed {
        /// Which link.
        link: LinkName,
    },
    /// A link is in step for the first time since the start.
    Settled {
        /// Which link.
        link: LinkName,
    },
    /// A link's target has again what it had, or what it is to have.
    Filled {
        /// Which link.
        link: LinkName,
        /// With what.
        with: Fill,
    },
}

/// Something to put on disk.
#[derive(Clone, Debug)]
pub enum Persist {
    /// All that a link holds is put again after this.
    Restart {
        /// Which link.
        link: LinkName,
    },
    /// What was seen of a source service.
    Cache {
        /// Where.
        endpoint: EndpointName,
        /// Which service.
        service: ServiceKey,
        /// With whose eyes.
        truth: Truth,
        /// What; empty to forget it.
        set: Arc<ServiceSet>,
    },
    /// What a link is about to give its target.
    Intend {
        /// Which link.
        link: LinkName,
        /// To which endpoint.
        target: EndpointName,
        /// The service at the target.
        service: ServiceKey,
        /// What it is given.
        accepted: Arc<ServiceSet>,
        /// What it was given before and is not any more; until the write is
        /// confirmed it may still be there.
        going: Vec<Instance>,
        /// Whether [`Event::Stored`] is waited for before the write begins.
        before_write: bool,
    },
    /// What a link's target has confirmed.
    Confirm {
        /// Which link.
        link: LinkName,
        /// To which endpoint.
        target: EndpointName,
        /// The service at the target.
        service: ServiceKey,
        /// What it was given; empty to forget it.
        held: Arc<ServiceSet>,
    },
    /// What a link's guard knows of a service, so that it survives a restart.
    Window {
        /// Which link.
        link: LinkName,
        /// Which service.
        service: ServiceKey,
        /// What is known of it; `None` where nothing is any more.
        record: Option<Box<Record>>,
        /// Now, on the clock that its moments are on.
        at: Moment,
    },
    /// Whether all losses of a link wait, so that it survives a restart.
    Freeze {
        /// Which link.
        link: LinkName,
        /// Since when they do; `None` where they do not.
        freeze: Option<Freeze>,
        /// Now, on the clock that its moments are on.
        at: Moment,
    },
    /// Which copies an operator took out of use.
    Evacuated {
        /// All of them, in order.
        what: Vec<Evacuation>,
    },
    /// A registry was listed whole just now.
    Seen {
        /// Which one.
        endpoint: EndpointName,
    },
}

impl Persist {
    /// The write that waits for this to be on disk.
    pub fn awaited(&self) -> Option<(LinkName, ServiceKey)> {
        match self {
            Self::Intend {
                link,
                service,
                before_write: true,
                ..
            } => Some((link.clone(), service.clone())),
            Self::Restart { .. }
            | Self::Intend { .. }
            | Self::Cache { .. }
            | Self::Confirm { .. }
            | Self::Window { .. }
            | Self::Freeze { .. }
            | Self::Evacuated { .. }
            | Self::Seen { .. } => None,
        }
    }
}

/// One line of the journal: what was done to what, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The link it is about.
    pub link: LinkName,
    /// What happened.
    pub happening: Happening,
    /// The endpoint it happened at, where it is about one.
    pub endpoint: Option<EndpointName>,
    /// The service at the target.
    pub service: Option<ServiceKey>,
    /// The service at the source, where it has another name there.
    pub source_service: Option<ServiceKey>,
    /// The instance at the target.
    pub instance: Option<InstanceKey>,
    /// The hold that it is about.
    pub hold: Option<HoldId>,
    /// The instances that the hold keeps back, of many the first ones.
    pub kept: Vec<InstanceKey>,
    /// The change that is about to be written.
    pub change: Option<Change>,
    /// The number of the write that it belongs to: its intents and its outcome
    /// have the same.
    pub effect: Option<u64>,
    /// The endpoint whose view it follows from.
    pub source: Option<EndpointName>,
    /// With whose eyes that was seen.
    pub truth: Option<Truth>,
    /// The setting that decided it, and its value.
    pub rule: Option<String>,
    /// Why, and from what to what, for people.
    pub detail: String,
}

impl Line {
    /// A line that says only what happened on a link; the rest is filled in.
    pub(super) fn new(link: &LinkName, happening: Happening, detail: impl Into<String>) -> Self {
        Self {
            link: link.clone(),
            happening,
            endpoint: None,
            service: None,
            source_service: None,
            instance: None,
            hold: None,
            kept: Vec::new(),
            change: None,
            effect: None,
            source: None,
            truth: None,
            rule: None,
            detail: detail.into(),
        }
    }

    /// The same line, about a service.
    pub(super) fn about(mut self, service: &ServiceKey) -> Self {
        self.service = Some(service.clone());
        self
    }
}

/// The line as the log has it: what happened to what, and why.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.change {
            Some(change) => f.write_str(change.kind())?,
            None => f.write_str(self.happening.as_str())?,
        }
        if let Some(service) = &self.service {
            write!(f, " {service}")?;
        }
        if let Some(instance) = &self.instance {
            write!(f, " {instance}")?;
        }
        if self.service.is_none()
            && let Some(endpoint) = &self.endpoint
        {
            write!(f, " {endpoint}")?;
        }
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        match self.hold {
            Some(hold) if self.happening == Happening::Held => {
                write!(f, "; to let it go: syncline approve {hold}")
            }
            Some(hold) => write!(f, " (hold {hold})"),
            None => Ok(()),
        }
    }
}

/// The kinds of journal lines.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Happening {
    /// A change is about to be written.
    Intent,
    /// A target is about to be given again what it had.
    TakeUp,
    /// A write was confirmed.
    Applied,
    /// A target was given again what it had.
    TakenUp,
    /// A write failed.
    Failed,
    /// A write was planned anew before it began.
    Dropped,
    /// The guard holds losses.
    Held,
    /// A hold ended.
    Released,
    /// An operator approved a hold.
    Approved,
    /// An operator denied a hold.
    Denied,
    /// A native stands where our copy would.
    Shadowed,
    /// The native left.
    Unshadowed,
    /// An instance is left out because it makes no sense or cannot be carried.
    Quarantined,
    /// A source cannot be read.
    SourceLost,
    /// A source can be read again.
    SourceFound,
    /// An operator stopped the link's planning.
    Paused,
    /// An operator let it go on.
    Resumed,
    /// An operator took copies out of use.
    Evacuated,
    /// An operator put them back into use.
    Restored,
    /// An instance's health changed at the source, and may yet change back.
    Flipped,
    /// An operator took over an instance that stood at the target.
    Adopted,
}

impl Happening {
    /// The kind in a word or two, for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::TakeUp => "take up again",
            Self::Applied => "confirmed",
            Self::TakenUp => "taken up again",
            Self::Failed => "failed",
            Self::Dropped => "planned anew",
            Self::Held => "held",
            Self::Released => "released",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Shadowed => "shadowed",
            Self::Unshadowed => "no longer shadowed",
            Self::Quarantined => "left out",
            Self::SourceLost => "lost",
            Self::SourceFound => "found",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Evacuated => "evacuated",
            Self::Restored => "restored",
            Self::Flipped => "flipped",
            Self::Adopted => "adopted",
        }
    }
}
