//! Links, services and instances in a few words.

use std::time::Duration;

use syncline_contract::Hold;
use syncline_engine::core::{LinkRules, SourceLost};
use syncline_model::desire::{HealthPolicy, Marking, Rules};
use syncline_model::guard::{Confirmation, Percent, Settings};
use syncline_model::mapping::{Mapping, Rules as MappingRules, Template};
use syncline_model::plan::RemovalPolicy;
use syncline_model::scope::Condition;
use syncline_model::{
    EndpointName, Identity, Instance, LinkName, Moment, Port, Scope, Seen, ServiceKey, Signer,
    Weight,
};

/// A link as a test describes it; it can be built again after a crash.
#[derive(Clone)]
pub(crate) struct LinkSetup {
    pub(crate) name: LinkName,
    pub(crate) from: EndpointName,
    pub(crate) to: EndpointName,
    pub(crate) hold: Hold,
    pub(crate) identity: Identity,
    pub(crate) removal: RemovalPolicy,
    pub(crate) guard: Settings,
    pub(crate) realtime: bool,
    pub(crate) target_is_read: bool,
    pub(crate) marks: bool,
    pub(crate) serves_last_known: bool,
    pub(crate) scope: Scope,
    pub(crate) mapping: MappingRules,
    pub(crate) source_lost: SourceLost,
    pub(crate) health_dwell: Duration,
    pub(crate) removals_per_second: u32,
    pub(crate) retired: bool,
}

/// A link that follows everything at once and holds nothing, named `from-to`.
pub(crate) fn link(from: &str, to: &str) -> LinkSetup {
    LinkSetup {
        name: format!("{from}-{to}").into(),
        from: from.into(),
        to: to.into(),
        hold: Hold::Connection,
        identity: Identity::AddressAndCluster,
        removal: RemovalPolicy::Delete {
            grace: Duration::ZERO,
        },
        guard: no_guard(),
        realtime: true,
        target_is_read: true,
        marks: true,
        serves_last_known: false,
        scope: Scope::everything(),
        mapping: MappingRules::identity(),
        source_lost: SourceLost::Keep,
        health_dwell: Duration::ZERO,
        removals_per_second: 100,
        retired: false,
    }
}

/// Lets every loss through at once.
pub(crate) fn no_guard() -> Settings {
    let mut settings = Settings::default();
    let all = Percent::new(100).expect("not more than the whole");
    settings.zero = Confirmation {
        views: 1,
        over: Duration::ZERO,
    };
    settings.service_share.above = all;
    settings.link_share.above = all;
    settings.zero_services.more_than = u32::MAX;
    settings
}

impl LinkSetup {
    /// With the guard as the product has it by default.
    pub(crate) fn guarded(mut self) -> Self {
        self.guard = Settings::default();
        self
    }

    /// Plans only after a trigger.
    pub(crate) fn timed(mut self) -> Self {
        self.realtime = false;
        self
    }

    /// Writes no marks, as into an embedded registry.
    pub(crate) fn unmarked(mut self) -> Self {
        self.marks = false;
        self
    }

    /// Gives its target again what it had before, however old.
    pub(crate) fn serving_last_known(mut self) -> Self {
        self.serves_last_known = true;
        self
    }

    /// Writes to a consumer that cannot be read, such as a file.
    pub(crate) fn output(mut self) -> Self {
        self.target_is_read = false;
        self.hold = Hold::Written;
        self
    }

    /// As it goes on when it is configured no more.
    pub(crate) fn retired(mut self) -> Self {
        self.from = self.to.clone();
        self.retired = true;
        self
    }

    pub(crate) fn held_by(mut self, hold: Hold) -> Self {
        self.hold = hold;
        self
    }

    pub(crate) fn removal(mut self, removal: RemovalPolicy) -> Self {
        self.removal = removal;
        self
    }

    /// Carries the services of all namespaces into one.
    pub(crate) fn into_namespace(mut self, namespace: &str) -> Self {
        self.mapping.namespace = Template::parse(namespace).expect("a template");
        self
    }

    /// Carries only the instances that fulfil a condition.
    pub(crate) fn with_condition(mut self, condition: &str) -> Self {
        self.scope.condition = Some(Condition::parse(condition).expect("a condition"));
        self
    }

    /// Passes a change of health on once it has lasted for so long.
    pub(crate) fn dwelling(mut self, dwell: Duration) -> Self {
        self.health_dwell = dwell;
        self
    }

    /// Takes away so many instances in a second.
    pub(crate) fn removing(mut self, per_second: u32) -> Self {
        self.removals_per_second = per_second;
        self
    }

    pub(crate) fn rules(&self) -> LinkRules {
        let signer = Signer::new("install".into(), b"a key of some length").expect("long enough");
        let marking = Marking {
            from: signer.hop(&self.from),
            to: signer.hop(&self.to),
            signer,
            marks: self.marks,
        };
        LinkRules {
            name: self.name.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            target_is_read: self.target_is_read,
            rules: Rules {
                scope: self.scope.clone(),
                mapping: Mapping::new(self.from.clone(), self.mapping.clone())
                    .expect("sets no mark"),
                health: HealthPolicy::Copy,
                marking: self.target_is_read.then_some(marking),
            },
            removal: self.removal,
            guard: self.guard,
            serves_last_known: self.serves_last_known,
            realtime: self.realtime,
            source_lost: self.source_lost,
            health_dwell: self.health_dwell,
            removals_per_second: self.removals_per_second.try_into().expect("not zero"),
            retired: self.retired,
        }
    }
}

/// `orders` in the public namespace, `team/orders` in another.
pub(crate) fn service(name: &str) -> ServiceKey {
    let (namespace, name) = name.split_once('/').unwrap_or(("public", name));
    ServiceKey::new(namespace, "DEFAULT_GROUP", name)
}

/// `10.0.0.1:80@cluster weight 5 unhealthy disabled key=value`.
pub(crate) fn instance(text: &str) -> Instance {
    let mut words = text.split(' ');
    let key = words.next().expect("never without a word");
    let (address, cluster) = key.split_once('@').unwrap_or((key, "DEFAULT"));
    let (host, port) = address.split_once(':').expect("host:port");
    let mut instance = Instance::new(host, port.parse::<Port>().expect("a port"));
    instance.key.cluster = cluster.into();
    while let Some(word) = words.next() {
        match word {
            "weight" => {
                let weight = words.next().expect("a weight").parse().expect("a number");
                instance.weight = Weight::new(weight).expect("legal");
            }
            "unhealthy" => instance.healthy = Seen::Known(false),
            "disabled" => instance.enabled = false,
            pair => {
                let (key, value) = pair.split_once('=').expect("key=value");
                instance.metadata = instance.metadata.with(key, value);
            }
        }
    }
    instance
}

/// The same the other way round.
pub(crate) fn text(instance: &Instance) -> String {
    let mut text = instance.key.to_string();
    if instance.weight != Weight::ONE {
        text += &format!(" weight {}", instance.weight);
    }
    if instance.healthy == Seen::Known(false) {
        text += " unhealthy";
    }
    if !instance.enabled {
        text += " disabled";
    }
    for (key, value) in instance.metadata.iter() {
        text += &format!(" {key}={value}");
    }
    text
}

pub(crate) fn at(seconds: u64) -> Moment {
    Moment::after_origin(Duration::from_secs(seconds))
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
