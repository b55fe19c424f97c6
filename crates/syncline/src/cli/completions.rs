//! `syncline completions`: what a shell needs to complete our commands.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Context, Exit};

/// Print a completion script for a shell
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline completions bash > /etc/bash_completion.d/syncline
  syncline completions zsh > \"${fpath[1]}/_syncline\"
  syncline completions fish > ~/.config/fish/completions/syncline.fish")]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

impl CompletionsArgs {
    /// Prints the script.
    ///
    /// # Errors
    /// When it cannot be printed.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "syncline", &mut script);
        context.screen.print(&String::from_utf8_lossy(&script))?;
        Ok(Exit::Ok)
    }
}
