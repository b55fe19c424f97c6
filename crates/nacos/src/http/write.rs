//! Registering over HTTP: instances that live by beats, and persistent ones.
//!
//! Nothing here ever creates a service by itself: a service made by the service
//! API is persistent on 2.x and later, and refuses ephemeral instances from
//! then on. `ephemeral` is always sent, since a server takes true for what is
//! absent, and a persistent instance that is deregistered without it stays
//! (`ok` all the same).

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use syncline_model::{ClusterName, ServiceKey};

use super::client::{Answered, HttpClient};
use super::error::{Class, HttpError};
use super::servers::Route;
use super::transport::{Answer, Request};
use crate::message::Instance;

/// Which family of calls writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WriteApi {
    /// `/v1/ns/instance`: 1.x to 3.1. In a cluster the member asked forwards to
    /// the one responsible.
    V1,
    /// `/v3/client/ns/instance`: 3.0 and later. Nobody forwards: a registration
    /// and its heartbeats belong to one member ([`Route::Only`]).
    V3,
}

/// What a beat was answered with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Beat {
    /// Whether the server knows the instance. After a light beat it may not:
    /// then it has to be registered again.
    pub known: bool,
    /// When the next beat is due.
    pub next: Duration,
    /// Whether the next beat may leave the instance's content out.
    pub light_allowed: bool,
}

/// What a server waits between beats unless it says otherwise.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

impl HttpClient {
    /// Registers an instance, or replaces its content. Ephemeral instances live
    /// on by beats.
    ///
    /// # Errors
    /// Any failure; [`Class::WrongKind`] where the service holds instances of
    /// the other kind.
    pub async fn register(
        &self,
        api: WriteApi,
        service: &ServiceKey,
        instance: &Instance,
        route: &Route,
    ) -> Result<Answered<()>, HttpError> {
        let request = instance_request("register", Method::POST, api, service, instance)
            .query("weight", instance.weight.to_string())
            .query("enabled", instance.enabled.to_string())
            .query("healthy", instance.healthy.to_string())
            .form("metadata", metadata_json(&instance.metadata));
        self.ask(&request, route, |answer| confirmed(api, answer))
            .await
    }

    /// Removes an instance of that address, cluster and kind. Removing what is
    /// not there succeeds.
    ///
    /// # Errors
    /// Any failure.
    pub async fn deregister(
        &self,
        api: WriteApi,
        service: &ServiceKey,
        instance: &Instance,
        route: &Route,
    ) -> Result<Answered<()>, HttpError> {
        let request = instance_request("deregister", Method::DELETE, api, service, instance);
        self.ask(&request, route, |answer| confirmed(api, answer))
            .await
    }

    /// Changes an instance of a 1.x server where it stands. An instance that is
    /// not there is not created (400 `instance not exist`).
    ///
    /// Not for 2.x and later, where the same call writes an override that wins
    /// over every later registration; register again there.
    ///
    /// # Errors
    /// Any failure.
    pub async fn update_v1(
        &self,
        service: &ServiceKey,
        instance: &Instance,
        route: &Route,
    ) -> Result<Answered<()>, HttpError> {
        let request = instance_request("update", Method::PUT, WriteApi::V1, service, instance)
            .query("weight", instance.weight.to_string())
            .query("enabled", instance.enabled.to_string())
            .query("healthy", instance.healthy.to_string())
            .form("metadata", metadata_json(&instance.metadata));
        self.ask(&request, route, |answer| confirmed(WriteApi::V1, answer))
            .await
    }

    /// Beats for an instance. A full beat carries its content and registers it
    /// where the server does not know it; a light one only says that it lives.
    ///
    /// # Errors
    /// Any failure.
    pub async fn beat(
        &self,
        service: &ServiceKey,
        instance: &Instance,
        light: bool,
        route: &Route,
    ) -> Result<Answered<Beat>, HttpError> {
        let mut request = Request::new(
            format!("beat for {} of {service}", address(instance)),
            Method::PUT,
            "/v1/ns/instance/beat",
        )
        .about(service.grouped())
        .query("namespaceId", service.namespace.to_string())
        .query("serviceName", service.grouped())
        .query("clusterName", cluster(instance).to_owned())
        .query("ip", instance.ip.clone())
        .query("port", instance.port.to_string());
        if !light {
            request = request.form("beat", beat_json(service, instance));
        }
        self.ask(&request, route, read_beat).await
    }

    /// Says to a 3.x server that an instance lives. `false`: the server does not
    /// know it, and it has to be registered again.
    ///
    /// # Errors
    /// Any failure.
    pub async fn heartbeat_v3(
        &self,
        service: &ServiceKey,
        instance: &Instance,
        route: &Route,
    ) -> Result<Answered<bool>, HttpError> {
        let request = instance_request("beat for", Method::POST, WriteApi::V3, service, instance)
            .query("heartBeat", "true");
        self.ask(&request, route, |answer| {
            match confirmed(WriteApi::V3, answer) {
                Ok(()) => Ok(true),
                Err(error) if error.class() == Class::NotFound => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Switches the health checks of a cluster of a service off, so that
    /// persistent instances keep the health they were registered with.
    ///
    /// # Errors
    /// Any failure; [`Class::NotFound`] while the service does not exist.
    pub async fn stop_health_checks(
        &self,
        api: WriteApi,
        service: &ServiceKey,
        cluster: &ClusterName,
        route: &Route,
    ) -> Result<Answered<()>, HttpError> {
        let attempted = format!("stop the health checks of {service}, cluster {cluster}");
        let path = match api {
            WriteApi::V1 => "/v1/ns/cluster",
            WriteApi::V3 => "/ns/cluster",
        };
        let request = named(Request::new(attempted, Method::PUT, path), api, service)
            .query("clusterName", cluster.to_string())
            .query("checkPort", "80")
            .query("useInstancePort4Check", "true")
            .query("healthChecker", r#"{"type":"NONE"}"#);
        match api {
            WriteApi::V1 => self.ask(&request, route, |a| confirmed(api, a)).await,
            WriteApi::V3 => self.ask_admin(request, route, |a| confirmed(api, a)).await,
        }
    }

    /// Sets the health of a persistent instance by hand, which works on 1.x
    /// alone and only while its cluster's checks are off. On 2.0.3 to 3.0.3 it
    /// always fails (measured); register again there.
    ///
    /// # Errors
    /// Any failure.
    pub async fn set_health_v1(
        &self,
        service: &ServiceKey,
        instance: &Instance,
        route: &Route,
    ) -> Result<Answered<()>, HttpError> {
        let attempted = format!("set the health of {} of {service}", address(instance));
        let request = Request::new(attempted, Method::PUT, "/v1/ns/health/instance");
        let request = named(request, WriteApi::V1, service)
            .query("clusterName", cluster(instance).to_owned())
            .query("ip", instance.ip.clone())
            .query("port", instance.port.to_string())
            .query("healthy", instance.healthy.to_string());
        self.ask(&request, route, |answer| confirmed(WriteApi::V1, answer))
            .await
    }
}

/// A call about one instance. What names it goes into the query, as the Java
/// client does it; long content goes into the body.
fn instance_request(
    what: &str,
    method: Method,
    api: WriteApi,
    service: &ServiceKey,
    instance: &Instance,
) -> Request {
    let path = match api {
        WriteApi::V1 => "/v1/ns/instance",
        WriteApi::V3 => "/v3/client/ns/instance",
    };
    let attempted = format!("{what} {} of {service}", address(instance));
    named(Request::new(attempted, method, path), api, service)
        .query("clusterName", cluster(instance).to_owned())
        .query("ip", instance.ip.clone())
        .query("port", instance.port.to_string())
        .query("ephemeral", instance.ephemeral.unwrap_or(true).to_string())
}

fn named(request: Request, api: WriteApi, service: &ServiceKey) -> Request {
    let request = request
        .about(service.grouped())
        .query("namespaceId", service.namespace.to_string());
    match api {
        WriteApi::V1 => request.query("serviceName", service.grouped()),
        WriteApi::V3 => request
            .query("groupName", service.group.to_string())
            .query("serviceName", service.name.to_string()),
    }
}

fn cluster(instance: &Instance) -> &str {
    match instance.cluster_name.as_str() {
        "" => ClusterName::DEFAULT,
        name => name,
    }
}

fn address(instance: &Instance) -> String {
    format!("{}:{}", instance.ip, instance.port)
}

fn confirmed(api: WriteApi, answer: &Answer) -> Result<(), HttpError> {
    match api {
        WriteApi::V1 => answer.ok(),
        WriteApi::V3 => answer.data::<serde::de::IgnoredAny>().map(|_| ()),
    }
}

pub(super) fn read_beat(answer: &Answer) -> Result<Beat, HttpError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        code: i64,
        #[serde(default)]
        client_beat_interval: Option<u64>,
        #[serde(default)]
        light_beat_enabled: bool,
    }
    let body: Body = answer.json()?;
    let known = match body.code {
        10200 => true,
        20404 => false,
        code => return Err(answer.malformed(format!("unknown beat code {code}"))),
    };
    Ok(Beat {
        known,
        next: body
            .client_beat_interval
            .filter(|millis| *millis > 0)
            .map_or(DEFAULT_INTERVAL, Duration::from_millis),
        light_allowed: body.light_beat_enabled,
    })
}

fn metadata_json(metadata: &BTreeMap<String, String>) -> String {
    undecodable(serde_json::json!(metadata).to_string())
}

fn beat_json(service: &ServiceKey, instance: &Instance) -> String {
    /// What a server reads of a beat. It takes the service from in here.
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        ip: &'a str,
        port: i64,
        weight: f64,
        service_name: String,
        cluster: &'a str,
        metadata: &'a BTreeMap<String, String>,
        ephemeral: bool,
        scheduled: bool,
        period: u64,
        stopped: bool,
    }
    let interval = instance.metadata.get("preserved.heart.beat.interval");
    let period = interval.and_then(|millis| millis.parse().ok());
    let body = Body {
        ip: &instance.ip,
        port: instance.port,
        weight: instance.weight,
        service_name: service.grouped(),
        cluster: cluster(instance),
        metadata: &instance.metadata,
        ephemeral: true,
        scheduled: false,
        period: period.unwrap_or(DEFAULT_INTERVAL.as_secs() * 1000),
        stopped: false,
    };
    undecodable(serde_json::json!(body).to_string())
}

/// JSON without `+` and `%`: 1.3.0 decodes parameters up to three times, which
/// turns `a+b` into `a b` and refuses `100%`. Within strings both can be written
/// as escapes; outside of them no number of ours has either.
fn undecodable(json: String) -> String {
    json.replace('%', r"\u0025").replace('+', r"\u002b")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance() -> Instance {
        Instance {
            ip: "10.0.0.1".into(),
            port: 80,
            metadata: BTreeMap::from([("a+b".into(), "100% \"sure\" 中".into())]),
            ..Instance::default()
        }
    }

    #[test]
    fn metadata_survives_being_decoded_once_too_often() {
        let json = metadata_json(&instance().metadata);
        assert!(!json.contains(['%', '+']), "{json}");
        let back: BTreeMap<String, String> = serde_json::from_str(&json).expect("JSON");
        assert_eq!(back, instance().metadata);
    }

    #[test]
    fn a_beat_names_the_group_inside() {
        let service = ServiceKey::new("public", "G", "s");
        let json = beat_json(&service, &instance());
        let body: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(body["serviceName"], "G@@s");
        assert_eq!(body["cluster"], "DEFAULT");
        assert_eq!(body["period"], 5000);
    }

    #[test]
    fn the_kind_is_always_said() {
        let service = ServiceKey::new("public", "G", "s");
        for (kind, said) in [(Some(true), "true"), (Some(false), "false"), (None, "true")] {
            let mut instance = instance();
            instance.ephemeral = kind;
            let request = instance_request(
                "deregister",
                Method::DELETE,
                WriteApi::V1,
                &service,
                &instance,
            );
            assert!(request.query.contains(&("ephemeral", said.into())));
        }
    }
}
