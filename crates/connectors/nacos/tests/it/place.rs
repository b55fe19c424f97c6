//! A corner of a real server that no other test uses, and what goes into it
//! without the code under test.

use std::collections::BTreeMap;

use anyhow::ensure;
use syncline_connector_nacos::config::{HoldMode, Server};
use syncline_connector_nacos::{NacosConfig, NacosSource, NacosTarget, TargetOptions};
use syncline_contract::{Area, ListEnd, Listed, Source, Write};
use syncline_model::scope::{NamespacePattern, Patterns, Scope};
use syncline_model::{Instance, ServiceKey, ServiceSet, View};
use syncline_testkit::nacos::{RealNacos, fresh_name};
use tokio::sync::mpsc;

/// Nacos's own times are too short for a test on a slow machine, and one
/// instance must not have those of `hold: beat`, which are taken out.
pub(crate) const LONG: &str =
    "preserved.heart.beat.timeout=170000,preserved.ip.delete.timeout=175000";

/// Two namespaces of one server.
pub(crate) struct Place {
    pub(crate) nacos: &'static RealNacos,
    pub(crate) namespaces: [String; 2],
}

impl Place {
    pub(crate) fn new(nacos: &'static RealNacos) -> Self {
        Self {
            nacos,
            namespaces: [fresh_name("one"), fresh_name("two")],
        }
    }

    /// A scope over both namespaces.
    pub(crate) fn scope(&self) -> Scope {
        let namespace = |id: &String| NamespacePattern::parse(id).expect("legal");
        Scope {
            namespaces: self.namespaces.iter().map(namespace).collect(),
            ..Scope::everything()
        }
    }

    pub(crate) fn groups(&self, groups: &[&str]) -> Scope {
        Scope {
            groups: Patterns::parse(groups.iter().copied()).expect("legal"),
            ..self.scope()
        }
    }

    pub(crate) fn service(&self, namespace: usize, group: &str, name: &str) -> ServiceKey {
        ServiceKey::new(self.namespaces[namespace].as_str(), group, name)
    }

    pub(crate) fn source(&self) -> NacosSource {
        NacosSource::new(&config(self.nacos), "src".into())
    }

    pub(crate) fn target(&self, hold: HoldMode) -> NacosTarget {
        let config = NacosConfig {
            hold,
            ..config(self.nacos)
        };
        NacosTarget::new(&config, "dst".into(), TargetOptions::default())
    }

    /// Registers an instance; `more` are further parameters, as in a URL.
    pub(crate) async fn register(
        &self,
        service: &ServiceKey,
        address: (&str, u16),
        more: &str,
    ) -> anyhow::Result<()> {
        let answer = self
            .nacos
            .call("POST", &path(service, address, more))
            .await?;
        ensure!(answer.body == "ok", "{answer:?}");
        Ok(())
    }

    pub(crate) async fn deregister(
        &self,
        service: &ServiceKey,
        address: (&str, u16),
        more: &str,
    ) -> anyhow::Result<()> {
        let answer = self
            .nacos
            .call("DELETE", &path(service, address, more))
            .await?;
        ensure!(answer.body == "ok", "{answer:?}");
        Ok(())
    }
}

fn path(service: &ServiceKey, (ip, port): (&str, u16), more: &str) -> String {
    format!(
        "/nacos/v1/ns/instance?namespaceId={}&serviceName={}&ip={ip}&port={port}&{more}",
        service.namespace,
        service.grouped(),
    )
}

pub(crate) fn config(nacos: &RealNacos) -> NacosConfig {
    NacosConfig::of(vec![server(nacos)])
}

pub(crate) fn server(nacos: &RealNacos) -> Server {
    nacos.addr().to_string().try_into().expect("an address")
}

/// A list as a whole.
pub(crate) struct Everything {
    pub(crate) services: BTreeMap<ServiceKey, Listed>,
    pub(crate) areas: Vec<Area>,
}

impl Everything {
    pub(crate) async fn of(source: &NacosSource, scopes: &[Scope]) -> Self {
        let (sink, mut listed) = mpsc::channel::<Listed>(4);
        let taking = async {
            let mut services = BTreeMap::new();
            while let Some(listed) = listed.recv().await {
                let service = listed.service.clone();
                assert!(
                    services.insert(service, listed).is_none(),
                    "each service once"
                );
            }
            services
        };
        let (ListEnd { areas, .. }, services) = tokio::join!(source.list(scopes, sink), taking);
        Self { services, areas }
    }

    pub(crate) fn set(&self, service: &ServiceKey) -> &ServiceSet {
        set(&self.services[service].view)
    }
}

/// What a complete view shows.
pub(crate) fn set(view: &View) -> &ServiceSet {
    view.complete().unwrap_or_else(|| panic!("{view:?}")).1
}

/// The instance at an address; there has to be one.
pub(crate) fn at<'a>(set: &'a ServiceSet, host: &str) -> &'a Instance {
    let mut found = set
        .instances()
        .iter()
        .filter(|i| i.key.host.as_str() == host);
    match (found.next(), found.next()) {
        (Some(instance), None) => instance,
        _ => panic!("not one {host} in {set:?}"),
    }
}

/// A write of a whole set, of which nothing is said to have changed.
pub(crate) fn write(service: &ServiceKey, accepted: Vec<Instance>) -> Write {
    Write {
        service: service.clone(),
        accepted: std::sync::Arc::new(ServiceSet::new(accepted)),
        changes: Vec::new().into(),
        taken_over: Vec::new().into(),
    }
}
