//! The stream on which the server speaks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::connection::{Abilities, ConnectionEvent, Core, EventKey};
use super::transport::Transport;
use super::{Lost, ServiceRef};
use crate::message::generated::bi_request_stream_client::BiRequestStreamClient;
use crate::message::payload::{self, Payload};
use crate::message::{
    ClientDetectionRequest, ClientDetectionResponse, ConfigChangeNotifyRequest,
    ConfigChangeNotifyResponse, ConnectResetRequest, ConnectResetResponse, FuzzyChange, FuzzySync,
    Lenient, Message, NamingFuzzyWatchChangeNotifyRequest, NamingFuzzyWatchChangeNotifyResponse,
    NamingFuzzyWatchSyncRequest, NamingFuzzyWatchSyncResponse, NotifySubscriberRequest,
    NotifySubscriberResponse, Rejected, SetupAckRequest,
};

/// How long an acknowledgement may wait for the server to read it.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(5);

/// Acknowledgements that may wait for the server to read them.
const ACKNOWLEDGEMENTS: usize = 64;

/// Reads pushes, acknowledges them, and passes them on.
pub(super) struct Pushes {
    core: Arc<Core>,
    set_up: Option<oneshot::Sender<Abilities>>,
}

impl Pushes {
    pub(super) fn new(core: Arc<Core>, set_up: oneshot::Sender<Abilities>) -> Self {
        Self {
            core,
            set_up: Some(set_up),
        }
    }

    /// Introduces the client and runs until the stream ends. Servers send no
    /// headers before their first push, so opening the stream takes as long.
    pub(super) async fn read(
        mut self,
        mut stream: BiRequestStreamClient<Transport>,
        introduction: Payload,
    ) -> Lost {
        let (acknowledgements, waiting) = mpsc::channel(ACKNOWLEDGEMENTS);
        let outgoing = tokio_stream::once(introduction).chain(ReceiverStream::new(waiting));
        let mut pushes = match stream.request_bi_stream(outgoing).await {
            Ok(response) => response.into_inner(),
            Err(status) => return Lost::StreamBroken(Box::new(status)),
        };
        loop {
            let pushed = match pushes.message().await {
                Ok(Some(pushed)) => pushed,
                Ok(None) => return Lost::StreamEnded,
                Err(status) => return Lost::StreamBroken(Box::new(status)),
            };
            let Some(ack) = self.take(&pushed) else {
                continue;
            };
            match acknowledgements.send_timeout(ack, ACKNOWLEDGE_WITHIN).await {
                Ok(()) => {}
                Err(SendTimeoutError::Timeout(_)) => return Lost::Stalled,
                Err(SendTimeoutError::Closed(_)) => return Lost::StreamEnded,
            }
        }
    }

    /// Passes a push on; returns its acknowledgement, if it wants one.
    fn take(&mut self, pushed: &Payload) -> Option<Payload> {
        let core = &*self.core;
        match payload::kind(pushed) {
            NotifySubscriberRequest::<()>::TYPE => {
                core.answered(pushed, &NotifySubscriberResponse {}, Core::service_pushed)
            }
            ClientDetectionRequest::TYPE => {
                let ignore = |_: &Core, ClientDetectionRequest {}| {};
                core.answered(pushed, &ClientDetectionResponse {}, ignore)
            }
            ConnectResetRequest::TYPE => {
                core.answered(pushed, &ConnectResetResponse {}, Core::move_asked)
            }
            NamingFuzzyWatchSyncRequest::TYPE => {
                core.answered(pushed, &NamingFuzzyWatchSyncResponse {}, Core::names_synced)
            }
            NamingFuzzyWatchChangeNotifyRequest::TYPE => {
                let ack = NamingFuzzyWatchChangeNotifyResponse {};
                core.answered(pushed, &ack, Core::name_changed)
            }
            ConfigChangeNotifyRequest::TYPE => {
                core.answered(pushed, &ConfigChangeNotifyResponse {}, Core::config_changed)
            }
            SetupAckRequest::TYPE => {
                self.set_up_acknowledged(pushed);
                None
            }
            other => {
                tracing::debug!(server = %core.server, kind = other, "push of an unknown type");
                None
            }
        }
    }

    fn set_up_acknowledged(&mut self, pushed: &Payload) {
        let abilities = match payload::decode_request::<SetupAckRequest>(pushed) {
            Ok(received) => received.body.ability_table,
            Err(error) => {
                tracing::warn!(server = %self.core.server, %error, "unreadable abilities");
                BTreeMap::new()
            }
        };
        if let Some(set_up) = self.set_up.take() {
            // Nobody waits if the server did not announce the message.
            drop(set_up.send(abilities));
        }
    }
}

impl Core {
    /// Passes a push on and writes its acknowledgement. One that cannot be
    /// understood is acknowledged too, since the server would only repeat it
    /// for ever.
    fn answered<T, A>(
        &self,
        pushed: &Payload,
        ack: &A,
        pass_on: impl FnOnce(&Self, T),
    ) -> Option<Payload>
    where
        T: Message + DeserializeOwned,
        A: Message + Serialize,
    {
        let request_id = match payload::decode_request(pushed) {
            Ok(received) => {
                pass_on(self, received.body);
                received.request_id
            }
            Err(error) => {
                self.unreadable(&error);
                payload::request_id(pushed)
            }
        };
        // It holds nothing but the server's own id, so it can be written.
        let ack = payload::encode_response(ack, request_id.as_deref(), None).ok()?;
        Some(self.with_client_ip(ack))
    }

    fn service_pushed(&self, push: NotifySubscriberRequest) {
        let info = push.service_info;
        let (group, name) = info.service();
        let service = self
            .subscribed
            .lock()
            .get(&format!("{group}@@{name}"))
            .cloned();
        let meant = |service: &ServiceRef| {
            let told = push.namespace.as_deref().filter(|ns| !ns.is_empty());
            told.is_none_or(|told| told == &*service.namespace)
        };
        // Pushes go on for a moment after a subscription has ended.
        if let Some(service) = service.filter(meant) {
            let key = EventKey::Service(service.clone());
            let event = ConnectionEvent::Pushed { service, info };
            self.events.put(key, event);
        }
    }

    fn move_asked(&self, request: ConnectResetRequest) {
        let address = request.server_ip.zip(request.server_port);
        let to = address.and_then(|(ip, port)| Some((ip, port.parse().ok()?)));
        let event = ConnectionEvent::MoveAsked { to };
        self.events.put(EventKey::Move, event);
    }

    fn names_synced(&self, push: NamingFuzzyWatchSyncRequest) {
        let Lenient { items, rejected } = push.contexts;
        for context in items {
            self.put_name(&context.service_key, context.changed_type);
        }
        for Rejected { reason, .. } in rejected {
            self.unreadable(&reason);
        }
        if push.sync_type == FuzzySync::Finish {
            let pattern: Arc<str> = push.group_key_pattern.into();
            let key = EventKey::NamesComplete(pattern.clone());
            let event = ConnectionEvent::NamesComplete { pattern };
            self.events.put(key, event);
        }
    }

    fn name_changed(&self, push: NamingFuzzyWatchChangeNotifyRequest) {
        self.put_name(&push.service_key, push.changed_type);
    }

    fn put_name(&self, key: &str, change: FuzzyChange) {
        match ServiceRef::from_key(key) {
            Some(service) => {
                let key = EventKey::Name(service.clone());
                let event = ConnectionEvent::NameChanged { service, change };
                self.events.put(key, event);
            }
            None => self.unreadable(&format_args!("{key:?} is no service key")),
        }
    }

    fn unreadable(&self, reason: &dyn std::fmt::Display) {
        tracing::warn!(server = %self.server, %reason, "push that cannot be understood");
        let reason = reason.to_string();
        let event = ConnectionEvent::Unreadable { reason };
        self.events.put(EventKey::Unreadable, event);
    }
}
