//! Instances as they come from publishers and as readers are shown them.

use std::fmt;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};
use serde_json::value::RawValue;
use syncline_model::instance::Port;
use syncline_model::name::Host;
use syncline_model::{
    ClusterName, GroupName, Instance, InstanceKey, Metadata, NamespaceId, Seen, ServiceKey,
    ServiceName, Weight,
};
use syncline_nacos::message;

use crate::intern::Interner;
use crate::moment::Moment;
use crate::presented::PresentedVersion;
use crate::settings::LifeSettings;
use crate::store::{BeatTimes, Kind, Snapshot};

/// What Java's clients are told to wait between polls, in milliseconds.
const CACHE_MILLIS: u32 = 10_000;

/// What a client is told to wait between polls that wants pushes over UDP and
/// does not get them, in milliseconds (1.x; 2.x tells everybody the same).
const CACHE_MILLIS_UNPUSHED: u32 = 3_000;

/// Why an instance is not registered, in Nacos's words where it has some.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum BadInstance {
    #[error("Param 'ip' is required.")]
    NoIp,
    /// The text of 2.3 and later; earlier versions take any number.
    #[error("Param 'port' is illegal, the value should be between 0 and 65535.")]
    PortRange,
    /// Nacos takes it, but nothing can be reached there.
    #[error("Param 'port' is illegal, no instance can be reached at port 0.")]
    PortZero,
    /// Nacos takes NaN, and any weight over gRPC.
    #[error("instance format invalid: The weights range from 0.0 to 10000.0")]
    Weight,
    #[error("Instance 'clusterName' should be characters with only 0-9a-zA-Z-. (current: {0})")]
    Cluster(String),
    #[error(
        "Instance 'heart beat interval' must less than 'heart beat timeout' and 'ip delete timeout'."
    )]
    HeartBeat,
}

/// How an instance came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sent {
    /// By itself: all is checked that the presented version checks.
    Alone(Kind, PresentedVersion),
    /// In a batch, of which Nacos (2.1.1 to 3.0) checks nothing.
    InBatch,
}

/// An instance as the store keeps it, and the id that its publisher chose for
/// it, if it did.
pub(crate) fn read_instance(
    instance: &message::Instance,
    sent: Sent,
    service: &ServiceKey,
    interner: &Interner,
) -> Result<(Instance, Option<Arc<str>>), BadInstance> {
    let key = read_key(
        &instance.ip,
        instance.port,
        &instance.cluster_name,
        interner,
    )?;
    let weight = Weight::new(instance.weight).ok_or(BadInstance::Weight)?;
    let metadata = instance.metadata.iter();
    let metadata = interner.metadata(metadata.map(|(key, value)| (key.as_str(), value.as_str())));
    let kind = match sent {
        Sent::Alone(kind, _) => kind,
        Sent::InBatch => Kind::Ephemeral,
    };
    let id = instance.instance_id.as_deref();
    let id = id
        .filter(|id| !is_derived(id, &key, service))
        .map(Arc::from);
    let instance = Instance {
        key,
        weight,
        healthy: Seen::Known(instance.healthy),
        enabled: instance.enabled,
        ephemeral: Seen::Known(kind.is_ephemeral()),
        metadata,
    };
    if let Sent::Alone(_, version) = sent {
        check_alone(&instance, version)?;
    }
    Ok((instance, id))
}

/// What identifies an instance, if it can.
pub(crate) fn read_key(
    ip: &str,
    port: i64,
    cluster: &str,
    interner: &Interner,
) -> Result<InstanceKey, BadInstance> {
    let ip = ip.trim();
    if ip.is_empty() {
        return Err(BadInstance::NoIp);
    }
    let port = u16::try_from(port).map_err(|_| BadInstance::PortRange)?;
    let cluster = if cluster.is_empty() {
        ClusterName::DEFAULT
    } else {
        cluster
    };
    Ok(InstanceKey {
        host: Host::new(ip),
        port: Port::new(port).ok_or(BadInstance::PortZero)?,
        cluster: ClusterName::new(interner.text(cluster)),
    })
}

/// What a version checks of an instance that comes by itself.
pub(crate) fn check_alone(
    instance: &Instance,
    version: PresentedVersion,
) -> Result<(), BadInstance> {
    let cluster = instance.key.cluster.as_str();
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if version.checks_clusters() && !cluster.bytes().all(legal) {
        return Err(BadInstance::Cluster(cluster.to_owned()));
    }
    // Measured by Nacos's own times, whatever this registry's are.
    let times = BeatTimes::of(&instance.metadata, &LifeSettings::default());
    let shorter = times.unhealthy_after < times.interval || times.removed_after < times.interval;
    if version.checks_beat_times() && shorter {
        return Err(BadInstance::HeartBeat);
    }
    Ok(())
}

fn is_derived(id: &str, key: &InstanceKey, service: &ServiceKey) -> bool {
    let grouped = service.grouped();
    id == DerivedId {
        key,
        grouped: &grouped,
    }
    .to_string()
}

/// A service's key from what a request says, with Nacos's defaults for what it
/// leaves out. A name with a group in it (`GROUP@@name`) wins over the group
/// beside it; some Node clients send such names over gRPC.
pub(crate) fn read_service(namespace: &str, group: &str, name: &str) -> ServiceKey {
    let (group, name) = message::split_grouped(name).unwrap_or((group, name));
    let group = if group.is_empty() {
        GroupName::DEFAULT
    } else {
        group
    };
    ServiceKey {
        namespace: NamespaceId::from_wire(namespace),
        group: GroupName::from(group),
        name: ServiceName::from(name),
    }
}

/// The id of an instance whose publisher chose none. Nacos 2.0 to 2.2 leave it
/// out for instances registered over gRPC; 2.5 and this registry fill it in,
/// so that the same instance from two publishers is one.
struct DerivedId<'a> {
    key: &'a InstanceKey,
    grouped: &'a str,
}

impl fmt::Display for DerivedId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InstanceKey {
            host,
            port,
            cluster,
        } = self.key;
        write!(f, "{host}#{port}#{cluster}#{}", self.grouped)
    }
}

/// The id that an instance is shown with: the one that its publisher chose, or
/// the derived one.
pub(crate) struct ShownId<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) key: &'a InstanceKey,
    /// The grouped name.
    pub(crate) grouped: &'a str,
}

impl Serialize for ShownId<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(id) = self.snapshot.custom_id(self.key) {
            return serializer.serialize_str(id);
        }
        let (key, grouped) = (self.key, self.grouped);
        serializer.collect_str(&DerivedId { key, grouped })
    }
}

/// One instance as readers are shown it, written straight from the store.
pub(crate) struct ShownInstance<'a> {
    pub(crate) instance: &'a Instance,
    pub(crate) snapshot: &'a Snapshot,
    /// The grouped name.
    pub(crate) grouped: &'a str,
    /// Shown healthy whatever it is.
    pub(crate) protected: bool,
    pub(crate) life: &'a LifeSettings,
}

impl Serialize for ShownInstance<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Instance { key, metadata, .. } = self.instance;
        let times = BeatTimes::of(metadata, self.life);
        let mut object = serializer.serialize_struct("Instance", 14)?;
        let id = ShownId {
            snapshot: self.snapshot,
            key,
            grouped: self.grouped,
        };
        object.serialize_field("instanceId", &id)?;
        object.serialize_field("ip", key.host.as_str())?;
        object.serialize_field("port", &key.port)?;
        object.serialize_field("weight", &self.instance.weight.get())?;
        object.serialize_field(
            "healthy",
            &(self.protected || self.instance.healthy.or(true)),
        )?;
        object.serialize_field("enabled", &self.instance.enabled)?;
        let ephemeral = self.instance.ephemeral.or(self.snapshot.ephemeral);
        object.serialize_field("ephemeral", &ephemeral)?;
        object.serialize_field("clusterName", key.cluster.as_str())?;
        object.serialize_field("serviceName", self.grouped)?;
        object.serialize_field("metadata", &ShownMetadata(metadata))?;
        object.serialize_field("instanceHeartBeatInterval", &times.interval.as_millis())?;
        object.serialize_field(
            "instanceHeartBeatTimeOut",
            &times.unhealthy_after.as_millis(),
        )?;
        object.serialize_field("ipDeleteTimeout", &times.removed_after.as_millis())?;
        match metadata.get("preserved.instance.id.generator") {
            Some(generator) => object.serialize_field("instanceIdGenerator", generator)?,
            // Absent beside other metadata (2.0 to 3.1).
            None if metadata.is_empty() => {
                object.serialize_field("instanceIdGenerator", "simple")?;
            }
            None => object.skip_field("instanceIdGenerator")?,
        }
        object.end()
    }
}

/// Metadata as a JSON object.
pub(crate) struct ShownMetadata<'a>(pub(crate) &'a Metadata);

impl Serialize for ShownMetadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0.iter() {
            object.serialize_entry(key, value)?;
        }
        object.end()
    }
}

/// A service's own metadata, empty where none was ever set.
pub(crate) struct ShownOrEmpty<'a>(pub(crate) &'a Snapshot);

impl Serialize for ShownOrEmpty<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.record {
            Some(record) => ShownMetadata(&record.metadata).serialize(serializer),
            None => serializer.collect_map(std::iter::empty::<((), ())>()),
        }
    }
}

/// A service with its instances, as consumers get it.
///
/// All fields are there and none is null: the Rust and Python SDKs refuse
/// anything less. `allIPs` is what 2.x says, `allIps` what 3.x says.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShownService<'a> {
    /// Without its group over gRPC, with it over HTTP.
    pub(crate) name: &'a str,
    pub(crate) group_name: &'a str,
    pub(crate) clusters: &'a str,
    cache_millis: u32,
    hosts: &'a RawValue,
    last_ref_time: u64,
    checksum: &'static str,
    #[serde(rename = "allIPs")]
    all_ips: bool,
    #[serde(rename = "allIps")]
    all_ips_of_3: bool,
    reach_protection_threshold: bool,
    valid: bool,
}

impl<'a> ShownService<'a> {
    pub(crate) fn new(
        name: &'a str,
        group_name: &'a str,
        clusters: &'a str,
        hosts: &'a RawValue,
        protected: bool,
        stamp: Moment,
    ) -> Self {
        Self {
            name,
            group_name,
            clusters,
            cache_millis: CACHE_MILLIS,
            hosts,
            last_ref_time: stamp.unix_millis(),
            checksum: "",
            all_ips: false,
            all_ips_of_3: false,
            reach_protection_threshold: protected,
            valid: true,
        }
    }

    /// The same for a client that has to poll because it gets no pushes.
    pub(crate) fn polled(mut self) -> Self {
        self.cache_millis = CACHE_MILLIS_UNPUSHED;
        self
    }
}

#[cfg(test)]
mod tests {
    use syncline_nacos::message::{ServiceInfo, Timing};

    use super::*;
    use crate::answers::Answers;
    use crate::settings::Settings;
    use crate::store::{Clusters, Publication, Store};

    fn service() -> ServiceKey {
        ServiceKey::new("public", "DEFAULT_GROUP", "orders")
    }

    fn sent() -> Vec<message::Instance> {
        let plain = message::Instance {
            ip: "10.0.0.1".into(),
            port: 8080,
            cluster_name: "DEFAULT".into(),
            ..message::Instance::default()
        };
        let mut rich = plain.clone();
        rich.ip = "10.0.0.2".into();
        rich.cluster_name = "c1".into();
        rich.weight = 0.4;
        rich.healthy = false;
        rich.metadata = [
            ("preserved.heart.beat.interval", "1000"),
            ("preserved.ip.delete.timeout", "60000"),
            ("preserved.instance.id.generator", "simple"),
            ("quotes", "\"\\\n"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        vec![plain, rich]
    }

    /// What readers are shown is written by hand here, and has to be what the
    /// messages of the protocol write.
    #[test]
    fn a_service_is_shown_as_the_messages_have_it() {
        let settings = Settings::default();
        let interner = Arc::new(Interner::new());
        let mut store = Store::new(&settings, interner.clone());
        let client = store.connect();
        let read = |instance: &message::Instance| {
            let read = read_instance(instance, Sent::InBatch, &service(), &interner);
            read.expect("a legal instance").0
        };
        let set = syncline_model::ServiceSet::new(sent().iter().map(read).collect());
        let publication = Publication::set(Arc::new(set), Default::default());
        let now = Moment::from_unix_millis(1_000);
        store
            .publish(client, &service(), publication, now)
            .expect("a new service");
        let snapshot = store.snapshot(&service()).expect("listed");
        let answers = Answers::new(0);
        let clusters = Clusters::new("");
        let answer = answers.of(&snapshot, &clusters, false, &settings.life);
        let shown = serde_json::to_value(answer.expect("it has a JSON form").shown());

        let hosts = sent().into_iter().map(|mut instance| {
            instance.instance_id = Some(format!(
                "{}#{}#{}#DEFAULT_GROUP@@orders",
                instance.ip, instance.port, instance.cluster_name
            ));
            instance.service_name = "DEFAULT_GROUP@@orders".into();
            instance.timing = Some(Timing::of(&instance.metadata));
            instance
        });
        let info = ServiceInfo {
            name: "orders".into(),
            group_name: "DEFAULT_GROUP".into(),
            clusters: String::new(),
            cache_millis: 10_000,
            hosts: hosts.collect::<Vec<_>>().into(),
            last_ref_time: 1_001,
            checksum: String::new(),
            reach_protection_threshold: false,
        };
        assert_eq!(
            shown.expect("it has a JSON form"),
            serde_json::to_value(info).expect("it has a JSON form")
        );
    }

    #[test]
    fn only_an_id_that_was_chosen_is_kept() {
        let interner = Interner::new();
        let mut instance = sent().remove(0);
        let derived = "10.0.0.1#8080#DEFAULT#DEFAULT_GROUP@@orders";
        for (id, kept) in [
            (None, None),
            (Some(derived), None),
            (Some("mine"), Some("mine")),
        ] {
            instance.instance_id = id.map(str::to_owned);
            let read = read_instance(&instance, Sent::InBatch, &service(), &interner);
            let (_, id) = read.expect("a legal instance");
            assert_eq!(id.as_deref(), kept);
        }
    }
}
