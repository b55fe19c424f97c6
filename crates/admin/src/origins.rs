//! Who registered what in an embedded registry: its clients are told nothing of
//! it, so it is asked here.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use syncline_engine::EngineHandle;
use syncline_model::scope::{Pattern, PatternError};
use syncline_model::{LinkName, ServiceKey};

use crate::api;
use crate::client::escaped;
use crate::convert;
use crate::server::Refused;

/// How many services one answer has at most.
const SERVICES: usize = 1_000;

/// The embedded registries of a daemon.
pub trait Registries: Send + Sync {
    /// Their names.
    fn names(&self) -> Vec<String>;

    /// The services of a registry, in order; `None` where there is none of that
    /// name.
    fn services(&self, registry: &str) -> Option<Box<dyn Iterator<Item = ServiceKey> + '_>>;

    /// Who registered each instance of a service. Where a link did, its
    /// `origin` may be left empty for where the link reads.
    fn origins(&self, registry: &str, service: &ServiceKey) -> Vec<api::InstanceOrigin>;
}

/// Which services are asked about: all that match each of these patterns.
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(default)]
pub struct OriginsQuery {
    /// The namespace's id.
    pub namespace: Option<String>,
    /// The group.
    pub group: Option<String>,
    /// The service's name.
    pub service: Option<String>,
}

impl OriginsQuery {
    /// The same as the query of a URL, with the `?`.
    pub(crate) fn to_query(&self) -> String {
        let fields = [
            ("namespace", &self.namespace),
            ("group", &self.group),
            ("service", &self.service),
        ];
        let pairs = fields.iter().filter_map(|(key, pattern)| {
            let pattern = pattern.as_deref()?;
            Some(format!("{key}={}", escaped(pattern)))
        });
        format!("?{}", pairs.collect::<Vec<_>>().join("&"))
    }

    fn matcher(&self) -> Result<impl Fn(&ServiceKey) -> bool + use<>, PatternError> {
        let parse = |pattern: &Option<String>| pattern.as_deref().map(Pattern::parse).transpose();
        let namespace = parse(&self.namespace)?;
        let (group, name) = (parse(&self.group)?, parse(&self.service)?);
        let fits = |pattern: &Option<Pattern>, text: &str| {
            pattern.as_ref().is_none_or(|pattern| pattern.matches(text))
        };
        Ok(move |service: &ServiceKey| {
            fits(&namespace, service.namespace.as_str())
                && fits(&group, service.group.as_str())
                && fits(&name, service.name.as_str())
        })
    }
}

#[derive(Clone)]
struct Looking {
    engine: EngineHandle,
    registries: Arc<dyn Registries>,
}

pub(crate) fn routes(engine: EngineHandle, registries: Arc<dyn Registries>) -> Router {
    Router::new()
        .route("/api/v1/registries/{name}/origins", get(origins))
        .with_state(Looking { engine, registries })
}

async fn origins(
    State(looking): State<Looking>,
    Path(name): Path<String>,
    Query(query): Query<OriginsQuery>,
) -> Result<Json<api::Origins>, Refused> {
    let matches = query.matcher();
    let matches = matches.map_err(|error| Refused(StatusCode::BAD_REQUEST, error.to_string()))?;
    let links = looking.engine.status().await?.links;
    let registries = &looking.registries;
    let services = registries.services(&name).ok_or_else(|| {
        let known = match registries.names() {
            names if names.is_empty() => "there are none".to_owned(),
            names => format!("there are: {}", names.join(", ")),
        };
        let error = format!("there is no embedded registry `{name}`; {known}");
        Refused(StatusCode::NOT_FOUND, error)
    })?;
    let mut matching = services.filter(|service| matches(service));
    let source = |link: &str| {
        let mut links = links.iter();
        let link = links.find(|status| status.link == LinkName::from(link));
        link.map(|link| link.from.to_string())
    };
    let shown = matching.by_ref().take(SERVICES);
    let services = shown.map(|service| {
        let mut instances = registries.origins(&name, &service);
        for instance in instances.iter_mut().filter(|i| i.origin.is_empty()) {
            instance.origin = instance
                .link
                .as_deref()
                .and_then(source)
                .unwrap_or_default();
        }
        api::ServiceOrigins {
            service: convert::service(&service),
            instances,
        }
    });
    let services: Vec<_> = services
        .filter(|service| !service.instances.is_empty())
        .collect();
    let more = matching.count();
    let registry = name.clone();
    Ok(Json(api::Origins {
        registry,
        services,
        more,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_matches_by_all_its_patterns() {
        let query = OriginsQuery {
            namespace: None,
            group: Some("G_*".to_owned()),
            service: Some("order-?".to_owned()),
        };
        assert_eq!(query.to_query(), "?group=G_%2A&service=order-%3F");
        let matches = query.matcher().expect("patterns");
        assert!(matches(&ServiceKey::new("public", "G_TRADE", "order-1")));
        assert!(!matches(&ServiceKey::new("public", "TRADE", "order-1")));
        assert!(!matches(&ServiceKey::new("public", "G_TRADE", "orders")));
    }
}
