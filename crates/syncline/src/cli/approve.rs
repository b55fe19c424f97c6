//! `syncline approve`: decide on a hold.

use clap::Args;
use syncline_admin::{ControlClient, ControlError};

use super::{Context, Exit, Hinted};
use crate::config::did_you_mean;

/// Let through what the guard holds, or refuse it
///
/// An id names exactly the losses that `syncline holds` shows: where other
/// instances are lost by then, the id is another, and nobody approves what they
/// did not see. A refused loss waits until the source shows the instances again.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline approve 6bd735a96ca8395e
  syncline approve 6bd735a96ca8395e --deny

Exit codes: 0 done, 1 no daemon answers, or nothing of that id is held now")]
pub struct ApproveArgs {
    /// The ids of holds, as `syncline holds` and `syncline status` show them
    #[arg(value_name = "ID", required = true)]
    pub holds: Vec<String>,

    /// Refuse the losses instead
    #[arg(long)]
    pub deny: bool,
}

impl ApproveArgs {
    /// Tells the daemon.
    ///
    /// # Errors
    /// When no daemon answers, or it holds nothing of that id.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let daemon = context.daemon()?;
        for hold in &self.holds {
            match daemon.decide(hold, !self.deny).await {
                Ok(answer) if context.screen.wants_data() => context.screen.item(&answer)?,
                Ok(answer) => context.screen.line(&answer.done)?,
                Err(error @ ControlError::Refused(_)) => {
                    let hint = hint(&daemon, hold).await;
                    return Err(Hinted::new(error.into(), hint).into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Exit::Ok)
    }
}

/// What to type instead of an id that is not held.
async fn hint(daemon: &ControlClient, hold: &str) -> String {
    let Ok(held) = daemon.holds().await else {
        return "`syncline holds` lists what is held".to_owned();
    };
    let ids = held.holds.iter().map(|held| held.hold.id.as_str());
    match did_you_mean(hold, ids) {
        Some(hint) => hint,
        None if held.holds.is_empty() => "nothing is held now".to_owned(),
        None => "`syncline holds` lists what is held".to_owned(),
    }
}
