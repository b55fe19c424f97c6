//! `syncline man`: the manual.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, CommandFactory};
use clap_mangen::Man;

use super::{Cli, Context, Exit};

/// Print the manual page, or write those of all commands
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline man | man -l -
  syncline man --folder /usr/local/share/man/man1")]
pub struct ManArgs {
    /// Write one page for each command into this folder
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

impl ManArgs {
    /// Prints or writes the pages.
    ///
    /// # Errors
    /// When they cannot be printed or written.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let Some(folder) = self.folder else {
            context.screen.print(&page(Cli::command())?)?;
            return Ok(Exit::Ok);
        };
        std::fs::create_dir_all(&folder)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), &folder))
            .with_context(|| format!("cannot write manual pages into {}", folder.display()))?;
        let folder = folder.display();
        context
            .screen
            .line(&format!("manual pages written into {folder}"))?;
        Ok(Exit::Ok)
    }
}

fn page(command: clap::Command) -> anyhow::Result<String> {
    let mut page = Vec::new();
    Man::new(command)
        .render(&mut page)
        .context("cannot lay out the manual page")?;
    Ok(String::from_utf8(page)?)
}
