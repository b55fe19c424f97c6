//! A connection's stream: pushes and questions out, setup and answers in.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use syncline_model::ServiceKey;
use syncline_nacos::message::payload::{Payload, decode_ack, decode_request, kind};
use syncline_nacos::message::{
    ConnectionSetupRequest, Message, NamingFuzzyWatchChangeNotifyResponse,
    NamingFuzzyWatchSyncResponse, NotifySubscriberResponse, SetupAckRequest, ability,
};
use tonic::{Status, Streaming};

use super::names;
use super::outbox::{Next, Outbox, Topic};
use super::transport::Transport;
use crate::answers::{Answers, Push};
use crate::registry::Registry;
use crate::store::ClientId;
use crate::unasked;

/// Opens the server's side of a stream, and listens to the client's.
pub(super) fn open(
    registry: Registry,
    transport: Arc<Transport>,
    incoming: Streaming<Payload>,
) -> Outgoing {
    let outbox = Arc::new(Outbox::new(registry.settings().push.retry_after));
    let outgoing = Outgoing {
        registry: registry.clone(),
        transport: transport.clone(),
        outbox: outbox.clone(),
    };
    tokio::spawn(listen(registry, transport, outbox, incoming));
    outgoing
}

/// Listens until either side ends the stream; then the client ends, also if
/// its transport stays open.
async fn listen(
    registry: Registry,
    transport: Arc<Transport>,
    outbox: Arc<Outbox>,
    mut incoming: Streaming<Payload>,
) {
    loop {
        let message = tokio::select! {
            message = incoming.message() => message,
            () = outbox.closed() => break,
        };
        match message {
            Ok(Some(payload)) => hear(&registry, &transport, &outbox, &payload),
            Ok(None) => break,
            Err(status) => {
                tracing::debug!(client = transport.id(), %status, "the stream broke");
                break;
            }
        }
    }
    transport.tear_down(&outbox);
    outbox.close();
}

fn hear(registry: &Registry, transport: &Transport, outbox: &Arc<Outbox>, payload: &Payload) {
    transport.hear();
    match kind(payload) {
        ConnectionSetupRequest::TYPE => set_up(registry, transport, outbox, payload),
        // The Java client acknowledges batches of names as if they were changes.
        NotifySubscriberResponse::TYPE
        | NamingFuzzyWatchSyncResponse::TYPE
        | NamingFuzzyWatchChangeNotifyResponse::TYPE => match decode_ack(payload) {
            Ok((id, taken)) => {
                if let Some(id) = id.and_then(|id| id.parse().ok()) {
                    outbox.acknowledge(id, taken);
                    registry.inner.counters.acknowledged.add(u64::from(taken));
                }
            }
            Err(error) => {
                tracing::debug!(client = transport.id(), %error, "unreadable acknowledgement");
            }
        },
        // Everything else is an answer whose coming is all that it says.
        _ => {}
    }
}

fn set_up(registry: &Registry, transport: &Transport, outbox: &Arc<Outbox>, payload: &Payload) {
    let setup = match decode_request::<ConnectionSetupRequest>(payload) {
        Ok(setup) => setup.body,
        Err(error) => {
            tracing::debug!(transport = transport.id(), %error, "unreadable setup");
            outbox.close();
            return;
        }
    };
    transport.set_up(outbox, &setup);
    tracing::debug!(client = transport.id(), version = ?setup.client_version, "set up");
    // Only clients that sent a table understand one (2.3 and later).
    if setup.ability_table.is_some() {
        let version = registry.settings().version;
        let mut abilities = vec![ability::PERSISTENT_INSTANCE_BY_GRPC];
        abilities.extend(version.has_fuzzy_watch().then_some(ability::FUZZY_WATCH));
        let abilities = abilities.into_iter().map(|name| (name.to_owned(), true));
        let answer = SetupAckRequest {
            ability_table: abilities.collect(),
        };
        match unasked::encode(answer, None) {
            // The first message of a stream always has room.
            Ok(answer) => {
                outbox.send(answer);
            }
            Err(error) => tracing::error!(%error, "cannot tell a client our abilities"),
        }
    }
}

/// What goes out on a stream. It is asked only while the connection has room.
pub(super) struct Outgoing {
    registry: Registry,
    transport: Arc<Transport>,
    outbox: Arc<Outbox>,
}

impl Stream for Outgoing {
    type Item = Result<Payload, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(self.outbox.poll_next(context)) {
                Next::Closed => return Poll::Ready(None),
                Next::Message(message) => return Poll::Ready(Some(Ok(message))),
                Next::Push(topic) => {
                    if let Some(payload) = self.push(topic) {
                        return Poll::Ready(Some(Ok(payload)));
                    }
                }
            }
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.outbox.close();
    }
}

impl Outgoing {
    fn push(&self, topic: Topic) -> Option<Payload> {
        let client = self.transport.client()?;
        let push = match &topic {
            Topic::Instances(service) => self.push_of(client, service),
            Topic::Name(service) => names::changed(&self.registry, client, service),
            Topic::Batch(round, batch) => {
                names::batch(&self.registry, &self.outbox, *round, *batch)
            }
            Topic::Finish(round) => names::finish(&self.registry, &self.outbox, *round),
        };
        let Some(push) = push else {
            self.outbox.forget(&topic);
            return None;
        };
        let counters = &self.registry.inner.counters;
        counters.pushes.add(1);
        let bytes = push
            .payload
            .body
            .as_ref()
            .map_or(0, |body| body.value.len());
        counters.push_bytes.add(bytes as u64);
        let now = self.registry.inner.clock.now();
        self.outbox.sent(topic, push.id, now);
        Some(push.payload)
    }

    /// The latest of a service that the client still wants.
    fn push_of(&self, client: ClientId, service: &ServiceKey) -> Option<Push> {
        let (clusters, snapshot, now) = self.registry.act(|store, now| {
            let clusters = store.subscription(client, service)?;
            Some((clusters, store.snapshot(service), now))
        })?;
        let answers = &self.registry.inner.answers;
        let push = match snapshot {
            Some(snapshot) => {
                let life = &self.registry.settings().life;
                let answer = answers.of(&snapshot, &clusters, false, life);
                answer
                    .map_err(|error| error.to_string())
                    .and_then(|answer| answers.push(&answer).map_err(|error| error.to_string()))
            }
            None => {
                let answer = Answers::empty(service.clone(), clusters, now);
                answers.push(&answer).map_err(|error| error.to_string())
            }
        };
        push.inspect_err(|error| tracing::error!(%service, error, "cannot push"))
            .ok()
    }
}
