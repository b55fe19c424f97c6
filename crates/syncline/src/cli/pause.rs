//! `syncline pause` and `syncline resume`: stop a link, and let it go on.

use clap::Args;

use super::{Context, Exit};

/// Stop planning and writing of links; what they hold stays
///
/// Sources are still read, so that `status` and `plan` go on telling. A pause
/// lasts until `syncline resume` or the end of the daemon.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline pause hz-to-sh
  syncline pause hz-to-sh hz-scrape")]
pub struct PauseArgs {
    /// The links
    #[arg(value_name = "LINK", required = true)]
    pub links: Vec<String>,
}

/// Let paused links go on
///
/// What was missed meanwhile is planned at once, and the guard judges it.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline resume hz-to-sh")]
pub struct ResumeArgs {
    /// The links
    #[arg(value_name = "LINK", required = true)]
    pub links: Vec<String>,
}

impl PauseArgs {
    /// Tells the daemon.
    ///
    /// # Errors
    /// When no daemon answers, or it knows no such link.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        tell(context, &self.links, true).await
    }
}

impl ResumeArgs {
    /// Tells the daemon.
    ///
    /// # Errors
    /// When no daemon answers, or it knows no such link.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        tell(context, &self.links, false).await
    }
}

async fn tell(context: &Context, links: &[String], paused: bool) -> anyhow::Result<Exit> {
    let daemon = context.daemon()?;
    for link in links {
        let answer = daemon.pause(link, paused).await?;
        if context.screen.wants_data() {
            context.screen.item(&answer)?;
        } else {
            context.screen.line(&answer.done)?;
        }
    }
    Ok(Exit::Ok)
}
