//! What replicas are told, and what they told.

use std::sync::Arc;
use std::time::Duration;

use syncline_model::LinkName;

use super::{EngineHandle, Stopped};
use crate::core::{Event, PeerAnswer, PeerName, PeerQuestion, PeerReport};

impl EngineHandle {
    /// Looks how well each link sees its source; called every few seconds where
    /// there are replicas.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn take_stock(&self) -> Result<(), Stopped> {
        self.tell(Event::TakeStock).await
    }

    /// What to tell replicas now.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn peer_report(&self) -> Result<PeerReport, Stopped> {
        self.look(|core, now| core.peer_report(now)).await
    }

    /// Where what we hold differs from what a replica says that it holds;
    /// `None` where there is no such link.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn peer_answer(&self, question: PeerQuestion) -> Result<Option<PeerAnswer>, Stopped> {
        self.look(move |core, now| core.peer_answer(now, &question))
            .await
    }

    /// A replica told of itself; what to ask it now.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn peer_reported(
        &self,
        peer: PeerName,
        report: PeerReport,
    ) -> Result<Vec<PeerQuestion>, Stopped> {
        let name = Arc::clone(&peer);
        self.tell(Event::PeerReported { peer, report }).await?;
        self.look(move |core, now| core.peer_questions(now, &name))
            .await
    }

    /// A replica answered a question about a link, which took so long.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn peer_answered(
        &self,
        peer: PeerName,
        link: LinkName,
        answer: PeerAnswer,
        took: Duration,
    ) -> Result<(), Stopped> {
        self.tell(Event::PeerAnswered {
            peer,
            link,
            answer,
            took,
        })
        .await
    }

    /// What was taken for a replica is this process.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn peer_is_us(&self, peer: PeerName) -> Result<(), Stopped> {
        self.tell(Event::PeerIsUs { peer }).await
    }

    /// A replica cannot be reached.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn peer_lost(&self, peer: PeerName, why: Arc<str>) -> Result<(), Stopped> {
        self.tell(Event::PeerLost { peer, why }).await
    }
}
