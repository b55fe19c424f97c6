//! `syncline journal export`: the journal as JSON lines.

use std::io::{self, Write};

use clap::Args;

use super::{Context, Exit, Lines};

/// Write the journal as JSON, one line for each of its lines
///
/// With each line its number and the hash that it is chained to, so that the
/// chain can be checked elsewhere.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline journal export > journal.jsonl
  syncline journal export --since 1d --service orders > orders.jsonl")]
pub struct ExportArgs {
    /// Which lines.
    #[command(flatten)]
    pub lines: Lines,
}

impl ExportArgs {
    pub(super) fn run(&self, context: &Context) -> anyhow::Result<Exit> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        context.journal()?.export(&self.lines.filter(), &mut out)?;
        out.flush()?;
        Ok(Exit::Ok)
    }
}
