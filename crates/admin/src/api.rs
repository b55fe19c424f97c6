//! What goes over the control API, version 1.
//!
//! Fields are added but never renamed or removed within a version. Times are
//! ages in seconds at the moment of the answer, so that no clock has to agree.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `GET /api/v1/status`: everything at a glance.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Syncline's version.
    pub version: String,
    /// The daemon's process.
    pub pid: u32,
    /// The registries that are read.
    pub endpoints: Vec<Endpoint>,
    /// The routes.
    pub links: Vec<Link>,
    /// The other replicas of the install.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub peers: Vec<Peer>,
    /// What operators took out of use: `link:NAME`, `origin:NAME` or
    /// `cluster:NAME`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub evacuated: Vec<String>,
}

/// One registry.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its name in the configuration.
    pub name: String,
    /// Why it does not answer, while it does not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub down: Option<String>,
    /// How new services are learnt, where the registry has more than one way.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub learns: Option<String>,
    /// How the last list ended, area by area.
    pub areas: Vec<Area>,
    /// How long ago everything was last read whole in this run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub complete_seconds_ago: Option<f64>,
    /// The same, also where that was in an earlier run: what is known is no older.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_known_seconds_ago: Option<f64>,
    /// How many services are known.
    pub services: usize,
    /// How many instances are known.
    pub instances: usize,
    /// What an operator should know.
    pub problems: Vec<Problem>,
}

/// Another replica of the install.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Peer {
    /// Where it answers.
    pub address: String,
    /// How long ago it was last heard; absent before the first time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub heard_seconds_ago: Option<f64>,
    /// Why it cannot be asked, while it cannot.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lost: Option<String>,
    /// The links that both have.
    pub links: Vec<PeerLink>,
}

/// How another replica's link compares with ours.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PeerLink {
    /// Its name.
    pub name: String,
    /// How long ago it last saw its source; absent where it has not begun, is
    /// paused, or does not follow changes as they come.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seen_seconds_ago: Option<f64>,
    /// Whether it was told to do what ours was.
    pub same_rules: bool,
    /// For how long it has held something else than we do; absent while it
    /// holds the same.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub differs_seconds: Option<f64>,
    /// The first services that differ, where it has been asked.
    pub differing: Vec<ServiceName>,
}

/// A part of a registry that is read as a whole.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Area {
    /// The namespace; absent where the namespaces themselves are unknown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub namespace: Option<String>,
    /// The group; absent for every group.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub group: Option<String>,
    /// `complete`, `partial`, `suspect` or `failed`.
    pub coverage: String,
    /// For a complete area: `raw` or `consumer's view`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub view: Option<String>,
    /// Why it is not complete.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<String>,
}

/// One route.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Where it reads.
    pub from: String,
    /// Where it writes.
    pub to: String,
    /// `starting`, `syncing`, `in step`, `held`, `source lost`, `paused` or
    /// `withdrawing` (it is configured no more, and takes back what it gave).
    pub state: String,
    /// With whose eyes its whole scope was read, once it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub view: Option<String>,
    /// How long ago its source was last read whole in this run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub complete_seconds_ago: Option<f64>,
    /// The same, also where that was in an earlier run: what the target is given
    /// is no older.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_known_seconds_ago: Option<f64>,
    /// What its target said of itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<Target>,
    /// Services that it gives its target.
    pub services: usize,
    /// Instances that it gives its target.
    pub instances: usize,
    /// Services with a plan or a write under way or waiting.
    pub pending: usize,
    /// Instances that are not copied because a native stands there.
    pub shadowed: usize,
    /// How all of it stands aside, where it does because it was evacuated or
    /// its source stays lost: `out of use` or `at the least weight`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub aside: Option<String>,
    /// What the guard holds.
    pub holds: Vec<Hold>,
    /// What an operator should know.
    pub problems: Vec<Problem>,
}

/// What a target said of itself.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Target {
    /// What it is.
    pub product: String,
    /// `connection`, `beat`, `persistent` or `written`.
    pub hold: String,
    /// What an operator should know of it.
    pub advice: Vec<String>,
}

/// One hold of the guard.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Hold {
    /// What `approve` takes.
    pub id: String,
    /// The service; absent for a hold of all losses of the link.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub service: Option<ServiceName>,
    /// Why it is held.
    pub reason: String,
    /// The setting that decides it, under the link's `guard`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub setting: Option<String>,
    /// What remains to happen for it to go through.
    pub needs: String,
    /// For how long.
    pub held_seconds: f64,
}

/// `GET /api/v1/registries/{name}/origins`: who registered what in an embedded
/// registry.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Origins {
    /// The registry.
    pub registry: String,
    /// The services that were asked about and have instances, a thousand at most.
    pub services: Vec<ServiceOrigins>,
    /// How many more there are that match.
    pub more: usize,
}

/// Who registered the instances of a service.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ServiceOrigins {
    /// The service.
    #[serde(flatten)]
    pub service: ServiceName,
    /// Each instance of each that registered it: what two registered alike, and
    /// consumers see once, is here twice.
    pub instances: Vec<InstanceOrigin>,
}

/// Who registered an instance.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct InstanceOrigin {
    /// Its address.
    pub address: String,
    /// Its cluster.
    pub cluster: String,
    /// What keeps it there: a client's `connection`, a client's `beat`, the
    /// registry's disk (`persistent`), or a `link` that writes it.
    pub by: String,
    /// The client's name, as `/nacos/v2/ns/client/list` has it.
    pub client: String,
    /// Kind and version of a client with a connection, as it says of itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent: Option<String>,
    /// The link that wrote it; absent for what is native here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub link: Option<String>,
    /// The registry where its application registered it: this one for natives.
    /// `NAME of INSTALL` where another install says so.
    pub origin: String,
}

/// `GET /api/v1/holds`: what the guard holds, with the instances that would go.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Holds {
    /// Link by link; of one link the hold of all its losses first.
    pub holds: Vec<HeldBack>,
}

/// One hold, and what it keeps back.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct HeldBack {
    /// The link.
    pub link: String,
    /// Where it reads.
    pub from: String,
    /// Where it writes, and where the instances still are.
    pub to: String,
    /// The hold.
    #[serde(flatten)]
    pub hold: Hold,
    /// What would go if it were let through.
    pub would_go: Vec<Change>,
}

/// `GET /api/v1/adoption`: what could be taken over of what stands at targets;
/// `POST /api/v1/adoption` takes it over and answers the same.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Adoption {
    /// Link by link.
    pub links: Vec<LinkAdoption>,
}

/// What one link could take over.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LinkAdoption {
    /// Its name.
    pub name: String,
    /// Where it reads.
    pub from: String,
    /// Where it writes.
    pub to: String,
    /// Whether a side was still being read when the time was over.
    pub late: bool,
    /// What stands at the target and is not ours, where the link wants it there
    /// or it bears the mark of a copy.
    pub candidates: Vec<Candidate>,
}

/// Something that stands at a target and could be taken over.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Candidate {
    /// The service at the target.
    pub service: ServiceName,
    /// The instance's address.
    pub address: String,
    /// The instance's cluster.
    pub cluster: String,
    /// Who put it there: `nacos-sync`, or `unknown`.
    pub by: String,
    /// Why it is left; absent where it is taken over.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub obstacle: Option<String>,
}

/// `GET /api/v1/verify`: what the source, the ledger and the target say now.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Verification {
    /// Link by link.
    pub links: Vec<LinkVerification>,
}

/// What a comparison of one link's sides found.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LinkVerification {
    /// Its name.
    pub name: String,
    /// Where it reads.
    pub from: String,
    /// Where it writes.
    pub to: String,
    /// Whether a side was still being read when the time was over.
    pub late: bool,
    /// Why the source was not read whole, where it was not; what it said last is
    /// compared all the same.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub doubt: Option<String>,
    /// How long ago the source was read whole.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source_seconds_ago: Option<f64>,
    /// Whether the target can be read; where it cannot, as a file, the ledger
    /// stands for it.
    pub target_is_read: bool,
    /// How long ago the target was read whole.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target_seconds_ago: Option<f64>,
    /// How many instances are the same on all sides.
    pub same: usize,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// An instance that is not the same on all sides.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Difference {
    /// The service at the target.
    pub service: ServiceName,
    /// The instance's address at the target.
    pub address: String,
    /// The instance's cluster at the target.
    pub cluster: String,
    /// The fields that differ; `instance` first where a side lacks it
    /// whole.
    pub fields: Vec<FieldDifference>,
    /// `shadowed`, `aside`, `held`, `paused`, `waits`, `failing`, `pending`,
    /// `left-out`, `kept`, `lost`, `drift` or `stray`.
    pub why: String,
    /// The same in words.
    pub detail: String,
    /// What becomes of it by itself: `right` (it is as it should be), `passes`
    /// (it will be written), `stays` or `held`.
    pub outlook: String,
}

/// What each side says of one field; absent where it has no such thing.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FieldDifference {
    /// `instance`, `cluster`, `weight`, `healthy`, `enabled` or `metadata.KEY`.
    pub field: String,
    /// In the target's terms.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<String>,
    /// What the target was given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ledger: Option<String>,
    /// What the target shows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<String>,
}

/// `GET /api/v1/evacuations/{what}`: what an evacuation concerns.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Evacuation {
    /// `link:NAME`, `origin:NAME` or `cluster:NAME`.
    pub what: String,
    /// Whether it is out of use.
    pub evacuated: bool,
    /// The links with copies that it concerns.
    pub links: Vec<EvacuatedLink>,
}

/// What an evacuation concerns of one link.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct EvacuatedLink {
    /// Its name.
    pub name: String,
    /// Where it reads.
    pub from: String,
    /// Where it writes, and where the copies stand.
    pub to: String,
    /// How many services have such copies.
    pub services: usize,
    /// How many copies there are.
    pub instances: usize,
    /// Services that have nothing in use at the target besides these copies.
    pub emptied: Vec<ServiceName>,
    /// Whether the target stays as an earlier run left it until the source has
    /// been listed: it takes whole lists, and none is known for certain yet.
    #[serde(default)]
    pub deferred: bool,
}

/// Something that an operator should know.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// Which service.
    pub service: ServiceName,
    /// Which instance, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instance: Option<String>,
    /// What is wrong.
    pub what: String,
}

/// A service.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct ServiceName {
    /// Strong isolation.
    pub namespace: String,
    /// Weak isolation.
    pub group: String,
    /// The name within the group.
    pub service: String,
}

/// `GET /api/v1/plan`: what would be written now.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Link by link.
    pub links: Vec<LinkPlan>,
}

/// What one link would write now.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LinkPlan {
    /// Its name.
    pub name: String,
    /// Where it reads.
    pub from: String,
    /// Where it writes.
    pub to: String,
    /// Whether all that a plan looks at has been seen.
    pub ready: bool,
    /// Why the source does not answer, while it does not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub down: Option<String>,
    /// With whose eyes the whole scope was read, where it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub view: Option<String>,
    /// How the list of the source ended.
    pub areas: Vec<Area>,
    /// How long ago the source was read whole.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub complete_seconds_ago: Option<f64>,
    /// How many services the target is to hold of this link.
    pub services: usize,
    /// How many instances the target is to hold of this link.
    pub instances: usize,
    /// What would change.
    pub changes: Vec<Change>,
    /// Instances that are not copied because a native stands there.
    pub shadowed: Vec<Change>,
    /// Instances that are left out.
    pub left_out: Vec<Problem>,
    /// What the guard would hold.
    pub holds: Vec<Hold>,
    /// What it would keep back.
    #[serde(default)]
    pub held: Vec<Change>,
}

/// One change of a plan.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Change {
    /// `add`, `update`, `mark-unavailable`, `remove` or `shadowed`.
    pub kind: String,
    /// The service at the target.
    pub service: ServiceName,
    /// The instance's address.
    pub address: String,
    /// The instance's cluster.
    pub cluster: String,
    /// What it was before, for an update or a removal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<Instance>,
    /// What it is to be, for an addition or an update.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<Instance>,
    /// From what to what, or why, for people.
    pub detail: String,
}

/// What is said of an instance.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Instance {
    /// Its share of the traffic.
    pub weight: f64,
    /// Whether it is healthy; absent where that is unknown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub healthy: Option<bool>,
    /// Whether it is in rotation.
    pub enabled: bool,
    /// What its publisher says of it.
    pub metadata: BTreeMap<String, String>,
}

/// The answer to a request that went wrong.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// What went wrong.
    pub error: String,
}

/// The answer to a request that only tells.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Done {
    /// What was done.
    pub done: String,
}
