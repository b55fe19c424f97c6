//! From the source's terms to the target's: names, addresses, weights and
//! metadata.
//!
//! A mapping is a pure function of what is mapped, so that replicas agree.
//! What it gives is what everything after it works with: the identity of an
//! instance at the target is the mapped one.

mod address;
mod collision;
mod template;
mod validate;

use std::sync::Arc;

use crate::instance::{Instance, InstanceKey, Metadata};
use crate::name::{ClusterName, EndpointName, GroupName, NamespaceId, ServiceKey, ServiceName};
use crate::ownership::MARK_KEY;
use crate::scope::Patterns;

use address::StatedAddress;
pub use address::{Address, AddressError, AddressRule, Network};
pub use collision::{Collision, OnCollision, merge};
pub use template::{Field, InstanceField, ServiceField, Template, TemplateError, TemplateFault};
pub use validate::{Invalid, validate_instance, validate_service};

/// What a mapping does, field by field.
#[derive(Clone, PartialEq, Debug)]
pub struct Rules {
    /// The namespace at the target.
    pub namespace: Template<ServiceField>,
    /// The group at the target.
    pub group: Template<ServiceField>,
    /// The service's name at the target.
    pub service: Template<ServiceField>,
    /// The cluster at the target.
    pub cluster: Template<InstanceField>,
    /// How addresses are translated; the first rule that applies decides.
    pub addresses: Vec<AddressRule>,
    /// Metadata whose values hold an address (`host`, `host:port` or a URL) and
    /// are translated by the same rules.
    pub address_keys: Vec<Arc<str>>,
    /// What weights are multiplied with.
    pub weight: WeightFactor,
    /// Metadata that is left out, by key.
    pub drop: Patterns,
    /// Metadata that is set, after `drop`.
    pub set: Vec<(Arc<str>, Template<InstanceField>)>,
    /// What to do where several instances become one.
    pub on_collision: OnCollision,
}

impl Rules {
    /// Leaves everything as it is.
    pub fn identity() -> Self {
        Self {
            namespace: Template::field(ServiceField::Namespace),
            group: Template::field(ServiceField::Group),
            service: Template::field(ServiceField::Service),
            cluster: Template::field(InstanceField::Cluster),
            addresses: Vec::new(),
            address_keys: Vec::new(),
            weight: WeightFactor::ONE,
            drop: Patterns::none(),
            set: Vec::new(),
            on_collision: OnCollision::Report,
        }
    }
}

/// What weights are multiplied with: finite and not negative.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
pub struct WeightFactor(f64);

impl WeightFactor {
    /// Leaves weights as they are.
    pub const ONE: Self = Self(1.0);

    /// `None` for what is not a number, infinite or negative.
    pub fn new(factor: f64) -> Option<Self> {
        (factor.is_finite() && factor >= 0.0).then_some(Self(factor))
    }

    /// The factor as a number.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// A mapping that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MappingError {
    /// The key under which the mark of ownership travels is not to be set.
    #[error("the metadata key `{MARK_KEY}` is where marks of ownership travel; set another one")]
    ReservedKey,
}

/// An instance that cannot be mapped. It is left out, and what was made of it
/// before stays.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct Quarantine {
    /// Which instance, in the source's terms.
    pub key: InstanceKey,
    /// Why.
    pub reason: QuarantineReason,
}

/// Why an instance cannot be mapped.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QuarantineReason {
    /// The metadata that states the instance's address states none.
    #[error("its metadata states `{value}` as address under `{key}`")]
    StatedAddress {
        /// The metadata's key.
        key: Arc<str>,
        /// What it says.
        value: Arc<str>,
    },
}

/// How a link translates services and instances.
#[derive(Clone, PartialEq, Debug)]
pub struct Mapping {
    source: EndpointName,
    rules: Rules,
    same_service: bool,
    same_instance: bool,
}

impl Mapping {
    /// A mapping of what is read from `source`.
    ///
    /// # Errors
    /// The rules set the metadata that carries the mark of ownership.
    pub fn new(source: EndpointName, rules: Rules) -> Result<Self, MappingError> {
        if rules.set.iter().any(|(key, _)| &**key == MARK_KEY) {
            return Err(MappingError::ReservedKey);
        }
        let same_service = rules.namespace.is_field(ServiceField::Namespace)
            && rules.group.is_field(ServiceField::Group)
            && rules.service.is_field(ServiceField::Service);
        let same_instance = rules.cluster.is_field(InstanceField::Cluster)
            && rules.addresses.is_empty()
            && rules.weight == WeightFactor::ONE
            && rules.drop.is_empty()
            && rules.set.is_empty();
        Ok(Self {
            source,
            rules,
            same_service,
            same_instance,
        })
    }

    /// The service's name at the target.
    pub fn map_service(&self, service: &ServiceKey) -> ServiceKey {
        if self.same_service {
            return service.clone();
        }
        let name = |template: &Template<ServiceField>| {
            template.fill(|field| self.service_field(service, field))
        };
        ServiceKey {
            namespace: NamespaceId::new(name(&self.rules.namespace)),
            group: GroupName::new(name(&self.rules.group)),
            name: ServiceName::new(name(&self.rules.service)),
        }
    }

    /// One instance of a service of the source, in the target's terms.
    ///
    /// # Errors
    /// It cannot be mapped.
    pub fn map_instance(
        &self,
        service: &ServiceKey,
        instance: &Instance,
    ) -> Result<Instance, Quarantine> {
        self.for_service(service).map(instance)
    }

    /// The mapping of many instances of one service.
    pub fn for_service<'a>(&'a self, service: &'a ServiceKey) -> ServiceMapping<'a> {
        ServiceMapping {
            mapping: self,
            service,
            clusters: Vec::new(),
        }
    }

    /// What happens where several instances become one.
    pub fn on_collision(&self) -> OnCollision {
        self.rules.on_collision
    }

    /// Whether everything stays as it is.
    pub fn is_identity(&self) -> bool {
        self.same_service && self.same_instance
    }

    fn service_field<'a>(&'a self, service: &'a ServiceKey, field: ServiceField) -> &'a Arc<str> {
        match field {
            ServiceField::Namespace => service.namespace.shared(),
            ServiceField::Group => service.group.shared(),
            ServiceField::Service => service.name.shared(),
            ServiceField::Source => self.source.shared(),
        }
    }
}

/// A mapping at work on one service. Instances of a service share few clusters,
/// so what is made of a cluster is made once and shared.
#[derive(Debug)]
pub struct ServiceMapping<'a> {
    mapping: &'a Mapping,
    service: &'a ServiceKey,
    clusters: Vec<(ClusterName, FromCluster)>,
}

/// What is made of a cluster: its name at the target, and the metadata set.
#[derive(Clone, Debug)]
struct FromCluster {
    name: ClusterName,
    set: Arc<[(Arc<str>, Arc<str>)]>,
}

impl ServiceMapping<'_> {
    /// One instance in the target's terms.
    ///
    /// # Errors
    /// It cannot be mapped.
    pub fn map(&mut self, instance: &Instance) -> Result<Instance, Quarantine> {
        if self.mapping.same_instance {
            return Ok(instance.clone());
        }
        let rules = &self.mapping.rules;
        let quarantine = |stated: StatedAddress| Quarantine {
            key: instance.key.clone(),
            reason: QuarantineReason::StatedAddress {
                key: stated.key,
                value: stated.value,
            },
        };
        let FromCluster { name, set } = self.names(&instance.key.cluster);
        let (key, translated) = addresses(rules, instance, name).map_err(quarantine)?;
        let kept = translated
            .pairs()
            .iter()
            .filter(|(key, _)| !rules.drop.matches(key))
            .chain(set.iter());
        let metadata = if rules.drop.is_empty() && set.is_empty() {
            translated
        } else {
            Metadata::from_pairs(kept.cloned())
        };
        Ok(Instance {
            key,
            weight: instance.weight.scaled(rules.weight.get()),
            metadata,
            ..*instance
        })
    }

    fn names(&mut self, cluster: &ClusterName) -> FromCluster {
        if let Some((_, made)) = self.clusters.iter().find(|(from, _)| from == cluster) {
            return made.clone();
        }
        let fill = |template: &Template<InstanceField>| {
            template.fill(|field| match field {
                InstanceField::Cluster => cluster.shared(),
                InstanceField::Of(field) => self.mapping.service_field(self.service, field),
            })
        };
        let rules = &self.mapping.rules;
        let set = rules
            .set
            .iter()
            .map(|(key, value)| (key.clone(), fill(value)));
        let made = FromCluster {
            name: ClusterName::new(fill(&rules.cluster)),
            set: set.collect(),
        };
        self.clusters.push((cluster.clone(), made.clone()));
        made
    }
}

/// The instance's key, and its metadata with the addresses in it translated.
fn addresses(
    rules: &Rules,
    instance: &Instance,
    cluster: ClusterName,
) -> Result<(InstanceKey, Metadata), StatedAddress> {
    let own = Address {
        host: instance.key.host.clone(),
        port: Some(instance.key.port),
    };
    let translated = address::translate(&rules.addresses, &own, &instance.metadata)?;
    let Address { host, port } = translated.unwrap_or(own);
    let mut metadata = instance.metadata.clone();
    for key in &rules.address_keys {
        let Some(value) = instance.metadata.get(key) else {
            continue;
        };
        let translated = address::translate_value(&rules.addresses, value, &instance.metadata)?;
        if translated != value {
            metadata = metadata.with(key.clone(), &*translated);
        }
    }
    let key = InstanceKey {
        host,
        port: port.unwrap_or(instance.key.port),
        cluster,
    };
    Ok((key, metadata))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::{Port, Weight};

    fn service() -> ServiceKey {
        ServiceKey::new("public", "PAY", "order")
    }

    fn instance() -> Instance {
        let mut instance = Instance::new("10.0.0.7", Port::new(8080).expect("not zero"));
        instance.metadata = Metadata::from_pairs([
            ("rpc", "dubbo://10.0.0.7:20880/x"),
            ("preserved.register.source", "SPRING_CLOUD"),
            ("v", "1"),
        ]);
        instance
    }

    fn mapping(rules: Rules) -> Mapping {
        Mapping::new("hangzhou".into(), rules).expect("legal")
    }

    fn name<F: Field>(text: &str) -> Template<F> {
        Template::parse(text).expect("legal")
    }

    #[test]
    fn names_are_made_from_names() {
        let mapping = mapping(Rules {
            namespace: name("prod"),
            group: name("{namespace}_{group}"),
            service: name("{source}.{service}"),
            cluster: name("hz-{cluster}"),
            ..Rules::identity()
        });
        assert_eq!(
            mapping.map_service(&service()),
            ServiceKey::new("prod", "public_PAY", "hangzhou.order")
        );
        let mapped = mapping
            .map_instance(&service(), &instance())
            .expect("mapped");
        assert_eq!(mapped.key.cluster.as_str(), "hz-DEFAULT");
        assert!(!mapping.is_identity());
    }

    #[test]
    fn everything_else_stays() {
        let mapping = mapping(Rules {
            cluster: name("hz"),
            ..Rules::identity()
        });
        let mut expected = instance();
        expected.key.cluster = "hz".into();
        assert_eq!(mapping.map_instance(&service(), &instance()), Ok(expected));
        assert_eq!(mapping.map_service(&service()), service());
    }

    #[test]
    fn addresses_and_the_metadata_that_repeats_them_move_together() {
        let mapping = mapping(Rules {
            addresses: vec![
                AddressRule::parse("10.0.0.7:20880", "gw:1").expect("legal"),
                AddressRule::parse("10.0.0.0/24", "172.16.0.0/24").expect("legal"),
            ],
            address_keys: vec!["rpc".into(), "absent".into()],
            ..Rules::identity()
        });
        let mapped = mapping
            .map_instance(&service(), &instance())
            .expect("mapped");
        assert_eq!(mapped.key.address(), "172.16.0.7:8080");
        assert_eq!(mapped.metadata.get("rpc"), Some("dubbo://gw:1/x"));
        assert_eq!(mapped.metadata.get("v"), Some("1"));
    }

    #[test]
    fn metadata_is_dropped_before_it_is_set() {
        let mapping = mapping(Rules {
            drop: Patterns::parse(["preserved.*", "v"]).expect("legal"),
            set: vec![
                ("from".into(), name("{source}/{cluster}")),
                ("v".into(), name("{{2}}")),
            ],
            weight: WeightFactor::new(0.5).expect("legal"),
            ..Rules::identity()
        });
        let mapped = mapping
            .map_instance(&service(), &instance())
            .expect("mapped");
        assert_eq!(
            mapped.metadata.iter().collect::<Vec<_>>(),
            [
                ("from", "hangzhou/DEFAULT"),
                ("rpc", "dubbo://10.0.0.7:20880/x"),
                ("v", "{2}"),
            ]
        );
        assert_eq!(Some(mapped.weight), Weight::new(0.5));
    }

    #[test]
    fn the_mark_cannot_be_set() {
        let rules = Rules {
            set: vec![(MARK_KEY.into(), name("x"))],
            ..Rules::identity()
        };
        let error = Mapping::new("hangzhou".into(), rules).expect_err("reserved");
        assert_eq!(error, MappingError::ReservedKey);
    }

    #[test]
    fn a_wrong_stated_address_is_told_with_its_instance() {
        let mapping = mapping(Rules {
            addresses: vec![AddressRule::metadata("external")],
            ..Rules::identity()
        });
        let mut wrong = instance();
        wrong.metadata = wrong.metadata.with("external", "http://x");
        let error = mapping
            .map_instance(&service(), &wrong)
            .expect_err("no address");
        assert_eq!(
            error.to_string(),
            "10.0.0.7:8080: its metadata states `http://x` as address under `external`"
        );
        let mut right = instance();
        right.metadata = right.metadata.with("external", "203.0.113.8:80");
        let mapped = mapping.map_instance(&service(), &right).expect("mapped");
        assert_eq!(mapped.key.address(), "203.0.113.8:80");
    }

    #[test]
    fn an_identity_shares_everything() {
        let mapping = mapping(Rules::identity());
        assert!(mapping.is_identity());
        let given = instance();
        let mapped = mapping.map_instance(&service(), &given).expect("mapped");
        assert_eq!(mapped, given);
        assert!(std::ptr::eq(
            mapped.metadata.pairs(),
            given.metadata.pairs()
        ));
        let service = service();
        let same = mapping.map_service(&service);
        assert!(Arc::ptr_eq(same.name.shared(), service.name.shared()));
    }

    #[test]
    fn clusters_made_for_a_service_are_shared() {
        let mapping = mapping(Rules {
            cluster: name("hz-{cluster}"),
            ..Rules::identity()
        });
        let service = service();
        let mut mapping = mapping.for_service(&service);
        let [one, two] = [instance(), instance()].map(|i| mapping.map(&i).expect("mapped"));
        assert!(Arc::ptr_eq(
            one.key.cluster.shared(),
            two.key.cluster.shared()
        ));
    }
}
