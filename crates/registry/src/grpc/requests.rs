//! Unary requests and their answers.

use serde::Serialize;
use serde::de::DeserializeOwned;
use syncline_model::{GroupName, NamespaceId, ServiceKey, ServiceSet};
use syncline_nacos::message::payload::{
    Payload, decode_request, encode_error, encode_refusal, encode_response, kind,
};
use syncline_nacos::message::{
    self, BatchInstanceRequest, BatchInstanceResponse, ErrorCode, HealthCheckRequest,
    HealthCheckResponse, InstanceOperation, InstanceRequest, InstanceResponse, Message,
    NamingFuzzyWatchRequest, PersistentInstanceRequest, QueryServiceResponse, ServerCheckRequest,
    ServerCheckResponse, ServiceListRequest, ServiceListResponse, ServiceQueryRequest,
    SubscribeServiceRequest, SubscribeServiceResponse,
};

use super::check;
use super::gate;
use super::transport::Transport;
use crate::access;
use crate::answers::{Answer, Answers};
use crate::moment::Moment;
use crate::page::page;
use crate::registry::Registry;
use crate::store::{
    Address, ClientId, Clusters, CustomIds, Kind, Names, OverQuota, Publication, PublishError,
    WrongKind,
};
use crate::wire::{BadInstance, Sent, read_instance, read_service};

/// A request that is answered with an `ErrorResponse`, or with a refusal of the
/// type that it waits for.
pub(super) struct Refused {
    code: ErrorCode,
    message: String,
}

impl Refused {
    pub(super) fn new(code: ErrorCode, message: impl ToString) -> Self {
        let message = message.to_string();
        Self { code, message }
    }
}

impl From<BadInstance> for Refused {
    fn from(bad: BadInstance) -> Self {
        Self::new(ErrorCode::INVALID_PARAM, bad)
    }
}

impl From<WrongKind> for Refused {
    fn from(wrong: WrongKind) -> Self {
        Self::new(ErrorCode::INVALID_PARAM, wrong)
    }
}

/// Nacos's number for what is over a limit of the server's.
impl From<OverQuota> for Refused {
    fn from(over: OverQuota) -> Self {
        Self::new(ErrorCode::OVER_THRESHOLD, over)
    }
}

impl From<PublishError> for Refused {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::WrongKind(wrong) => wrong.into(),
            PublishError::OverQuota(over) => over.into(),
            PublishError::Disconnected => Self::new(ErrorCode::CLIENT_DISCONNECTED, error),
        }
    }
}

impl From<serde_json::Error> for Refused {
    fn from(error: serde_json::Error) -> Self {
        Self::new(ErrorCode::SERVER_ERROR, error)
    }
}

pub(super) type Answered = Result<Payload, Refused>;

/// Answers one request of a client. Whatever is wrong with it is said in an
/// `ErrorResponse`: clients take a gRPC status for a broken connection.
pub(super) fn answer(registry: &Registry, transport: &Transport, payload: &Payload) -> Payload {
    transport.hear();
    let answered = dispatch(registry, transport, payload);
    answered.unwrap_or_else(|refused| {
        let kind = kind(payload);
        tracing::debug!(
            kind,
            client = transport.id(),
            reason = refused.message,
            "refused"
        );
        if matches!(
            refused.code,
            ErrorCode::NO_RIGHT
                | ErrorCode::OVER_THRESHOLD
                | ErrorCode::FUZZY_PATTERNS_OVER_LIMIT
                | ErrorCode::FUZZY_MATCHES_OVER_LIMIT
        ) {
            return encode_refusal(access::answer_to(kind), refused.code, &refused.message);
        }
        encode_error(refused.code, &refused.message)
    })
}

/// The answer to a request, once what it did is on disk, if that outlives the
/// process at all.
pub(super) async fn saved(registry: &Registry, request: &Payload, answer: Payload) -> Payload {
    if kind(request) != PersistentInstanceRequest::TYPE || kind(&answer) != InstanceResponse::TYPE {
        return answer;
    }
    match registry.saved().await {
        Ok(()) => answer,
        Err(why) => encode_error(ErrorCode::SERVER_ERROR, &why.to_string()),
    }
}

fn dispatch(registry: &Registry, transport: &Transport, payload: &Payload) -> Answered {
    // As in Nacos, the type is looked at before the connection: an unknown
    // type is 302 even before setup.
    let call = |action: fn(&Call, &Payload) -> Answered| {
        let client = transport.client();
        let client = client
            .ok_or_else(|| Refused::new(ErrorCode::UNREGISTERED, "Connection is unregistered."))?;
        if let Some(access) = &registry.inner.access {
            gate::pass(registry, access, payload)?;
        }
        if let Some(refusal) = check::refusal(registry, payload) {
            return Ok(refusal);
        }
        let registry = registry.clone();
        action(&Call { registry, client }, payload)
    };
    match kind(payload) {
        ServerCheckRequest::TYPE => success(&ServerCheckResponse {
            connection_id: transport.id().to_owned(),
            support_ability_negotiation: true,
        }),
        HealthCheckRequest::TYPE => call(|_, _| success(&HealthCheckResponse {})),
        InstanceRequest::TYPE => call(Call::instance),
        BatchInstanceRequest::<message::Lenient<message::Instance>>::TYPE => call(Call::batch),
        PersistentInstanceRequest::TYPE => call(Call::persistent),
        SubscribeServiceRequest::TYPE => call(Call::subscribe),
        ServiceQueryRequest::TYPE => call(Call::query),
        ServiceListRequest::TYPE => call(Call::list),
        NamingFuzzyWatchRequest::TYPE if registry.settings().version.has_fuzzy_watch() => {
            call(Call::watch_names)
        }
        _ => Err(Refused::new(
            ErrorCode::NO_HANDLER,
            "RequestHandler Not Found",
        )),
    }
}

pub(super) fn success<T: Message + Serialize>(response: &T) -> Answered {
    encode_response(response, None, None)
        .map_err(|error| Refused::new(ErrorCode::SERVER_ERROR, error))
}

pub(super) fn read<T: Message + DeserializeOwned>(payload: &Payload) -> Result<T, Refused> {
    decode_request(payload)
        .map(|received| received.body)
        .map_err(|error| {
            let cause = std::error::Error::source(&error);
            let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
            Refused::new(ErrorCode::BAD_PAYLOAD, format!("{error}{cause}"))
        })
}

/// One request of a client.
pub(super) struct Call {
    pub(super) registry: Registry,
    pub(super) client: ClientId,
}

impl Call {
    fn instance(&self, payload: &Payload) -> Answered {
        let request: InstanceRequest = read(payload)?;
        let operation = request.operation;
        let service = self.service(&request)?;
        match operation {
            InstanceOperation::RegisterInstance => {
                let (instance, id) = self.read_alone(&request, &service, Kind::Ephemeral)?;
                let publication = Publication::one(instance, id);
                self.registry
                    .act(|store, now| store.publish(self.client, &service, publication, now))?;
            }
            InstanceOperation::DeregisterInstance => {
                // Whatever the connection published goes, whichever instance
                // is named.
                self.registry
                    .act(|store, now| store.withdraw(self.client, &service, now));
            }
            InstanceOperation::BatchRegisterInstance | InstanceOperation::Unknown => {
                return Err(unsupported(payload));
            }
        }
        let operation = self.told(operation);
        success(&InstanceResponse { operation })
    }

    fn batch(&self, payload: &Payload) -> Answered {
        let request: BatchInstanceRequest = read(payload)?;
        if request.operation != InstanceOperation::BatchRegisterInstance {
            return Err(unsupported(payload));
        }
        let service = self.key(
            &request.namespace,
            &request.group_name,
            &request.service_name,
        )?;
        // A batch is a whole set: without one of its instances it would be
        // another set.
        if let Some(rejected) = request.instances.rejected.first() {
            return Err(Refused::new(ErrorCode::INVALID_PARAM, rejected));
        }
        let interner = &self.registry.inner.interner;
        let mut ids = CustomIds::new();
        let mut instances = Vec::with_capacity(request.instances.items.len());
        for instance in &request.instances.items {
            let (instance, id) = read_instance(instance, Sent::InBatch, &service, interner)?;
            ids.extend(id.map(|id| (instance.key.clone(), id)));
            instances.push(instance);
        }
        let set = std::sync::Arc::new(ServiceSet::new(instances));
        let publication = Publication::set(set, ids);
        self.registry
            .act(|store, now| store.publish(self.client, &service, publication, now))?;
        let operation = self.told(request.operation);
        success(&BatchInstanceResponse { operation })
    }

    fn persistent(&self, payload: &Payload) -> Answered {
        let PersistentInstanceRequest(request) = read(payload)?;
        let operation = request.operation;
        let service = self.service(&request)?;
        let (instance, id) = self.read_alone(&request, &service, Kind::Persistent)?;
        let address = Address {
            host: instance.key.host.clone(),
            port: instance.key.port,
            kind: Kind::Persistent,
        };
        match operation {
            InstanceOperation::RegisterInstance => {
                let publication = Publication::one(instance, id);
                self.registry.act(|store, now| {
                    store.publish_address(&address, &service, publication, now)
                })?;
            }
            InstanceOperation::DeregisterInstance => {
                self.registry
                    .act(|store, now| store.withdraw_address(&address, &service, now));
            }
            InstanceOperation::BatchRegisterInstance | InstanceOperation::Unknown => {
                return Err(unsupported(payload));
            }
        }
        let operation = self.told(operation);
        success(&InstanceResponse { operation })
    }

    fn subscribe(&self, payload: &Payload) -> Answered {
        let request: SubscribeServiceRequest = read(payload)?;
        let service = self.key(
            &request.namespace,
            &request.group_name,
            &request.service_name,
        )?;
        let clusters = Clusters::new(&request.clusters);
        self.registry.act(|store, now| {
            if request.subscribe {
                store.subscribe(self.client, &service, clusters.clone(), now)
            } else {
                store.unsubscribe(self.client, &service);
                Ok(())
            }
        })?;
        let service_info = self.shown(service, clusters, false)?;
        let response = SubscribeServiceResponse {
            service_info: service_info.shown(),
        };
        encode_response(&response, None, Some("success"))
            .map_err(|error| Refused::new(ErrorCode::SERVER_ERROR, error))
    }

    fn query(&self, payload: &Payload) -> Answered {
        let request: ServiceQueryRequest = read(payload)?;
        let service = self.key(
            &request.namespace,
            &request.group_name,
            &request.service_name,
        )?;
        let clusters = Clusters::new(&request.cluster);
        let service_info = self.shown(service, clusters, request.healthy_only)?;
        success(&QueryServiceResponse {
            service_info: service_info.shown(),
        })
    }

    fn list(&self, payload: &Payload) -> Answered {
        let request: ServiceListRequest = read(payload)?;
        let namespace = NamespaceId::from_wire(&request.namespace);
        let names = self.registry.act(|store, _| store.names(&namespace));
        let names = Names::of_group(&names, &GroupName::from(request.group_name));
        let page = page(names, request.page_no, request.page_size);
        success(&ServiceListResponse {
            count: names.len() as i64,
            service_names: page.iter().map(|(_, name)| name.to_string()).collect(),
        })
    }

    /// What was done, as an answer names it: from 2.2 on.
    fn told(&self, operation: InstanceOperation) -> Option<InstanceOperation> {
        let version = self.registry.settings().version;
        version.has_v2().then_some(operation)
    }

    fn service(&self, request: &InstanceRequest) -> Result<ServiceKey, Refused> {
        self.key(
            &request.namespace,
            &request.group_name,
            &request.service_name,
        )
    }

    fn key(&self, namespace: &str, group: &str, name: &str) -> Result<ServiceKey, Refused> {
        if name.trim().is_empty() {
            return Err(Refused::new(
                ErrorCode::INVALID_PARAM,
                "Param 'serviceName' is illegal, serviceName is blank",
            ));
        }
        let key = read_service(namespace, group, name);
        Ok(self.registry.act(|store, _| store.shared_key(key)))
    }

    fn read_alone(
        &self,
        request: &InstanceRequest,
        service: &ServiceKey,
        kind: Kind,
    ) -> Result<(syncline_model::Instance, Option<std::sync::Arc<str>>), Refused> {
        let instance = request.instance.as_ref();
        let instance = instance.ok_or_else(|| {
            Refused::new(ErrorCode::INVALID_PARAM, "Param 'instance' is required.")
        })?;
        let interner = &self.registry.inner.interner;
        Ok(read_instance(
            instance,
            Sent::Alone(kind, self.registry.settings().version),
            service,
            interner,
        )?)
    }

    fn shown(
        &self,
        service: ServiceKey,
        clusters: Clusters,
        healthy_only: bool,
    ) -> Result<std::sync::Arc<Answer>, Refused> {
        Ok(self.registry.shown(service, clusters, healthy_only)?)
    }
}

fn unsupported(payload: &Payload) -> Refused {
    Refused::new(
        ErrorCode::INVALID_PARAM,
        format!("Unsupported operation in {}", kind(payload)),
    )
}

impl Registry {
    /// What a consumer is shown of a service, which need not exist.
    pub(crate) fn shown(
        &self,
        service: ServiceKey,
        clusters: Clusters,
        healthy_only: bool,
    ) -> Result<std::sync::Arc<Answer>, serde_json::Error> {
        let (snapshot, now): (_, Moment) = self.act(|store, now| (store.snapshot(&service), now));
        match snapshot {
            Some(snapshot) => {
                let life = &self.settings().life;
                self.inner
                    .answers
                    .of(&snapshot, &clusters, healthy_only, life)
            }
            None => Ok(std::sync::Arc::new(Answers::empty(service, clusters, now))),
        }
    }
}
