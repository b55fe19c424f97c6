//! `syncline trigger`: look now.

use clap::Args;

use super::{Context, Exit};

/// Tell the running daemon to look at its sources now
///
/// It is what makes links with `mode: event` work, and hurries the others.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline trigger hz-to-sh
  syncline trigger --all
  curl -X POST http://127.0.0.1:8849/api/v1/trigger?link=hz-to-sh")]
pub struct TriggerArgs {
    /// The links
    #[arg(value_name = "LINK", required_unless_present = "all")]
    pub links: Vec<String>,

    /// All links
    #[arg(long, conflicts_with = "links")]
    pub all: bool,
}

impl TriggerArgs {
    /// Tells the daemon.
    ///
    /// # Errors
    /// When no daemon answers, or it knows no such link.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let daemon = context.daemon()?;
        let links: Vec<Option<&str>> = match self.all {
            true => vec![None],
            false => self.links.iter().map(|link| Some(link.as_str())).collect(),
        };
        for link in links {
            let answer = daemon.trigger(link).await?;
            if context.screen.wants_data() {
                context.screen.item(&answer)?;
            } else {
                context.screen.line(&answer.done)?;
            }
        }
        Ok(Exit::Ok)
    }
}
