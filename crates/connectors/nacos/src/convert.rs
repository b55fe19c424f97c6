//! Instances as Nacos writes them, and as Syncline thinks of them.

use std::sync::Arc;

use syncline_contract::Rejected;
use syncline_model::{
    ClusterName, Host, Instance, InstanceKey, Metadata, Port, Seen, ServiceKey, ServiceSet, Truth,
    View, Weight,
};
use syncline_nacos::grpc::ServiceRef;
use syncline_nacos::message::{self as wire, Lenient, ServiceInfo};

use crate::texts::Texts;

/// What `hold: beat` adds to an instance's metadata where its publisher says
/// nothing of the kind, in milliseconds: how often it beats, after how long
/// without a beat it is unhealthy, and after how long it goes. Nacos 2.x removes
/// it after 180 s whatever is asked for.
///
/// They say how a registration is kept alive and not what the instance is, so
/// where all three stand with these very values they are taken out again
/// whenever the instance is read.
pub(crate) const BEAT_TIMES: [(&str, &str); 3] = [
    ("preserved.heart.beat.interval", "15000"),
    ("preserved.heart.beat.timeout", "60000"),
    ("preserved.ip.delete.timeout", "180000"),
];

/// Whether an answer tells the true health of its instances.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Health {
    /// It does.
    Told,
    /// Under the protect threshold all are shown healthy.
    Hidden,
}

/// A service's instances as one answer showed them.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) set: Arc<ServiceSet>,
    pub(crate) rejected: Vec<Rejected>,
    /// Whether something that was there may be an instance that is known by
    /// another content: then nothing follows from what is not in the set.
    hides: bool,
}

impl Shown {
    /// The view of a list or a push, with which the rejected instances go. What
    /// it does not show is confirmed by a read before anything follows.
    pub(crate) fn listed(self, truth: Truth) -> (View, Vec<Rejected>) {
        (View::Complete(truth, self.set), self.rejected)
    }

    /// The view of a read, which stands alone: partial where an instance that
    /// cannot be used may be one that could before.
    pub(crate) fn read(self, truth: Truth) -> View {
        match self.rejected.first() {
            Some(first) if self.hides => {
                let others = match self.rejected.len() {
                    1 => String::new(),
                    n => format!(" and {} more", n - 1),
                };
                let why = format!("{} makes no sense: {}{others}", first.what, first.why);
                View::Partial(self.set, why.into())
            }
            _ => View::Complete(truth, self.set),
        }
    }
}

/// The instances of a raw list.
pub(crate) fn shown(
    instances: Vec<wire::Instance>,
    unreadable: &[wire::Rejected],
    health: Health,
    texts: &Texts,
) -> Shown {
    let mut good = Vec::with_capacity(instances.len());
    let mut rejected: Vec<Rejected> = unreadable.iter().map(unreadable_instance).collect();
    let mut hides = !rejected.is_empty();
    for wire in instances {
        let what = format_args!("{}:{}", wire.ip, wire.port).to_string();
        match instance(wire, health, texts) {
            Ok(instance) => good.push(instance),
            Err(nonsense) => {
                hides |= nonsense.may_hide();
                let why = nonsense.to_string();
                rejected.push(Rejected { what, why });
            }
        }
    }
    Shown {
        set: Arc::new(ServiceSet::new(good)),
        rejected,
        hides,
    }
}

/// The instances of a consumer's view: a push, a query or an ordinary list.
pub(crate) fn shown_to_consumers(info: ServiceInfo, texts: &Texts) -> Shown {
    let health = if info.reach_protection_threshold {
        Health::Hidden
    } else {
        Health::Told
    };
    let Lenient { items, rejected } = info.hosts;
    shown(items, &rejected, health, texts)
}

fn unreadable_instance(rejected: &wire::Rejected) -> Rejected {
    Rejected {
        what: format!("instance {}", rejected.index + 1),
        why: format!("{}: {}", rejected.reason, rejected.excerpt),
    }
}

/// Why an instance cannot be used.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
enum Nonsense {
    #[error("it has no address")]
    NoHost,
    #[error("no address is like that")]
    Host,
    #[error("no port is {0}")]
    Port(i64),
    #[error("its weight is {0}, and not from 0 to {max}", max = Weight::MAX)]
    Weight(f64),
}

impl Nonsense {
    /// Whether it may be an instance that made sense before. One without a
    /// usable address never did.
    fn may_hide(&self) -> bool {
        match self {
            Self::NoHost | Self::Host | Self::Port(_) => false,
            Self::Weight(_) => true,
        }
    }
}

/// Longer than any host name.
const LONGEST_HOST: usize = 255;

fn instance(wire: wire::Instance, health: Health, texts: &Texts) -> Result<Instance, Nonsense> {
    let host = wire.ip.trim();
    if host.is_empty() {
        return Err(Nonsense::NoHost);
    }
    if host.len() > LONGEST_HOST || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Nonsense::Host);
    }
    let port = u16::try_from(wire.port).ok().and_then(Port::new);
    let port = port.ok_or(Nonsense::Port(wire.port))?;
    let weight = Weight::new(wire.weight).ok_or(Nonsense::Weight(wire.weight))?;
    let cluster = match wire.cluster_name.as_str() {
        "" => ClusterName::DEFAULT,
        name => name,
    };
    Ok(Instance {
        key: InstanceKey {
            host: Host::new(host),
            port,
            cluster: ClusterName::new(texts.share(cluster)),
        },
        weight,
        healthy: match health {
            Health::Told => Seen::Known(wire.healthy),
            Health::Hidden => Seen::Unknown,
        },
        enabled: wire.enabled,
        ephemeral: wire.ephemeral.map_or(Seen::Unknown, Seen::Known),
        metadata: metadata(&wire.metadata, texts),
    })
}

fn metadata(pairs: &std::collections::BTreeMap<String, String>, texts: &Texts) -> Metadata {
    let ours = |(key, value): &(&str, &str)| pairs.get(*key).is_some_and(|v| v == value);
    let added = BEAT_TIMES.iter().all(ours);
    let is_time = |key: &str| BEAT_TIMES.iter().any(|(time, _)| *time == key);
    Metadata::from_pairs(
        pairs
            .iter()
            .filter(|(key, _)| !(added && is_time(key)))
            .map(|(key, value)| (texts.share(key), texts.share(value))),
    )
}

/// An instance as it is registered over gRPC. Equal instances give equal bytes
/// in every replica, and their id is the one that HTTP v1 gives, so that copies
/// held by different connections and by beats show as one (measured, 2.0.3 to
/// 2.5.1).
pub(crate) fn registration(service: &ServiceKey, instance: &Instance) -> wire::Instance {
    let InstanceKey {
        host,
        port,
        cluster,
    } = &instance.key;
    wire::Instance {
        instance_id: Some(format!("{host}#{port}#{cluster}#{}", service.grouped())),
        ip: host.to_string(),
        port: i64::from(port.get()),
        weight: instance.weight.get(),
        healthy: instance.healthy.or(true),
        enabled: instance.enabled,
        ephemeral: Some(true),
        cluster_name: cluster.to_string(),
        service_name: String::new(),
        metadata: pairs(&instance.metadata),
        timing: None,
    }
}

/// An instance as it is registered to live by beats.
pub(crate) fn beaten(service: &ServiceKey, instance: &Instance) -> wire::Instance {
    let mut registration = registration(service, instance);
    let metadata = &mut registration.metadata;
    if !BEAT_TIMES
        .iter()
        .any(|(key, _)| metadata.contains_key(*key))
    {
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        metadata.extend(BEAT_TIMES.map(owned));
    }
    registration
}

/// Metadata as Nacos takes it.
fn pairs(metadata: &Metadata) -> std::collections::BTreeMap<String, String> {
    let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    metadata.iter().map(owned).collect()
}

/// A service as gRPC names it.
pub(crate) fn service_ref(service: &ServiceKey) -> ServiceRef {
    ServiceRef {
        namespace: Arc::clone(service.namespace.shared()),
        group: Arc::clone(service.group.shared()),
        name: Arc::clone(service.name.shared()),
    }
}

/// A service that gRPC named.
pub(crate) fn service_key(service: &ServiceRef) -> ServiceKey {
    ServiceKey::new(
        syncline_model::NamespaceId::new(Arc::clone(&service.namespace)),
        syncline_model::GroupName::new(Arc::clone(&service.group)),
        syncline_model::ServiceName::new(Arc::clone(&service.name)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(ip: &str, port: i64) -> wire::Instance {
        wire::Instance {
            ip: ip.to_owned(),
            port,
            ..wire::Instance::default()
        }
    }

    fn show(instances: Vec<wire::Instance>) -> Shown {
        shown(instances, &[], Health::Told, &Texts::default())
    }

    #[test]
    fn one_bad_instance_spoils_nothing_else() {
        let mut heavy = wire("10.0.0.4", 80);
        heavy.weight = f64::NAN;
        let shown = show(vec![
            wire("10.0.0.1", 80),
            wire("10.0.0.2", 0),
            wire("10.0.0.3", 70_000),
            heavy,
            wire("", 80),
            wire("a b", 80),
        ]);
        let rejected: Vec<_> = shown.rejected.iter().map(|r| (&*r.what, &*r.why)).collect();
        assert_eq!(
            rejected,
            [
                ("10.0.0.2:0", "no port is 0"),
                ("10.0.0.3:70000", "no port is 70000"),
                ("10.0.0.4:80", "its weight is NaN, and not from 0 to 10000"),
                (":80", "it has no address"),
                ("a b:80", "no address is like that"),
            ]
        );
        assert_eq!(shown.set.len(), 1);
    }

    #[test]
    fn an_instance_without_an_address_hides_none_that_had_one() {
        let shown = show(vec![wire("10.0.0.1", 80), wire("10.0.0.2", 0)]);
        assert!(matches!(shown.read(Truth::Raw), View::Complete(..)));
    }

    #[test]
    fn nothing_follows_from_a_read_that_may_hide_an_instance() {
        let mut heavy = wire("10.0.0.2", 80);
        heavy.weight = -1.0;
        let View::Partial(set, why) = show(vec![wire("10.0.0.1", 80), heavy]).read(Truth::Raw)
        else {
            panic!("partial")
        };
        assert_eq!(set.len(), 1);
        assert_eq!(
            &*why,
            "10.0.0.2:80 makes no sense: its weight is -1, and not from 0 to 10000"
        );
        let unreadable = wire::Rejected {
            index: 0,
            reason: "invalid type".into(),
            excerpt: "7".into(),
        };
        let shown = shown(Vec::new(), &[unreadable], Health::Told, &Texts::default());
        assert!(matches!(shown.read(Truth::Raw), View::Partial(..)));
    }

    #[test]
    fn what_an_answer_cannot_tell_is_unknown() {
        let mut catalog = wire("10.0.0.1", 80);
        catalog.ephemeral = None;
        let shown = shown(vec![catalog], &[], Health::Hidden, &Texts::default());
        let instance = &shown.set.instances()[0];
        assert_eq!(instance.healthy, Seen::Unknown);
        assert_eq!(instance.ephemeral, Seen::Unknown);
        assert_eq!(instance.key.cluster.as_str(), "DEFAULT");
    }

    #[test]
    fn how_a_registration_is_kept_alive_is_not_content() {
        let mut beaten = wire("10.0.0.1", 80);
        for (key, value) in BEAT_TIMES {
            beaten.metadata.insert(key.to_owned(), value.to_owned());
        }
        let mut own = beaten.clone();
        own.port = 81;
        let own_timeout = BEAT_TIMES[1].0;
        own.metadata
            .insert(own_timeout.to_owned(), "30000".to_owned());
        let shown = show(vec![beaten, own]);
        let [beaten, own] = shown.set.instances() else {
            panic!("two")
        };
        assert!(beaten.metadata.is_empty());
        assert_eq!(own.metadata.len(), 3);
        assert_eq!(own.metadata.get(own_timeout), Some("30000"));
    }

    #[test]
    fn an_instance_with_times_of_its_own_keeps_them() {
        let service = ServiceKey::new("public", "G", "s");
        let mut instance = Instance::new("10.0.0.1", Port::new(80).expect("not zero"));
        assert_eq!(super::beaten(&service, &instance).metadata.len(), 3);
        let own = Metadata::from_pairs([("preserved.heart.beat.timeout", "9000")]);
        instance.metadata = own;
        assert_eq!(super::beaten(&service, &instance).metadata.len(), 1);
    }

    #[test]
    fn what_is_registered_reads_back_the_same() {
        let service = ServiceKey::new("public", "G", "s");
        let mut instance = Instance::new("10.0.0.1", Port::new(80).expect("not zero"));
        instance.key.cluster = ClusterName::from("c1");
        instance.weight = Weight::new(2.5).expect("legal");
        instance.healthy = Seen::Known(false);
        instance.enabled = false;
        instance.metadata = Metadata::from_pairs([("a", "1"), ("b", "")]);
        let registered = registration(&service, &instance);
        assert_eq!(
            registered.instance_id.as_deref(),
            Some("10.0.0.1#80#c1#G@@s")
        );
        let back = show(vec![registered]);
        assert_eq!(back.set.instances(), [instance]);
    }
}
