//! An engine in the place of another one of the same process: its targets stay
//! open, and whoever has a handle goes on with it.

use std::time::Duration;

use tokio::sync::mpsc;

use super::{Control, Engine};

/// How many questions wait for an answer before whoever asks waits too.
const QUESTIONS_AHEAD: usize = 16;

/// What an engine leaves to its successor: all that hold a handle to it.
pub struct Estate {
    pub(super) controls: mpsc::Sender<Control>,
    pub(super) asked: mpsc::Receiver<Control>,
}

impl Estate {
    pub(super) fn new() -> Self {
        let (controls, asked) = mpsc::channel(QUESTIONS_AHEAD);
        Self { controls, asked }
    }
}

impl Engine {
    /// Ends, and leaves the targets as they are to whoever has them. To be
    /// called while the engine stands still ([`hand_over`](super::EngineHandle::hand_over)), since
    /// a write under way is abandoned. `None` where it does not end in that
    /// time.
    pub async fn leave(self, within: Duration) -> Option<Estate> {
        // A driver that is gone has stopped already.
        drop(self.controls.send(Control::Leave).await);
        let asked = tokio::time::timeout(within, self.done).await;
        self.cancel.cancel();
        self.tasks.wait().await;
        Some(Estate {
            controls: self.controls,
            asked: asked.ok()?.ok()?,
        })
    }
}
