//! One client's stream: its requests and what is published go into a session,
//! and what that answers goes to the client.

use std::marker::PhantomData;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use crate::proto::discovery::{
    Any, ControlPlane, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest,
    DiscoveryResponse, Resource as DeltaResource,
};
use crate::resources::{Kind, Resource, Resources};
use crate::session::{Answer, Protocol, Refused, Request, Session, Wants};

/// How many characters of a client's own words are logged.
const LOGGED: usize = 300;

/// How one of the two protocols is written.
pub(crate) trait Wire: Send + 'static {
    /// Which one it is.
    const PROTOCOL: Protocol;
    /// What clients send.
    type Request: Send + 'static;
    /// What they are sent.
    type Response: Send + 'static;

    /// Whoever sends it; empty where the request does not say.
    fn node(request: &Self::Request) -> &str;
    /// Which resources it is about.
    fn type_url(request: &Self::Request) -> &str;
    /// What it says of a kind.
    fn request(kind: Kind, request: Self::Request) -> Request;
    /// What the client is sent.
    fn response(answer: Answer) -> Self::Response;
}

/// State of the world.
pub(crate) struct Whole;

/// Delta.
pub(crate) struct Delta;

impl Wire for Whole {
    const PROTOCOL: Protocol = Protocol::Whole;
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;

    fn node(request: &DiscoveryRequest) -> &str {
        request.node.as_ref().map_or("", |node| &node.id)
    }

    fn type_url(request: &DiscoveryRequest) -> &str {
        &request.type_url
    }

    fn request(kind: Kind, request: DiscoveryRequest) -> Request {
        Request {
            kind,
            nonce: request.response_nonce,
            refusal: request.error_detail.map(|error| error.message),
            wants: Wants::Whole {
                names: request.resource_names,
                version: request.version_info,
            },
        }
    }

    fn response(answer: Answer) -> DiscoveryResponse {
        let resources = answer.resources.iter();
        DiscoveryResponse {
            version_info: answer.version,
            resources: resources
                .map(|resource| any(answer.kind, resource))
                .collect(),
            type_url: answer.kind.type_url().to_owned(),
            nonce: answer.nonce,
            control_plane: Some(us()),
        }
    }
}

impl Wire for Delta {
    const PROTOCOL: Protocol = Protocol::Delta;
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;

    fn node(request: &DeltaDiscoveryRequest) -> &str {
        request.node.as_ref().map_or("", |node| &node.id)
    }

    fn type_url(request: &DeltaDiscoveryRequest) -> &str {
        &request.type_url
    }

    fn request(kind: Kind, request: DeltaDiscoveryRequest) -> Request {
        Request {
            kind,
            nonce: request.response_nonce,
            refusal: request.error_detail.map(|error| error.message),
            wants: Wants::Delta {
                subscribe: request.resource_names_subscribe,
                unsubscribe: request.resource_names_unsubscribe,
                known: request.initial_resource_versions,
            },
        }
    }

    fn response(answer: Answer) -> DeltaDiscoveryResponse {
        let resources = answer.resources.iter().map(|resource| DeltaResource {
            version: resource.version_text(),
            resource: Some(any(answer.kind, resource)),
            name: resource.name.to_string(),
        });
        let removed = answer.removed.iter().map(|name| name.to_string());
        DeltaDiscoveryResponse {
            system_version_info: answer.version,
            resources: resources.collect(),
            type_url: answer.kind.type_url().to_owned(),
            nonce: answer.nonce,
            removed_resources: removed.collect(),
            control_plane: Some(us()),
        }
    }
}

fn any(kind: Kind, resource: &Resource) -> Any {
    Any {
        type_url: kind.type_url().to_owned(),
        value: resource.body.clone(),
    }
}

fn us() -> ControlPlane {
    ControlPlane {
        identifier: "syncline".to_owned(),
    }
}

/// One client's stream.
pub(crate) struct Stream<W: Wire> {
    session: Session,
    /// What a stream of its own is about, where it is not about all kinds.
    only: Option<Kind>,
    node: String,
    requests: Streaming<W::Request>,
    responses: mpsc::Sender<Result<W::Response, Status>>,
    published: watch::Receiver<Option<Arc<Resources>>>,
    /// Counts it among the streams that are open.
    _place: OwnedSemaphorePermit,
    wire: PhantomData<W>,
}

impl<W: Wire> Stream<W> {
    /// A stream that was just opened.
    pub(crate) fn new(
        only: Option<Kind>,
        requests: Streaming<W::Request>,
        responses: mpsc::Sender<Result<W::Response, Status>>,
        mut published: watch::Receiver<Option<Arc<Resources>>>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        // What there is already counts as a change.
        published.mark_changed();
        Self {
            session: Session::new(W::PROTOCOL),
            only,
            node: String::new(),
            requests,
            responses,
            published,
            _place: place,
            wire: PhantomData,
        }
    }

    /// Serves it until the client leaves or the server ends.
    pub(crate) async fn run(mut self, cancel: CancellationToken) {
        let Some(Err(status)) = cancel.run_until_cancelled(self.serve()).await else {
            return;
        };
        tracing::debug!(node = self.node, %status, "an xDS stream ends");
        // Whoever has left needs no reason.
        self.responses.send(Err(status)).await.ok();
    }

    async fn serve(&mut self) -> Result<(), Status> {
        loop {
            tokio::select! {
                request = self.requests.message() => match request? {
                    Some(request) => self.take(request)?,
                    None => return Ok(()),
                },
                changed = self.published.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    if let Some(resources) = self.published.borrow_and_update().clone() {
                        self.session.replace(resources);
                    }
                }
            }
            for answer in self.session.answers() {
                let sent = self.responses.send(Ok(W::response(answer))).await;
                if sent.is_err() {
                    return Ok(());
                }
            }
        }
    }

    fn take(&mut self, request: W::Request) -> Result<(), Status> {
        let node = W::node(&request);
        if !node.is_empty() && node != self.node {
            self.node = shortened(node);
            tracing::debug!(node = self.node, "an xDS stream begins");
        }
        let kind = match (self.only, W::type_url(&request)) {
            // Streams about one kind need not name it.
            (Some(only), "") => only,
            (_, type_url) => match Kind::of(type_url) {
                Some(kind) if self.only.is_none_or(|only| only == kind) => kind,
                // There are kinds that we have nothing of.
                _ => return Ok(()),
            },
        };
        let refused = self.session.request(W::request(kind, request));
        let refused = refused.map_err(|error| Status::resource_exhausted(error.to_string()))?;
        if let Some(refused) = refused {
            self.tell(&refused);
        }
        Ok(())
    }

    fn tell(&self, refused: &Refused) {
        let Refused {
            kind,
            resources,
            culprit,
            reason,
        } = refused;
        let (node, reason) = (&self.node, shortened(reason));
        match culprit {
            Some(culprit) => tracing::warn!(node, %culprit, ?kind, reason,
                "an xDS client refuses this and goes on with what it had"),
            None => tracing::warn!(
                node,
                resources,
                ?kind,
                reason,
                "an xDS client refuses these and goes on with what it had"
            ),
        }
    }
}

/// A client's own words, without what would spoil a log.
fn shortened(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(LOGGED).map(plain).collect()
}
