//! Syncline's values and decisions: what a service list is, and what should
//! become of it.
//!
//! Everything here is a value or a pure function of values. Nothing here does
//! I/O, reads a clock, draws a random number or knows a runtime, so that the
//! daemon, `syncline plan`, the simulator and the tests decide alike, byte for
//! byte.
//!
//! * [`name`]: namespaces, groups, services, clusters, endpoints and links;
//! * [`instance`] and [`service`]: one instance, and the immutable set of a
//!   service's instances;
//! * [`view`]: what was seen of a service, and how far it can be trusted; the
//!   only place where a proof of absence comes from;
//! * [`merge`]: a new look at a service brought together with what was known;
//! * [`desire`]: what a link wants at its target;
//! * [`scope`]: what a link selects;
//! * [`mapping`]: from the source's terms to the target's;
//! * [`ownership`]: whose an instance is, and which way it came;
//! * [`adoption`]: what of others a link may take over;
//! * [`plan`]: the changes that would make one service of a target right;
//! * [`guard`]: what holds a plan that takes too much away;
//! * [`time`]: moments, which are always passed in;
//! * [`bugs`]: mistakes that tests can plant;
//!
//! Wire and record formats live at the edges that own them: nothing here is
//! serializable.

pub mod adoption;
pub mod bugs;
pub mod desire;
pub mod guard;
pub mod instance;
pub mod mapping;
pub mod merge;
pub mod name;
mod nearest;
pub mod ownership;
pub mod plan;
pub mod scope;
pub mod service;
pub mod time;
pub mod view;

pub use guard::{Guard, Verdict};
pub use instance::{Identity, Instance, InstanceKey, Metadata, Port, Seen, Weight};
pub use mapping::Mapping;
pub use name::{
    ClusterName, EndpointName, GroupName, Host, InstallId, LinkName, NamespaceId, ServiceKey,
    ServiceName,
};
pub use ownership::{MARK_KEY, Mark, MarkReading, Signer};
pub use plan::{Change, Plan};
pub use scope::Scope;
pub use service::ServiceSet;
pub use time::Moment;
pub use view::{Absence, Truth, View};
