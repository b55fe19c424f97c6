//! What a template sees: services and their instances, made into values only
//! where the template looks at them.

use std::sync::Arc;

use minijinja::value::{Enumerator, Kwargs, Object, ObjectExt, ObjectRepr, Value};
use minijinja::{Error, ErrorKind};
use syncline_contract::Snapshot;
use syncline_model::{Instance, NamespaceId, Seen, ServiceKey, ServiceSet};

use crate::{name, weight};

/// The functions through which a template reaches the list.
#[derive(Debug)]
pub(crate) struct List(Arc<Snapshot>);

impl List {
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        Self(Arc::new(snapshot))
    }

    /// `services(namespace=…, group=…)`: all that have instances, in the order
    /// of namespace, group and name.
    pub(crate) fn services(&self) -> impl Fn(Kwargs) -> Result<Vec<Value>, Error> + use<> {
        let snapshot = Arc::clone(&self.0);
        move |named| {
            let namespace: Option<String> = named.get("namespace")?;
            let group: Option<String> = named.get("group")?;
            named.assert_all_used()?;
            let meant = |key: &&ServiceKey| {
                namespace
                    .as_deref()
                    .is_none_or(|wanted| wanted == key.namespace.as_str())
                    && group
                        .as_deref()
                        .is_none_or(|wanted| wanted == key.group.as_str())
            };
            let services = snapshot.iter().filter(|(key, _)| meant(key));
            Ok(services.map(|(key, set)| service(key, set)).collect())
        }
    }

    /// `service("name", namespace=…, group=…)`: one service, without instances
    /// where there is none of that name.
    pub(crate) fn service(&self) -> impl Fn(String, Kwargs) -> Result<Value, Error> + use<> {
        let snapshot = Arc::clone(&self.0);
        move |name, named| {
            let namespace: Option<String> = named.get("namespace")?;
            let group: Option<String> = named.get("group")?;
            named.assert_all_used()?;
            let key = ServiceKey::new(
                namespace
                    .as_deref()
                    .unwrap_or(NamespaceId::public().as_str()),
                group.as_deref().unwrap_or(name::DEFAULT_GROUP),
                name.as_str(),
            );
            Ok(match snapshot.get(&key) {
                Some(set) => service(&key, set),
                None => service(&key, &ServiceSet::empty()),
            })
        }
    }
}

fn service(key: &ServiceKey, set: &Arc<ServiceSet>) -> Value {
    let weights: Vec<f64> = set.instances().iter().map(|one| one.weight.get()).collect();
    let shared = Shared {
        key: key.clone(),
        set: Arc::clone(set),
        nginx: weight::for_nginx(&weights),
        haproxy: weight::for_haproxy(&weights),
    };
    Value::from_object(OneService(Arc::new(shared)))
}

/// One service and what its instances have in common.
#[derive(Debug)]
struct Shared {
    key: ServiceKey,
    set: Arc<ServiceSet>,
    nginx: Vec<u32>,
    haproxy: Vec<u32>,
}

#[derive(Debug)]
struct OneService(Arc<Shared>);

impl Object for OneService {
    fn get_value(self: &Arc<Self>, field: &Value) -> Option<Value> {
        self.get_value_by_str(field.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, field: &str) -> Option<Value> {
        let Shared { key, .. } = &*self.0;
        Some(match field {
            "namespace" => Value::from(key.namespace.shared()),
            "group" => Value::from(key.group.shared()),
            "name" => Value::from(key.name.shared()),
            "id" => Value::from(name::of_service(key)),
            "instances" => self.instances(|_| true),
            "in_use" => self.instances(Instance::in_use),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["namespace", "group", "name", "id", "instances"])
    }
}

impl OneService {
    fn instances(&self, meant: impl Fn(&Instance) -> bool) -> Value {
        let instances = self.0.set.instances().iter().enumerate();
        let meant = instances.filter(|(_, instance)| meant(instance));
        let shared = |(at, _)| Value::from_object(OneInstance(Arc::clone(&self.0), at));
        meant.map(shared).collect()
    }
}

/// An instance, by its place in its service.
#[derive(Debug)]
struct OneInstance(Arc<Shared>, usize);

impl Object for OneInstance {
    fn get_value(self: &Arc<Self>, field: &Value) -> Option<Value> {
        self.get_value_by_str(field.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, field: &str) -> Option<Value> {
        let Self(shared, at) = &**self;
        let instance = shared.set.instances().get(*at)?;
        let seen = |field: Seen<bool>| match field {
            Seen::Known(value) => Value::from(value),
            Seen::Unknown => Value::from(()),
        };
        Some(match field {
            "ip" => Value::from(instance.key.host.as_str()),
            "port" => Value::from(instance.key.port.get()),
            "address" => Value::from(instance.key.address()),
            "id" => Value::from(name::of_server(instance, self.same_before())),
            "cluster" => Value::from(instance.key.cluster.shared()),
            "weight" => Value::from(instance.weight.get()),
            "nginx_weight" => Value::from(*shared.nginx.get(*at)?),
            "haproxy_weight" => Value::from(*shared.haproxy.get(*at)?),
            "healthy" => seen(instance.healthy),
            "enabled" => Value::from(instance.enabled),
            "ephemeral" => seen(instance.ephemeral),
            "in_use" => Value::from(instance.in_use()),
            "metadata" => Value::from_object(Pairs(Arc::clone(shared), *at)),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&[
            "ip",
            "port",
            "address",
            "id",
            "cluster",
            "weight",
            "healthy",
            "enabled",
            "ephemeral",
            "in_use",
            "metadata",
        ])
    }
}

impl OneInstance {
    /// How many of the same key stand before it.
    fn same_before(&self) -> usize {
        let Self(shared, at) = self;
        let before = shared.set.instances().iter().take(*at).rev();
        let key = shared
            .set
            .instances()
            .get(*at)
            .map(|instance| &instance.key);
        before.take_while(|other| Some(&other.key) == key).count()
    }
}

/// The metadata of an instance.
#[derive(Debug)]
struct Pairs(Arc<Shared>, usize);

impl Object for Pairs {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let instance = self.0.set.instances().get(self.1)?;
        instance.metadata.get(key).map(Value::from)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.mapped_enumerator(|this| {
            let keys = this.0.set.instances().get(this.1);
            let keys = keys
                .into_iter()
                .flat_map(|instance| instance.metadata.pairs());
            Box::new(keys.map(|(key, _)| Value::from(key)))
        })
    }
}

/// Whose words a text is: the service or instance with a field that says it, or
/// that has the character which made it unwelcome.
pub(crate) fn author(snapshot: &Snapshot, text: &str) -> Option<String> {
    let same = |field: &str| field == text;
    let strange = |field: &str| {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | ' ');
        text.contains(field) && !field.chars().all(plain)
    };
    find(snapshot, same).or_else(|| find(snapshot, strange))
}

fn find(snapshot: &Snapshot, says: impl Fn(&str) -> bool) -> Option<String> {
    snapshot.iter().find_map(|(key, set)| {
        let names = [
            ("the name", key.name.as_str()),
            ("the group", key.group.as_str()),
            ("the namespace", key.namespace.as_str()),
        ];
        if let Some((what, _)) = names.into_iter().find(|(_, text)| says(text)) {
            return Some(format!("{what} of service {:?}", key.to_string()));
        }
        set.instances().iter().find_map(|instance| {
            let what = field(instance, &says)?;
            Some(format!(
                "{what} of {:?} of service {key}",
                instance.key.to_string()
            ))
        })
    })
}

fn field(instance: &Instance, says: impl Fn(&str) -> bool) -> Option<String> {
    if says(instance.key.host.as_str()) {
        return Some("the host".to_owned());
    }
    if says(instance.key.cluster.as_str()) {
        return Some("the cluster".to_owned());
    }
    let mut pairs = instance.metadata.iter();
    pairs.find_map(|(key, value)| {
        if says(value) {
            return Some(format!("metadata {key:?}"));
        }
        says(key).then(|| format!("the metadata key {key:?}"))
    })
}

/// What goes wrong inside of a function or filter.
pub(crate) fn failure(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}
