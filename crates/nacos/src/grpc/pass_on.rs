//! Calls that somebody else makes through us, passed on as they came.

use std::time::Duration;

use tokio::time::timeout;

use super::connection::{ConnectionEvent, Core, EventKey, GrpcConnection};
use super::{CallCause, CallError};
use crate::message::ConfigChangeNotifyRequest;
use crate::message::payload::{Payload, kind};

impl GrpcConnection {
    /// Passes a request on with everything that its client wrote into it, and
    /// gives the server's answer as it came, refusals included.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn pass_on(&self, request: Payload, within: Duration) -> Result<Payload, CallError> {
        let core = &self.core;
        let attempted = format!("pass on a {}", kind(&request));
        let asked = core.pass_on(request, within);
        asked.await.map_err(|cause| core.error(attempted, cause))
    }
}

impl Core {
    async fn pass_on(&self, request: Payload, within: Duration) -> Result<Payload, CallCause> {
        let mut client = self.client.clone();
        let answer = tokio::select! {
            // An answer that is there counts, even if it is the last.
            biased;
            answer = timeout(within, client.request(request)) => answer,
            lost = self.ended() => return Err(CallCause::Lost(lost)),
        };
        let answer = answer.map_err(|_| CallCause::Timeout(within))?;
        let answer = answer.map_err(|status| CallCause::Status(Box::new(status)))?;
        Ok(answer.into_inner())
    }

    pub(super) fn config_changed(&self, change: ConfigChangeNotifyRequest) {
        let key = EventKey::Config(change.clone());
        self.events.put(key, ConnectionEvent::ConfigChanged(change));
    }
}
