//! Handing a running engine over to another process.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{EngineHandle, Stopped};
use crate::core::{Event, Holding};

/// How often it is looked whether the writes under way have ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl EngineHandle {
    /// Stands still for so long, and says what is held once the writes under
    /// way have ended; `None` where they do not end in that time.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn hand_over(&self, lease: Duration) -> Result<Option<Vec<Holding>>, Stopped> {
        self.stand_still(lease).await?;
        let begun = Instant::now();
        while begun.elapsed() < lease {
            let holdings = self.look(|core, now| core.holdings(now)).await?;
            if holdings.is_some() {
                return Ok(holdings);
            }
            sleep(LOOK_EVERY).await;
        }
        self.go_on().await?;
        Ok(None)
    }

    /// Plans nothing more, for good, and waits for the writes under way; whether
    /// they ended in time.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub(super) async fn drain(&self, within: Duration) -> Result<bool, Stopped> {
        // Longer, so that nothing is begun before the end.
        self.stand_still(within * 2).await?;
        let begun = Instant::now();
        while self.look(|core, _| core.is_writing()).await? {
            if begun.elapsed() >= within {
                return Ok(false);
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(true)
    }

    /// Goes on standing still for so long from now.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn stand_still(&self, lease: Duration) -> Result<(), Stopped> {
        let lease = Some(lease);
        self.tell(Event::HandOver { lease }).await
    }

    /// Plans again: nobody takes over.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn go_on(&self) -> Result<(), Stopped> {
        self.tell(Event::HandOver { lease: None }).await
    }
}
