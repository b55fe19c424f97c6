//! `syncline journal`: what was done, line by line.

mod export;
mod show;
mod verify;

use clap::{Args, Subcommand};
use syncline_engine::journal::Filter;

use super::when::When;
use super::{Context, Exit};

/// Show, export and verify what was done and why
///
/// It reads the journal in the state folder, also while the daemon writes it.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline journal show --since 10m
  syncline journal show --at 14:03 orders
  syncline journal export --since 2026-11-23 > journal.jsonl
  syncline journal verify")]
pub struct JournalArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: JournalCommand,
}

/// What to do with the journal.
#[derive(Clone, Debug, Subcommand)]
#[expect(
    missing_docs,
    reason = "a comment here would replace the command's own help"
)]
pub enum JournalCommand {
    Show(show::ShowArgs),
    Export(export::ExportArgs),
    Verify(verify::VerifyArgs),
}

/// Which lines.
#[derive(Clone, Debug, Default, Args)]
pub struct Lines {
    /// Nothing older, such as 2h, 14:03 or 2026-11-23T14:03
    #[arg(long, value_name = "TIME")]
    pub since: Option<When>,

    /// Nothing younger
    #[arg(long, value_name = "TIME")]
    pub until: Option<When>,

    /// Only this link
    #[arg(long, value_name = "LINK")]
    pub link: Option<String>,

    /// Only this service: its name, group@@name or namespace/group/name
    #[arg(long, value_name = "SERVICE")]
    pub service: Option<String>,
}

impl Lines {
    fn filter(&self) -> Filter {
        Filter {
            link: self.link.clone(),
            service: self.service.clone(),
            address: None,
            from_ms: self.since.map(|when| when.0),
            until_ms: self.until.map(|when| when.0),
            kinds: Vec::new(),
        }
    }
}

impl JournalArgs {
    /// Does it.
    ///
    /// # Errors
    /// When there is no journal, or it cannot be read.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self.command {
            JournalCommand::Show(args) => args.run(context),
            JournalCommand::Export(args) => args.run(context),
            JournalCommand::Verify(args) => args.run(context),
        }
    }
}
